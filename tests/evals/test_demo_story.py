"""The demo's story: three hops that need each other, look-alikes that differ, and a seed that decides all of it."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.evals.films.demo_story import GRID_S, MIN_DURATION_S, Story, srt, tell

seeds = st.integers(0, 10_000)
durations = st.floats(MIN_DURATION_S, 9000)


def chain(story: Story) -> tuple[str, str, str]:
    """The answer as the clues alone give it: (object, place, code)."""
    person = re.match(r"(\w+ \w+) gave", story.question)
    assert person
    said = [c.text for c in story.cues if f"{person[1]} handed the" in c.text]
    item = re.search(r"handed the (.+?) to", said[0])
    assert item
    places = {s.lines[2].removeprefix("Kept at: ") for s in story.scenes if f"Item: {item[1]}" in s.lines}
    (place,) = places
    codes = {s.lines[2].removeprefix("Gate code: ") for s in story.scenes if f"Place: {place}" in s.lines}
    (code,) = codes
    return item[1], place, code


@given(seeds, durations)
def test_the_clues_alone_lead_to_the_answer(seed: int, duration_s: float) -> None:
    story = tell(seed, duration_s)
    item, place, code = chain(story)
    assert code == story.answer
    assert item in story.hops[0].text
    assert item in story.hops[1].text
    assert place in story.hops[1].text
    assert f"Place: {place}" in story.hops[2].text


@given(seeds, durations)
def test_scenes_fill_the_video_without_a_gap(seed: int, duration_s: float) -> None:
    story = tell(seed, duration_s)
    assert story.scenes[0].start_s == 0
    assert story.scenes[-1].end_s == story.duration_s
    assert all(a.end_s == b.start_s for a, b in pairwise(story.scenes))
    assert all(s.end_s > s.start_s and (s.end_s / GRID_S).is_integer() for s in story.scenes)


@given(seeds, durations)
def test_cues_follow_each_other_inside_the_video(seed: int, duration_s: float) -> None:
    story = tell(seed, duration_s)
    assert all(a.end_s <= b.start_s for a, b in pairwise(story.cues))
    assert all(c.start_s < c.end_s <= story.duration_s for c in story.cues)


def test_question_names_neither_object_nor_place_nor_answer() -> None:
    for seed in range(50):
        story = tell(seed)
        item, place, code = chain(story)
        assert not any(word in story.question for word in (item, place, code))


def test_clues_of_an_hour_stand_far_apart_and_in_no_fixed_order() -> None:
    orders = set()
    for seed in range(40):
        starts = [hop.start_s for hop in tell(seed).hops]
        orders.add(tuple(sorted(range(3), key=starts.__getitem__)))
        assert all(abs(a - b) > 30 for a, b in pairwise(sorted(starts)))
    assert len(orders) == 6


def test_an_hour_is_dense_and_its_clues_have_look_alikes() -> None:
    story = tell(0)
    assert 550 <= len(story.cues) <= 700
    assert sum("handed the" in cue.text for cue in story.cues) == 8
    assert sum(scene.kind == "item" for scene in story.scenes) == 8
    assert sum(scene.kind == "place" for scene in story.scenes) == 8
    assert len({scene.style for scene in story.scenes if scene.kind == "motion"}) >= 4


def test_seed_decides_the_story() -> None:
    assert tell(7) == tell(7)
    assert len({tell(seed).answer for seed in range(20)}) == 20


def test_a_video_too_short_for_the_clues_is_refused() -> None:
    with pytest.raises(ValueError, match="60"):
        tell(0, 59)


def test_cues_can_be_written_as_subrip() -> None:
    first = srt(tell(0).cues).splitlines()[:3]
    assert first[0] == "1"
    assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", first[1])
    assert first[2] == tell(0).cues[0].text
