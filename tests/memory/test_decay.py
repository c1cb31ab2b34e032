"""forget against the numbers of Hour-LLaVA."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.errors import TokenBudgetError
from agent_tools.memory import InMemoryRepository, forget


@pytest.mark.parametrize(
    ("frames", "kept", "tokens"),
    [
        (1, 32, 544),
        (60, 32, 544),
        (128, 32, 544),
        (600, 150, 2550),
        (2048, 512, 8704),
        (3600, 512, 8704),
        (7200, 512, 8704),
    ],
)
def test_the_papers_table_holds(frames: int, kept: int, tokens: int) -> None:
    left = forget(frames)
    assert left.frame.shape == (kept,)
    assert left.token.shape == (kept, 16)
    assert left.position.shape == (tokens,)


@given(st.integers(1, 9000), st.integers(1, 600))
def test_frames_are_spread_evenly_and_the_last_is_kept(frames: int, max_frames: int) -> None:
    frame = forget(frames, max_frames=max_frames).frame
    assert int(frame[-1]) == frames - 1
    assert int(frame[0]) == 0 or len(frame) == 1
    steps = frame.diff()
    assert bool((steps >= 0).all())
    assert len(steps) == 0 or int(steps.max() - steps.min()) <= 1


def test_frames_repeat_only_where_the_video_has_too_few() -> None:
    assert forget(10).frame.unique(return_counts=True)[1].tolist() == [4, 3, 4, 3, 4, 3, 4, 3, 3, 1]
    assert len(forget(200).frame.unique()) == 50


@given(st.integers(1, 400), st.integers(1, 16), st.integers(0, 5))
def test_positions_are_rows_of_the_repository_with_the_newline_last(frames: int, keep: int, seed: int) -> None:
    left = forget(frames, keep_tokens=keep, seed=seed)
    rows = left.position.view(-1, keep + 1)
    assert torch.equal(rows[:, :keep], left.frame[:, None] * 65 + left.token)
    assert torch.equal(rows[:, keep], left.frame * 65 + 64)
    assert int(left.position.max()) == frames * 65 - 1


def test_tokens_of_a_frame_are_distinct_in_order_and_drawn_per_frame() -> None:
    token = forget(600).token
    assert bool((token.diff(dim=1) > 0).all())
    assert int(token.min()) == 0
    assert int(token.max()) == 63
    assert len(token.unique(dim=0)) == 150


def test_every_token_of_a_frame_is_kept_as_often_as_any_other() -> None:
    kept = torch.cat([forget(3600, seed=seed).token.flatten() for seed in range(10)]).bincount(minlength=64)
    assert kept.sum() == 10 * 512 * 16
    assert float((kept / kept.float().mean() - 1).abs().max()) < 0.15  # 1280 each, standard deviation 31


def test_the_same_seed_forgets_the_same_and_another_does_not() -> None:
    assert torch.equal(forget(600, seed=3).position, forget(600, seed=3).position)
    assert not torch.equal(forget(600, seed=3).token, forget(600, seed=4).token)
    assert torch.equal(forget(600, seed=3).frame, forget(600, seed=4).frame)


def test_other_grids_than_64_tokens_work() -> None:
    left = forget(128, tokens_per_frame=9, keep_tokens=9)
    assert left.token[0].tolist() == list(range(9))
    assert left.position[:10].tolist() == list(range(10))


def test_the_decayed_view_is_read_out_of_the_repository_by_position() -> None:
    rows = torch.arange(130 * 65, dtype=torch.float32)[:, None]
    repository = InMemoryRepository()
    for frame in rows.split(65):
        repository.append(frame)
    left = forget(130)
    assert torch.equal(repository.read(0, len(repository))[left.position], rows[left.position])


@pytest.mark.parametrize(
    "wrong",
    [{"frames": 0}, {"frames": 9, "max_frames": 0}, {"frames": 9, "keep_tokens": 65}, {"frames": 9, "keep_tokens": 0}],
)
def test_what_cannot_be_kept_is_an_error(wrong: dict[str, int]) -> None:
    with pytest.raises(TokenBudgetError):
        forget(**wrong)
