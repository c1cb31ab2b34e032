"""merge_tokens."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.compression import TokenMerge, merge, merge_tokens
from agent_tools.errors import ShapeError, TokenBudgetError

seeds = st.integers(0, 2**31)
CORNERS = [[(1.0, 0.0), (0.9, 0.1), (0.0, 1.0), (0.6, 0.8)]]


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weighted_mean(tokens: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    return (tokens.double() * sizes.double().unsqueeze(-1)).sum(1) / sizes.double().sum(1, keepdim=True)


def test_worked_example() -> None:
    merge = merge_tokens(CORNERS, 3)
    torch.testing.assert_close(merge.tokens, torch.tensor([[[0.95, 0.05], [0.0, 1.0], [0.6, 0.8]]]))
    assert merge.sizes.tolist() == [[2, 1, 1]]
    assert merge.source.tolist() == [[0, 0, 1, 2]]


def test_rounds_halve_until_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs: list[int] = []
    original = merge._merge_round
    monkeypatch.setattr(merge, "_merge_round", lambda tokens, r: pairs.append(r) or original(tokens, r))
    merge_tokens(drawn(0, 1, 784, 8), 64)
    merge_tokens(drawn(0, 1, 196, 8), 64)
    merge_tokens(drawn(0, 1, 3136, 4), 64)
    assert pairs == [392, 196, 98, 34, 98, 34, 1568, 784, 392, 196, 98, 34]


def test_given_sizes_weigh_the_mean() -> None:
    merge = merge_tokens(CORNERS, 3, sizes=[[3, 1, 1, 1]])
    torch.testing.assert_close(merge.tokens[0, 0], torch.tensor([0.975, 0.025]))
    assert merge.sizes.tolist() == [[4, 1, 1]]


@pytest.mark.parametrize("keep", [4, 5, 100])
def test_nothing_merges_where_all_may_stay(keep: int) -> None:
    merge = merge_tokens(CORNERS, keep)
    assert torch.equal(merge.tokens, torch.tensor(CORNERS))
    assert merge.sizes.tolist() == [[1] * 4]
    assert merge.source.tolist() == [[0, 1, 2, 3]]


@given(seeds, st.integers(1, 3), st.integers(1, 60), st.integers(1, 70), st.booleans())
def test_sizes_sum_to_the_originals_and_the_mean_is_kept(
    seed: int, batch: int, number: int, keep: int, sized: bool
) -> None:
    tokens = drawn(seed, batch, number, 5)
    sizes = drawn(seed + 1, batch, number).abs() + 0.1 if sized else torch.ones(batch, number)
    merge = merge_tokens(tokens, keep, sizes if sized else None)
    left = min(keep, number)
    assert merge.tokens.shape == (batch, left, 5)
    assert merge.sizes.shape == (batch, left)
    assert merge.source.shape == (batch, number)
    torch.testing.assert_close(merge.sizes.sum(1), sizes.double().sum(1))
    torch.testing.assert_close(
        weighted_mean(merge.tokens, merge.sizes), weighted_mean(tokens, sizes), atol=1e-5, rtol=0
    )


@given(seeds, st.integers(1, 60), st.integers(1, 60))
def test_each_output_is_the_mean_of_its_sources_in_order_of_the_first(seed: int, number: int, keep: int) -> None:
    tokens = drawn(seed, 1, number, 5)
    merge = merge_tokens(tokens, keep)
    source = merge.source[0].tolist()
    assert list(dict.fromkeys(source)) == list(range(min(keep, number)))
    for group in range(min(keep, number)):
        members = [index for index, where in enumerate(source) if where == group]
        torch.testing.assert_close(merge.tokens[0, group], tokens[0, members].mean(0))
        assert merge.sizes[0, group] == len(members)


@given(seeds, st.integers(2, 40))
def test_one_token_left_is_the_mean_of_all(seed: int, number: int) -> None:
    tokens = drawn(seed, 2, number, 3)
    torch.testing.assert_close(merge_tokens(tokens, 1).tokens[:, 0], tokens.mean(1))


def test_a_batch_merges_as_each_of_it_alone() -> None:
    tokens = drawn(3, 4, 33, 6)
    together = merge_tokens(tokens, 7)
    for index in range(4):
        alone = merge_tokens(tokens[index : index + 1], 7)
        assert torch.equal(together.source[index], alone.source[0])
        torch.testing.assert_close(together.tokens[index], alone.tokens[0])


@given(seeds, st.sampled_from([1e-3, 1e6]))
def test_scale_does_not_change_who_merges(seed: int, scale: float) -> None:
    tokens = drawn(seed, 1, 30, 6)
    assert torch.equal(merge_tokens(tokens, 9).source, merge_tokens(tokens * scale, 9).source)


def test_best_pairs_merge_first() -> None:
    tokens = torch.tensor([[[1.0, 0], [0.6, 0.8], [0, 1], [0.01, 1]]])  # 2 and 3 are closer than 0 and 1
    assert merge_tokens(tokens, 3).source.tolist() == [[0, 1, 2, 2]]


def test_half_precision_stays_half_precision() -> None:
    merge = merge_tokens(drawn(0, 1, 10, 4).half(), 5)
    assert merge.tokens.dtype == torch.float16
    assert int(merge.sizes.sum()) == 10


def test_plain_tokens_merge_without_a_direction() -> None:
    merge = merge_tokens(torch.zeros(1, 9, 4), 2)
    assert torch.equal(merge.tokens, torch.zeros(1, 2, 4))
    assert int(merge.sizes.sum()) == 9


def test_result_is_frozen() -> None:
    with pytest.raises(AttributeError):
        merge_tokens(CORNERS, 3).tokens = torch.zeros(1)  # type: ignore[misc]  # the point of the test
    assert isinstance(merge_tokens(CORNERS, 3), TokenMerge)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TokenBudgetError, match="keep is 0"):
        merge_tokens(CORNERS, 0)
    with pytest.raises(TokenBudgetError, match="positive"):
        merge_tokens(CORNERS, 2, sizes=[[1, 1, 1, 0]])
    with pytest.raises(ShapeError, match=r"\(B, N, C\)"):
        merge_tokens(torch.zeros(4, 2), 2)
    with pytest.raises(ShapeError, match="sizes"):
        merge_tokens(CORNERS, 2, sizes=[[1, 1, 1]])
