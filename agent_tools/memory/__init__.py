"""Long-term memory after Hour-LLaVA: forget, keep everything in a repository, read it back by the question.

Three roles, each alone: `forget` gives the decayed view, a `Repository` keeps every token, `MemAug` reads it. Beside
them, what an encoder without tokens allows: `memory_tokens` of chunks, `retrieve`, and a `MemoryStore` of episodes.
Knows tensors, seconds and texts. Knows nothing of files, SQL, models, threads or MCP."""

from agent_tools.memory.chunks import Bank, Chunk, memory_tokens, retrieve
from agent_tools.memory.decay import Forgotten, forget
from agent_tools.memory.episodic import (
    BANK_CHUNKS,
    CHUNK,
    InMemoryMemoryStore,
    Memory,
    MemoryStore,
    ScoredMemory,
    bank_before,
    in_writing_order,
)
from agent_tools.memory.memaug import MemAug
from agent_tools.memory.place_reader import PlaceReader, decayed_places
from agent_tools.memory.recurrence import contextualise
from agent_tools.memory.repository import InMemoryRepository, Repository

__all__ = [
    "BANK_CHUNKS",
    "CHUNK",
    "Bank",
    "Chunk",
    "Forgotten",
    "InMemoryMemoryStore",
    "InMemoryRepository",
    "MemAug",
    "Memory",
    "MemoryStore",
    "PlaceReader",
    "Repository",
    "ScoredMemory",
    "bank_before",
    "contextualise",
    "decayed_places",
    "forget",
    "in_writing_order",
    "memory_tokens",
    "retrieve",
]
