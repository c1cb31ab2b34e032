"""Both confidences of ReVisionLLM, the paper's and the released script's, by their worked examples."""

from __future__ import annotations

import pytest
import torch

from agent_tools.errors import InvalidArgument, ShapeError
from agent_tools.grounding import Proposal, entropy_confidence, mean_entropy, released_confidence
from agent_tools.grounding.confidence import rescore

SURE, UNIFORM = (0.97, 0.01, 0.01, 0.01), (0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("rows", "confidence"),
    [([SURE], 5.963), ([UNIFORM], 0.7213), ([SURE, UNIFORM], 1.2870), (SURE, 5.963)],
)
def test_entropy_confidence_is_the_papers(rows: object, confidence: float) -> None:
    assert entropy_confidence(rows) == pytest.approx(confidence, abs=1e-3)  # type: ignore[arg-type]  # lists of tuples
    assert entropy_confidence(torch.tensor(rows)) == pytest.approx(confidence, abs=1e-3)


def test_no_entropy_at_all_is_a_finite_confidence() -> None:
    assert entropy_confidence([[1.0, 0.0, 0.0]]) == pytest.approx(1e6)


def test_a_truncated_row_gives_a_lower_bound() -> None:
    assert mean_entropy([[0.5, 0.2]]) < mean_entropy([[0.5, 0.2, 0.3]])


@pytest.mark.parametrize("rows", [[[3.0, -1.0]], [[float("nan"), 0.5]], [[2.0, 1.0]]])
def test_logits_are_not_taken_for_probabilities(rows: list[list[float]]) -> None:
    with pytest.raises(InvalidArgument, match="softmax"):
        entropy_confidence(rows)


def test_no_tokens_have_no_confidence() -> None:
    with pytest.raises(ShapeError):
        entropy_confidence([])


def test_released_confidence_divides_by_both_maxima() -> None:
    assert released_confidence([0.2, 0.4], [1.0, 2.0]) == pytest.approx([0.0, 0.0])
    assert released_confidence([0.4, 0.2], [1.0, 2.0]) == pytest.approx([0.5, -0.5])
    assert released_confidence([], []) == []
    assert released_confidence([-0.1], [0.0]) == [-0.1]


def test_the_two_rankings_can_disagree() -> None:
    sure = Proposal(0, 1, 0.0, entropy=0.1, cosine=0.1)
    alike = Proposal(5, 6, 0.0, entropy=0.4, cosine=0.9)
    paper, _ = rescore([sure, alike], "entropy")
    released, _ = rescore([sure, alike], "released")
    assert paper[0].score > paper[1].score
    assert released[0].score < released[1].score


def test_scores_without_tokens_stand_and_say_raw() -> None:
    curves = [Proposal(0, 1, 0.7), Proposal(1, 2, 0.3)]
    assert rescore(curves, "entropy") == (curves, "raw")
    with pytest.raises(InvalidArgument, match="cosine and entropy"):
        rescore(curves, "released")
