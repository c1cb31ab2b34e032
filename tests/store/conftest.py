"""A store in a fresh folder, a clock that only moves when told, and one known video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.store import Store
from agent_tools.store.database import LONGEST_WRITE_S, Held

WEEK, TALK = "9f6cbced0247", "0123456789ab"


class Clock:
    """A clock that tests move by hand."""

    def __init__(self) -> None:
        self.time_s = 1_000_000.0

    def __call__(self) -> float:
        return self.time_s


def short(held: Held) -> None:
    """No transaction of a test may hold the lock for long; by the thread's own time, so a busy machine does not count.

    Raises: AssertionError: it did."""
    assert held.cpu_s <= LONGEST_WRITE_S, f"a write transaction took {held.cpu_s:.2f} s"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    opened = Store.open(tmp_path / "home", now=clock)
    opened.db.on_write = short
    opened.add_video(WEEK, "Week 3 Memory", 10)
    opened.add_video(TALK, "A talk", 20)
    yield opened
    opened.close()
