"""What is PostgreSQL's own: its way to write SQL, locks of one video, a server that goes away, and its messages."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent_tools.errors import InvalidArgument, StoreError, StoreTooNew, StoreUnreachable
from agent_tools.store import EntryIn, Store
from tests.store.conftest import TALK, WEEK, Clock, again, place
from tests.waiting import PATIENCE_S

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")

from agent_tools.store.postgres import database  # noqa: E402
from agent_tools.store.postgres.database import described  # noqa: E402
from agent_tools.store.postgres.dialect import translated  # noqa: E402

CUES = (
    "The keys are made in advance, the values too",
    "keys, keys, keys and nothing else",
    "값은 미리 만들어 둔다",
    "東京の塔は高い",
    "Der Schlüssel passt",
    "a much longer line that speaks about nothing in particular and holds the word keys once, near its end",
)


@pytest.fixture
def postgres(database_url: str, clock: Clock) -> Iterator[Store]:
    opened = again(database_url, now=clock)
    opened.add_video(WEEK, "Week 3 Memory", 10)
    opened.add_video(TALK, "A talk", 20)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("written", "read", "lists"),
    [
        ("SELECT a FROM t WHERE b=? AND c=?", "SELECT a FROM t WHERE b=%(1)s AND c=%(2)s", set()),
        ("x=?2 OR y=?1 OR ?2 IS NULL", "x=%(2)s OR y=%(1)s OR %(2)s IS NULL", set()),
        ("id IN (SELECT value FROM json_each(?))", "id = ANY(%(1)s)", {"1"}),
        ("?3 IS NULL OR e.v IN (SELECT value FROM json_each(?3))", "%(3)s IS NULL OR e.v = ANY(%(3)s)", {"3"}),
        ("name LIKE '%|memory' AND a='?' AND b=?", "name LIKE '%%|memory' AND a='?' AND b=%(1)s", set()),
        ("a='it''s ?' AND b % 2 = ?", "a='it''s ?' AND b %% 2 = %(1)s", set()),
    ],
)
def test_the_parts_sql_is_read_by_postgresql(written: str, read: str, lists: set[str]) -> None:
    made = translated(written)
    assert (made.sql, set(made.lists)) == (read, lists)


def test_values_are_bound_as_columns_hold_them() -> None:
    made = translated("a=? AND b IN (SELECT value FROM json_each(?)) AND c=?")
    assert made.bound((True, '["x", "y"]', "no\0ul")) == {"1": 1, "2": ["x", "y"], "3": "no\ufffdul"}


@pytest.mark.parametrize(
    "question", ["keys", "keys values", '"made in advance"', "값은", "東京の塔", "schlüssel line", "고래"]
)
def test_both_engines_rank_alike(sqlite: Store, postgres: Store, question: str) -> None:
    for store in (sqlite, postgres):
        store.add_entries(WEEK, "subtitles", "p", [EntryIn(n, n + 1, text) for n, text in enumerate(CUES)])
        store.add_entries(TALK, "speech", "p", [EntryIn(n, n + 1, f"filler number {n}") for n in range(40)])
    found = [
        [(hit.entry.text, hit.terms, hit.bm25, hit.idf) for hit in store.search_words(question)]
        for store in (sqlite, postgres)
    ]
    assert [hit[:2] for hit in found[0]] == [hit[:2] for hit in found[1]]
    for one, other in zip(*found, strict=True):
        assert one[2:] == pytest.approx(other[2:], rel=1e-6)


def test_a_writer_of_one_video_keeps_only_that_video(postgres: Store) -> None:
    impatient = again(place(postgres), wait_s=0.2)
    with postgres.db.write():
        postgres.update_video(WEEK, title="held")
        impatient.update_video(TALK, title="free")
        with pytest.raises(StoreError, match="locked by another program"):
            impatient.update_video(WEEK, title="waits in vain")
    impatient.update_video(WEEK, title="now it goes")
    assert [video.title for video in postgres.videos()] == ["now it goes", "free"]
    impatient.close()


def test_two_who_take_a_job_at_once_take_two(postgres: Store) -> None:
    first, second = postgres.enqueue(WEEK, ["frames"], "lite"), postgres.enqueue(TALK, ["frames"], "lite")
    other = again(place(postgres))
    with postgres.db.write():
        mine = postgres.claim("a", 1)
        theirs = other.claim("b", 2)  # does not wait for the row that is being taken
    assert mine is not None
    assert theirs is not None
    assert {mine.id, theirs.id} == {first.id, second.id}
    other.close()


class Lost(Exception):
    """What a worker without its job raises in these tests."""


def test_a_job_is_not_taken_while_its_holder_writes_and_then_the_holder_writes_no_more(
    postgres: Store, clock: Clock
) -> None:
    job = postgres.enqueue(WEEK, ["frames"], "lite")
    postgres.claim("slow", 1, lease_s=10)
    other = again(place(postgres), now=clock)
    postgres.guard(job.id, "slow", Lost)
    with postgres.db.write():
        clock.time_s += 11
        assert other.claim("next", 2) is None
        assert other.beat(job.id, "slow") == "go"  # its own pulse waits for nothing
        clock.time_s += 60
    taken = other.claim("next", 2)
    assert taken is not None
    with pytest.raises(Lost):
        postgres.set_channel(WEEK, "frames", state="running")
    assert other.channels(WEEK) == []
    other.close()


def test_a_holder_that_freezes_within_a_write_loses_it_and_the_job(
    postgres: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "IDLE_S", 1)
    job = postgres.enqueue(WEEK, ["frames"], "lite")
    postgres.claim("frozen", 1, lease_s=10)
    other = again(place(postgres), now=clock)
    postgres.guard(job.id, "frozen", Lost)

    def write_and_freeze() -> None:
        with postgres.db.write():
            postgres.set_channel(WEEK, "frames", state="running")
            clock.time_s += 11
            deadline = time.monotonic() + PATIENCE_S
            while other.claim("next", 2) is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            postgres.set_channel(WEEK, "speech", state="running")

    with pytest.raises(StoreUnreachable):
        write_and_freeze()
    assert other.channels(WEEK) == []
    other.close()


def test_a_holder_that_is_cut_off_in_the_middle_of_its_vectors_loses_the_job(
    postgres: Store, database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No timeout ends a statement that waits for data of a line cut and not closed; who waits for work does."""
    monkeypatch.setattr(database, "IDLE_S", 0.2)
    postgres.put_vectors("toy@1|frame", WEEK, [1], np.ones((1, 4), np.float32))
    job = postgres.enqueue(WEEK, ["frames"], "lite")
    postgres.claim("cut off", 1, lease_s=10)
    other = again(place(postgres), now=clock)

    def write_and_be_cut_off() -> None:
        with psycopg.connect(database_url) as line, line.cursor() as cursor:
            cursor.execute("SELECT 1 FROM jobs WHERE id=%s FOR UPDATE", (job.id,))
            with cursor.copy("COPY vectors_1 FROM STDIN (FORMAT BINARY)") as copy:
                clock.time_s += 11
                assert other.claim("next", 2) is None
                deadline = time.monotonic() + PATIENCE_S
                while other.claim("next", 2) is None:
                    assert time.monotonic() < deadline
                    other.wait_for_job(0.05)
                copy.write(b"too late")

    with pytest.raises(psycopg.OperationalError):
        write_and_be_cut_off()
    other.close()


def test_a_signal_in_the_middle_of_a_statement_ends_what_it_was_meant_to_end(postgres: Store) -> None:
    def leave(*_: object) -> None:
        raise SystemExit(0)

    def write_for_long() -> None:
        with postgres.db.write() as c:
            c.execute("UPDATE videos SET title='half done'")
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            c.execute("SELECT pg_sleep(60)")

    before = signal.signal(signal.SIGALRM, leave)
    try:
        with pytest.raises(SystemExit):
            write_for_long()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [video.title for video in postgres.videos()] == ["Week 3 Memory", "A talk"]


def test_two_who_make_a_space_at_once_make_one(postgres: Store) -> None:
    import numpy as np

    stores = [postgres, again(place(postgres))]
    start = threading.Barrier(2)

    def put(store: Store, video_id: str) -> None:
        start.wait(PATIENCE_S)
        store.put_vectors("m|text", video_id, [1], np.eye(1, 4, dtype=np.float32))

    threads = [threading.Thread(target=put, args=pair) for pair in zip(stores, (WEEK, TALK), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert postgres.spaces() == ["m|text"]
    assert [len(postgres.vectors("m|text", video_id)[0]) for video_id in (WEEK, TALK)] == [1, 1]
    stores[1].close()


def test_the_servers_clock_counts(database_url: str) -> None:
    store = again(database_url)
    with psycopg.connect(database_url) as connection:
        (there,) = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    assert abs(store.db.now() - there) < 5
    store.close()


def test_a_connection_that_was_cut_is_replaced(postgres: Store) -> None:
    with postgres.db.read() as c:
        mine = c.execute("SELECT pg_backend_pid()").get
    with psycopg.connect(place(postgres), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (mine,))
    assert [video.id for video in postgres.videos()] == [WEEK, TALK]


def test_a_newer_program_s_tables_are_refused(postgres: Store) -> None:
    with psycopg.connect(place(postgres), autocommit=True) as other:
        other.execute("UPDATE store_version SET version=99")
    with pytest.raises(StoreTooNew, match="version 99"):
        again(place(postgres))


def test_a_server_that_is_not_there_is_said_without_the_password(tmp_path: Path) -> None:
    address = f"postgresql://me:secret@/archive?host={tmp_path}&connect_timeout=2"
    assert "secret" not in described(address)
    with pytest.raises(StoreError, match="cannot be reached") as raised:
        Store.connect(tmp_path, address, wait_s=0.5)
    assert "secret" not in str(raised.value)


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="postgresql://USER@HOST"):
        Store.connect(tmp_path, "postgresql://host:port:port/x y")


def test_a_backup_names_the_servers_own_tool(postgres: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="pg_dump"):
        postgres.backup(tmp_path / "b.sqlite3")
