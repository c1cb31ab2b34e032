"""Four ways to choose frames within a budget, behind one Protocol: evenly, by duration, by redundancy, for a query.

They compare features and times of any encoder. The cost of a frame is in agent_tools.budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from agent_tools.compression.relevance import DIVERSITY, SPREAD, relevant_rows
from agent_tools.compression.temporal import prune_frames, redundancy
from agent_tools.compression.times import sample_times
from agent_tools.compression.vectors import TensorLike, checked
from agent_tools.errors import InvalidArgument, ShapeError, TokenBudgetError


class Sampler(Protocol):
    """Chooses frames: increasing indices, at most `budget` of them, and at least one if there is a frame."""

    def select(self, features: TensorLike, times_s: TensorLike, budget: int, query: TensorLike | None = None) -> Tensor:
        """Return the indices (K,), K <= budget, of the chosen ones of T frames.

        Args:
            features: (T, D), one row a frame, in time order.
            times_s: (T,), seconds of presentation time, never falling.
            budget: the largest number of frames to choose, at least 1.
            query: (D,), in the space of the features; samplers that look at no query ignore it.
        Raises: ShapeError: the shapes do not belong together. InvalidArgument: a number is not finite, or times fall.
            TokenBudgetError: budget is below 1.
        """
        ...  # a Protocol's method has no body


@dataclass(frozen=True)
class UniformSampler:
    """The middle frame of each of `budget` equal runs of frames: the baseline of every comparison."""

    def select(self, features: TensorLike, times_s: TensorLike, budget: int, query: TensorLike | None = None) -> Tensor:
        rows, _, _ = _checked_offer(features, times_s, budget, query)
        count = min(budget, len(rows))
        return (2 * torch.arange(count) + 1) * len(rows) // max(1, 2 * count)


@dataclass(frozen=True)
class DurationSampler:
    """The frames nearest to sample_times of the stretch (VideoChat-Flash), fewer where the budget is smaller."""

    fps: float = 1.0  # frames per second, if their number is between the two bounds
    t_min: int = 64  # frames of a short stretch
    t_max: int = 512  # frames of a long stretch
    clip: int = 4  # the number of frames is a multiple of it, as video encoders want

    def select(self, features: TensorLike, times_s: TensorLike, budget: int, query: TensorLike | None = None) -> Tensor:
        rows, times, _ = _checked_offer(features, times_s, budget, query)
        if len(rows) < 2:
            return torch.arange(len(rows))
        first, last = float(times[0]), float(times[-1])
        duration_s = (last - first) * len(rows) / (len(rows) - 1)  # the last frame lasts as long as the others do
        if duration_s <= 0:
            return torch.zeros(1, dtype=torch.long)
        bounds = (min(bound, budget) for bound in (self.t_min, self.t_max, self.clip))
        wanted = first + torch.tensor(sample_times(duration_s, self.fps, *bounds), dtype=torch.float64)
        middles = (times[1:] + times[:-1]) / 2
        return torch.tensor(sorted(set(torch.bucketize(wanted, middles, right=True).tolist())))


@dataclass(frozen=True)
class RedundancySampler:
    """What prune_frames keeps (LongVU); where that is more than the budget, the least redundant of each equal run.

    The kept frames are cut into `budget` consecutive runs of equal length, and each run gives its frame with the lowest
    mean cosine to its window: busy stretches get more frames than still ones, and no stretch of kept frames is skipped.
    """

    window: int = 16  # frames compared with each other
    threshold: float = 0.83  # belongs to DINOv2; another encoder needs its own

    def select(self, features: TensorLike, times_s: TensorLike, budget: int, query: TensorLike | None = None) -> Tensor:
        rows, _, _ = _checked_offer(features, times_s, budget, query)
        kept = prune_frames(rows, self.window, self.threshold)
        if len(kept) <= budget:
            return kept
        scores = redundancy(rows, self.window)[kept]
        borders = torch.arange(budget + 1) * len(kept) // budget
        runs = zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
        return torch.stack([kept[start + int(scores[start:stop].argmin())] for start, stop in runs])


@dataclass(frozen=True)
class QuerySampler:
    """Relevance to the query with diversity; without a query what RedundancySampler takes.

    Maximal marginal relevance (Carbonell and Goldstein 1998): frames are taken one by one, each time the one with the
    highest (1 - diversity) * relevance - diversity * nearness. Relevance is the cosine to the query, stretched to 0..1
    over the frames offered, because encoders keep image-text cosines in a narrow band. Nearness to what is already
    taken is the highest of (1 - spread) * cosine (never below 0) + spread * max(0, 1 - distance / slot), slot being the
    stretch's length over the budget. The most relevant frame is always taken, of equals the earlier.
    """

    diversity: float = DIVERSITY  # 0 takes the best scores alone
    spread: float = SPREAD  # share of distance in time in the nearness, the rest is looks
    fallback: RedundancySampler = RedundancySampler()  # what chooses when there is no query

    def select(self, features: TensorLike, times_s: TensorLike, budget: int, query: TensorLike | None = None) -> Tensor:
        rows, times, wanted = _checked_offer(features, times_s, budget, query)
        if wanted is None:
            return self.fallback.select(rows, times, budget)
        chosen = relevant_rows(
            rows.to(torch.float64).numpy(),
            times.numpy(),
            budget,
            wanted.to(torch.float64).numpy(),
            diversity=self.diversity,
            spread=self.spread,
        )
        return torch.tensor(chosen, dtype=torch.int64)


def _checked_offer(
    features: TensorLike, times_s: TensorLike, budget: int, query: TensorLike | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    rows = checked(features, "T D", "features").cpu()
    times = checked(times_s, "T", "times_s").to(torch.float64).cpu()
    if len(times) != len(rows):
        raise ShapeError(f"times_s holds {len(times)} times for {len(rows)} frames.")
    if bool((times.diff() < 0).any()):
        raise InvalidArgument("times_s falls somewhere; frames must be given in time order.")
    if budget < 1:
        raise TokenBudgetError(f"budget is {budget}; at least 1 frame must be allowed.")
    if query is None:
        return rows, times, None
    wanted = checked(query, "D", "query").cpu()
    if len(rows) and wanted.shape != rows.shape[1:]:
        raise ShapeError(f"query has {len(wanted)} numbers, a frame {rows.shape[1]}; both must be of one encoder.")
    return rows, times, wanted
