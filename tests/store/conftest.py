"""A store in a fresh folder, a clock that only moves when told, and one known video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.store import Store

WEEK, TALK = "9f6cbced0247", "0123456789ab"


class Clock:
    """A clock that tests move by hand."""

    def __init__(self) -> None:
        self.time_s = 1_000_000.0

    def __call__(self) -> float:
        return self.time_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    opened = Store.open(tmp_path / "home", now=clock)
    opened.add_video(WEEK, "Week 3 Memory", 10)
    opened.add_video(TALK, "A talk", 20)
    yield opened
    opened.close()
