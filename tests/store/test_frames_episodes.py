"""Frames, kept pictures and episodes."""

from __future__ import annotations

from dataclasses import replace

from agent_tools.store import Episode, FrameRow, Store
from tests.store.conftest import TALK, WEEK


def row(k: int, stands_for: int | None = None) -> FrameRow:
    stands_for = k if stands_for is None else stands_for
    return FrameRow(WEEK, k, float(k), stands_for, stands_for == k)


def test_pruned_frames_keep_their_time_and_the_frame_that_stands_for_them(store: Store) -> None:
    store.add_frames(WEEK, [row(0), row(1, 0), row(2, 0), row(3)], {0: b"zero", 3: b"three"})
    assert store.frames(WEEK) == [row(0), row(1, 0), row(2, 0), row(3)]
    assert store.frames(WEEK, 1.0, 3.0) == [row(1, 0), row(2, 0)]
    assert store.frames(WEEK, kept_only=True) == [row(0), row(3)]
    assert store.frame_picture(WEEK, 3) == b"three"
    assert store.frame_picture(WEEK, 1) is None
    assert store.frames(TALK) == []


def test_frames_written_again_are_replaced(store: Store) -> None:
    store.add_frames(WEEK, [row(0), row(1)], {0: b"zero", 1: b"one"})
    store.add_frames(WEEK, [row(0), row(1, 0)], {0: b"other"})
    assert store.frames(WEEK) == [row(0), row(1, 0)]
    assert store.frame_picture(WEEK, 0) == b"other"


def test_the_standing_frame_is_the_one_shown_then_not_the_nearest_kept_one(store: Store) -> None:
    assert store.standing(WEEK, 5.0) is None
    store.add_frames(WEEK, [row(0), *(row(k, 0) for k in range(1, 90)), row(90), row(91, 90)], {})
    assert [store.standing(WEEK, t) for t in (-1.0, 0.0, 2.0, 80.0, 89.9)] == [row(0)] * 5
    assert [store.standing(WEEK, t) for t in (90.0, 99.0)] == [row(90)] * 2


def test_a_kept_frame_has_the_times_of_all_it_stands_for_however_long_it_stands(store: Store) -> None:
    store.add_frames(WEEK, [row(0), *(row(k, 0) for k in range(1, 90)), row(90), row(91, 90)], {})
    assert store.times_of(WEEK, 0) == [float(k) for k in range(90)]
    assert store.times_of(WEEK, 90) == [90.0, 91.0]
    assert store.times_of(WEEK, 5) == []
    old = [row(0, 8), *(row(k, 8) for k in range(1, 8)), row(8), row(9), row(10, 8), row(11, 9)]  # of version 0.1
    store.add_frames(TALK, [replace(one, video_id=TALK) for one in old], {})
    assert store.times_of(TALK, 8) == [*(float(k) for k in range(9)), 10.0]


def episode(start_s: float, end_s: float, title: str) -> Episode:
    return Episode(0, WEEK, "chunk", start_s, end_s, title, "subtitles", start_s)


def test_episodes_of_a_level_are_replaced_at_once(store: Store) -> None:
    store.replace_episodes(WEEK, "chunk", [episode(60, 120, "b"), episode(0, 60, "a")])
    store.replace_episodes(WEEK, "chapter", [episode(0, 120, "all")])
    assert [found.title for found in store.episodes(WEEK, "chunk")] == ["a", "b"]
    assert [found.title for found in store.episodes(WEEK, "chunk", 60, 61)] == ["b"]
    store.replace_episodes(WEEK, "chunk", [episode(0, 30, "c")])
    assert [found.title for found in store.episodes(WEEK, "chunk")] == ["c"]
    (chapter,) = store.episodes(WEEK, "chapter")
    assert (chapter.level, chapter.title_from, chapter.keyframe_s) == ("chapter", "subtitles", 0.0)
    assert chapter.id > 0
