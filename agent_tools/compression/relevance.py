"""Frames that answer a query and differ from each other, chosen from NumPy rows: a search must not pull in torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

DIVERSITY, SPREAD = 0.3, 0.5


def relevant_rows(
    rows: NDArray[np.floating],
    times_s: Doubles,
    budget: int,
    query: NDArray[np.floating],
    *,
    diversity: float = DIVERSITY,
    spread: float = SPREAD,
) -> list[int]:
    """At most `budget` rows, increasing, by maximal marginal relevance; QuerySampler says how.

    Args:
        rows: (T, D), in the space of the query.
        times_s: (T,), which do not fall.
        query: (D,).
        diversity: 0 takes the best scores alone.
        spread: share of distance in time in the nearness, the rest is looks."""
    if len(rows) <= budget:
        return list(range(len(rows)))
    unit = _unit(rows)
    relevance = np.vecdot(unit, _unit(query))  # no BLAS: equal rows have equal products wherever they stand
    relevance -= relevance.min()
    relevance /= max(float(relevance.max()), np.finfo(np.float64).tiny)
    slot_s = max(float(times_s[-1] - times_s[0]) / budget, np.finfo(np.float64).tiny)
    nearness = np.zeros_like(relevance)
    gain, taken = relevance.copy(), list[int]()
    for _ in range(budget):
        best = int(gain.argmax())
        taken.append(best)
        close = np.maximum(1 - np.abs(times_s - times_s[best]) / slot_s, 0)
        similarity = np.maximum(np.vecdot(unit, unit[best]), 0)
        np.maximum(nearness, (1 - spread) * similarity + spread * close, out=nearness)
        gain = (1 - diversity) * relevance - diversity * nearness
        gain[taken] = -np.inf
    return sorted(taken)


def _unit(rows: NDArray[np.floating]) -> Doubles:
    """(..., D + 1), of length 1, as vectors.unit_rows: a row of zeros is like another one alone."""
    wide = rows.astype(np.float64)
    peak = np.abs(wide).max(axis=-1, keepdims=True, initial=0.0)
    zero = peak == 0
    wide /= np.where(zero, 1, peak)  # before the norm, whose squares would underflow
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.concatenate([wide / np.where(zero, 1, length), zero.astype(np.float64)], axis=-1)
