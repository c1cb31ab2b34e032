"""Episodic memory: what is remembered of spans of video, and which of it a query brings back.

agent_tools.store.SqliteMemory is the persistent form; both pass one contract (tests/memory/store_contract.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.errors import InvalidArgument, ShapeError
from agent_tools.memory.chunks import chunk_scores
from agent_tools.memory.recurrence import contextualise
from agent_tools.timeline import Span

_Key = tuple[str, float, float, str]

CHUNK = "chunk"  # the kind whose write reads the past


@dataclass(frozen=True, eq=False)  # tensors have no truth value: memories are the same by `key`
class Memory:
    """What is kept of the span [start_s, end_s): its text, and vectors by which it is found."""

    kind: str  # "chunk", "scene", "chapter", "note", ...
    start_s: float
    end_s: float
    text: str
    vectors: Tensor  # (m, D) float32; a chunk's memory tokens, or one row per text; (D,) counts as one row
    producer: str  # who made the vectors: model id, revision, settings

    def __post_init__(self) -> None:
        Span(self.start_s, self.end_s)
        if not self.kind or not self.producer:
            raise InvalidArgument(f"kind {self.kind!r} and producer {self.producer!r}: neither may be empty")
        vectors = self.vectors[None] if self.vectors.ndim == 1 else self.vectors
        if vectors.ndim != 2:
            raise ShapeError(f"vectors of shape {tuple(vectors.shape)}: a memory takes (m, D)")
        if not vectors.isfinite().all():
            raise InvalidArgument(
                "vectors hold NaN or infinity, which no query can be compared with: encode the span again"
            )
        object.__setattr__(self, "vectors", vectors.detach().float().clone())

    @property
    def key(self) -> _Key:
        """With the video, what makes two writes the same write."""
        return self.kind, self.start_s, self.end_s, self.producer


@dataclass(frozen=True, eq=False)
class ScoredMemory:
    """A memory that a query brought back. `score` is the greatest cosine of the query and its vectors, -1..1."""

    video_id: str
    memory: Memory
    score: float
    context: Tensor | None = None  # (m, D): a chunk's vectors in the light of the chunks before; see contextualise


class MemoryStore(Protocol):
    """Memories by video; writing the same one again changes nothing."""

    def write(self, video_id: str, memories: Iterable[Memory]) -> int:
        """Keep those that are new by (video, kind, start, end, producer); the first write of a key stands.

        The batch is taken in order of time. A chunk's write reads the bank: the vectors, as written, of the same
        video's and producer's chunks that end by its start, in order of time. So a stream of chunks written in order
        of time gives the same store whatever batches it came in and wherever it was interrupted and taken up again.
        All of a call is kept, or, if it raises, nothing.

        Returns: how many were new. Raises: ShapeError: a chunk of another width than its producer's before.
        """
        ...

    def retrieve(self, query: Tensor, k: int, *, producer: str = "") -> list[ScoredMemory]:
        """The k memories whose vectors are nearest the query (D,), best first.

        The score is the maximum over a memory's vectors, never the mean; ties are ordered by video and time. Memories
        of another width, or without vectors, are not compared; two producers may share a width, so a caller that has
        both names the query's. Raises: ShapeError: query not (D,), k negative.
        """
        ...


class InMemoryMemoryStore:
    """A MemoryStore in memory, exact in float32."""

    def __init__(self) -> None:
        self._videos: dict[str, dict[_Key, tuple[Memory, Tensor | None]]] = {}

    def write(self, video_id: str, memories: Iterable[Memory]) -> int:
        """Keep those that are new; see MemoryStore.write."""
        kept = dict(self._videos.get(video_id, {}))
        before = len(kept)
        for memory in in_writing_order(memories):
            if memory.key not in kept:
                past = (m for m, _ in kept.values())
                context = contextualise(memory.vectors, bank_before(memory, past)) if memory.kind == CHUNK else None
                kept[memory.key] = (memory, context)
        self._videos[video_id] = kept
        return len(kept) - before

    def retrieve(self, query: Tensor, k: int, *, producer: str = "") -> list[ScoredMemory]:
        """The k nearest memories; see MemoryStore.retrieve."""
        if query.ndim != 1 or k < 0:
            raise ShapeError(f"query {tuple(query.shape)}, k {k}: one vector (D,) and k of 0 or more are needed")
        comparable = [
            (video_id, memory, context)
            for video_id, kept in self._videos.items()
            for memory, context in kept.values()
            if memory.vectors.shape[1] == len(query) and len(memory.vectors) and producer in ("", memory.producer)
        ]
        if not comparable:
            return []
        near = F.normalize(query.detach().cpu().double(), dim=0)
        scores = chunk_scores(near, [memory.vectors for _, memory, _ in comparable]).tolist()
        hits = [ScoredMemory(v, memory, score, ctx) for (v, memory, ctx), score in zip(comparable, scores, strict=True)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.video_id, hit.memory.start_s, hit.memory.key))[:k]


def in_writing_order(memories: Iterable[Memory]) -> list[Memory]:
    """A batch in the order a store takes it: by time, so that a chunk finds the chunks before it in the bank."""
    return sorted(memories, key=lambda memory: (memory.start_s, memory.end_s))


def bank_before(chunk: Memory, kept: Iterable[Memory]) -> Tensor:
    """The bank a chunk's write reads: vectors (P, D) of the producer's chunks in `kept` that end by its start.

    Raises: ShapeError: one of them has another width.
    """
    past = [m for m in kept if m.kind == CHUNK and m.producer == chunk.producer and m.end_s <= chunk.start_s]
    width = chunk.vectors.shape[1]
    if odd := next((m for m in past if m.vectors.shape[1] != width), None):
        raise ShapeError(f"{chunk.producer} wrote chunks {odd.vectors.shape[1]} wide before, now {width}: reindex them")
    return torch.cat([chunk.vectors[:0], *(m.vectors for m in in_writing_order(past))])
