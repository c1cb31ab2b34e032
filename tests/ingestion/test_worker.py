"""The worker: a job that kills its workers at one place fails at last, one that gets farther each time goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent_tools.ingestion.worker import MOST_DEATHS, died_here, run_job
from agent_tools.settings import Settings
from agent_tools.store import Job, Store

VIDEO = "0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(Store.open(tmp_path / "home")) as opened:
        opened.add_video(VIDEO, "Crash", 1)
        yield opened


def begun(store: Store, attempts: int, progress: float) -> Job:
    job = store.claim(f"worker {attempts}", 1, lease_s=0.0)
    assert job is not None
    return replace(job, attempts=attempts, progress=progress)


def test_deaths_at_one_place_are_counted_and_progress_starts_again(store: Store) -> None:
    store.enqueue(VIDEO, ("frames",), "lite", {})
    places = [0.0, 0.2, 0.2, 0.2, 0.5, 0.5]
    counted = [died_here(store.home, begun(store, i, p)) for i, p in enumerate(places, 1)]
    assert counted == [1, 1, 2, 3, 1, 2]


def test_a_job_whose_workers_keep_dying_fails_and_says_where(store: Store) -> None:
    store.enqueue(VIDEO, ("frames",), "lite", {})
    for attempt in range(1, MOST_DEATHS + 1):
        assert died_here(store.home, begun(store, attempt, 0.3)) == attempt
    job = store.claim("the last", 1, lease_s=30.0)
    assert job is not None
    run_job(store, replace(job, progress=0.3), "the last", Settings.load({}, home=store.home, profile="lite"))
    ended = store.job(VIDEO)
    assert ended is not None
    assert ended.state == "failed"
    assert f"WorkerDied: {MOST_DEATHS} workers died at 30% of it" in (ended.error or "")


def test_a_new_job_of_the_video_begins_to_count_anew(store: Store) -> None:
    store.enqueue(VIDEO, ("frames",), "lite", {})
    job = begun(store, 1, 0.0)
    assert [died_here(store.home, replace(job, attempts=i)) for i in (1, 2, 3)] == [1, 2, 3]
    assert died_here(store.home, replace(job, attempts=1)) == 1
