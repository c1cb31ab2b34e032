"""A word for a score: strong, fair or weak.

The bounds come from what absent questions reach: of 137 in six languages about films of text, nine of ten lay below 4.9
deviations over the background, half below 3.0; half of 163 present ones lay above 3.9. Over 5.0 a score is strong, over
3.5 it is fair, and below that it is no evidence. Where words alone answer, the same bounds mean about .57 and .23 of
the query's rare words."""

from __future__ import annotations

from typing import Literal

from agent_tools.service.search.fusion import score_of

Strength = Literal["strong", "fair", "weak"]
STRONG, FAIR = score_of(5.0), score_of(3.5)  # .60 and .30
ALIKE, RATHER_ALIKE = 0.9, 0.7  # cosines of two pictures of one scene, and of two that share a background


def strength(score: float) -> Strength:
    """The word for a fused score in 0..1."""
    return _word(score, STRONG, FAIR)


def likeness(cosine: float) -> Strength:
    """The word for the cosine of two pictures."""
    return _word(cosine, ALIKE, RATHER_ALIKE)


def _word(value: float, strong: float, fair: float) -> Strength:
    return "strong" if value >= strong else "fair" if value >= fair else "weak"
