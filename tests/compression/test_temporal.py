"""prune_frames and representatives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.compression import prune_frames, representatives
from agent_tools.errors import InvalidArgument, ShapeError, TokenBudgetError

seeds = st.integers(0, 2**31)


def scenes(*ids: int) -> torch.Tensor:
    """One row a frame: equal ids are equal pictures, different ids have cosine 0."""
    return torch.eye(max(ids) + 1)[list(ids)]


def drawn(seed: int, frames: int, width: int = 8) -> torch.Tensor:
    """A slowly moving picture with jumps, so that thresholds between 0 and 1 decide something."""
    rng = torch.Generator().manual_seed(seed)
    steps = torch.randn(frames, width, generator=rng) * (0.05 + 3 * (torch.rand(frames, 1, generator=rng) > 0.8))
    return torch.randn(1, width, generator=rng) + steps.cumsum(0)


def slow_rule(features: torch.Tensor, window: int, threshold: float) -> list[int]:
    kept = []
    for start in range(0, len(features), window):
        frames = features[start : start + window].double()
        for i, frame in enumerate(frames):
            cosines = [float(torch.nn.functional.cosine_similarity(frame, other, dim=0)) for other in frames]
            if i == len(frames) // 2 or sum(cosines) / len(cosines) < threshold - 1e-9:
                kept.append(start + i)
    return kept


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        ([0] * 16, [8]),
        ([0] * 3 + [1] + [0] * 12, [3, 8]),
        ([0] * 14 + [1, 1], [8, 14, 15]),
        ([0] * 8 + [1] * 8, list(range(16))),
        ([0] * 13 + [1] * 3, list(range(16))),
        ([0] * 32, [8, 24]),
        ([0] * 16 + [1] * 5, [8, 18]),
        ([0], [0]),
        ([0, 0], [1]),
    ],
)
def test_worked_examples(ids: list[int], kept: list[int]) -> None:
    assert prune_frames(scenes(*ids)).tolist() == kept


def test_plain_pictures_without_direction_count_as_equal() -> None:
    assert prune_frames(torch.zeros(16, 4)).tolist() == [8]


def test_nothing_is_kept_of_nothing() -> None:
    assert prune_frames(torch.zeros(0, 4)).tolist() == []
    assert representatives([], 0, torch.zeros(0, 4)).tolist() == []


def test_nested_lists_and_arrays_are_taken() -> None:
    numpy = pytest.importorskip("numpy")
    assert prune_frames([[1.0, 0.0]] * 16).tolist() == [8]
    assert prune_frames(numpy.ones((16, 3), dtype=numpy.float16)).tolist() == [8]


@given(seeds, st.integers(1, 40), st.integers(1, 17), st.floats(-0.5, 1))
def test_same_as_the_rule_written_out(seed: int, frames: int, window: int, threshold: float) -> None:
    features = drawn(seed, frames)
    assert prune_frames(features, window, threshold).tolist() == slow_rule(features, window, threshold)


@given(seeds, st.integers(1, 70), st.floats(0, 1.01), st.floats(0, 1.01))
def test_raising_the_threshold_never_keeps_fewer(seed: int, frames: int, one: float, other: float) -> None:
    features = drawn(seed, frames)
    low, high = (set(prune_frames(features, threshold=t).tolist()) for t in sorted((one, other)))
    assert low <= high


@given(seeds, st.integers(1, 70), st.sampled_from([1e-30, 1e-3, 7.0, 1e12]))
def test_scale_does_not_matter(seed: int, frames: int, scale: float) -> None:
    features = drawn(seed, frames).double()
    assert torch.equal(prune_frames(features * scale), prune_frames(features))


@given(seeds, st.integers(1, 70), st.integers(1, 17))
def test_each_window_keeps_one_and_indices_increase(seed: int, frames: int, window: int) -> None:
    kept = prune_frames(drawn(seed, frames), window, 0.1).tolist()
    assert kept == sorted(set(kept))
    assert {index // window for index in kept} == set(range(-(-frames // window)))


@given(seeds, st.integers(1, 100), st.integers(1, 6))
def test_streaming_window_by_window_gives_the_same(seed: int, frames: int, windows_at_once: int) -> None:
    features = drawn(seed, frames)
    step = 16 * windows_at_once
    parts = [prune_frames(features[start : start + step]) + start for start in range(0, frames, step)]
    whole = prune_frames(features)
    assert torch.equal(torch.cat(parts), whole)
    stands = [
        representatives(part - start, len(features[start : start + step]), features[start : start + step]) + start
        for part, start in zip(parts, range(0, frames, step), strict=True)
    ]
    assert torch.equal(torch.cat(stands), representatives(whole, frames, features))


def test_every_frame_is_stood_for_by_the_kept_one_most_like_it() -> None:
    features = scenes(*[0] * 14, 1, 1)
    assert representatives([8, 14, 15], 16, features).tolist() == [8] * 14 + [14, 15]


def test_nobody_stands_for_a_frame_of_another_window() -> None:
    features = scenes(*[0] * 16, *[1] * 8, *[0] * 8)
    assert representatives([8, 20], 32, features).tolist() == [8] * 16 + [20] * 16


@given(seeds, st.integers(1, 70))
def test_representatives_are_kept_frames_of_the_own_window(seed: int, frames: int) -> None:
    features = drawn(seed, frames)
    kept = prune_frames(features)
    stands = representatives(kept, frames, features)
    assert set(stands.tolist()) == set(kept.tolist())
    assert torch.equal(stands[kept], kept)
    assert torch.equal(stands // 16, torch.arange(frames) // 16)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(T, D\)"):
        prune_frames(torch.zeros(3))
    with pytest.raises(ShapeError, match="same frames"):
        representatives([0], 2, torch.zeros(3, 1))
    with pytest.raises(ShapeError, match=r"0\.\.2"):
        representatives([3], 3, torch.zeros(3, 1))


def test_a_window_without_a_kept_frame_is_refused() -> None:
    with pytest.raises(TokenBudgetError, match=r"16\.\.17"):
        representatives([0], 18, torch.ones(18, 1))
    with pytest.raises(TokenBudgetError):
        prune_frames(torch.ones(2, 2), window=0)
    with pytest.raises(TokenBudgetError):
        representatives([0], 2, torch.ones(2, 2), window=0)


def test_features_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="finite"):
        prune_frames(torch.full((3, 2), float("nan")))
