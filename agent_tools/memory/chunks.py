"""Chunk memory: a minute of frame vectors as a few memory tokens, and the two-stage search they allow.

Not in Hour-LLaVA, whose repository has neither chunks nor top-k: this is the training-free retrieval that a server
with any frame encoder can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.errors import ShapeError

MARGIN = 1e-4  # two float32 cosines this near may have the other order in float64
SHORTEST = 1e-12  # the least divisor of a vector, so a zero vector scores 0


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive frames of a video and the memory tokens that stand for them."""

    tokens: Tensor  # (m, D), as memory_tokens makes them
    frames: Tensor  # (T, D)
    first_index: int  # index of the first frame in the video

    def __post_init__(self) -> None:
        shapes = tuple(self.tokens.shape), tuple(self.frames.shape)
        if any(len(shape) != 2 or not shape[0] for shape in shapes) or shapes[0][1] != shapes[1][1]:
            raise ShapeError(
                f"tokens {shapes[0]} and frames {shapes[1]}: they must be (m, D) and (T, D), and not empty"
            )
        if self.first_index < 0:
            raise ShapeError(f"first_index {self.first_index}: frames are counted from 0")

    @cached_property
    def frame_lengths(self) -> Tensor:
        """(T,), float32. Computed once: to normalise a library's frames costs ten times as much as to compare them."""
        lengths: Tensor = torch.linalg.vector_norm(self.frames.float(), dim=1)
        return lengths.clamp_min(SHORTEST)


class Bank:
    """Chunks for several queries: the work that does not depend on the query is done once."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        """Raises: ShapeError: chunks of different widths."""
        self.chunks = list(chunks)
        widths = {chunk.tokens.shape[1] for chunk in self.chunks}
        if len(widths) > 1:
            raise ShapeError(f"chunks of widths {sorted(widths)}: all must be of one encoder")
        self.width = widths.pop() if widths else None
        tokens = [chunk.tokens.float() for chunk in self.chunks]
        self._tokens = F.normalize(torch.cat(tokens), dim=1) if tokens else torch.empty(0, 0)
        self._owners = torch.repeat_interleave(torch.tensor([t.shape[0] for t in tokens], dtype=torch.long))

    def scores(self, unit_query: Tensor) -> Tensor:
        """Per chunk the greatest cosine of the query, (D,) of length 1 in float32, and its tokens: (len(chunks),)."""
        return _best_of_each(self._tokens @ unit_query.to(self._tokens), self._owners, len(self.chunks))


def memory_tokens(chunk: Tensor, m: int = 4) -> Tensor:
    """The means of m segments of the chunk, as equal in length as whole frames allow.

    Each segment keeps its own vector: in one mean of the whole chunk, a scene of a quarter of a minute would be lost.
    Compare a query with each token and take the maximum, never the mean.

    Args:
        chunk: frame vectors, (T, D), T at least 1, so a last chunk may be short.
    Returns: (m, D); segments share frames where T < m.
    Raises: ShapeError: no frames, not two-dimensional, or m < 1.
    """
    if chunk.ndim != 2 or not len(chunk) or m < 1:
        raise ShapeError(f"chunk of shape {tuple(chunk.shape)}, m {m}: it must be (T, D), with T and m at least 1")
    bounds = [i * len(chunk) // m for i in range(m + 1)]
    return torch.stack([chunk[a : max(b, a + 1)].mean(dim=0) for a, b in pairwise(bounds)])


def retrieve(
    query: Tensor, chunks: Sequence[Chunk] | Bank, top_chunks: int = 8, top_frames: int = 32
) -> list[tuple[int, float]]:
    """The frames nearest to the query, searched only in the chunks nearest to it.

    A chunk's score is the maximum of the query's cosine with its memory tokens. All frames of the `top_chunks` best are
    compared. If top_chunks covers all chunks, this is brute force. Measured on drawn vectors, as the share of brute
    force's ten best frames that are found: 8 of 60 chunks find .92; of 6,000 chunks 8 find .82, 64 .89 and 128 .92
    (with one mean per chunk 64 find .58): python -m tests.memory.measure_recall. The default of 8 is for an hour; a
    library needs 64 or more.

    Args:
        query: (D,).
        chunks: in any order; no two frames have the same index. A Bank saves work over several queries.
    Returns: (frame index, cosine), best first, at most top_frames; ties by index. A zero vector scores 0.
    Raises: ShapeError: query not (D,) or of another width than a chunk; top_chunks or top_frames negative.
    """
    if query.ndim != 1 or top_chunks < 0 or top_frames < 0:
        raise ShapeError(
            f"query {tuple(query.shape)}, top_chunks {top_chunks}, top_frames {top_frames}: "
            "the query must be one vector (D,), the counts 0 or more"
        )
    bank = chunks if isinstance(chunks, Bank) else Bank(chunks)
    if bank.width not in (None, query.shape[0]):
        raise ShapeError(f"a query of width {len(query)} and chunks of width {bank.width}: both must be of one encoder")
    if not bank.chunks or not top_chunks or not top_frames:
        return []
    near = F.normalize(query.detach().cpu().double(), dim=0)  # mps has no float64
    order = bank.scores(near.float()).argsort(descending=True, stable=True)
    opened = [bank.chunks[i] for i in order[:top_chunks].tolist()]
    frames = torch.cat([c.frames for c in opened])
    rows = frames.float()
    rough = (rows @ near.float().to(rows) / torch.cat([c.frame_lengths for c in opened])).cpu()
    at_least = rough.topk(min(top_frames, rough.shape[0])).values[-1] - MARGIN
    kept = (rough >= at_least).nonzero()[:, 0]
    exact = frames[kept].cpu().double()  # in float64, so that near ties are in their true order
    scores = exact @ near / torch.linalg.vector_norm(exact, dim=1).clamp_min(SHORTEST)
    counts = torch.tensor([c.frames.shape[0] for c in opened])
    before = torch.tensor([c.first_index for c in opened]) - (counts.cumsum(0) - counts)
    indexes = kept + torch.repeat_interleave(before, counts)[kept]
    found = sorted(zip(indexes.tolist(), scores.tolist(), strict=True), key=lambda hit: (-hit[1], hit[0]))
    return found[:top_frames]


def chunk_scores(unit_query: Tensor, tokens: Sequence[Tensor]) -> Tensor:
    """Per chunk the greatest cosine of the query, (D,) of length 1, and its tokens (m, D): (len(tokens),)."""
    rows = F.normalize(torch.cat(list(tokens)).cpu().to(unit_query.dtype), dim=1) @ unit_query.cpu()
    return _best_of_each(rows, torch.repeat_interleave(torch.tensor([len(t) for t in tokens])), len(tokens))


def _best_of_each(scores: Tensor, owners: Tensor, count: int) -> Tensor:
    """The greatest score of each owner, for owners 0 to count - 1: (count,), on the processor."""
    return torch.full((count,), -torch.inf, dtype=scores.dtype).scatter_reduce(0, owners, scores.cpu(), "amax")
