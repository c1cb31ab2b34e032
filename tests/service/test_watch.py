"""Watching folders: what settles is taken in once, what grows now and then, what is refused is told."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.service import watch as watching
from agent_tools.service.watch import Watched, WatchSettings, watch_folders
from tests.drawing import draw, even_times
from tests.library import OpenLibrary
from tests.waiting import PATIENCE_S

SETTINGS = WatchSettings(settle_s=5.0, follow_s=30.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def written(path: Path, size: int, at: int) -> Path:
    path.write_bytes(b"x" * size)
    os.utime(path, (at, at))
    return path


def test_a_file_is_due_once_it_has_been_still_for_a_while(tmp_path: Path) -> None:
    clock = Clock()
    watched = Watched(SETTINGS, clock)
    film = written(tmp_path / "film.mp4", 10, 1)
    watched.changed([film])
    clock.now = 4.0
    assert watched.due() == []
    written(film, 20, 2)
    clock.now = 6.0
    assert watched.due() == [], "it was written to meanwhile"
    clock.now = 11.0
    assert watched.due() == [film]
    clock.now = 100.0
    assert watched.due() == []
    watched.put_back(film, 60.0)
    clock.now = 159.0
    assert watched.due() == []
    clock.now = 161.0
    assert watched.due() == [film]


def test_a_recording_is_due_now_and_then_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_may_grow", lambda path: path.suffix == ".mkv")
    clock = Clock()
    watched = Watched(SETTINGS, clock)
    films = [tmp_path / "film.mkv", tmp_path / "copy.mp4"]
    watched.changed([written(film, 1, 1) for film in films])
    due = []
    for second in range(1, 70):
        clock.now = float(second)
        for film in films:
            written(film, 1 + second, 1 + second)
        due += [(second, path.name) for path in watched.due()]
    assert due == [(1, "film.mkv"), (31, "film.mkv"), (61, "film.mkv")]


def test_hidden_half_and_deleted_files_are_not_due_and_a_subtitle_file_counts_for_its_film(tmp_path: Path) -> None:
    clock = Clock()
    watched = Watched(SETTINGS, clock)
    film = written(tmp_path / "film.mp4", 10, 1)
    gone = written(tmp_path / "gone.mp4", 10, 1)
    names = (".film.mp4", "film.mp4.part", "notes.txt", "film.jpg")
    watched.changed([gone, *(written(tmp_path / name, 5, 1) for name in names)])
    gone.unlink()
    clock.now = 10.0
    assert watched.due() == []
    watched.changed([written(tmp_path / "film.en.vtt", 5, 1)])
    clock.now = 20.0
    assert watched.due() == [film]


def test_what_lies_and_what_appears_in_a_folder_becomes_part_of_memory(
    open_library: OpenLibrary, tmp_path: Path
) -> None:
    pytest.importorskip("watchfiles")
    folder, outside = tmp_path / "films", tmp_path / "outside"
    for one in (folder, outside):
        one.mkdir()
    draw(folder / "first.mp4", even_times(4, 2))
    draw(outside / "late.mp4", even_times(6, 2))
    stop, taken = threading.Event(), []
    library = open_library(folder)
    ends = threading.Timer(PATIENCE_S, stop.set)
    ends.start()
    for one in watch_folders(library, [folder], stop=stop, settings=WatchSettings(settle_s=0.3)):
        taken.append(one)
        if one.path.name == "first.mp4":
            shutil.copy(outside / "late.mp4", folder / "late.mp4")
            (folder / "away.mp4").symlink_to(outside / "late.mp4")
        if len(taken) == 3:
            stop.set()
    ends.cancel()
    assert {one.path.name: bool(one.error) for one in taken} == {
        "first.mp4": False,
        "late.mp4": False,
        "away.mp4": True,
    }
    assert {job.video_id for job in library.store.open_jobs()} == {one.video_id for one in taken if not one.error}


def test_a_folder_that_is_none_is_refused(open_library: OpenLibrary, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="is not a folder"):
        list(watch_folders(open_library(), [tmp_path / "none"], stop=threading.Event()))


def test_without_the_extra_the_command_is_named(
    open_library: OpenLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidArgument, match=r"pip install 'agent-tools-video\[watch\]'"):
        next(watch_folders(open_library(), [tmp_path], stop=threading.Event()))
