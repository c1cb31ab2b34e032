"""dropout_schedule and drop_tokens."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.compression import drop_tokens, dropout_schedule
from agent_tools.errors import ShapeError, TokenBudgetError


@pytest.mark.parametrize(
    ("n", "keep", "schedule"),
    [
        (8192, (1.0, 0.75, 0.25), [8192, 6144, 2048]),
        (8192, (1.0, 0.5, 0.25, 0.125), [8192, 4096, 2048, 1024]),
        (100, (0.29,), [29]),
        (2, (1.0, 0.1), [2, 1]),
        (0, (1.0, 0.5), [0, 0]),
    ],
)
def test_schedule(n: int, keep: tuple[float, ...], schedule: list[int]) -> None:
    assert dropout_schedule(n, keep) == schedule


def test_default_ratios_are_the_model_cards() -> None:
    assert dropout_schedule(8192) == [8192, 6144, 2048]


@pytest.mark.parametrize("keep", [(), (0.5, 0.75), (1.5,), (0.0,)])
def test_ratios_that_cannot_be_are_refused(keep: tuple[float, ...]) -> None:
    with pytest.raises(TokenBudgetError):
        dropout_schedule(8, keep)


@given(st.integers(0, 300), st.integers(1, 300))
def test_without_scores_the_cut_is_even(n: int, keep_n: int) -> None:
    indices = drop_tokens(n, keep_n).tolist()
    assert len(indices) == min(n, keep_n)
    assert indices == sorted(set(indices))
    if 1 < keep_n <= n:
        assert (indices[0], indices[-1]) == (0, n - 1)
        steps = {b - a for a, b in pairwise(indices)}
        assert max(steps) - min(steps) <= 1


@given(st.integers(0, 2**31), st.integers(1, 100), st.integers(1, 120))
def test_with_scores_the_best_stay_in_order(seed: int, n: int, keep_n: int) -> None:
    scores = torch.randn(n, generator=torch.Generator().manual_seed(seed))
    indices = drop_tokens(n, keep_n, scores)
    assert indices.tolist() == sorted(scores.topk(min(n, keep_n)).indices.tolist())


def test_only_the_scored_cut_depends_on_the_question() -> None:
    assert drop_tokens(10, 3).tolist() == drop_tokens(10, 3).tolist() == [0, 4, 9]
    assert drop_tokens(4, 2, [0.1, 0.9, 0.2, 0.8]).tolist() == [1, 3]
    assert drop_tokens(4, 2, [0.9, 0.1, 0.8, 0.2]).tolist() == [0, 2]
    assert drop_tokens(4, 2, [0.5] * 4).tolist() == [0, 1]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TokenBudgetError):
        drop_tokens(4, 0)
    with pytest.raises(ShapeError, match="3 numbers for 4"):
        drop_tokens(4, 2, [0.1] * 3)
