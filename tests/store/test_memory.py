"""SqliteMemory under the contract of every MemoryStore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from agent_tools.errors import VideoNotFound
from agent_tools.memory import Memory, MemoryStore
from agent_tools.store import SqliteMemory, Store
from tests.memory.store_contract import TALK, WEEK, MemoryStoreContract


class TestSqliteMemory(MemoryStoreContract):
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
