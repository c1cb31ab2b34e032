"""Rows of tasks, and what callers have searched and looked at: what many servers of one store share."""

from __future__ import annotations

from typing import Any

import pytest

from agent_tools.errors import VideoNotFound
from agent_tools.store import Store
from agent_tools.timeline import Span
from tests.store.conftest import TALK, WEEK, Clock


def begun(store: Store, number: str = "t", runner: str = "a") -> None:
    view = {"taskId": number, "status": "working"}
    store.add_task(number, "me", "ingest_video", {"source": "x"}, view, runner, lease_s=10, ttl_s=100)


def told(store: Store, runner: str, **view: Any) -> Any:
    return store.tell_task("t", runner, view, {"b", "a"}, lease_s=10, ttl_s=100)


def test_a_task_is_read_as_its_server_wrote_it(store: Store) -> None:
    begun(store)
    row = told(store, "a", status="working", statusMessage="half")
    assert row == store.task("t")
    assert (row.owner, row.tool, row.arguments) == ("me", "ingest_video", {"source": "x"})
    assert (row.view["statusMessage"], row.names, row.settled, row.held) == ("half", ("a", "b"), False, True)
    assert store.task("another") is None


def test_a_task_is_taken_over_once_and_only_when_its_server_is_silent(store: Store, clock: Clock) -> None:
    begun(store)
    assert store.take_task("t", "b", lease_s=10) is False
    clock.time_s += 10
    row = store.task("t")
    assert row is not None
    assert row.held is False
    assert [store.take_task("t", name, lease_s=10) for name in ("b", "c")] == [True, False]
    assert told(store, "a") is None
    assert told(store, "b") is not None


def test_the_first_end_of_a_task_counts(store: Store, clock: Clock) -> None:
    begun(store)
    assert store.end_task("t", {"status": "cancelled"}, ttl_s=100) is True
    assert store.end_task("t", {"status": "completed"}, ttl_s=100) is False
    assert told(store, "a") is None
    clock.time_s += 60
    assert store.take_task("t", "b", lease_s=10) is False
    row = store.task("t")
    assert row is not None
    assert (row.view["status"], row.settled) == ("cancelled", True)


def test_a_task_expires_after_its_last_change(store: Store, clock: Clock) -> None:
    begun(store)
    clock.time_s += 99
    told(store, "a")
    clock.time_s += 99
    assert store.task("t") is not None
    clock.time_s += 1
    assert store.task("t") is None
    begun(store, "t2")
    with store.db.read() as c:
        assert [row[0] for row in c.execute("SELECT id FROM tasks")] == ["t2"]
    store.drop_task("t2")
    assert store.task("t2") is None


def test_answers_of_all_servers_reach_the_one_that_runs_the_task(store: Store) -> None:
    begun(store)
    store.answer_task("t", {"name": {"action": "accept"}})
    store.answer_task("t", {"age": {"action": "decline"}})
    assert told(store, "a").answers == {"name": {"action": "accept"}, "age": {"action": "decline"}}


def test_what_a_caller_did_is_kept_apart_from_what_others_did(store: Store, clock: Clock) -> None:
    for second in (1, 2, 3):
        store.add_search("me", {(WEEK, second)})
    store.add_search("you", {(TALK, 9)})
    assert store.last_searches("me", 2) == [{(WEEK, 3)}, {(WEEK, 2)}]
    store.add_look("me", WEEK, Span(1, 2))
    store.add_look("you", WEEK, Span(5, 6))
    assert store.looks("me", WEEK) == [Span(1, 2)]
    assert store.looks("me", TALK) == []
    clock.time_s += 100_000
    store.add_search("you", {(TALK, 9)})
    assert store.last_searches("me", 2) == []
    store.delete_video(WEEK)
    assert store.looks("me", WEEK) == []
    with pytest.raises(VideoNotFound):
        store.add_look("me", WEEK, Span(1, 2))
