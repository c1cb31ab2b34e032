"""Chooses frames and texts within a number of tokens, by relevance and diversity, and gives them in time order.

torch is loaded only if frames have vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from agent_tools.budget.cost import token_cost
from agent_tools.errors import InvalidArgument, ShapeError, TokenBudgetError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FrameOffer:
    """A frame that could be shown."""

    time_s: float
    score: float  # relevance, 0..1, on one scale with the texts' scores
    width: int  # pixels as it would be shown
    height: int
    vector: Any = field(default=None, compare=False, repr=False)  # (D,), or None: then it resembles no other frame

    def __post_init__(self) -> None:
        if not (isfinite(self.time_s) and isfinite(self.score) and self.width >= 1 and self.height >= 1):
            raise InvalidArgument(f"{self}: time and score must be finite, sides at least 1 px.")


@dataclass(frozen=True)
class TextOffer:
    """A piece of text that could be given."""

    start_s: float
    end_s: float
    score: float  # relevance, 0..1, on one scale with the frames' scores
    tokens: int

    def __post_init__(self) -> None:
        if not (isfinite(self.start_s) and isfinite(self.end_s) and isfinite(self.score)):
            raise InvalidArgument(f"{self}: times and score must be finite.")
        if self.end_s < self.start_s or self.tokens < 0:
            raise InvalidArgument(f"{self}: it must not end before it starts, and its cost must not be negative.")


@dataclass(frozen=True)
class Packed:
    """The chosen frames and texts."""

    frames: tuple[FrameOffer, ...]  # in time order
    texts: tuple[TextOffer, ...]  # in time order
    tokens: int  # of all together


def pack(
    frames: Sequence[FrameOffer],
    texts: Sequence[TextOffer],
    budget: int,
    family: str = "claude",
    diversity: float = 0.3,
) -> Packed:
    """Choose frames and texts that cost at most `budget` tokens together; no other offer would still fit.

    Offers are taken one by one: of those that still fit, the one with the highest
    (1 - diversity) * score - diversity * repetition, of equals the cheaper, then the earlier. The repetition of a frame
    is its cosine to the most similar frame already taken (never below 0); that of a text is its overlap with a text
    already taken, as a share of the shorter span. Frames and texts do not repeat each other.
    Not in the papers, which fill a fixed number of frames: this is maximal marginal relevance under a cost.
    Raises: TokenBudgetError: budget is negative. InvalidArgument: diversity outside 0..1, an unknown family.
        ShapeError: vectors of different lengths.
    """
    if budget < 0:
        raise TokenBudgetError(f"budget is {budget} tokens; it must not be negative.")
    if not 0 <= diversity <= 1:
        raise InvalidArgument(f"diversity is {diversity}; it must be in 0..1.")
    token_cost(1, 1, family)  # refuses an unknown family even if there are no frames
    offers: list[FrameOffer | TextOffer] = [*frames, *texts]
    costs = [_cost(offer, family) for offer in offers]
    starts = [offer.time_s if isinstance(offer, FrameOffer) else offer.start_s for offer in offers]
    repetition = [0.0] * len(offers)
    vectors = _unit_vectors(frames)
    waiting, taken, left = set(range(len(offers))), [], budget
    while waiting := {index for index in waiting if costs[index] <= left}:
        best = max(
            waiting,
            key=lambda i: (
                (1 - diversity) * offers[i].score - diversity * repetition[i],
                -costs[i],
                -starts[i],
                -i,
            ),
        )
        waiting.remove(best)
        taken.append(best)
        left -= costs[best]
        for index, share in _repetitions(offers, vectors, best, waiting):
            repetition[index] = max(repetition[index], share)
    shown = sorted((offer for i in taken if isinstance(offer := offers[i], FrameOffer)), key=lambda f: f.time_s)
    given = sorted(
        (offer for i in taken if isinstance(offer := offers[i], TextOffer)), key=lambda t: (t.start_s, t.end_s)
    )
    return Packed(tuple(shown), tuple(given), budget - left)


def _cost(offer: FrameOffer | TextOffer, family: str) -> int:
    return offer.tokens if isinstance(offer, TextOffer) else token_cost(offer.width, offer.height, family)


def _unit_vectors(frames: Sequence[FrameOffer]) -> Tensor | None:
    """Return (frames, D) rows of unit length, zero for a frame without a vector; None when no frame has one."""
    sized = [frame for frame in frames if frame.vector is not None]
    if not sized:
        return None
    import torch

    rows = [None if frame.vector is None else torch.as_tensor(frame.vector).cpu().double() for frame in frames]
    shapes = {tuple(row.shape) for row in rows if row is not None}
    shape = shapes.pop()
    if shapes or len(shape) != 1:
        raise ShapeError("The frames' vectors must all be (D,) of one encoder.")
    filled = torch.stack([torch.zeros(shape, dtype=torch.float64) if row is None else row for row in rows])
    return torch.nn.functional.normalize(filled, dim=1)


def _repetitions(
    offers: list[FrameOffer | TextOffer], vectors: Tensor | None, best: int, waiting: set[int]
) -> list[tuple[int, float]]:
    """Return how much each waiting offer of the same kind repeats the one just taken, 0..1."""
    chosen = offers[best]
    if isinstance(chosen, FrameOffer):
        if vectors is None:
            return []
        cosines: list[float] = (vectors @ vectors[best]).clamp_min(0).tolist()
        return [(index, cosines[index]) for index in waiting if index < len(cosines)]
    return [(i, _shared(chosen, other)) for i in waiting if isinstance(other := offers[i], TextOffer)]


def _shared(a: TextOffer, b: TextOffer) -> float:
    shorter = min(a.end_s - a.start_s, b.end_s - b.start_s)
    common = min(a.end_s, b.end_s) - max(a.start_s, b.start_s)
    if shorter <= 0:  # a moment is inside the other span or not
        return float(common >= 0)
    return min(1.0, max(0.0, common / shorter))
