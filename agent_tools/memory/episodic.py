"""Episodic memory: memories of spans of video, and the search for those nearest to a query.

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

CHUNK = "chunk"  # the kind whose write reads earlier chunks
BANK_CHUNKS = 256  # of the past, the latest that a write reads: four hours of chunks of a minute


@dataclass(frozen=True, eq=False)  # tensors have no truth value: compare memories by `key`
class Memory:
    """The memory of the span [start_s, end_s): its text, and the vectors that a search compares."""

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
            raise ShapeError(f"vectors of shape {tuple(vectors.shape)}: they must be (m, D)")
        if not vectors.isfinite().all():
            raise InvalidArgument(
                "vectors hold NaN or infinity, so no query can be compared with them: encode the span again"
            )
        object.__setattr__(self, "vectors", vectors.detach().float().clone())

    @property
    def key(self) -> _Key:
        """Two writes with the same key, to the same video, are the same write."""
        return self.kind, self.start_s, self.end_s, self.producer


@dataclass(frozen=True, eq=False)
class ScoredMemory:
    """A memory that a query found. `score` is the greatest cosine of the query and its vectors, -1..1."""

    video_id: str
    memory: Memory
    score: float
    context: Tensor | None = None  # (m, D): a chunk's vectors mixed with the chunks before; see contextualise


class MemoryStore(Protocol):
    """Memories by video. To write the same memory again changes nothing."""

    def write(self, video_id: str, memories: Iterable[Memory]) -> int:
        """Store those whose (video, kind, start, end, producer) is new. Later writes of the same key change nothing.

        The batch is written in time order. A chunk's write reads the bank: the vectors, as written and in time order,
        of the chunks of the same video and producer that end by its start. So a stream of chunks in time order gives
        the same store, whatever its batches are and wherever it was interrupted and continued. A call stores all of
        its memories, or none if it raises.

        Returns: the number of new memories. Raises: ShapeError: a chunk whose width differs from its producer's
            earlier chunks.
        """
        ...

    def retrieve(self, query: Tensor, k: int, *, producer: str = "") -> list[ScoredMemory]:
        """The k memories whose vectors are nearest to the query (D,), best first.

        The score is the maximum over a memory's vectors, never the mean; ties are in order of video and time. Memories
        of another width, or without vectors, are not compared. Two producers can have the same width: then name the
        query's producer. Raises: ShapeError: query not (D,), k negative.
        """
        ...


class InMemoryMemoryStore:
    """A MemoryStore in memory, exact in float32."""

    def __init__(self) -> None:
        self._videos: dict[str, dict[_Key, tuple[Memory, Tensor | None]]] = {}

    def write(self, video_id: str, memories: Iterable[Memory]) -> int:
        """Store the new ones; see MemoryStore.write."""
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
            raise ShapeError(f"query {tuple(query.shape)}, k {k}: the query must be one vector (D,), k 0 or more")
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
    """A batch in the order in which a store writes it: by time, so that a chunk finds earlier chunks in the bank."""
    return sorted(memories, key=lambda memory: (memory.start_s, memory.end_s))


def bank_before(chunk: Memory, kept: Iterable[Memory]) -> Tensor:
    """The bank that a chunk's write reads: vectors (P, D) of its producer's chunks in `kept` that end by its start.

    Of more than BANK_CHUNKS the latest count, as in a Transformer-XL, whose memory has a fixed length. So what a write
    costs does not grow with the video.
    Raises: ShapeError: a chunk in the bank has another width.
    """
    past = [m for m in kept if m.kind == CHUNK and m.producer == chunk.producer and m.end_s <= chunk.start_s]
    width = chunk.vectors.shape[1]
    if odd := next((m for m in past if m.vectors.shape[1] != width), None):
        raise ShapeError(f"{chunk.producer} wrote chunks {odd.vectors.shape[1]} wide before, now {width}: reindex them")
    return torch.cat([chunk.vectors[:0], *(m.vectors for m in in_writing_order(past)[-BANK_CHUNKS:])])
