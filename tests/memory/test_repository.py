"""The in-memory repository, exact."""

from __future__ import annotations

from pathlib import Path

from agent_tools.memory import InMemoryRepository, Repository
from tests.memory.repository_contract import RepositoryContract


class TestInMemoryRepository(RepositoryContract):
    def open(self, folder: Path) -> Repository:
        return InMemoryRepository()
