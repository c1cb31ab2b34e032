"""Which few of many pictures are shown: even distances, none twice, and what that saves shows something else."""

from __future__ import annotations

import numpy as np
import pytest

from agent_tools.compression.states import SAME, distinct_rows, distinct_times, legible_times, look_alike, state_around
from agent_tools.errors import ShapeError


def film(*states: int) -> np.ndarray:
    """One row a second; equal numbers look alike, different ones share nothing."""
    return np.eye(64, dtype=np.float32)[list(states)]


def even(seconds: int, number: int) -> list[float]:
    return [(i + 0.5) * seconds / number for i in range(number)]


def chosen(features: np.ndarray, number: int) -> list[float]:
    return distinct_times(features, list(range(len(features))), even(len(features), number))


def shown(features: np.ndarray, times_s: list[float]) -> list[int]:
    return [int(features[min(len(features) - 1, round(time_s))].argmax()) for time_s in times_s]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 9, 16])
def test_a_still_picture_is_shown_once_however_many_are_asked_for(number: int) -> None:
    assert len(chosen(film(*[0] * 40), number)) == 1


@pytest.mark.parametrize("number", [3, 4, 9])
def test_every_state_is_shown_where_there_are_no_more_than_asked_for(number: int) -> None:
    features = film(*[0] * 50, *[1] * 3, *[2] * 7)
    assert shown(features, chosen(features, number)) == [0, 1, 2]


def test_a_picture_that_comes_back_is_not_shown_again() -> None:
    features = film(*[0] * 10, *[1] * 10, *[0] * 10)
    assert sorted(shown(features, chosen(features, 6))) == [0, 1]


def test_motion_is_shown_at_the_wanted_times() -> None:
    features = film(*range(12))
    assert chosen(features, 4) == even(12, 4)


def test_wanted_times_between_two_rows_in_motion_are_all_shown() -> None:
    wanted = [0.1, 0.3, 1.2, 1.4]
    assert distinct_times(film(0, 1), [0.0, 1.0], wanted) == wanted


def test_a_time_moves_within_its_part_to_a_text_that_no_other_time_shows() -> None:
    wanted = even(40, 4)  # 5, 15, 25, 35
    assert legible_times(wanted, 10.0, []) == wanted
    assert legible_times(wanted, 10.0, [(4.0, 26.0)]) == wanted  # three of them show it already
    assert legible_times(wanted, 10.0, [(10.0, 12.0)]) == [5.0, 11.5, 25.0, 35.0]
    assert legible_times(wanted, 10.0, [(8.0, 12.0)]) == [8.5, 15.0, 25.0, 35.0]  # once is enough
    assert legible_times(wanted, 10.0, [(10.0, 12.0), (14.0, 16.0)]) == wanted  # it would lose as many as it shows
    assert legible_times(wanted, 10.0, [(10.0, 13.0), (12.0, 14.0), (14.5, 16.0)])[1] == 12.5  # two for one


def test_a_fade_is_not_shown() -> None:
    features = film(*[0] * 10, 5, *[1] * 12, 6, *[2] * 9)
    for number in range(1, 9):
        assert {5, 6}.isdisjoint(shown(features, chosen(features, number)))


@pytest.mark.parametrize("seed", range(20))
def test_no_two_alike_and_nothing_lost_that_even_distances_show(seed: int) -> None:
    draw = np.random.default_rng(seed)
    features = film(*np.repeat(draw.integers(0, 60, 12), draw.integers(2, 9, 12)))
    at = list(range(len(features)))
    for number in (1, 3, 6, 16):
        times_s = chosen(features, number)
        rows = [int(np.abs(np.array(at) - time_s).argmin()) for time_s in times_s]
        wanted = [int(np.abs(np.array(at) - time_s).argmin()) for time_s in even(len(features), number)]
        assert times_s == sorted(times_s)
        assert len(times_s) <= number
        assert not any(look_alike(features, row, rows[:place]) for place, row in enumerate(rows))
        assert {int(features[row].argmax()) for row in wanted} <= {int(features[row].argmax()) for row in rows}
        if len(times_s) < number:
            assert {int(features[row].argmax()) for row in at} == {int(features[row].argmax()) for row in rows}


def test_of_each_state_the_row_with_the_best_score_is_offered() -> None:
    features = film(0, 0, 0, 1, 2, 2, 0)
    assert distinct_rows(features, np.array([0.1, 0.7, 0.2, 0.0, 0.3, 0.3, 0.5], np.float32)) == [1, 3, 4]
    assert distinct_rows(features, np.array([0.1, 0.2, 0.2, 0.0, 0.3, 0.4, 0.9], np.float32)) == [3, 5, 6]


def test_a_state_reaches_as_far_as_it_looks_alike_without_a_break() -> None:
    features = film(0, 0, 0, 1, 0, 0)
    assert [state_around(features, row) for row in range(6)] == [(0, 3)] * 3 + [(3, 4)] + [(4, 6)] * 2


def test_pictures_are_told_apart_at_the_threshold() -> None:
    turned = [np.array([cosine, np.sqrt(1 - cosine**2)], np.float32) for cosine in (SAME + 0.001, SAME - 0.001)]
    features = np.stack([np.array([1, 0], np.float32), *turned])
    assert look_alike(features, 1, [0])
    assert not look_alike(features, 2, [0])
    assert not look_alike(features, 0, [])


def test_as_many_times_as_rows_are_needed() -> None:
    with pytest.raises(ShapeError, match="2 numbers are given for 3 rows"):
        distinct_times(film(0, 1, 2), [0.0, 1.0], [0.5])
    assert distinct_times(np.zeros((0, 4), np.float32), [], [0.5]) == [0.5]
