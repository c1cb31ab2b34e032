"""Chunk memory: a minute of frame vectors as a few memory tokens, and the two-stage search they allow.

Not in Hour-LLaVA, whose repository has neither chunks nor top-k: this is the training-free retrieval that a server
with any frame encoder can do. Knows vectors and frame indexes. Knows no times, files or models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive frames of a video and the memory tokens that stand for them."""

    tokens: Tensor  # (m, D), as memory_tokens makes them
    frames: Tensor  # (T, D)
    first_index: int  # index of the first frame in the video

    def __post_init__(self) -> None:
        shapes = tuple(self.tokens.shape), tuple(self.frames.shape)
        if any(len(shape) != 2 or not shape[0] for shape in shapes) or shapes[0][1] != shapes[1][1]:
            raise ShapeError(f"tokens {shapes[0]} and frames {shapes[1]}: (m, D) and (T, D), neither empty, are needed")
        if self.first_index < 0:
            raise ShapeError(f"first_index {self.first_index}: frames are counted from 0")


def memory_tokens(chunk: Tensor, m: int = 4) -> Tensor:
    """The means of m segments of the chunk, as equal in length as whole frames allow.

    Each segment keeps its own vector: a mean of these means would be one vector for the whole chunk, and a scene of a
    quarter of a minute would be lost in it. Compare a query with each and take the maximum, never the mean.

    Args:
        chunk: frame vectors, (T, D), T at least 1; any T, so a last chunk of 7 frames too.
    Returns: (m, D); segments share frames where T < m.
    Raises: ShapeError: no frames, not two-dimensional, or m < 1.
    """
    if chunk.ndim != 2 or not len(chunk) or m < 1:
        raise ShapeError(f"chunk of shape {tuple(chunk.shape)}, m {m}: (T, D) with T and m of at least 1 are needed")
    bounds = [i * len(chunk) // m for i in range(m + 1)]
    return torch.stack([chunk[a : max(b, a + 1)].mean(dim=0) for a, b in pairwise(bounds)])


def retrieve(
    query: Tensor, chunks: Sequence[Chunk], top_chunks: int = 8, top_frames: int = 32
) -> list[tuple[int, float]]:
    """The frames nearest the query, looked for only in the chunks nearest it.

    A chunk's score is the maximum of the query's cosine with its memory tokens; of the `top_chunks` best, all frames
    are compared. When top_chunks covers all, this is brute force. Otherwise, of the ten frames brute force finds on
    drawn vectors, 8 of 60 chunks kept .92, and of 6,000 chunks 8 kept .82, 64 .89, 128 .92 (one mean per chunk: 64 kept
    .58): python -m tests.memory.measure_recall. The default of 8 suits an hour; a library wants 64 or more.

    Args:
        query: (D,).
        chunks: of one video, so that first_index tells frames apart; any order.
    Returns: (frame index, cosine), best first, at most top_frames; ties by index. A zero vector scores 0.
    Raises: ShapeError: query not (D,) or of another width than a chunk; top_chunks or top_frames negative.
    """
    if query.ndim != 1 or top_chunks < 0 or top_frames < 0:
        raise ShapeError(
            f"query {tuple(query.shape)}, top_chunks {top_chunks}, top_frames {top_frames}: "
            "one vector (D,) and counts of 0 or more are needed"
        )
    if odd := next((chunk for chunk in chunks if chunk.tokens.shape[1] != len(query)), None):
        raise ShapeError(
            f"a query of width {len(query)} and a chunk of width {odd.tokens.shape[1]}: one encoder's only"
        )
    if not chunks:
        return []
    near = F.normalize(query.detach().double(), dim=0)  # float64: the order of near ties is that of the vectors
    order = chunk_scores(near.float(), [chunk.tokens for chunk in chunks]).argsort(descending=True, stable=True)[
        :top_chunks
    ]
    found = [
        (chunks[i].first_index + t, score)
        for i in order.tolist()
        for t, score in enumerate((F.normalize(chunks[i].frames.double(), dim=1) @ near).tolist())
    ]
    return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:top_frames]


def chunk_scores(unit_query: Tensor, tokens: Sequence[Tensor]) -> Tensor:
    """Per chunk the greatest cosine of the query, (D,) of length 1, and its tokens (m, D): (len(tokens),)."""
    rows = F.normalize(torch.cat(list(tokens)).to(unit_query.dtype), dim=1) @ unit_query
    of = torch.repeat_interleave(torch.arange(len(tokens)), torch.tensor([len(t) for t in tokens]))
    return torch.full((len(tokens),), -torch.inf, dtype=rows.dtype).scatter_reduce(0, of, rows, "amax")
