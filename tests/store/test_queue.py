"""How the queue stands: counts, workers that are there, failed jobs."""

from __future__ import annotations

import pytest

from agent_tools.store import Store
from tests.store.conftest import TALK, WEEK, Clock


def test_the_state_of_the_queue_counts_jobs_and_hours(store: Store, clock: Clock) -> None:
    store.update_video(WEEK, duration_s=1800.0)
    store.update_video(TALK, duration_s=5400.0)
    first = store.enqueue(WEEK, ["frames"], "lite")
    clock.time_s += 60
    store.enqueue(TALK, ["frames"], "lite")
    clock.time_s += 60
    state = store.queue_state()
    assert (state.queued, state.running, state.oldest_wait_s, state.videos, state.hours) == (2, [], 120.0, 2, 2.0)
    store.claim("1-a@here", 1)
    assert [job.id for job in store.queue_state().running] == [first.id]
    store.finish(first.id, "1-a@here", "done")
    state = store.queue_state()
    assert (state.queued, state.ended, state.ended_hours) == (1, 1, 0.5)
    clock.time_s += 3601
    assert store.queue_state().ended == 0


def test_of_failed_jobs_the_last_one_of_a_video_counts(store: Store) -> None:
    for error in ("DecodeError: first", "DecodeError: second"):
        job = store.enqueue(WEEK, ["frames"], "lite")
        store.claim("a", 1)
        store.finish(job.id, "a", "failed", error)
    state = store.queue_state()
    assert (state.failures, [job.error for job in state.failed]) == (1, ["DecodeError: second"])
    store.enqueue(WEEK, ["frames"], "lite")
    assert store.queue_state().failures == 0


def test_a_worker_is_there_while_it_says_so_or_holds_a_job(store: Store, clock: Clock) -> None:
    for name in ("1-a@here", "2-b@there"):
        store.see_worker(name, "lite")
    store.enqueue(WEEK, ["frames"], "lite")
    store.claim("2-b@there", 2, lease_s=200)
    clock.time_s += 30
    workers = store.queue_state().workers
    assert [(one.name, one.host, one.idle_s) for one in workers] == [
        ("1-a@here", "here", 30.0),
        ("2-b@there", "there", None),
    ]
    clock.time_s += 90
    assert [one.name for one in store.queue_state().workers] == ["2-b@there"]
    clock.time_s += 200
    assert store.queue_state().workers == []
    store.see_worker("1-a@here", "lite")
    store.forget_worker("1-a@here")
    assert store.queue_state().workers == []


@pytest.mark.parametrize("count", [1, 3])
def test_workers_that_nobody_has_seen_for_a_day_are_forgotten(store: Store, clock: Clock, count: int) -> None:
    for number in range(count):
        store.see_worker(f"{number}-x@here", "lite")
    clock.time_s += 100_000
    store.see_worker("new@here", "lite")
    with store.db.read() as c:
        assert [row[0] for row in c.execute("SELECT name FROM workers")] == ["new@here"]
