"""What a server may open: files in its allowed folders and those a person typed; nothing that others once allowed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import SourceNotAllowed, SourceNotFound
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.read_resource import read_resource
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.timeline import Span
from tests.drawing import draw, even_times
from tests.library import lite


@pytest.fixture
def film(tmp_path: Path, no_worker: None) -> Path:
    (tmp_path / "videos").mkdir()
    return draw(tmp_path / "videos" / "talk.mp4", even_times(20, 2))


@contextlib.contextmanager
def opened(film: Path, *, allow: tuple[Path, ...] = (), by_hand: bool = False) -> Iterator[Library]:
    with contextlib.closing(Library(lite(film.parent.parent / "home", *allow), by_hand=by_hand)) as library:
        yield library


def taken_in(film: Path, **how: Any) -> str:
    """The video's id, once a worker has read it."""
    trusted = how.get("by_hand", False)
    with opened(film, **how) as library:
        video_id = ingest_video(library, str(film), channels=["frames"], wait_s=0, trusted=trusted).video_id or ""
        work(library.settings)
    return video_id


def test_what_an_older_allow_took_in_is_closed_to_a_server_without_it(film: Path) -> None:
    video_id = taken_in(film, allow=(film.parent,))
    with opened(film) as library:
        with pytest.raises(SourceNotAllowed, match="agent-tools serve --allow"):
            ingest_video(library, str(film), wait_s=0)
        assert library.sources(video_id) == []
        shown = zoom_segment(library, ZoomRequest(video_id=video_id, start_s=2, end_s=6))
        assert shown.pictures, "kept frames still answer"
        assert shown.facts["note"].startswith("the file lies outside the allowed folders")
        with pytest.raises(SourceNotFound, match="outside the allowed folders"):
            read_resource(library, f"video://{video_id}/clip/1-3")
    with opened(film, allow=(film.parent,)) as library:
        assert library.sources(video_id) == [film.resolve()]


def test_a_path_that_a_person_typed_stays_readable_without_allow(film: Path) -> None:
    video_id = taken_in(film, by_hand=True)
    with opened(film) as library:
        assert library.sources(video_id) == [film.resolve()]
        assert ingest_video(library, str(film), channels=["frames"], wait_s=0).state == "done"
        assert library.sources(video_id) == [film.resolve()], "a server's call takes nothing back"


def test_files_of_a_folder_that_a_person_typed_are_readable_and_the_folder_is_not(film: Path) -> None:
    with opened(film, by_hand=True) as library:
        ingest_video(library, str(film.parent), channels=["frames"], wait_s=0, trusted=True)
    with opened(film) as library:
        assert ingest_video(library, str(film), channels=["frames"], wait_s=0).video_id
        with pytest.raises(SourceNotAllowed):
            ingest_video(library, str(film.parent), wait_s=0)


def test_what_lies_beside_a_path_of_the_past_is_not_read_for_a_copy_that_is_allowed(film: Path) -> None:
    taken_in(film, allow=(film.parent,))
    film.with_suffix(".srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nkettle\n")
    other = film.parent.with_name("zoo")
    other.mkdir()
    with opened(film, allow=(other,)) as library:
        copy = shutil.copy(film, other / "talk.mp4")
        video_id = ingest_video(library, str(copy), channels=["subtitles"], wait_s=0).video_id or ""
        work(library.settings)
        assert library.state(video_id) == "done"
        assert library.store.entries(video_id) == []


def test_a_persons_command_opens_what_a_server_took_in(film: Path) -> None:
    from agent_tools.service.export import clip

    video_id = taken_in(film, allow=(film.parent,))
    with opened(film, by_hand=True) as library:
        out = film.with_name("clip.mp4")
        clip(library, library.video(video_id), Span(2.0, 4.0), out)
        assert out.stat().st_size


def test_a_file_that_is_gone_is_told_as_gone(film: Path) -> None:
    video_id = taken_in(film, allow=(film.parent,))
    film.unlink()
    with opened(film, allow=(film.parent,)) as library:
        assert library.closed(video_id).startswith("the file is gone")


def test_a_download_is_open_where_addresses_are_allowed_only(film: Path) -> None:
    with opened(film) as library:
        downloads = library.settings.home / "downloads"
    downloads.mkdir(parents=True)
    film = film.rename(downloads / "0123456789abcdef.mp4")
    for allow_urls in (True, False):
        with contextlib.closing(Library(lite(downloads.parent, allow_urls=allow_urls))) as library:
            if allow_urls:
                stat = film.stat()
                library.store.add_video("a" * 12, "talk", stat.st_size)
                library.store.add_source("a" * 12, str(film), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            assert library.sources("a" * 12) == [film] * allow_urls
