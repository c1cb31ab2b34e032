"""ingest_video: what becomes part of memory, what is refused and how, and what a reply says of how far it is."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import InvalidArgument, SourceNotAllowed, SourceNotFound, UnreadableVideo
from agent_tools.evals.films.demo_video import DemoTruth
from agent_tools.ingestion.channels.frames import FramePass
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest.jobs import reindex
from agent_tools.service.ingest.status import status
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.remember import remember
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from tests.drawing import draw, even_times

Course = tuple[Path, DemoTruth]


def test_a_done_video_says_what_each_channel_holds(library: Library, course: Course) -> None:
    reply = ingest_video(library, course[0].name, wait_s=0)
    states = {channel.name: channel.state for channel in reply.channels or []}
    assert reply.state == "done"
    assert states["subtitles"] == states["frames"] == states["screen_text"] == "done"
    assert states["speech"] == "absent"
    assert reply.searchable_to_s == reply.duration_s
    assert reply.duration_s == pytest.approx(240, abs=1)
    assert [gap.channel for gap in reply.not_known or []] == ["frames"]


def test_the_same_content_is_one_video_with_two_sources(library: Library, course: Course) -> None:
    path, truth = course
    copy = shutil.copy(path, path.with_name("copy of it.mp4"))
    try:
        reply = ingest_video(library, str(copy), wait_s=0)
        assert reply.video_id == truth.video_id
        assert reply.state == "done"
        assert {Path(s.path).name for s in library.store.sources(truth.video_id)} >= {path.name, "copy of it.mp4"}
    finally:
        os.unlink(copy)


def test_an_id_or_uri_as_source_asks_how_far_it_is(library: Library, course: Course) -> None:
    assert ingest_video(library, course[1].video_id, wait_s=0).state == "done"
    assert ingest_video(library, f"video://{course[1].video_id}", wait_s=0).state == "done"


def test_the_title_of_a_video_in_memory_asks_how_far_it_is(library: Library, course: Course) -> None:
    title = library.store.videos()[0].title
    assert ingest_video(library, title, wait_s=0).video_id == ingest_video(library, str(course[0])).video_id
    with pytest.raises(SourceNotFound):
        ingest_video(library, title[:-1], wait_s=0)  # the beginning of a title may be another file's name


def test_a_path_outside_shows_the_line_to_add(empty: Library, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "a.mp4").write_bytes(b"x")
    with pytest.raises(SourceNotAllowed, match="agent-tools serve --allow") as caught:
        ingest_video(empty, str(outside / "a.mp4"))
    assert str(outside) in str(caught.value)


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("nothing.mp4", SourceNotFound, "Nothing at 'nothing.mp4'"),
        ("https://example.org/a.mp4", SourceNotAllowed, "Download"),
        ("concat:a.mp4|b.mp4", SourceNotFound, "Nothing at"),
        ("../a.mp4", SourceNotFound, "Nothing at"),
        ("a\x00b", InvalidArgument, "NUL"),
        ("ñ" * 200 + ".mp4", SourceNotFound, "name too long"),
        ("~nobody-of-that-name/a.mp4", SourceNotFound, "Nothing at"),
        ("file://[x", InvalidArgument, "not a local path"),
    ],
)
def test_a_wrong_source_is_refused_with_a_remedy(
    empty: Library, source: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ingest_video(empty, source)


def test_a_link_that_leads_out_is_not_followed(empty: Library, tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "videos" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises((SourceNotFound, SourceNotAllowed)):
        ingest_video(empty, "link.mp4")
    assert ingest_video(empty, "", wait_s=0).found == 0


@pytest.mark.parametrize(("name", "value"), [("wait_s", 46), ("wait_s", -1)])
def test_wait_s_has_bounds(empty: Library, name: str, value: float) -> None:
    with pytest.raises(InvalidArgument, match="from 0 to 45"):
        ingest_video(empty, "x.mp4", **{name: value})


def test_an_unknown_channel_is_refused_with_those_there_are(empty: Library) -> None:
    with pytest.raises(InvalidArgument, match="subtitles"):
        ingest_video(empty, "x.mp4", channels=["smell"])


def test_a_folder_counts_its_files_and_names_what_it_refused(empty: Library, course: Course, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    shutil.copy(course[0], folder / "a.mp4")
    (folder / "empty.mp4").touch()
    (folder / "notes.mp4").write_text("these are words, not pictures\n" * 20)
    (folder / "readme.txt").write_text("not looked at")
    first = ingest_video(empty, "", channels=["subtitles"], wait_s=0)
    assert (first.found, first.queued) == (3, 2)
    assert work(empty.settings) == 2
    reply = ingest_video(empty, "", channels=["subtitles"], wait_s=0)
    assert (reply.found, reply.done) == (3, 1)
    refused = {item.source: item.error for item in reply.refused or []}
    assert refused["empty.mp4"].startswith("UnreadableVideo: empty.mp4 is empty")
    assert refused["notes.mp4"].startswith("UnreadableVideo: notes.mp4")
    with pytest.raises(UnreadableVideo, match=r"notes\.mp4"):
        ingest_video(empty, "notes.mp4", wait_s=0)


def test_a_changed_sidecar_is_read_again(empty: Library, tmp_path: Path, course: Course) -> None:
    video, sidecar = tmp_path / "videos" / "talk.mp4", tmp_path / "videos" / "talk.de.srt"
    shutil.copy(course[0], video)
    sidecar.write_text("1\n00:00:01,000 --> 00:00:03,000\nThe first wording\n")
    ingest_video(empty, "talk.mp4", channels=["subtitles"], wait_s=0)
    work(empty.settings)
    sidecar.write_text("1\n00:00:01,000 --> 00:00:03,000\nAnother wording altogether\n")
    reply = ingest_video(empty, "talk.mp4", channels=["subtitles"], wait_s=0)
    assert reply.state == "queued"
    work(empty.settings)
    video_id = reply.video_id or ""
    texts = [e.text for e in empty.store.entries(video_id, channels=("subtitles",))]
    assert "Another wording altogether" in texts
    assert "The first wording" not in texts
    assert status(empty, video_id).state == "done"


def test_a_stopped_job_keeps_what_is_done_and_goes_on_later(
    empty: Library, tmp_path: Path, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.retry_s = 0.0
    shutil.copy(course[0], tmp_path / "videos" / "a.mp4")
    video_id = ingest_video(empty, "a.mp4", wait_s=0).video_id or ""
    assert empty.store.request_stop(video_id)
    work(empty.settings)
    assert status(empty, video_id).state == "stopped"
    ingest_video(empty, "a.mp4", channels=["subtitles"], wait_s=0)
    work(empty.settings)
    assert status(empty, video_id).state == "done"


def test_a_note_on_a_video_that_nobody_has_opened_yet_is_found(empty: Library, tmp_path: Path) -> None:
    draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    video_id = ingest_video(empty, "talk.mp4", wait_s=0).video_id or ""
    assert status(empty, video_id).state == "queued"
    remember(empty, video_id=video_id, start_s=5, end_s=7, text="the kettle is blue")
    for named in ([video_id], None):
        hits = retrieve_memory(empty, SearchRequest(query='"kettle is blue"', video_ids=named)).hits
        assert [(hit.start_s, hit.notes) for hit in hits] == [(5, "the kettle is blue")], named


def test_a_file_that_changes_while_it_is_read_is_not_done(empty: Library, tmp_path: Path) -> None:
    path = draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    whole = path.read_bytes()
    video_id = ingest_video(empty, "talk.mp4", channels=["frames"], wait_s=0).video_id or ""
    with pytest.MonkeyPatch.context() as patch:
        run = FramePass.run

        def meddled(self: Any, *given: Any, **more: Any) -> Any:
            done = run(self, *given, **more)
            path.write_bytes(whole + b"more")
            return done

        patch.setattr(FramePass, "run", meddled)
        work(empty.settings)
    reply = status(empty, video_id)
    assert reply.state == "failed"
    assert "changed while it was read" in (reply.error or "")
    assert [channel.state for channel in reply.channels or [] if channel.name == "frames"] == ["failed"]
    path.write_bytes(whole)
    empty.store.enqueue(video_id, ("frames",), "lite")
    work(empty.settings)
    assert status(empty, video_id).state == "done"


def test_who_polls_does_not_set_going_what_somebody_stopped(
    empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    video_id = ingest_video(empty, "talk.mp4", channels=["frames"], wait_s=0).video_id or ""
    assert empty.store.request_stop(video_id)
    for source, channels in ((video_id, None), ("talk.mp4", ["frames"]), (f"video://{video_id}", ["frames"])):
        reply = ingest_video(empty, source, channels=channels, wait_s=0)
        assert reply.state == "stopped"
        assert re.search(r"stopped at 0%; call ingest_video to continue it in (30|29|2\d) s\.", reply.hints[0])
    folder = ingest_video(
        empty, "", channels=["frames"], wait_s=0, trusted=True, patient=True
    )  # as the command does that follows it
    assert (folder.failed, folder.hints) == (1, ["1 were stopped: call ingest_video with their id to continue."])
    assert (
        ingest_video(empty, video_id, channels=["frames", "subtitles"], wait_s=0).state == "queued"
    )  # not asked for before
    assert empty.store.request_stop(video_id)
    path = str(tmp_path / "videos" / "talk.mp4")
    assert (
        ingest_video(empty, path, channels=["frames"], wait_s=0, trusted=True, at_once=True).state == "queued"
    )  # a person typed it
    assert empty.store.request_stop(video_id)
    empty.retry_s = 0.0
    reply = ingest_video(empty, video_id, wait_s=0)
    assert (reply.state, reply.hints) == ("queued", [])


def test_a_stop_that_was_not_heard_yet_is_taken_back_by_who_types_the_path(empty: Library, tmp_path: Path) -> None:
    path = draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    video_id = ingest_video(empty, "talk.mp4", channels=["frames"], wait_s=0).video_id or ""
    assert empty.store.claim("me", os.getpid()) is not None
    assert empty.store.request_stop(video_id)
    ingest_video(empty, video_id, wait_s=0)
    ingest_video(empty, str(path), wait_s=0, trusted=True)
    assert empty.store.job(video_id).stop_requested  # type: ignore[union-attr]  # it was queued
    ingest_video(empty, str(path), wait_s=0, trusted=True, at_once=True)
    assert not empty.store.job(video_id).stop_requested  # type: ignore[union-attr]  # it was queued


def test_subtitles_that_changed_stay_as_they_were_read_while_the_ingest_rests(empty: Library, tmp_path: Path) -> None:
    draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    sidecar = tmp_path / "videos" / "talk.srt"
    sidecar.write_text("1\n00:00:01,000 --> 00:00:02,000\nThe first wording\n")
    video_id = ingest_video(empty, "talk.mp4", channels=["subtitles"], wait_s=0).video_id or ""
    work(empty.settings)
    ingest_video(empty, "talk.mp4", channels=["frames", "subtitles"], wait_s=0)
    assert empty.store.request_stop(video_id)
    sidecar.write_text("1\n00:00:01,000 --> 00:00:02,000\nAnother wording altogether\n")
    ingest_video(empty, "talk.mp4", channels=["frames"], wait_s=0)
    row = empty.store.channel(video_id, "subtitles")
    assert row is not None
    assert row.state == "done"


def test_a_stopped_ingest_goes_on_by_its_id_with_the_channels_it_was_for(
    empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.retry_s = 0.0
    film = draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    video_id = ingest_video(empty, "talk.mp4", channels=["frames"], wait_s=0).video_id or ""
    assert empty.store.request_stop(video_id)
    assert ingest_video(empty, video_id, wait_s=0).state == "queued"
    assert getattr(empty.store.job(video_id), "channels", ()) == ("frames",)
    empty.store.request_stop(video_id)
    film.rename(tmp_path / "elsewhere.mp4")
    reply = ingest_video(empty, video_id, wait_s=0)
    assert reply.state == "stopped"
    assert "the file is gone" in reply.hints[0]


def test_a_stopped_reindex_goes_on_as_it_was_asked_for(
    empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.retry_s = 0.0
    draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    video_id = ingest_video(empty, "talk.mp4", channels=["frames"], wait_s=0).video_id or ""
    work(empty.settings)
    reindex(empty, video_id, "frames")
    assert empty.store.request_stop(video_id)
    assert ingest_video(empty, video_id, wait_s=0).state == "queued"
    assert empty.store.job(video_id).settings.remake == ("frames",)  # type: ignore[union-attr]  # it was queued


def test_a_failed_ingest_is_tried_again_by_its_id_after_a_while(
    empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    video_id = ingest_video(empty, "talk.mp4", channels=["frames"], wait_s=0).video_id or ""
    job = empty.store.claim("me", 1)
    assert job is not None
    empty.store.finish(job.id, "me", "failed", "EngineError: out of luck")
    reply = ingest_video(empty, video_id, wait_s=0)
    assert (reply.state, reply.error) == ("failed", "EngineError: out of luck")
    empty.retry_s = -1.0
    assert ingest_video(empty, video_id, wait_s=0).state == "queued"


def test_title_and_channels_given_with_an_id_are_taken(empty: Library, tmp_path: Path) -> None:
    film = draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))
    video_id = ingest_video(empty, "talk.mp4", channels=["frames"], wait_s=0).video_id or ""
    work(empty.settings)
    reply = ingest_video(empty, video_id, title="The\u200b kettle", channels=["subtitles"], wait_s=0)
    assert (reply.title, reply.state) == ("The kettle", "queued")
    work(empty.settings)
    film.unlink()
    assert ingest_video(empty, video_id, channels=["subtitles"], wait_s=0).state == "done"
    with pytest.raises(SourceNotFound, match=r"the file is gone.*screen_text"):
        ingest_video(empty, video_id, channels=["screen_text"], wait_s=0)


def test_files_of_a_folder_beyond_the_jobs_allowed_wait_for_the_next_call(tmp_path: Path, empty: Library) -> None:
    for number in range(4):
        (tmp_path / "videos" / f"{number}.mp4").write_bytes(b"film %d" % number)
    few = Library(replace(empty.settings, jobs=2))
    try:
        reply = ingest_video(few, "", channels=["subtitles"], wait_s=0)
        assert (reply.found, reply.queued, reply.refused) == (4, 4, [])
        assert "2 files were not looked at yet" in reply.hints[0]
        assert len(few.store.videos()) == 2
        work(few.settings)
        ingest_video(few, "", channels=["subtitles"], wait_s=0)
        assert len(few.store.videos()) == 4
    finally:
        few.close()
