"""high_resolution and prune_tokens."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.compression import high_resolution, prune_tokens
from agent_tools.errors import ShapeError, TokenBudgetError

seeds = st.integers(0, 2**31)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("frames", "high"), [(60, 53), (90, 29), (120, 5), (130, 0), (10, 10), (0, 0)])
def test_as_many_high_frames_as_the_context_holds(frames: int, high: int) -> None:
    assert int(high_resolution(torch.arange(frames).float(), 8192, 60 + 16).sum()) == high


def test_the_best_frames_are_high_whatever_their_place() -> None:
    assert high_resolution([0.1, 0.9, 0.2, 0.8], context=4 * 64 + 2 * 80, text_tokens=0).tolist() == [
        False,
        True,
        False,
        True,
    ]


def test_of_equal_scores_the_earlier_frame_is_high() -> None:
    assert high_resolution([0.5] * 4, context=4 * 64 + 80, text_tokens=0).tolist() == [True, False, False, False]


def test_only_another_question_changes_which_frames_are_high() -> None:
    frames, question, other = drawn(0, 100, 32), drawn(1, 32), drawn(2, 32)
    one = high_resolution(frames @ question, 8192, 76)
    assert torch.equal(one, high_resolution(frames @ question, 8192, 76))
    assert not torch.equal(one, high_resolution(frames @ other, 8192, 76))


@given(seeds, st.integers(0, 200), st.integers(0, 20_000), st.integers(0, 500))
def test_tokens_of_all_frames_fit_where_the_low_ones_do(seed: int, frames: int, context: int, text: int) -> None:
    mask = high_resolution(drawn(seed, frames), context, text)
    tokens = int(mask.sum()) * 144 + int((~mask).sum()) * 64 + text
    assert mask.shape == (frames,)
    assert tokens <= max(context, 64 * frames + text)
    if not bool(mask.all()):
        assert tokens + 80 > context


@given(seeds, st.integers(1, 100))
def test_shuffled_frames_give_the_shuffled_mask(seed: int, frames: int) -> None:
    scores = drawn(seed, frames)
    order = torch.randperm(frames, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(high_resolution(scores[order], 5000, 76), high_resolution(scores, 5000, 76)[order])


def test_a_static_clip_keeps_one_frame_of_tokens() -> None:
    mask = prune_tokens(drawn(0, 1, 5, 4).expand(8, 5, 4))
    assert mask[0].all()
    assert not mask[1:].any()


def test_a_plain_static_clip_keeps_one_frame_of_tokens() -> None:
    assert int(prune_tokens(torch.zeros(8, 5, 4)).sum()) == 5


def test_a_token_is_kept_only_where_it_differs() -> None:
    tokens = torch.eye(3).repeat(2, 1, 1)  # (2 frames, 3 tokens, 3 channels)
    tokens[1, 1] = torch.tensor([1.0, 0.0, 0.0])
    assert prune_tokens(tokens).tolist() == [[True] * 3, [False, True, False]]


@given(seeds, st.integers(0, 30), st.integers(0, 6), st.integers(1, 9))
def test_first_frame_of_each_window_is_whole(seed: int, frames: int, number: int, window: int) -> None:
    mask = prune_tokens(drawn(seed, frames, number, 3), window, threshold=-2.0)
    assert mask.shape == (frames, number)
    assert mask[::window].all()
    assert int(mask.sum()) == number * -(-frames // window)


@given(seeds, st.floats(-1, 1.01), st.floats(-1, 1.01))
def test_raising_the_threshold_never_keeps_fewer_tokens(seed: int, one: float, other: float) -> None:
    tokens = drawn(seed, 20, 6, 3)
    low, high = (prune_tokens(tokens, threshold=t) for t in sorted((one, other)))
    assert bool((high | ~low).all())


@given(seeds, st.sampled_from([1e-30, 1e-3, 1e20]))
def test_scale_of_tokens_does_not_matter(seed: int, scale: float) -> None:
    tokens = drawn(seed, 20, 6, 3).double()
    assert torch.equal(prune_tokens(tokens * scale), prune_tokens(tokens))


def test_wrong_shapes_and_bounds_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(T, N, C\)"):
        prune_tokens(torch.zeros(3, 4))
    with pytest.raises(ShapeError):
        high_resolution(torch.zeros(3, 4), 8192, 76)
    with pytest.raises(TokenBudgetError):
        prune_tokens(torch.zeros(3, 4, 2), window=0)
    with pytest.raises(TokenBudgetError, match="low < high"):
        high_resolution([0.5], 8192, 76, high=64, low=64)
