"""Memories and the in-memory store."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from agent_tools.errors import AgentToolsError
from agent_tools.memory import InMemoryMemoryStore, Memory, MemoryStore
from tests.memory.store_contract import MemoryStoreContract


class TestInMemoryMemoryStore(MemoryStoreContract):
    def open(self, folder: Path) -> MemoryStore:
        return InMemoryMemoryStore()


def test_a_memory_keeps_its_own_float32_rows() -> None:
    vector = torch.ones(3, dtype=torch.float64)
    memory = Memory("note", 0, 1, "text", vector, "agent")
    vector.zero_()
    assert memory.vectors.dtype == torch.float32
    assert torch.equal(memory.vectors, torch.ones(1, 3))


@pytest.mark.parametrize(
    ("kind", "start_s", "end_s", "vectors", "producer"),
    [
        ("", 0, 1, torch.ones(1, 3), "a"),
        ("scene", 0, 1, torch.ones(1, 3), ""),
        ("scene", 2, 1, torch.ones(1, 3), "a"),
        ("scene", 0, float("nan"), torch.ones(1, 3), "a"),
        ("scene", 0, 1, torch.ones(1, 1, 3), "a"),
        ("scene", 0, 1, torch.tensor([[1.0, float("nan")]]), "a"),
    ],
)
def test_a_memory_that_cannot_be_is_refused(
    kind: str, start_s: float, end_s: float, vectors: torch.Tensor, producer: str
) -> None:
    with pytest.raises((AgentToolsError, ValueError)):
        Memory(kind, start_s, end_s, "", vectors, producer)
