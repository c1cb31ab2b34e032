"""How processes on PostgreSQL learn what others committed: the log of changes, and the word that a job waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from agent_tools.store import Store
from tests.store.conftest import TALK, WEEK, again
from tests.waiting import PATIENCE_S

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")

from agent_tools.store.postgres import changes  # noqa: E402


@pytest.fixture
def stores(database_url: str) -> Iterator[tuple[Store, Store]]:
    """Two processes' stores of one archive with two videos."""
    one, other = again(database_url), again(database_url)
    one.add_video(WEEK, "Week 3 Memory", 10)
    one.add_video(TALK, "A talk", 20)
    yield one, other
    one.close()
    other.close()


def test_only_what_changed_is_read_again(stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = stores
    one.overview()
    asked: list[object] = []
    read = one.overview.__self__._read_overview  # type: ignore[attr-defined]  # a bound method's object

    def noted(videos: object) -> object:
        asked.append(videos)
        return read(videos)

    monkeypatch.setattr(one.overview.__self__, "_read_overview", noted)  # type: ignore[attr-defined]
    one.overview()
    assert asked == []
    other.update_video(TALK, title="another title")
    assert one.overview()[TALK].video.title == "another title"
    assert asked == [[TALK]]


def test_a_commit_is_seen_though_younger_ones_were_seen_before(stores: tuple[Store, Store]) -> None:
    one, other = stores
    with other.db.write():
        other.update_video(WEEK, title="begun first")
        one.update_video(TALK, title="begun later, ended first")
        assert [status.video.title for status in one.overview().values()] == [
            "Week 3 Memory",
            "begun later, ended first",
        ]
    assert [status.video.title for status in one.overview().values()] == ["begun first", "begun later, ended first"]


def test_a_look_that_is_too_old_reads_all_again(stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = stores
    mark, changed = one.db.changed_since(None)
    assert changed is None
    mark, changed = one.db.changed_since(mark)
    assert changed == set()
    other.update_video(WEEK, title="x")
    monkeypatch.setattr(changes, "FRESH_S", 0.0)
    assert one.db.changed_since(mark)[1] is None


def test_the_log_is_pruned(stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = stores
    monkeypatch.setattr(changes, "PRUNE_S", -1.0)
    monkeypatch.setattr(changes, "KEPT_S", -1)
    one.update_video(WEEK, title="x")
    with one.db.read() as c:
        assert c.execute("SELECT count(*) FROM changes").get == 0


def test_what_a_search_writes_down_changes_nothing_that_the_overview_shows(stores: tuple[Store, Store]) -> None:
    one, other = stores
    before, seen = one.data_version(), one.overview()
    other.worker_here(1)
    assert one.data_version() == before
    assert one.overview() is seen


def test_a_waiting_worker_hears_of_a_job_at_once(stores: tuple[Store, Store]) -> None:
    one, other = stores
    one.wait_for_job(0.0)  # it listens from here on
    heard = threading.Event()

    def wait() -> None:
        one.wait_for_job(PATIENCE_S)
        heard.set()

    thread = threading.Thread(target=wait)
    thread.start()
    job = other.enqueue(WEEK, ["frames"], "lite")
    assert heard.wait(PATIENCE_S / 2)
    thread.join()
    one.claim("me", 1)
    one.release(job.id, "me")  # given back: said too, and kept until the next wait
    other.wait_for_job(0.0)
    one.wait_for_job(PATIENCE_S)
