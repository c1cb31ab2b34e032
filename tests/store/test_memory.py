"""SqliteMemory under the contract of every MemoryStore."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from agent_tools.errors import VideoNotFound
from agent_tools.memory import Memory, MemoryStore, contextualise
from agent_tools.store import SqliteMemory, Store
from tests.memory.store_contract import TALK, WEEK, MemoryStoreContract, chunks


class TestSqliteMemory(MemoryStoreContract):
    past_tolerance = 4 / 127  # int8: half a step of the greatest number, which is below 8 here

    @pytest.fixture(autouse=True)
    def _closing(self) -> Iterator[None]:
        self.opened: list[Store] = []
        yield
        for store in self.opened:
            store.close()

    def open(self, folder: Path) -> MemoryStore:
        store = Store.open(folder)
        self.opened.append(store)
        for video_id in (WEEK, TALK):
            store.add_video(video_id, video_id, 1)
        return SqliteMemory(store)

    def reopened(self, store: MemoryStore, folder: Path) -> MemoryStore:
        for opened in self.opened:
            if opened.home == folder:
                opened.close()
        return self.open(folder)


def test_memories_of_some_videos_alone_are_found_when_asked_for(store: Store) -> None:
    memory = SqliteMemory(store)
    for video_id in (WEEK, TALK):
        memory.write(video_id, [Memory("scene", 0, 60, video_id, torch.eye(8)[0], "toy@1")])
    (hit,) = memory.retrieve(torch.eye(8)[0], 5, video_ids=[TALK])
    assert hit.video_id == TALK


def test_a_memory_of_no_video_is_refused(store: Store) -> None:
    with pytest.raises(VideoNotFound):
        SqliteMemory(store).write("ffffffffffff", [Memory("scene", 0, 60, "", torch.eye(8)[0], "toy@1")])


def test_many_ties_at_the_border_are_ordered_by_video_and_time(store: Store) -> None:
    memory = SqliteMemory(store)
    memory.write(WEEK, [Memory("note", i, i + 1, str(i), torch.eye(8)[0], "toy@1") for i in reversed(range(90))])
    assert [hit.memory.start_s for hit in memory.retrieve(torch.eye(8)[0], 3)] == [0, 1, 2]


def test_deleting_a_video_takes_its_memories_away(store: Store) -> None:
    memory = SqliteMemory(store)
    memory.write(WEEK, [Memory("scene", 0, 60, "", torch.eye(8)[0], "toy@1")])
    store.delete_video(WEEK)
    assert memory.retrieve(torch.eye(8)[0], 5) == []
    assert store.stats()["vectors"] == 0


def test_vectors_are_kept_once(store: Store) -> None:
    memory = SqliteMemory(store)
    memory.write(WEEK, chunks(3))
    with store.db.read() as c:
        rows = c.execute("SELECT length(vectors), length(context), count FROM memories").fetchall()
    assert rows == [(0, 4 * (4 + 16), 4)] * 3
    assert len(store.vectors("toy@1|memory", WEEK)[0]) == 12


def test_what_a_chunk_read_of_its_past_is_kept_within_half_a_step(store: Store) -> None:
    memory = SqliteMemory(store)
    memory.write(WEEK, chunks(5))
    written = chunks(5)
    for at, (held, past) in enumerate(memory.held(WEEK)):
        assert past is not None
        assert torch.equal(held.vectors, written[at].vectors)
        bank = torch.cat([written[at].vectors[:0], *(one.vectors for one in written[:at])])
        exact = contextualise(written[at].vectors, bank)
        assert bool(((past - exact).abs() <= 0.51 * exact.abs().amax(dim=1, keepdim=True) / 127).all())


def test_rows_of_older_stores_are_read_gone_on_with_copied_and_removed(store: Store, tmp_path: Path) -> None:
    """Before version 11 a row held its vectors, and its past in float32."""
    memory = SqliteMemory(store)
    spoken = chunks(4, producer="toy@1|speech")
    memory.write(WEEK, spoken[:3])
    with store.db.write() as c:
        for number, (held, past) in zip((1, 2, 3), memory.held(WEEK), strict=True):
            assert past is not None
            c.execute(
                "UPDATE memories SET vectors=?, context=?, count=-1 WHERE id=?",
                (held.vectors.numpy().tobytes(), past.numpy().tobytes(), number),
            )
    memory.write(WEEK, spoken)
    expected = [(one.key, one.vectors.tolist()) for one in spoken]
    assert [(one.key, one.vectors.tolist()) for one in memory.read(WEEK, "chunk", "toy@1|speech")] == expected
    pasts = [past for _, past in memory.held(WEEK)]
    bank = torch.cat([one.vectors for one in spoken[:3]])
    assert pasts[3] is not None
    assert torch.allclose(pasts[3], contextualise(spoken[3].vectors, bank), atol=4 / 127)
    with contextlib.closing(Store.open(tmp_path / "other")) as other:
        other.add_video(WEEK, WEEK, 1)
        taken = SqliteMemory(other)
        assert taken.take(memory, WEEK, "speech") == 4
        assert [(one.key, one.vectors.tolist()) for one, _ in taken.held(WEEK)] == expected
    assert memory.delete(WEEK) == 4
    assert store.stats()["vectors"] == 0
    assert memory.held(WEEK) == []
