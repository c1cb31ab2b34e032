"""Windows cover, overlap is symmetric, suppression is stable, recall follows the named rule."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.errors import InvalidArgument, ShapeError
from agent_tools.grounding import Proposal, nms, recall_at, temporal_iou, windows
from agent_tools.grounding.spans import share_inside
from agent_tools.timeline import Span

seconds = st.floats(0, 1e5, allow_nan=False)
spans = st.tuples(seconds, seconds).map(lambda ends: (min(ends), max(ends)))


def test_a_film_of_110_minutes_has_105_windows() -> None:
    cut = windows(6600, 125, 62.5)
    assert len(cut) == 105
    assert cut[:2] == [(0.0, 125.0), (62.5, 187.5)]
    assert cut[-1] == (6475.0, 6600.0)


@pytest.mark.parametrize("duration_s", [0.04, 30.0, 125.0])
def test_a_short_video_is_one_window(duration_s: float) -> None:
    assert windows(duration_s, 125, 62.5) == [(0.0, duration_s)]


def test_an_exact_multiple_has_no_window_twice() -> None:
    assert windows(60, 20, 20) == [(0.0, 20.0), (20.0, 40.0), (40.0, 60.0)]
    assert len(windows(0.3, 0.1, 0.1)) == 3


@given(st.floats(0.1, 5000), st.floats(0.5, 500), st.floats(0.05, 1))
def test_windows_cover_without_a_gap(duration_s: float, length_s: float, ratio: float) -> None:
    cut = windows(duration_s, length_s, length_s * ratio)
    assert cut[0][0] == 0
    assert cut[-1][1] == duration_s
    assert all(after[0] <= before[1] for before, after in itertools.pairwise(cut))
    assert all(start_s < end_s <= duration_s * (1 + 1e-9) for start_s, end_s in cut)
    assert all(end_s - start_s <= length_s * (1 + 1e-9) for start_s, end_s in cut)


@given(st.floats(20, 2000), st.floats(0, 1), st.floats(0.01, 0.99))
def test_an_event_shorter_than_the_overlap_lies_whole_in_a_window(duration_s: float, at: float, part: float) -> None:
    length_s, stride_s = 10.0, 4.0
    event_s = part * (length_s - stride_s)
    start_s = at * (duration_s - event_s)
    whole = [w for w in windows(duration_s, length_s, stride_s) if w[0] <= start_s + 1e-9 >= w[0]]
    assert any(w[0] <= start_s + 1e-9 and start_s + event_s <= w[1] + 1e-9 for w in whole)


@pytest.mark.parametrize(
    "arguments", [(0, 1, 1), (-5, 1, 1), (10, 5, 6), (10, 5, 0), (float("nan"), 5, 5), (1e9, 1, 1e-6)]
)
def test_windows_that_cannot_be_are_refused(arguments: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidArgument):
        windows(*arguments)


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        ((0, 10), (5, 15), 1 / 3),
        ((0, 10), (0, 10), 1.0),
        ((0, 10), (10, 20), 0.0),
        ((0, 10), (2, 4), 0.2),
        ((3, 3), (3, 3), 0.0),
        (Proposal(0, 10, 0.5), Span(5, 15), 1 / 3),
    ],
)
def test_iou(a: object, b: object, iou: float) -> None:
    assert temporal_iou(a, b) == pytest.approx(iou)  # type: ignore[arg-type]  # pairs and proposals alike


@given(spans, spans)
def test_iou_is_symmetric_and_in_0_1(a: tuple[float, float], b: tuple[float, float]) -> None:
    assert temporal_iou(a, b) == temporal_iou(b, a)
    assert 0 <= temporal_iou(a, b) <= 1


@pytest.mark.parametrize("span", [(5, 4), (0, float("inf")), (float("nan"), 1)])
def test_a_span_that_is_none_is_refused(span: tuple[float, float]) -> None:
    with pytest.raises(InvalidArgument, match="start_s"):
        temporal_iou(span, (0, 1))


def test_nms_keeps_the_best_of_overlapping_spans() -> None:
    assert nms([(0, 10), (1, 11), (30, 40), (5, 15)], [0.5, 0.9, 0.7, 0.1]) == [1, 2]
    assert nms([(0, 10), (5, 15)], [0.5, 0.9], iou=0.5) == [1, 0]
    assert nms([], []) == []
    with pytest.raises(ShapeError):
        nms([(0, 1)], [])


@given(st.lists(st.tuples(spans, st.sampled_from([0.1, 0.5, 0.9])), max_size=12), st.floats(0, 1), st.randoms())
def test_nms_is_idempotent_and_order_independent(
    scored: list[tuple[tuple[float, float], float]], iou: float, shuffler: random.Random
) -> None:
    def run(entries: list[tuple[tuple[float, float], float]]) -> list[tuple[tuple[float, float], float]]:
        return [entries[index] for index in nms([e[0] for e in entries], [e[1] for e in entries], iou)]

    once = run(scored)
    assert run(once) == once
    shuffled = list(scored)
    shuffler.shuffle(shuffled)
    assert run(shuffled) == once


def test_strict_recall_is_mads_and_the_other_is_chapters() -> None:
    assert recall_at([(5, 15)], (0, 10), 1, 1 / 3, strict=True) == 0
    assert recall_at([(5, 15)], (0, 10), 1, 1 / 3, strict=False) == 1


def test_recall_looks_at_the_first_k_of_each_query() -> None:
    predicted = [[(50, 60), (0, 10)], [(20, 30)], []]
    truth = [(0, 10), (20, 30), (5, 6)]
    assert recall_at(predicted, truth, 1, 0.5, strict=True) == pytest.approx(1 / 3)
    assert recall_at(predicted, truth, 5, 0.5, strict=True) == pytest.approx(2 / 3)


def test_any_of_several_true_spans_counts() -> None:
    assert recall_at([[(20, 30)]], [[(0, 10), (21, 30)]], 1, 0.5, strict=True) == 1
    with pytest.raises(InvalidArgument, match="absent"):
        recall_at([[(20, 30)]], [[]], 1, 0.5, strict=True)
    assert recall_at([], (0, 10), 1, 0.5, strict=True) == 0


def test_share_counts_what_lies_inside() -> None:
    regions = [(0.0, 15.0), (20.0, 40.0)]
    assert share_inside((10, 20), regions) == 0.5
    assert share_inside((40, 50), regions) == 0
    assert (share_inside((3, 3), regions), share_inside((15, 15), regions)) == (1, 0)
