"""How meaning and words join into one score, judged against what is usual in the searched video.
The rule was chosen on 62 questions over the hour assembled from the real development clips, laid out three times, with
the sparse transcript and among 950 sentences of a novel (lab/bench/fusion.py; R@1, mean of the three):

| | paraphrased, of 21 | both, of 10 | by word, of 14 | on screen, of 11 | its meaning, of 6 |
|---|---|---|---|---|---|
| BM25 over cues, sparse | 2.0 | 9.0 | 14 | 11 | 0 |
| MiniLM over cues | 11.0 | 10.0 | 14 | 10 | 5.0 |
| MiniLM over windows of two cues | 5.0 | 6.0 | 8 | 10 | 5.0 |
| the better of cue and window | 13.0 | 10.0 | 14 | 10 | 5.0 |
| equal-weight reciprocal ranks | 6.0 | 10.0 | 14 | 11 | 4.0 |
| this | 11.0 | 10.0 | 14 | 11 | 5.0 |
| BM25 over cues, dense | 0.0 | 8.3 | 14 | 11 | 0 |
| MiniLM over cues | 8.7 | 10.0 | 14 | 10 | 4.7 |
| MiniLM over windows of two cues | 5.0 | 6.0 | 9.7 | 10 | 4.7 |
| the better of cue and window | 9.0 | 10.0 | 14 | 10 | 4.3 |
| equal-weight reciprocal ranks | 0.0 | 10.0 | 14 | 10.7 | 2.0 |
| this | 9.3 | 10.0 | 14 | 11 | 4.7 |

Windows would need vectors of their own; a neighbour's cosine gives most of what they give. Weights from 4 to 10 and
least shares from .3 to .5 gave the same table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WORD_WEIGHT = 6.0  # what an entry with all of the query's words gains, in deviations of the background
LEAST_SHARE = 0.3  # of the query's inverse document frequency: words below it are the common ones, and noise
NEIGHBOUR_WEIGHT = 0.2  # of what the better neighbour lies above the background by more than NEIGHBOUR_FROM
NEIGHBOUR_FROM = 1.0
FLOOR = 1.5  # deviations above the background below which an entry says nothing about the query
MIDDLE, SLOPE = 4.5, 1.2  # score .5 and its steepness; the best of 10 absent questions lay at 3.5 (sparse), 4.8 (dense)
# MiniLM on unrelated English; what an almost empty video is judged by, and as far as a video may move it.
USUAL_MEDIAN, USUAL_DEVIATION = 0.075, 0.07
HIGHEST_MEDIAN, LEAST_DEVIATION, MOST_DEVIATION = 0.2, 0.04, 0.15
PRIOR = 8  # entries' worth of the usual
_TO_DEVIATION = 1.4826  # of a normal distribution's median absolute deviation


@dataclass(frozen=True)
class Background:
    """What a video's cosines to this query are like where they mean nothing: median, and median absolute deviation."""

    median: float
    mad: float

    level: float = field(init=False)  # what counts as usual
    deviation: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", min(HIGHEST_MEDIAN, self.median))
        object.__setattr__(self, "deviation", min(MOST_DEVIATION, max(LEAST_DEVIATION, self.mad * _TO_DEVIATION)))

    @classmethod
    def of(cls, cosines: NDArray[np.float32]) -> Background:
        """From the cosines of all its entries (n,). Few entries count little beside the usual; a video that is about
        nothing but the query lifts its median only so far, else its best moments would count as background."""
        return cls.of_each([cosines])[0]

    @classmethod
    def of_each(cls, cosines: Sequence[NDArray[np.float32]]) -> list[Background]:
        """The same of many videos at once: those of nearly equal length are sorted together."""
        found = [cls(USUAL_MEDIAN, USUAL_DEVIATION / _TO_DEVIATION)] * len(cosines)
        by_length: dict[int, list[int]] = {}
        for place, own in enumerate(cosines):
            if len(own):
                by_length.setdefault(len(own).bit_length(), []).append(place)
        for places in by_length.values():
            counts = np.array([len(cosines[place]) for place in places])
            rows = np.full((len(places), counts.max()), np.inf, np.float32)
            for row, place in zip(rows, places, strict=True):
                row[: len(cosines[place])] = cosines[place]
            medians = _medians(rows, counts)
            mads = _medians(np.abs(rows - medians[:, None]), counts)
            own = counts / (counts + PRIOR)
            medians = own * medians + (1 - own) * USUAL_MEDIAN
            mads = own * mads + (1 - own) * (USUAL_DEVIATION / _TO_DEVIATION)
            for place, median, mad in zip(places, medians.tolist(), mads.tolist(), strict=True):
                found[place] = cls(median, mad)
        return found

    def deviations(self, cosine: float) -> float:
        """How many deviations a cosine lies above the background."""
        return (cosine - self.level) / self.deviation

    def best_of(self, cosines: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the best cosine of so many lines is worth as the cosine of one text, (n,).

        A text of 20 lines has 20 chances to come near by accident. That one of n normal draws is as high as z is as
        rare as that one draw is as high as about sqrt(z^2 - 2 ln n) (Sidak's correction, by the tail's exponent)."""
        heights = np.maximum(0.0, (cosines - self.level) / self.deviation)
        fair = np.sqrt(np.maximum(0.0, heights**2 - 2 * np.log(counts)))
        return np.asarray(self.level + self.deviation * fair, np.float32)


def _medians(rows: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """The median of the first so many values of each row, (k,); what follows is infinite. Sorts the rows."""
    rows.sort(axis=1)
    at = np.arange(len(rows))
    middle: NDArray[np.float32] = (rows[at, (counts - 1) // 2] + rows[at, counts // 2]) / np.float32(2)
    return middle


def score_of(deviations: float) -> float:
    """The score in 0..1 of an entry that lies so many deviations above the background."""
    return 1 / (1 + math.exp(-(deviations - MIDDLE) / SLOPE))


def fuse(
    meaning: Mapping[int, float],
    words: Mapping[int, tuple[float, float]],
    backgrounds: Mapping[int, Background],
    neighbours: Mapping[int, Sequence[int]] | None = None,
) -> dict[int, float]:
    """Scores 0..1 of the entries that say something about the query; an entry that does not is left out.

    An entry counts by how far its cosine lies above its video's background, plus the square of its share of the
    query's rare words where that share is large, plus a little of a neighbour that means the same. The score is a
    monotone picture of that sum and no probability.

    Args:
        meaning: cosine of each entry with the query; empty where meaning cannot be had: then words alone rank, and
            every hit is kept.
        words: (bm25, bigger is better; share 0..1 of the query's inverse document frequency) of each entry that holds
            any of its words. bm25 decides between equals only.
        backgrounds: of the video of each entry in `meaning`; the usual one where it is missing.
        neighbours: the entries just before and after, of the same channel and within some seconds; None = not asked.
    """
    highest = max((bm25 for bm25, _ in words.values()), default=0.0)
    tie = {key: 0.01 * bm25 / highest if highest > 0 else 0.0 for key, (bm25, _) in words.items()}
    if not meaning:
        return {key: min(1.0, 0.1 + 0.88 * share + tie[key]) for key, (_, share) in words.items()}
    usual = Background.of(np.zeros(0, np.float32))
    above = {key: backgrounds.get(key, usual).deviations(cosine) for key, cosine in meaning.items()}
    most_beside = NEIGHBOUR_WEIGHT * max(above.values())
    scores: dict[int, float] = {}
    gains = {
        key: tie[key] + (WORD_WEIGHT * share**2 if share >= LEAST_SHARE else 0.0) for key, (_, share) in words.items()
    }
    beside_of = neighbours or {}
    for key in {**above, **gains}:
        own = above.get(key, 0.0) + gains.get(key, 0.0)
        if own + most_beside < FLOOR:
            continue
        beside = max([NEIGHBOUR_FROM, *[above.get(other, 0.0) for other in beside_of.get(key, ())]])
        total = own + NEIGHBOUR_WEIGHT * (beside - NEIGHBOUR_FROM)
        if total >= FLOOR:
            scores[key] = score_of(total)
    return scores
