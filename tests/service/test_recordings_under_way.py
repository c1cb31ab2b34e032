"""Recordings under way: read as far as they are, searched, read on, and closed, as one video with one id."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_tools.ingestion.worker import work
from agent_tools.media import growth
from agent_tools.server.notices import Notices
from agent_tools.service.ingest import recordings_under_way
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.store import FrameRow
from tests.drawing import draw, even_times
from tests.library import OpenLibrary

UNDER_WAY = {
    "mkv": {"live": "1"},
    "ts": {},
    "mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
}
FRAMES = 90  # at two a second: 45 s
CAPTIONS = "WEBVTT\n\n00:02.000 --> 00:05.000\nthe ferry leaves at noon\n\n00:40.000 --> 00:43.000\nthe gulls return\n"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The bytes of a recording by the ending of its name."""
    folder = tmp_path_factory.mktemp("recorded")

    def bytes_of(suffix: str) -> bytes:
        path = folder / f"film.{suffix}"
        if not path.exists():
            draw(path, even_times(FRAMES, 2), key_every=4, muxer=UNDER_WAY[suffix])
        return path.read_bytes()

    return bytes_of


@pytest.fixture
def seen_to_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose container may grow does grow, until its time says that nobody has written to it for a while."""
    monkeypatch.setattr(recordings_under_way, "grows", lambda path: growth.may_grow(path) and not growth.is_quiet(path))


@contextlib.contextmanager
def reading(library: Library, path: Path) -> Iterator[str]:
    """The id, after a job over the file as it is."""
    reply = ingest_video(library, str(path), channels=["frames", "subtitles"], wait_s=0)
    work(library.settings)
    yield reply.video_id or ""


def ended(path: Path) -> None:
    os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.mark.usefixtures("seen_to_grow", "loaded_encoder")
@pytest.mark.parametrize("suffix", list(UNDER_WAY))
def test_a_recording_is_one_video_from_its_first_seconds_to_its_end(
    suffix: str, recorded: Callable[[str], bytes], open_library: OpenLibrary, tmp_path: Path
) -> None:
    whole, path = recorded(suffix), tmp_path / f"film.{suffix}"
    library = open_library(tmp_path)
    path.with_suffix(".vtt").write_text(CAPTIONS, "utf-8")
    path.write_bytes(whole[: len(whole) // 2])
    with reading(library, path) as first:
        video = library.store.video(first)
        assert video is not None
        assert 16 < (video.duration_s or 0) < 32
        assert len(library.store.frames(first)) == 16, "a window that is not full waits"
        found = retrieve_memory(library, SearchRequest(query="ferry"))
        assert [hit.video_id for hit in found.hits] == [first]
    assert "still being recorded, and read to 0:00:16" in (ingest_video(library, str(path), wait_s=0).hints or [""])[0]
    assert library.store.open_jobs() == [], "nothing came since it was read"
    path.write_bytes(whole)
    with reading(library, path) as again:
        assert again == first
        assert len(library.store.frames(first)) == 32
    ended(path)
    with reading(library, path) as last:
        assert last == first
    assert len(library.store.videos()) == 1
    rows = {row.name: row for row in library.store.channels(first)}
    assert (rows["frames"].state, rows["subtitles"].state) == ("done", "done")
    assert ingest_video(library, str(path), channels=["frames", "subtitles"], wait_s=0).state == "done"
    assert library.store.open_jobs() == []
    other = open_library(tmp_path, home=tmp_path / "other")
    with reading(other, path) as at_once:
        assert at_once != first

        def without_id(rows: list[FrameRow]) -> list[tuple[object, ...]]:
            return [(row.k, row.time_s, row.stands_for, row.kept) for row in rows]

        assert without_id(library.store.frames(first)) == without_id(other.store.frames(at_once))
        texts = [
            [entry.text for entry in one.store.entries(name)] for one, name in ((library, first), (other, at_once))
        ]
        assert texts == [["the ferry leaves at noon", "the gulls return"]] * 2


@pytest.mark.usefixtures("loaded_encoder")
def test_a_recording_whose_growth_is_seen_by_the_worker_only_is_one_video_too(
    recorded: Callable[[str], bytes],
    open_library: OpenLibrary,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recordings_under_way, "grows", lambda path: False)
    whole, path = recorded("mkv"), tmp_path / "film.mkv"
    library = open_library(tmp_path)
    path.write_bytes(whole[: len(whole) // 2])
    first = ingest_video(library, str(path), channels=["frames"], wait_s=0).video_id or ""
    path.write_bytes(whole[:40] + b"\0" + whole[41:])  # the recorder writes its header anew when it ends
    work(library.settings)
    job, row = library.store.job(first), library.store.channel(first, "frames")
    assert job is not None
    assert row is not None
    assert (job.state, row.state) == ("done", "running")
    path.write_bytes(whole)
    ended(path)
    with reading(library, path) as again:
        assert again == first
    assert library.store.channel(first, "frames").state == "done"  # type: ignore[union-attr]
    assert len(library.store.videos()) == 1


@pytest.mark.usefixtures("seen_to_grow", "loaded_encoder")
def test_a_file_that_was_taken_for_whole_and_grows_is_the_same_video(
    recorded: Callable[[str], bytes], open_library: OpenLibrary, tmp_path: Path
) -> None:
    whole, path = recorded("ts"), tmp_path / "film.ts"
    library = open_library(tmp_path)
    path.write_bytes(whole[: len(whole) // 188 // 2 * 188])
    ended(path)
    with reading(library, path) as first:
        assert library.store.channel(first, "frames").state == "done"  # type: ignore[union-attr]
    path.write_bytes(whole)
    ended(path)
    with reading(library, path) as again:
        assert again == first
    assert len(library.store.frames(first)) == 45
    assert (library.store.video(first).duration_s or 0) > 44  # type: ignore[union-attr]


@pytest.mark.usefixtures("seen_to_grow", "loaded_encoder")
def test_clients_hear_of_a_recording_that_was_read_on(
    recorded: Callable[[str], bytes], open_library: OpenLibrary, tmp_path: Path
) -> None:
    whole, path, notices = recorded("mkv"), tmp_path / "film.mkv", Notices()
    library = open_library(tmp_path)
    path.write_bytes(whole[: len(whole) // 2])
    with reading(library, path) as video_id:
        notices.changes(library.store)
    path.write_bytes(whole)
    with reading(library, path):
        assert f"video://{video_id}" in notices.changes(library.store)


@pytest.mark.usefixtures("seen_to_grow", "loaded_encoder")
def test_another_film_at_the_path_of_a_recording_is_another_video(
    recorded: Callable[[str], bytes], open_library: OpenLibrary, tmp_path: Path
) -> None:
    path = tmp_path / "film.ts"
    library = open_library(tmp_path)
    path.write_bytes(recorded("ts"))
    with reading(library, path) as first:
        other = draw(tmp_path / "other.mkv", even_times(200, 10), size=(640, 360)).read_bytes()
        path.write_bytes(other * (1 + len(recorded("ts")) // len(other)))
        assert ingest_video(library, str(path), channels=["frames"], wait_s=0).video_id != first


def test_only_what_may_be_read_before_it_is_whole_may_grow(recorded: Callable[[str], bytes], tmp_path: Path) -> None:
    for suffix in UNDER_WAY:
        (tmp_path / f"film.{suffix}").write_bytes(recorded(suffix))
    for suffix in ("mkv", "mp4"):
        draw(tmp_path / f"whole.{suffix}", even_times(4, 2))
    grown = {path.name: growth.may_grow(path) for path in sorted(tmp_path.iterdir())}
    assert grown == {"film.mkv": True, "film.mp4": True, "film.ts": True, "whole.mkv": False, "whole.mp4": False}


def test_growth_is_seen_by_looking(tmp_path: Path, recorded: Callable[[str], bytes]) -> None:
    path = tmp_path / "film.ts"
    path.write_bytes(recorded("ts"))
    assert not growth.grows(path)
