"""token_cost and its families."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.budget import FAMILIES, token_cost
from agent_tools.errors import InvalidArgument, TokenBudgetError

sides = st.integers(1, 4000)


@pytest.mark.parametrize(
    ("width", "height", "family", "tokens"),
    [
        (512, 288, "claude", 209),
        (1024, 576, "claude", 777),
        (28, 28, "claude", 1),
        (29, 28, "claude", 2),
        (1024, 1024, "gpt", 1024),
        (1800, 2400, "gpt", 4275),
        (100, 100, "gemini", 1120),
        (1568, 882, "gemini", 1120),
    ],
)
def test_published_examples(width: int, height: int, family: str, tokens: int) -> None:
    assert token_cost(width, height, family) == tokens


@given(sides, sides)
def test_claude_pays_per_started_patch(width: int, height: int) -> None:
    assert token_cost(width, height, "claude") == -(-width // 28) * -(-height // 28)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@given(width=sides, height=sides, more=st.integers(0, 500))
def test_a_larger_image_never_costs_less(family: str, width: int, height: int, more: int) -> None:
    assert 1 <= token_cost(width, height, family) <= token_cost(width + more, height + more, family)


def test_every_family_says_where_and_when_its_rule_was_read() -> None:
    assert {"claude", "gpt", "gemini"} <= set(FAMILIES)
    for name, cost in FAMILIES.items():
        assert cost.family == name
        assert cost.source.startswith("https://")
        assert date.fromisoformat(cost.checked) <= date(2026, 11, 20)
        assert cost.note
        assert (cost.patch_px is None) != (cost.flat is None)


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match="No model family 'llama'; known are claude, gemini, gpt"):
        token_cost(10, 10, "llama")


def test_an_image_without_a_side_is_refused() -> None:
    with pytest.raises(TokenBudgetError):
        token_cost(0, 10, "claude")
