"""One contract for all samplers, then what each of them is for."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.compression import (
    DurationSampler,
    QuerySampler,
    RedundancySampler,
    Sampler,
    UniformSampler,
    prune_frames,
    relevant_rows,
)
from agent_tools.compression.vectors import unit_rows
from agent_tools.errors import InvalidArgument, ShapeError, TokenBudgetError

SAMPLERS: list[Sampler] = [UniformSampler(), DurationSampler(), RedundancySampler(), QuerySampler()]
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)


def drawn(seed: int, frames: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of scenes that change now and then, times that never fall, and a query."""
    rng = torch.Generator().manual_seed(seed)
    scene = (torch.rand(frames, generator=rng) > 0.8).cumsum(0)
    features = torch.randn(frames + 1, 6, generator=rng)[scene] + 0.05 * torch.randn(frames, 6, generator=rng)
    times = (torch.rand(frames, generator=rng) * 3).floor().cumsum(0)
    return features, times, torch.randn(6, generator=rng)


@every_sampler
@given(seed=st.integers(0, 2**31), frames=st.integers(0, 90), budget=st.integers(1, 40), asked=st.booleans())
def test_contract(sampler: Sampler, seed: int, frames: int, budget: int, asked: bool) -> None:
    features, times, query = drawn(seed, frames)
    chosen = sampler.select(features, times, budget, query if asked else None)
    indices = chosen.tolist()
    assert chosen.dtype == torch.long
    assert indices == sorted(set(indices))
    assert len(indices) <= budget
    assert bool(indices) == (frames > 0)
    assert all(0 <= index < frames for index in indices)
    assert torch.equal(chosen, sampler.select(features, times, budget, query if asked else None))


@every_sampler
@given(seed=st.integers(0, 2**31), frames=st.integers(1, 60), scale=st.sampled_from([1e-6, 12.0, 1e9]))
def test_scale_of_features_does_not_matter(sampler: Sampler, seed: int, frames: int, scale: float) -> None:
    features, times, query = drawn(seed, frames)
    scaled = sampler.select(features.double() * scale, times, 7, query.double() * scale)
    assert torch.equal(scaled, sampler.select(features.double(), times, 7, query.double()))


@every_sampler
def test_plain_lists_are_taken(sampler: Sampler) -> None:
    assert len(sampler.select([[1.0, 0.0], [0.0, 1.0]], [0, 1], 1, [0.0, 1.0])) == 1


@every_sampler
def test_frames_without_any_direction_still_give_one(sampler: Sampler) -> None:
    assert 1 <= len(sampler.select(torch.zeros(40, 3), torch.zeros(40), 5, torch.ones(3))) <= 5


@every_sampler
def test_offers_that_cannot_be_are_refused(sampler: Sampler) -> None:
    features, times = torch.ones(3, 2), [0.0, 1.0, 2.0]
    with pytest.raises(TokenBudgetError, match="budget is 0"):
        sampler.select(features, times, 0)
    with pytest.raises(ShapeError, match="2 times for 3"):
        sampler.select(features, times[:2], 1)
    with pytest.raises(ShapeError, match="one encoder"):
        sampler.select(features, times, 1, [1.0, 2.0, 3.0])
    with pytest.raises(InvalidArgument, match="time order"):
        sampler.select(features, times[::-1], 1)


def test_uniform_takes_the_middle_of_equal_runs() -> None:
    assert UniformSampler().select(torch.ones(10, 1), range(10), 5).tolist() == [1, 3, 5, 7, 9]
    assert UniformSampler().select(torch.ones(3, 1), range(3), 5).tolist() == [0, 1, 2]


def test_duration_takes_the_frames_nearest_to_its_times() -> None:
    times = torch.tensor([0.0, 1, 2, 3, 50, 51, 52, 53, 100])  # dense and sparse stretches
    assert DurationSampler().select(torch.ones(9, 1), times, 2).tolist() == [4, 8]  # nearest to 28.1 and 84.4 s


def test_duration_follows_the_number_of_sample_times() -> None:
    assert len(DurationSampler().select(torch.ones(3600, 1), range(3600), 4000)) == 512
    assert len(DurationSampler().select(torch.ones(3600, 1), range(3600), 100)) == 100
    assert len(DurationSampler().select(torch.ones(70, 1), range(70), 4000)) == 68


@given(st.integers(0, 2**31), st.integers(1, 90))
def test_redundancy_takes_what_pruning_keeps_where_it_fits(seed: int, frames: int) -> None:
    features, times, _ = drawn(seed, frames)
    assert torch.equal(RedundancySampler().select(features, times, frames), prune_frames(features))


def test_redundancy_spends_its_budget_on_what_changes() -> None:
    still, busy = torch.eye(40)[:1].repeat(64, 1), torch.eye(40)[8:40]
    chosen = RedundancySampler().select(torch.cat((still, busy)), range(96), 12)
    assert len(chosen) == 12
    assert int((chosen < 64).sum()) < 4
    assert int(chosen[-1]) > 90


def test_redundancy_takes_the_odd_frame_of_a_run() -> None:
    near = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [1.0, -0.2]]), dim=1)
    features = torch.cat((near[[0, 1] * 4], torch.tensor([[0.0, 1.0]]), near[[0, 1] * 3]))
    assert 8 in RedundancySampler(threshold=0.99).select(features, range(15), 3).tolist()


def test_query_sampler_prunes_by_redundancy_without_a_query() -> None:
    features, times, _ = drawn(5, 80)
    assert torch.equal(QuerySampler().select(features, times, 6), RedundancySampler().select(features, times, 6))
    own = RedundancySampler(window=4, threshold=0.5)
    assert torch.equal(QuerySampler(fallback=own).select(features, times, 9), own.select(features, times, 9))


@given(st.integers(0, 2**31), st.integers(1, 90), st.integers(1, 10))
def test_the_frame_most_like_the_query_is_always_taken(seed: int, frames: int, budget: int) -> None:
    features, times, query = drawn(seed, frames)
    features = features + torch.randn(frames, 6, generator=torch.Generator().manual_seed(seed))
    best = int(torch.nn.functional.cosine_similarity(features.double(), query.double()[None]).argmax())
    assert best in QuerySampler().select(features, times, budget, query).tolist()


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 10))
def test_without_diversity_the_best_scores_are_taken(seed: int, frames: int, budget: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    features, query = torch.randn(frames, 6, generator=rng).double(), torch.randn(6, generator=rng).double()
    scores = torch.nn.functional.cosine_similarity(features, query[None])
    chosen = QuerySampler(diversity=0.0).select(features, range(frames), budget, query)
    assert chosen.tolist() == sorted(scores.topk(min(budget, frames)).indices.tolist())


def test_another_query_takes_other_frames() -> None:
    features = torch.eye(30)
    first, second = (QuerySampler().select(features, range(30), 3, features[index]).tolist() for index in (4, 22))
    assert 4 in first
    assert 22 in second
    assert first != second


def test_diversity_finds_the_second_place_of_an_event() -> None:
    """The event is seen at 20..30 s and, less clearly, at 80..82 s: a frame of each is worth more than four of one."""
    event, other = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    features = other.repeat(100, 1)
    features[20:30] = event
    features[80:82] = torch.tensor([0.9, 0.0, 0.436])
    best_only = QuerySampler(diversity=0.0).select(features, range(100), 4, event)
    diverse = QuerySampler().select(features, range(100), 4, event)
    assert best_only.tolist() == [20, 21, 22, 23]
    assert {20, 80} <= set(diverse.tolist())


def by_its_formula(rows: torch.Tensor, times: torch.Tensor, budget: int, query: torch.Tensor) -> list[int]:
    """Maximal marginal relevance step by step in torch, as QuerySampler's docstring has it."""
    unit, relevance = unit_rows(rows), unit_rows(rows) @ unit_rows(query)
    relevance = (relevance - relevance.min()) / (relevance.max() - relevance.min())
    slot_s = float(times[-1] - times[0]) / budget
    taken: list[int] = []
    while len(taken) < budget:
        gain = 0.7 * relevance
        for other in taken:
            close = (1 - (times - times[other]).abs() / slot_s).clamp_min(0)
            near = 0.5 * (unit @ unit[other]).clamp_min(0) + 0.5 * close
            gain = torch.minimum(gain, 0.7 * relevance - 0.3 * near)
        gain[taken] = -torch.inf
        taken.append(int(gain.argmax()))
    return sorted(taken)


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_chosen_as_the_formula_says_with_and_without_torch(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    rows, query = torch.randn((60, 24), generator=draw), torch.randn(24, generator=draw)
    rows[5] = 0
    times = torch.rand(60, generator=draw, dtype=torch.float64).cumsum(0)
    wanted = by_its_formula(rows, times, 7, query)
    assert QuerySampler().select(rows, times, 7, query).tolist() == wanted
    assert relevant_rows(rows.numpy(), times.numpy(), 7, query.numpy()) == wanted


def test_rows_are_chosen_by_relevance_without_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from agent_tools.compression import relevant_rows\n"
        "rows = np.random.default_rng(0).standard_normal((9, 4))\n"
        "assert len(relevant_rows(rows, np.arange(9.0), 3, rows[2])) == 3\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
