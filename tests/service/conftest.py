"""A library with one drawn video (slides, cards, motion, a subtitle track), ingested once for all these tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.evals.films.demo_video import DemoTruth, draw
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from tests.conftest import Once
from tests.library import OpenLibrary, ingested, lite, opened

DURATION_S = 240.0


@pytest.fixture(scope="session")
def course(once: Once) -> tuple[Path, DemoTruth]:
    """The drawn video and what it holds."""

    def make(folder: Path) -> tuple[Path, DemoTruth]:
        path = folder / "week 3.mp4"
        return path, draw(path, seed=3, duration_s=DURATION_S)

    made: tuple[Path, DemoTruth] = once("course", make)
    return made


@pytest.fixture(scope="session")
def course_home(course: tuple[Path, DemoTruth], once: Once, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home in which the drawn video is done. Each process has its own copy, because tests add notes."""
    video, _ = course
    whole: Settings = once("course home", lambda home: ingested(lite(home, video.parent), video.name))
    return lite(shutil.copytree(whole.home, tmp_path_factory.mktemp("course") / "home"), video.parent)


@pytest.fixture
def library(course_home: Settings, loaded_encoder: None) -> Iterator[Library]:
    """A library over the ingested home, with the sentence encoder loaded."""
    with opened(course_home) as made:
        assert made.models.text(60) is not None
        yield made


@pytest.fixture
def empty(tmp_path: Path, open_library: OpenLibrary) -> Library:
    """A library without videos that allows tmp_path/videos; its jobs are done by `work`, in this process."""
    folder = tmp_path / "videos"
    folder.mkdir()
    return open_library(folder)
