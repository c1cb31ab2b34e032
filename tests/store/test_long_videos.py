"""Long videos: short transactions, a bounded past, work that grows with the video and no faster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
import torch

from agent_tools.home import STORE_FILE
from agent_tools.memory import BANK_CHUNKS, Memory, contextualise
from agent_tools.store import EntryIn, Store
from agent_tools.store.database import Held, SqliteDatabase
from agent_tools.store.entries import AT_ONCE
from tests.store.conftest import WEEK, Clock, short

CUES = 5_000


def counted(store: Store, work: Callable[[], object]) -> list[Held]:
    """How long each transaction of the work held the lock; none of them long."""
    held: list[Held] = []

    def on_write(one: Held) -> None:
        short(one)
        held.append(one)

    store.db.on_write = on_write
    work()
    return held


def cues(count: int) -> list[EntryIn]:
    return [
        EntryIn(i, i + 1, f"Keeper {i} lit the lamp and wrote the hour {i % 24} into the book.") for i in range(count)
    ]


def chunk(place: int) -> Memory:
    draw = torch.Generator().manual_seed(place)
    return Memory("chunk", 60.0 * place, 60.0 * place + 60, "", torch.randn(2, 8, generator=draw), "toy@1|subtitles")


def test_many_cues_are_written_and_removed_in_short_transactions(store: Store) -> None:
    written = counted(store, lambda: store.add_entries(WEEK, "subtitles", "file", cues(CUES)))
    assert len(written) == -(-CUES // AT_ONCE)
    removed = counted(store, lambda: store.delete_entries(WEEK, "subtitles"))
    assert len(removed) > CUES // AT_ONCE
    assert store.entries(WEEK) == []
    assert store.search_words("lamp") == []


def test_a_chunk_reads_the_latest_of_the_past_however_long_it_is(store: Store) -> None:
    count = BANK_CHUNKS + 20
    memories = [chunk(place) for place in range(count)]
    held = counted(store, lambda: store.memories.write(WEEK, memories[:-3]))
    assert len(held) > 4
    store.memories.write(WEEK, memories)  # a resumed ingest offers all of them again
    last = memories[-1]
    (found,) = [hit for hit in store.memories.retrieve(last.vectors[0], 1) if hit.memory.key == last.key]
    bank = torch.cat([one.vectors for one in memories[-BANK_CHUNKS - 1 : -1]])
    assert found.context is not None
    assert torch.allclose(found.context, contextualise(last.vectors, bank), atol=float(bank.abs().max()) / 254)


def test_the_spans_of_memories_name_what_need_not_be_written_again(store: Store) -> None:
    store.memories.write(WEEK, [chunk(0), chunk(1)])
    assert store.memories.spans(WEEK, "chunk", "toy@1|subtitles") == {(0.0, 60.0), (60.0, 120.0)}
    assert store.memories.spans(WEEK, "chunk", "toy@1|speech") == set()


def test_some_vectors_are_read_without_the_others(store: Store) -> None:
    ids = store.add_entries(WEEK, "subtitles", "file", cues(4))
    store.put_vectors("toy@1|text", WEEK, ids, torch.eye(4).numpy())
    found, matrix = store.vectors("toy@1|text", WEEK, [ids[2], ids[0], 99])
    assert found.tolist() == [ids[0], ids[2]]
    assert matrix.tolist() == torch.eye(4)[[0, 2]].tolist()


def test_pages_of_entries_without_a_vector_go_on_after_the_last(store: Store) -> None:
    ids = store.add_entries(WEEK, "subtitles", "file", cues(5))
    assert [entry.id for entry in store.pending_text(WEEK, "toy@1|text", limit=2, after=ids[1])] == ids[2:4]


class LeaseLostError(Exception):
    """What a test's guard raises."""


def test_a_worker_that_lost_its_job_writes_nothing_more(store: Store) -> None:
    job = store.enqueue(WEEK, ["subtitles"], "lite")
    store.claim("slow", 1, lease_s=0)
    store.guard(job.id, "slow", LeaseLostError)
    store.add_entries(WEEK, "subtitles", "file", cues(1))
    with store.db.write(fenced=False) as c:  # another worker takes the job over
        c.execute("UPDATE jobs SET worker='next'")
    with pytest.raises(LeaseLostError):
        store.add_entries(WEEK, "subtitles", "file", cues(2))
    assert store.beat(job.id, "slow") == "lost"
    store.unguard()
    assert len(store.entries(WEEK)) == 1


@pytest.mark.parametrize(
    ("since_s", "is_alive", "may"),
    [(0, True, False), (119, True, False), (121, True, True), (0, False, True)],
)
def test_one_worker_starts_at_a_time(store: Store, clock: Clock, since_s: float, is_alive: bool, may: bool) -> None:
    assert store.worker_may_start(11, lambda _: True)
    store.worker_starts(12)
    clock.time_s += since_s
    asked: list[int] = []
    assert store.worker_may_start(13, lambda pid: bool(asked.append(pid)) or is_alive) is may
    assert asked in ([12], [])


def test_between_two_jobs_a_worker_bars_another_and_at_its_end_no_more(store: Store, clock: Clock) -> None:
    store.enqueue(WEEK, ["subtitles"], "lite")
    job = store.claim("first", 12)
    assert job is not None
    clock.time_s += 3600
    store.finish(job.id, "first", "done")
    assert not store.worker_may_start(13, lambda pid: pid == 12)
    assert store.worker_leaves(12)
    assert store.worker_may_start(13, lambda _: True)


def test_a_worker_stays_for_a_job_that_was_queued_while_it_looked(store: Store) -> None:
    store.worker_here(12)
    store.enqueue(WEEK, ["subtitles"], "lite")
    assert not store.worker_leaves(12)
    assert not store.worker_may_start(13, lambda _: True)


def test_the_log_that_grew_beside_a_long_reader_is_cut_when_the_reader_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a backup beside an ingest leaves a log as large as all that was written meanwhile."""
    monkeypatch.setattr("agent_tools.store.database.LOG_KEPT_BYTES", 1 << 20)
    with contextlib.closing(Store.open(tmp_path)) as store:
        store.add_video(WEEK, "Week", 1)
        log = tmp_path / f"{STORE_FILE}-wal"
        with contextlib.closing(apsw.Connection(str(tmp_path / STORE_FILE))) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM entries").fetchall()
            store.add_entries(WEEK, "subtitles", "file", cues(CUES))
            grown = log.stat().st_size
            reader.execute("COMMIT")
        assert grown > 3 << 20
        store.add_entries(WEEK, "subtitles", "another", cues(4 * AT_ONCE))
        assert log.stat().st_size <= 1 << 20


def test_a_chunk_costs_no_more_the_later_it_comes(store: Store) -> None:
    if not isinstance(store.db, SqliteDatabase):
        pytest.skip("the steps of SQLite's programs are counted")

    def steps(place: int) -> int:
        count = 0

        def step() -> bool:
            nonlocal count
            count += 1
            return False

        with store.db.write() as c:
            c.set_progress_handler(step, 10)
        store.memories.write(WEEK, [chunk(place)])
        with store.db.write() as c:
            c.set_progress_handler(None)
        return count

    few, many = BANK_CHUNKS + 8, 8 * BANK_CHUNKS  # the bank is full in both
    store.memories.write(WEEK, [chunk(place) for place in range(few)])
    early = steps(few)
    store.memories.write(WEEK, [chunk(place) for place in range(few + 1, many)])
    assert early > 5
    assert steps(many) < 1.5 * early
