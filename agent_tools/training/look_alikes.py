"""Windows that look most like a question though the event is not in them: the negatives that teach a head the most."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent_tools.grounding import GroundingNetwork, windows
from agent_tools.training.films import Example, Film

MOST_ALIKE = 12  # windows of one film that count as look-alikes
SMOOTH_S = 3  # a window is as like a question as its best so many seconds


class LookAlikes:
    """Ranks the windows of films by a question, by the stored vectors alone, so the ranking is the same at any step."""

    def __init__(self, network: GroundingNetwork, seconds: int) -> None:
        self._network, self._seconds = network, seconds
        self._ranked: dict[tuple[int, str], list[float]] = {}

    def draw(self, one: Example, film: Film, count: int, rng: random.Random) -> list[float]:
        """The starts of `count` windows of a film without the event: half look-alikes, half anywhere.

        Fewer where the event leaves no room."""
        ranked = self.ranked(one, film)
        if not ranked:
            return []
        alike = count - count // 2
        return [rng.choice(ranked[:MOST_ALIKE]) for _ in range(alike)] + rng.choices(ranked, k=count - alike)

    def ranked(self, one: Example, film: Film) -> list[float]:
        """The starts of all windows of a film that the event does not touch, the most alike first."""
        key = id(one), film.id
        if key not in self._ranked:
            spans = one.spans if film is one.film else ()
            starts = [a for a, b in self.windows(film) if not touches(spans, a, b)]
            likeness = self._likeness(one, film, starts)
            self._ranked[key] = [starts[place] for place in np.argsort(-likeness, kind="stable")]
        return self._ranked[key]

    def windows(self, film: Film) -> list[tuple[float, float]]:
        """As the server's search has them, by half a window."""
        return windows(film.duration_s, float(self._seconds), self._seconds / 2)

    def _likeness(self, one: Example, film: Film, starts: Sequence[float]) -> NDArray[np.float64]:
        with torch.no_grad():
            vectors = film.vectors.to(self._network.frame_center.device)
            frames, question = self._network.centered(vectors, one.question.to(vectors.device))
            cosines = (frames @ question).cpu().numpy()
        each = cosines[film.rows_each_second(0.0, int(film.duration_s) + 1)]
        smooth = np.convolve(each, np.ones(SMOOTH_S) / SMOOTH_S, "same")
        return np.array([smooth[int(a) : int(a) + self._seconds].max(initial=-1.0) for a in starts])


def window_frames(film: Film, starts: Sequence[float], seconds: int) -> tuple[Tensor, Tensor]:
    """Frames (W, S, C) and mask (W, S) of windows of a film."""
    frames = torch.zeros(len(starts), seconds, film.vectors.shape[1])
    mask = torch.zeros(len(starts), seconds, dtype=torch.bool)
    for place, start_s in enumerate(starts):
        seen = film.each_second(start_s, seconds)
        frames[place, : len(seen)], mask[place, : len(seen)] = seen, True
    return frames, mask


def touches(spans: Sequence[tuple[float, float]], start_s: float, end_s: float) -> bool:
    return any(a < end_s and b > start_s for a, b in spans)
