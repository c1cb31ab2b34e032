"""FrameKeeper, keep_frames and stand_ins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.compression import FrameKeeper, KeepRule, keep_frames, stand_ins
from agent_tools.errors import InvalidArgument, ShapeError

seeds = st.integers(0, 2**31)
# One second of a film: a still picture by its number, or None for a picture that differs from all others.
films = st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=60)
RULE = KeepRule()
PLAIN = KeepRule(cut=-2.0, long_gap_s=2.0)  # no cuts, no age: what moves is kept at even distances alone


def pictures(film: Sequence[int | None], seed: int = 0, noise: float = 0.0) -> np.ndarray:
    """(T, 24) features: still pictures have cosine 0 to each other, moving ones about .6 to those around them."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, shown in enumerate(film):
        row = np.zeros(24)
        if shown is None:
            row[8], row[9 + number % 15] = 1.2, 1.0
        else:
            row[shown] = 1.0
        rows.append(row + noise * rng.standard_normal(24))
    return np.array(rows)


def turned(degrees: Sequence[float]) -> np.ndarray:
    """(T, 2) unit vectors at these angles: the cosine of two is that of the difference of their angles."""
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def kept(
    features: np.ndarray, rule: KeepRule = RULE, fps: float = 1.0, parts: Sequence[int] | None = None
) -> list[int]:
    return keep_frames(features, np.arange(len(features)) / fps, rule, parts).tolist()


@pytest.mark.parametrize(
    ("film", "frames"),
    [
        ([0] * 60, [0]),
        ([0] * 5 + [1] * 5, [0, 5]),
        ([0] * 5 + [1] + [0] * 5, [0, 5, 7]),  # a flash is a cut; what was before it stands again a second later
        ([0, 1, 2, 3, 0, 1, 2], [0, 1, 3, 5]),  # cuts faster than gap_s: each that is due
        ([0] * 3 + [1, 1] + [2, 2], [0, 3, 5]),  # a scene of 2 s is shown, however it begins
        ([0] * 8 + [1] * 8, [0, 8]),  # LongVU's window keeps all sixteen
        ([0], [0]),
    ],
)
def test_stills_are_kept_once_and_cuts_at_once(film: list[int], frames: list[int]) -> None:
    assert kept(pictures(film)) == frames


@pytest.mark.parametrize(
    ("degrees", "frames"),
    [
        ([0] * 5 + [20] * 5, [0, 5]),  # .94 from the last kept one; 5 s have passed
        ([0, 30, 60, 90, 120, 150, 180], [0, 2, 4, 6]),  # motion: one in 2 s
        ([0, 30, 30, 30, 30], [0, 2]),  # moving at 1 s, too early; at 2 s it stands still
        ([0, 15, 0, 15, 0, 15], [0, 3]),  # .966: so small a change waits until .034 times 3 s is over .1
        ([0] + [4 * i for i in range(1, 13)], [0, 4, 8, 12]),  # a drift: 12 degrees are .978, 16 are .961
        ([0] + [1.2 * i for i in range(1, 13)], [0, 11]),  # a slower one
    ],
)
def test_motion_is_kept_at_even_distances_and_a_drift_when_it_has_come_far(
    degrees: list[float], frames: list[int]
) -> None:
    assert kept(turned(degrees)) == frames


def test_a_scene_that_goes_on_moving_is_kept_less_often() -> None:
    assert np.diff(kept(pictures([None] * 80))).tolist() == [2] * 3 + [3] * 6 + [4] * 13


def test_what_is_unusual_in_its_scene_is_kept_sooner() -> None:
    ride = list(np.cumsum([0.0] + [25.0] * 60))  # as many degrees each second
    assert [frame for frame in kept(turned(ride)) if frame > 50] == [52, 56, 60]
    for more, frames in ((20.0, [52, 54, 58]), (5.0, [52, 56, 60])):  # in the step to second 53: .29 and .13 for .09
        jolt = [at + more * (second > 52) for second, at in enumerate(ride)]
        assert [frame for frame in kept(turned(jolt)) if frame > 50] == frames


def test_a_small_part_that_never_rests_is_left_out_and_looked_at_now_and_then() -> None:
    rng = np.random.default_rng(3)
    slide, head = np.zeros((200, 90)), rng.choice([-0.12, 0.12], (200, 10))
    slide[:100, :45], slide[100:, 45:] = 0.15, 0.15
    features = np.concatenate((slide, head), axis=1)
    parts = [number // 5 for number in range(90)] + [18, 19] * 5
    late = [frame for frame in kept(features, parts=parts) if frame >= 10]
    assert len(late) <= 6
    assert 100 in late
    assert len(kept(features)) > 50


@given(films, seeds)
def test_no_still_picture_of_two_seconds_is_lost(film: list[int | None], seed: int) -> None:
    frames = set(kept(pictures(film, seed)))
    for start in range(len(film) - 1):
        if film[start] is not None and film[start] == film[start + 1]:
            stood = start
            while stood and film[stood - 1] == film[start]:
                stood -= 1
            end = start + 1
            while end + 1 < len(film) and film[end + 1] == film[start]:
                end += 1
            assert frames & set(range(stood, end + 1))


@given(films, seeds)
def test_kept_frames_are_bounded_by_still_pictures_and_seconds_of_motion(film: list[int | None], seed: int) -> None:
    runs = [shown for number, shown in enumerate(film) if not number or shown != film[number - 1] or shown is None]
    stills = sum(shown is not None for shown in runs)
    turns = sum((a is None) != (b is None) for a, b in itertools.pairwise(film))
    motion_s = sum(shown is None for shown in film)
    assert len(kept(pictures(film, seed), PLAIN)) <= 1 + stills + turns + motion_s / PLAIN.gap_s


@given(films, seeds, st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_calls_and_interruptions_change_nothing(
    film: list[int | None], seed: int, borders: list[int], parted: bool
) -> None:
    features, times = pictures(film, seed, 0.1), np.arange(len(film)) * 1.0
    parts = [number // 2 for number in range(24)] if parted else None
    whole = FrameKeeper(RULE, parts).keep(features, times)
    edges = [0, *sorted(min(border, len(film)) for border in borders), len(film)]
    keeper, masks = FrameKeeper(RULE, parts), []
    for start, stop in itertools.pairwise(edges):
        masks.append(keeper.keep(features[start:stop], times[start:stop]))
        keeper = FrameKeeper.restored(keeper.saved(), RULE, parts)
    assert np.concatenate(masks).tolist() == whole.tolist()


@given(films, seeds, st.floats(1e-6, 1e6))
def test_the_scale_of_features_changes_nothing(film: list[int | None], seed: int, scale: float) -> None:
    features = pictures(film, seed, 0.1)
    assert kept(features * scale) == kept(features)


@given(films, seeds)
def test_later_frames_change_no_earlier_decision(film: list[int | None], seed: int) -> None:
    features = pictures(film, seed, 0.1)
    half = len(film) // 2
    assert kept(features[:half]) == [frame for frame in kept(features) if frame < half]


@given(films, seeds)
def test_same_as_the_rule_written_out(film: list[int | None], seed: int) -> None:
    features, frames = pictures(film, seed, 0.1), [0]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    start, usual, surprised, after_cut = 0, None, False, False
    for now in range(1, len(film)):
        like, step, gap = unit[now] @ unit[frames[-1]], unit[now] @ unit[now - 1], now - frames[-1]
        surprised |= usual is not None and 1 - step > max(1.5 * usual, 0.025)
        usual = 1 - step if usual is None else usual + (1 - step - usual) / 16
        if step < 0.3:
            start, usual = now, None
        due = gap + 0.05 >= (2 if surprised else np.interp(now - start, [5, 45], [2, 4]))
        still, cut = step >= 0.975, like < 0.3 and step < 0.3 and not (after_cut and gap < 2)
        if like < 0.975 and (still or cut or (due and (1 - like) * (gap + 0.05) >= 0.1)):
            frames.append(now)
            surprised, after_cut = False, cut and not still
    assert kept(features) == frames


@given(st.integers(1, 8), seeds)
def test_motion_is_kept_by_seconds_whatever_the_sampling_rate(fps: int, seed: int) -> None:
    frames = kept(pictures([None] * 8 * fps, seed), PLAIN, fps)
    assert frames == list(range(0, 8 * fps, 2 * fps))


def test_plain_pictures_are_all_the_same_picture() -> None:
    assert kept(np.zeros((9, 4))) == [0]
    assert kept(np.array([[0.0, 0.0]] * 3 + [[1.0, 0.0]] * 3)) == [0, 3]


def test_each_frame_has_the_last_kept_one_as_its_stand_in() -> None:
    assert stand_ins(np.array([True, False, False, True, False])).tolist() == [0, 0, 0, 3, 3]
    assert stand_ins(np.array([False, True])).tolist() == [-1, 1]
    assert stand_ins(np.zeros(0, bool)).tolist() == []


def test_nothing_is_kept_of_nothing() -> None:
    assert keep_frames(np.zeros((0, 4)), []).tolist() == []


@pytest.mark.parametrize(
    ("features", "times", "error"),
    [
        (np.zeros(4), [0.0], ShapeError),
        (np.zeros((2, 4)), [0.0], ShapeError),
        (np.zeros((2, 4)), [1.0, 1.0], InvalidArgument),
        (np.zeros((2, 4)), [1.0, 0.0], InvalidArgument),
        (np.array([[np.nan]]), [0.0], InvalidArgument),
    ],
)
def test_what_does_not_belong_together_is_refused(
    features: np.ndarray, times: list[float], error: type[Exception]
) -> None:
    with pytest.raises(error):
        keep_frames(features, times)


def test_frames_of_another_width_or_an_earlier_time_are_refused() -> None:
    keeper = FrameKeeper()
    keeper.keep(np.ones((2, 4)), [0.0, 1.0])
    with pytest.raises(ShapeError, match="5 components"):
        keeper.keep(np.ones((1, 5)), [2.0])
    with pytest.raises(InvalidArgument, match="does not rise"):
        keeper.keep(np.ones((1, 4)), [1.0])
    with pytest.raises(ShapeError, match="parts names 2"):
        FrameKeeper(parts=[0, 1]).keep(np.ones((1, 4)), [0.0])


@pytest.mark.parametrize("saved", [b"", b"no archive", FrameKeeper(parts=[0, 1]).saved()])
def test_a_state_that_is_none_of_this_keeper_is_refused(saved: bytes) -> None:
    with pytest.raises(InvalidArgument):
        FrameKeeper.restored(saved)
