"""A store in a fresh folder, a clock that only moves when told, and one known video."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def place(store: Store) -> str:
    """What another process opens the same memory by: a folder, or a database's address."""
    return str(getattr(store.db, "url", store.home))


def again(place: str, **settings: Any) -> Store:
    """The memory at a place, as another process would open it."""
    if place.startswith("postgresql:"):
        return Store.connect(Path(tempfile.gettempdir(), "another-machine"), place, **settings)
    return Store.open(Path(place), **settings)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """One contract, two engines."""
    where = request.getfixturevalue("database_url") if request.param == "postgres" else str(tmp_path / "home")
    yield from _with_videos(again(where, now=clock))


@pytest.fixture
def sqlite(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """For what is SQLite's own: its file, its locks, its pragmas."""
    yield from _with_videos(Store.open(tmp_path / "home", now=clock))


def _with_videos(opened: Store) -> Iterator[Store]:
    if not opened.db.shared:  # in PostgreSQL a writer holds one video, not all of them
        opened.db.on_write = short
    opened.add_video(WEEK, "Week 3 Memory", 10)
    opened.add_video(TALK, "A talk", 20)
    yield opened
    opened.close()
