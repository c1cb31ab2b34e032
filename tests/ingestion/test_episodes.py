"""Chunks, scenes and chapters: they cover the video without a gap, and begin where something changes for good."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_tools.ingestion.episodes import (
    MIN_CHAPTER_S,
    TextPiece,
    chapters,
    chunks,
    keyframes,
    picture_cuts,
    scenes,
    silence_ends,
    spans_between,
)
from agent_tools.timeline import Span


def unit(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def said(start_s: float, text: str = "words", vector: np.ndarray | None = None) -> TextPiece:  # type: ignore[type-arg]
    return TextPiece(start_s, start_s + 2, text, "subtitles", vector)


def covers(spans: list[Span], duration_s: float) -> bool:
    ends = [span.end_s for span in spans]
    return spans[0].start_s == 0 and ends[-1] == duration_s and [s.start_s for s in spans[1:]] == ends[:-1]


@settings(deadline=None, derandomize=True)
@given(st.floats(0.05, 40_000))
def test_chunks_cover_the_video_without_a_gap(duration_s: float) -> None:
    spans = chunks(duration_s)
    assert covers(spans, duration_s)
    assert all(span.length_s == 60 for span in spans[:-1])
    assert len(spans) == 1 or spans[-1].length_s >= 1


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1000), max_size=40), st.floats(1, 1000))
def test_spans_between_cuts_cover_and_are_never_too_short(cuts: list[float], duration_s: float) -> None:
    spans = spans_between(sorted(cuts), duration_s, 6.0)
    assert covers(spans, duration_s)
    assert len(spans) == 1 or min(span.length_s for span in spans) >= 6.0


def test_a_picture_that_changes_for_good_begins_a_scene_and_a_flash_does_not() -> None:
    one, other = unit(1, 0, 0), unit(0, 1, 0)
    vectors = np.stack([one] * 20 + [other] * 20)
    vectors[10] = unit(0, 0, 1)  # a flash
    times = [float(i) for i in range(40)]
    assert picture_cuts(times, vectors) == [20.0]
    assert [s.start_s for s in scenes(times, vectors, 40.0, [])] == [0.0, 20.0]


def test_a_long_silence_ends_a_scene_where_words_begin_again() -> None:
    pieces = [said(t) for t in (0.0, 3.0, 6.0, 40.0, 43.0)]
    assert silence_ends(pieces) == [40.0]


def test_chapters_begin_where_the_topic_shifts() -> None:
    first, second = unit(1, 0.1, 0), unit(0, 0.1, 1)
    pieces = [said(float(t), vector=first if t < 600 else second) for t in range(0, 1200, 5)]
    spans = chapters(1200.0, pieces, [Span(0, 1200)])
    assert covers(spans, 1200.0)
    assert 600.0 in [span.start_s for span in spans]
    assert all(span.length_s >= MIN_CHAPTER_S for span in spans)


@pytest.mark.parametrize(("duration_s", "least", "most"), [(3600, 5, 15), (7200, 10, 30)])
def test_an_hour_has_five_to_fifteen_chapters(duration_s: float, least: int, most: int) -> None:
    rng = np.random.default_rng(0)
    topics = [unit(*rng.normal(size=16)) for _ in range(60)]
    pieces = [
        said(float(t), vector=unit(*(topics[int(t // 300)] + 0.3 * rng.normal(size=16))))
        for t in range(0, int(duration_s), 4)
    ]
    assert least <= len(chapters(duration_s, pieces, [Span(0, duration_s)])) <= most


def test_a_talk_of_one_topic_is_not_cut_into_as_many_chapters_as_fit() -> None:
    rng = np.random.default_rng(3)
    topics = [unit(*rng.normal(size=32)) for _ in range(3)]
    pieces = [
        said(float(t), vector=unit(*(topics[int(t // 1200)] + 0.3 * rng.normal(size=32)))) for t in range(0, 3600, 4)
    ]
    starts = [span.start_s for span in chapters(3600.0, pieces, [Span(0, 3600)])]
    assert {1200.0, 2400.0} <= set(starts)
    assert len(starts) <= 6


def test_a_slide_counts_as_long_as_it_stands() -> None:
    """Slides without speech: the border is where the slides change, not where the last one began."""
    first, second = unit(1, 0.1, 0), unit(0, 0.1, 1)
    slides = [TextPiece(0, 590, "one", "screen_text", first), TextPiece(600, 1200, "two", "screen_text", second)]
    assert 600.0 in [span.start_s for span in chapters(1200.0, slides, [Span(0, 1200)])]


def test_a_short_video_is_one_chapter_and_one_without_text_is_divided_evenly() -> None:
    assert chapters(200.0, [], [Span(0, 200)]) == [Span(0, 200)]
    spans = chapters(3600.0, [], [Span(t, t + 10) for t in range(0, 3600, 10)])
    assert covers(spans, 3600.0)
    assert 5 <= len(spans) <= 15


def test_a_keyframe_is_the_picture_most_like_its_span() -> None:
    vectors = np.stack([unit(1, 0), unit(1, 1), unit(1, 1), unit(0, 1)])
    assert keyframes([Span(0, 4)], [0.0, 1.0, 2.0, 3.0], vectors) == [1.0]
    assert keyframes([Span(10, 12)], [0.0], vectors[:1]) == [11.0]


def test_a_keyframe_is_no_fade_between_two_still_pictures() -> None:
    vectors = np.stack([unit(1, 0), unit(1, 0), unit(1, 1), unit(0, 1), unit(0, 1), unit(0, 1)])
    assert keyframes([Span(0, 6)], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], vectors) == [3.0]


def test_keyframes_show_each_state_once_where_a_span_holds_another() -> None:
    one, other, third = unit(1, 0, 0), unit(0, 1, 0), unit(0, 0, 1)
    vectors = np.stack([*[one] * 8, *[other] * 2, *[one] * 4, *[third] * 1, *[one] * 5])
    times = [float(k) for k in range(20)]
    assert keyframes([Span(0, 6), Span(6, 12), Span(12, 20)], times, vectors)[:2] == [0.0, 8.0]
    assert keyframes([Span(0, 5), Span(15, 20)], times, vectors) == [0.0, 15.0]  # nothing else to show
