"""The score of a trained adapter is p(present) and stands as the confidence; a curve's height is an order alone."""

from __future__ import annotations

import pytest

from agent_tools.service.verdicts.event_search import PICTURES, TRAINED, EvidenceSource


def source(name: str, probable: bool) -> EvidenceSource:
    return EvidenceSource(
        name, lambda: pytest.fail("no search"), "", lambda one: (one, ""), best=0.9, probable=probable
    )


def test_a_trained_adapters_p_is_the_confidence_and_a_height_is_not() -> None:
    assert source(TRAINED, probable=True).confidence(None, 0.9) == 0.9
    assert source(PICTURES, probable=False).confidence(None, 1.0) == 0.5
