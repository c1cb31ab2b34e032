"""How reliable probabilities are: calibration error, intervals and the reliability table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z_95 = 1.959963984540054
BINS = 10


@dataclass(frozen=True)
class Interval:
    value: float
    low: float  # of 95 %
    high: float


@dataclass(frozen=True)
class Bin:
    low: float  # probabilities in [low, high), the last bin includes 1
    high: float
    n: int
    mean: float | None  # mean of the stated probabilities; None in an empty bin
    right: float | None  # share that was present
    right_low: float | None  # Wilson interval of that share, 95 %
    right_high: float | None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a share. Source: Wilson 1927; holds near 0 and 1 and for small n, where the normal one fails."""
    if n == 0:
        return 0.0, 1.0
    share, squared = successes / n, Z_95**2
    middle = (share + squared / (2 * n)) / (1 + squared / n)
    half = Z_95 / (1 + squared / n) * math.sqrt(share * (1 - share) / n + squared / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def expected_calibration_error(probabilities: Floats, labels: Floats, bins: int = BINS) -> float:
    """Mean over equal-width bins of |share present - mean probability|, weighted by the bin's count.

    Source: Naeini et al. 2015; Guo et al. 2017."""
    places = _places(probabilities, bins)
    gaps = np.bincount(places, weights=labels - probabilities, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def bootstrapped_error(probabilities: Floats, labels: Floats, seed: int, rounds: int = 1000) -> Interval:
    """The calibration error with its 95 % percentile interval over resampled queries.

    The error of a resample is biased upwards (noise in a bin adds, it never cancels), so the interval may lie above the
    value; it bounds what other samples of this size would show."""
    random = np.random.default_rng(seed)
    errors = [
        expected_calibration_error(probabilities[drawn], labels[drawn])
        for drawn in (random.integers(0, len(labels), len(labels)) for _ in range(rounds))
    ]
    low, high = np.quantile(errors, (0.025, 0.975))
    return Interval(expected_calibration_error(probabilities, labels), float(low), float(high))


def reliability_table(probabilities: Floats, labels: Floats, bins: int = BINS) -> list[Bin]:
    """Equal-width bins with the share that was present and its Wilson interval."""
    places = _places(probabilities, bins)
    table = []
    for place in range(bins):
        inside = places == place
        n, low, high = int(inside.sum()), place / bins, (place + 1) / bins
        if n == 0:
            table.append(Bin(low, high, 0, None, None, None, None))
            continue
        bounds = wilson(int(labels[inside].sum()), n)
        table.append(Bin(low, high, n, float(probabilities[inside].mean()), float(labels[inside].mean()), *bounds))
    return table


def area_under_roc(scores: Floats, labels: Floats) -> float:
    """Chance that a present query scores above an absent one; ties count half."""
    present, absent = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    below = np.searchsorted(absent, present, side="left")
    not_above = np.searchsorted(absent, present, side="right")
    return float((below + not_above).sum() / (2 * len(present) * len(absent)))


def _places(probabilities: Floats, bins: int) -> NDArray[np.int64]:
    return np.minimum((probabilities * bins).astype(np.int64), bins - 1)
