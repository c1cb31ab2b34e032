"""A word for a hit: strong, fair or weak, by the share of such hits that answer their question.

The share is a logistic curve over how far the hit lies above the background of its video, its cosine and the query's
words that it holds. A raw score does not say it: where no text comes near, the best still lies far above the others."""

from __future__ import annotations

import math
from typing import Literal

from agent_tools.service.search.fusion import MIDDLE, SLOPE, score_of

Strength = Literal["strong", "fair", "weak"]
STRONG, FAIR = 0.8, 0.5  # of the hits so called the share that answers
# python -m lab.bench.fit_strength: 133 questions in six languages, half of the weight on searches whose answer is not
# there. Of those .05 have a strong first hit (by the score alone .25), of the right first hits .38 are strong (.70).
WEIGHTS, INTERCEPT = (0.1, 7.04, 1.4), -3.32
MOST_DEVIATIONS = 8.0  # beyond it a hit does not get surer
STRONG_WORDS, FAIR_WORDS = score_of(5.0), score_of(3.5)  # where words alone answer: .57 and .23 of the rare words
ALIKE, RATHER_ALIKE = 0.9, 0.7  # cosines of two pictures of one scene, and of two that share a background


def strength(score: float, cosine: float | None = None, words: float = 0.0) -> Strength:
    """The word for a fused score in 0..1.

    Args:
        cosine: of the entry with the query; None where it was not compared by meaning.
        words: share of the query's word mass that the entry holds."""
    if cosine is None:
        return _word(score, STRONG_WORDS, FAIR_WORDS)
    found = evidence(score, cosine, words)
    logit = INTERCEPT + sum(weight * value for weight, value in zip(WEIGHTS, found, strict=True))
    return _word(1 / (1 + math.exp(-logit)), STRONG, FAIR)


def evidence(score: float, cosine: float | None, words: float) -> tuple[float, float, float]:
    """What the share is made of: deviations above the background, cosine, and share of the words."""
    kept = min(max(score, 1e-9), 1 - 1e-9)
    return min(MOST_DEVIATIONS, MIDDLE + SLOPE * math.log(kept / (1 - kept))), cosine or 0.0, words


def likeness(cosine: float) -> Strength:
    """The word for the cosine of two pictures."""
    return _word(cosine, ALIKE, RATHER_ALIKE)


def _word(value: float, strong: float, fair: float) -> Strength:
    return "strong" if value >= strong else "fair" if value >= fair else "weak"
