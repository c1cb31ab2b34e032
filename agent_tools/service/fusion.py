"""How meaning and words join into one score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Background:
    median: float
    mad: float

    @classmethod
    def of(cls, cosines: NDArray[np.float32]) -> Background:
        if not len(cosines):
            return cls(0.05, 0.1)
        median = float(np.median(cosines))
        return cls(median, float(np.median(np.abs(cosines - median))))


def fuse(
    meaning: Mapping[int, float], words: Mapping[int, tuple[float, float]], backgrounds: Mapping[int, Background]
) -> dict[int, float]:
    scores: dict[int, float] = {}
    for key in {*meaning, *words}:
        base = max(0.0, meaning.get(key, 0.0))
        share = words.get(key, (0.0, 0.0))[1]
        score = min(1.0, base + 0.35 * share**2)
        if score > 0.15:
            scores[key] = score
    return scores
