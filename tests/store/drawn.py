"""Vectors that look like a library's: scenes that return, a common direction, neighbours alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def scenes(count: int, dim: int, seed: int = 0, power: float = 0.4) -> NDArray[np.float32]:
    """(count, dim) of length 1; the spectrum of the scenes falls as i^-power."""
    draw = np.random.default_rng(seed)
    spectrum = np.arange(1, dim + 1) ** -power
    centres = draw.standard_normal((max(2, count // 19), dim)) * spectrum
    noise = draw.standard_normal((count, dim)) * spectrum
    # Scenes last a while, so neighbours share one.
    order = np.repeat(draw.integers(len(centres), size=count // 10 + 1), 10)[:count]
    rows = centres[order] + 0.3 * noise
    rows += 0.7 * np.linalg.norm(rows, axis=1).mean() * draw.standard_normal(dim) / dim**0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def recall(found: list[int], scores: NDArray[np.float32], k: int = 10) -> float:
    """Share of the k best that were found; ties within 1e-3 count."""
    border = np.sort(scores)[-k]
    return min(k, int((scores[found[:k]] >= border - 1e-3).sum())) / k
