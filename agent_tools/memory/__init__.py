"""Long-term memory after Hour-LLaVA: forget, keep everything in a repository, read it back by the question.

Three roles, each alone: `forget` gives the decayed view, a `Repository` keeps every token, `MemAug` reads it. Beside
them, what an encoder without tokens allows: `memory_tokens` of chunks, `retrieve`, and a `MemoryStore` of episodes.
Knows tensors, seconds and texts. Knows nothing of files, SQL, models, threads or MCP."""

from agent_tools.memory.episodic import InMemoryMemoryStore, Memory, MemoryStore, ScoredMemory
from agent_tools.memory.recurrence import contextualise
from agent_tools.memory.repository import InMemoryRepository, Repository

__all__ = [
    "InMemoryMemoryStore",
    "InMemoryRepository",
    "Memory",
    "MemoryStore",
    "Repository",
    "ScoredMemory",
    "contextualise",
]
