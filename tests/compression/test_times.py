"""sample_times and timestamp_prompt."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.compression import sample_times, timestamp_prompt
from agent_tools.errors import InvalidArgument, TokenBudgetError


@pytest.mark.parametrize(("duration_s", "count"), [(3, 64), (10, 64), (70, 68), (511, 508), (3600, 512), (36_000, 512)])
def test_number_of_frames_follows_the_duration(duration_s: float, count: int) -> None:
    assert len(sample_times(duration_s)) == count


def test_an_hour_is_sampled_at_midpoints() -> None:
    times = sample_times(3600)
    assert isinstance(times, list)
    assert (times[0], times[-1]) == (3.515625, 3596.484375)


def test_more_frames_per_second_give_more_frames() -> None:
    assert len(sample_times(70, fps=2.0)) == 140


@given(
    st.floats(0.01, 1e6), st.floats(0.1, 10), st.integers(1, 64), st.integers(64, 600), st.sampled_from([1, 2, 4, 7])
)
def test_times_are_midpoints_of_equal_intervals(duration_s: float, fps: float, low: int, high: int, clip: int) -> None:
    times = sample_times(duration_s, fps, low, high, clip)
    step = duration_s / len(times)
    assert len(times) % clip == 0
    assert clip <= len(times) <= high
    assert times == pytest.approx([(index + 0.5) * step for index in range(len(times))])
    assert all(a < b for a, b in pairwise(times))


@pytest.mark.parametrize("duration_s", [0, -1, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(duration_s: float) -> None:
    with pytest.raises(InvalidArgument, match="positive"):
        sample_times(duration_s)


@pytest.mark.parametrize("bounds", [{"t_min": 0}, {"t_min": 9, "t_max": 8}, {"clip": 0}, {"t_max": 64, "clip": 65}])
def test_bounds_that_contradict_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(TokenBudgetError):
        sample_times(10, **bounds)


def test_prompt_states_duration_count_and_every_second() -> None:
    prompt = timestamp_prompt(90.4, [0.5, 30, 61.256])
    assert "90.40 seconds" in prompt
    assert "3 frames" in prompt
    assert prompt.endswith("0.50, 30.00, 61.26.")


@given(st.floats(0, 1e5), st.lists(st.floats(0, 1e5), max_size=40))
def test_prompt_lists_as_many_seconds_as_frames(duration_s: float, times: list[float]) -> None:
    prompt = timestamp_prompt(duration_s, times)
    seconds = re.findall(r"\d+\.\d\d", prompt)
    assert seconds[0] == f"{duration_s:.2f}"
    assert len(seconds) == 1 + len(times)


def test_prompt_refuses_times_that_are_none() -> None:
    with pytest.raises(InvalidArgument):
        timestamp_prompt(10, [float("nan")])
