"""What replies say of themselves: what was searched, why a hit is one, what failed and how to go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.errors import SourceNotFound, UnreadableVideo, VideoNotFound
from agent_tools.evals.films.demo_video import DemoTruth
from agent_tools.ingestion.worker import work
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest.status import folder_status, status
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.read_resource import read_resource
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.store import Episode, spelling
from agent_tools.timeline import video_uri
from tests.service.conftest import DURATION_S

Course = tuple[Path, DemoTruth]


def test_a_search_by_likeness_says_that_frames_alone_were_searched(library: Library, course: Course) -> None:
    reply = retrieve_memory(library, SearchRequest(like=video_uri(course[1].video_id, 10, 12), query="the plan"))
    assert reply.coverage.channels.compact() == {"frames": "all"}
    assert reply.coverage.share == 1.0
    assert any("query was not used" in hint for hint in reply.hints)


@pytest.mark.parametrize("query", ["the gate code", "an unrelated thing in the sea", "the", "plan of the store room"])
def test_every_hit_names_what_matched(library: Library, query: str) -> None:
    for hit in retrieve_memory(library, SearchRequest(query=query, limit=20)).hits:
        assert hit.matched, hit


def test_evidence_ends_with_its_times_however_long_its_text_is(library: Library, course: Course) -> None:
    hop = next(hop for hop in course[1].hops if hop.channel == "screen_text")
    best = (ground_event(library, event=hop.text, video_id=course[1].video_id).spans or [])[0]
    assert len(best.evidence) <= 160
    assert best.evidence.rpartition(" ")[2].replace("-", "").replace(".", "").isdigit()


def test_channels_stand_in_one_order(library: Library, course: Course) -> None:
    names = [channel.name for channel in status(library, course[1].video_id).channels or []]
    assert names == ["frames", "subtitles", "speech", "screen_text", "captions"]


def test_unreadable_content_is_not_tried_again_with_its_folder(
    empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "videos" / "notes.mp4").write_text("these are words, not pictures\n" * 20)
    ingest_video(empty, "", wait_s=0)
    assert work(empty.settings) == 1
    empty.retry_s = 0.0
    reply = ingest_video(empty, "", wait_s=0)
    assert (reply.queued, len(reply.refused or [])) == (0, 1)
    ingest_video(empty, "notes.mp4", wait_s=0)  # asked for by name it is
    assert len(empty.store.open_jobs()) == 1


def test_a_failed_video_is_called_so_where_its_content_is_asked_for(empty: Library, tmp_path: Path) -> None:
    (tmp_path / "videos" / "notes.mp4").write_text("these are words, not pictures\n" * 20)
    video_id = ingest_video(empty, "notes.mp4", wait_s=0).video_id or ""
    work(empty.settings)
    for hints in (
        list_episodes(empty, video_id=video_id).hints,
        retrieve_memory(empty, SearchRequest(query="words", video_ids=[video_id])).hints,
    ):
        assert any("failed: UnreadableVideo" in hint and "notes.mp4" not in hint for hint in hints), hints
    with pytest.raises(UnreadableVideo):
        status(empty, video_id)


def test_a_frame_of_another_time_is_never_given(
    library: Library, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"{video_uri(course[1].video_id)}/frame/100"
    monkeypatch.setattr(library, "sources", lambda _video_id: [])
    assert (read_resource(library, uri).data or b"")[:2] == b"\xff\xd8"
    monkeypatch.setattr(library.store, "frames", lambda *_args: [])
    with pytest.raises(SourceNotFound, match="no picture at 100 s"):
        read_resource(library, uri)


def test_of_many_gaps_the_longest_are_named_and_the_rest_counted(library: Library, course: Course) -> None:
    video_id = course[1].video_id
    for number in range(40):
        library.store.add_gap(video_id, "screen_text", 5.0 * number, 5.0 * number + 1 + number / 100, "not read")
    try:
        told = retrieve_memory(library, SearchRequest(query="the gate code", video_ids=[video_id])).coverage
        assert (len(told.gaps), told.gaps_omitted) == (6, 34)
        assert [gap.start_s for gap in told.gaps] == [5.0 * number for number in range(34, 40)]
        assert told.channels.screen_text == "all but 40 gaps of 48 s"
        state = status(library, video_id)
        assert (len(state.gaps or []), state.gaps_omitted) == (12, 28)
    finally:
        library.store.clear_gaps(video_id, "screen_text")


@pytest.mark.parametrize(
    ("text", "enough"),
    [("1", False), ("...", False), ("A 2", False), ("SAM", True), ("월", True), ("血", True), ("no", True)],
)
def test_a_number_alone_has_no_meaning_to_search_by(text: str, enough: bool) -> None:
    assert spelling.has_enough_letters(text) is enough


def test_where_chunks_do_not_fit_auto_is_the_level_with_most_episodes(
    library: Library, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = course[1].video_id
    whole = Episode(0, video_id, "scene", 0.0, DURATION_S, "one scene", "time", None)
    halves = [Episode(0, video_id, "chapter", 120.0 * i, 120.0 * (i + 1), f"half {i}", "time", None) for i in (0, 1)]
    minutes = [Episode(0, video_id, "chunk", float(i), i + 1.0, "a second", "time", None) for i in range(200)]
    rows = {"scene": [whole], "chapter": halves, "chunk": minutes}
    monkeypatch.setattr(library.store, "episodes", lambda _id, level, *_span: rows[level])
    assert list_episodes(library, video_id=video_id).level == "chapter"
    rows["chapter"] = [whole]
    rows["scene"] = halves
    assert list_episodes(library, video_id=video_id).level == "scene"


def test_a_video_that_was_forgotten_meanwhile_is_told_as_that(library: Library) -> None:
    forgotten = "f0e1d2c3b4a5"  # no other test of this shared library gives this id
    with pytest.raises(VideoNotFound, match="forgotten while it was ingested"):
        status(library, forgotten)
    assert folder_status(library, Path("talks"), 1, 0, [forgotten], []).videos in (None, [])
