"""Confidence of proposals, as in ReVisionLLM's paper and as in its released script: the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from agent_tools.errors import InvalidArgument, ShapeError
from agent_tools.grounding.evidence import Proposal

Scoring: TypeAlias = Literal["entropy", "released", "raw"]
SCORINGS: tuple[Scoring, ...] = ("entropy", "released", "raw")
MIN_ENTROPY = 1e-6  # H = 0 has no reciprocal; the most certain answer scores 1e6


def mean_entropy(probabilities: ArrayLike) -> float:
    """Mean over K generated tokens of the entropy of their distribution over V, in nats.

    Args:
        probabilities: (K, V), or (V,) for one token. Rows that hold only the best entries (an endpoint's
            top_logprobs) may sum to less than 1; the rest is not counted, so H is then a lower bound.
    Raises: ShapeError: no tokens. InvalidArgument: negative or not finite values, or rows summing to more than 1."""
    rows = np.atleast_2d(np.asarray(probabilities, dtype=np.float64))
    if rows.ndim != 2 or rows.size == 0:
        raise ShapeError(f"Probabilities of shape {rows.shape}: (K, V) with at least one token is needed.")
    if not np.isfinite(rows).all() or (rows < 0).any() or (rows.sum(axis=1) > 1.01).any():
        raise InvalidArgument(
            "Each row must hold probabilities: not negative, summing to at most 1. Logits need softmax."
        )
    logs = np.log(rows, out=np.zeros_like(rows), where=rows > 0)  # 0 log 0 = 0
    return float(-(rows * logs).sum(axis=1).mean())


def entropy_confidence(probabilities: ArrayLike) -> float:
    """1 / mean entropy, natural logarithm. Source: ReVisionLLM, confidence R. (.97, .01, .01, .01) gives 5.963.

    Differs: H below 1e-6 counts as 1e-6 where the released code adds 1e-10 inside the logarithm."""
    return 1.0 / max(mean_entropy(probabilities), MIN_ENTROPY)


def released_confidence(cosines: Sequence[float], entropies: Sequence[float]) -> list[float]:
    """cos / max(cos) - H / max(H) over all candidates of one query: the ranking of the released MAD script.

    It contradicts the paper's statement that entropy replaces the similarity, so both can be chosen by name.
    If a maximum is not positive, its term is not divided."""
    if len(cosines) != len(entropies):
        raise ShapeError(f"{len(cosines)} cosines with {len(entropies)} entropies: each candidate has both.")
    if not len(cosines):
        return []
    cosine_unit = max(cosines) if max(cosines) > 0 else 1.0
    entropy_unit = max(entropies) if max(entropies) > 0 else 1.0
    return [cosine / cosine_unit - entropy / entropy_unit for cosine, entropy in zip(cosines, entropies, strict=True)]


def rescore(proposals: Sequence[Proposal], scoring: Scoring) -> tuple[list[Proposal], Scoring]:
    """The proposals with their ranking score, and the scoring that was used.

    "entropy" needs token entropies. If a proposal has none (relevance curves have no tokens), the localizer's own score
    stays and the second value is "raw". "released" raises InvalidArgument without cosine and entropy."""
    if scoring == "released":
        incomplete = [one for one in proposals if one.cosine is None or one.entropy is None]
        if incomplete:
            raise InvalidArgument(
                "score = 'released' needs cosine and entropy of each proposal; take 'entropy' or 'raw'."
            )
        cosines = [one.cosine or 0.0 for one in proposals]
        entropies = [one.entropy or 0.0 for one in proposals]
        scores = released_confidence(cosines, entropies)
        return [replace(one, score=score) for one, score in zip(proposals, scores, strict=True)], "released"
    if scoring == "raw" or any(one.entropy is None for one in proposals):
        return list(proposals), "raw"
    return [replace(one, score=1.0 / max(one.entropy or 0.0, MIN_ENTROPY)) for one in proposals], "entropy"
