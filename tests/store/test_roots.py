"""Folders with a name: one machine's path is another machine's, and a video's file is found on both."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.settings import Settings
from agent_tools.store import Store, open_store
from agent_tools.store.roots import Roots
from tests.drawing import draw, even_times
from tests.library import lite, opened, start_no_worker
from tests.store.conftest import WEEK


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/a/lectures/week 1/x.mp4", "root:lectures/week 1/x.mp4"),
        ("/a/lectures/deep/y.mp4", "root:deep/y.mp4"),
        ("/a/lectures2/z.mp4", "/a/lectures2/z.mp4"),
        ("/b/x.mp4", "/b/x.mp4"),
        ("", ""),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="these paths are POSIX")
def test_a_path_is_kept_by_its_innermost_root_and_comes_back(path: str, kept: str) -> None:
    roots = Roots(["lectures=/a/lectures", "deep=/a/lectures/deep"])
    assert roots.kept(path) == kept
    assert roots.here(kept) == path


def test_an_unknown_root_stays_as_it_is() -> None:
    assert Roots().here("root:elsewhere/x.mp4") == "root:elsewhere/x.mp4"


def test_a_source_is_known_on_both_machines(tmp_path: Path) -> None:
    home = tmp_path / "home"
    one, other = tmp_path / "one", tmp_path / "other"
    with contextlib.closing(open_store(home, "", [f"films={one}"])) as store:
        store.add_video(WEEK, "week", 1)
        store.add_source(WEEK, str(one / "x.mp4"), 1, 2, 3)
        assert store.known_id(str(one / "x.mp4"), 1, 2, 3) == WEEK
    with contextlib.closing(open_store(home, "", [f"films={other}"])) as store:
        assert [source.path for source in store.sources(WEEK)] == [str(other / "x.mp4")]
        assert [source.path for source in store.all_sources()] == [str(other / "x.mp4")]
        assert store.known_id(str(other / "x.mp4"), 1, 2, 3) == WEEK
    with contextlib.closing(Store.open(home)) as store:
        assert [source.path for source in store.sources(WEEK)] == ["root:films/x.mp4"]


def test_a_worker_finds_the_file_where_it_lies_on_its_own_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("server", "worker"):
        (tmp_path / name).mkdir()
    draw(tmp_path / "server" / "film.mp4", even_times(20, 10.0))
    server, worker = (lite(tmp_path / "home", roots=(f"films={tmp_path / name}",)) for name in ("server", "worker"))
    start_no_worker(monkeypatch)
    with opened(server) as library:  # the root is allowed without --allow
        video_id = ingest_video(library, str(tmp_path / "server" / "film.mp4"), channels=["frames"], wait_s=0).video_id
    shutil.move(tmp_path / "server" / "film.mp4", tmp_path / "worker" / "film.mp4")
    assert work(worker) == 1
    with opened(worker) as library:
        job = library.store.job(video_id or "")
    assert job is not None
    assert (job.state, job.settings.path) == ("done", "root:films/film.mp4")


def test_a_root_needs_a_name_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="NAME=FOLDER"):
        Settings.load({}, home=tmp_path, roots=("/mnt/lectures",))
