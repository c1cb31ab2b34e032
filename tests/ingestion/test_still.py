from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from agent_tools.ingestion.screen_text.still import (
    HEIGHT,
    MOST_UNREAD,
    WIDTH,
    Candidate,
    StillRule,
    joined,
    share_changed,
    text_score,
)
from agent_tools.timeline import Span


def slide(*lines: str) -> np.ndarray:
    image = Image.new("L", (WIDTH * 2, HEIGHT * 2), 250)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((30, 30 + 50 * row), line, fill=5, font_size=28)
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BOX))


def moving(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (6, 10), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def noisy(picture: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1.5, picture.shape)
    return np.clip(picture + np.rint(noise), 0, 255).astype(np.uint8)


def run(pictures: list[np.ndarray], rule: StillRule | None = None) -> list[Candidate]:
    """Candidates at one picture a second, the one at the end included."""
    rule = rule or StillRule()
    found = [rule.feed(float(k), picture) for k, picture in enumerate(pictures)]
    return [one for one in [*found, rule.last()] if one is not None and not one.again]


def looked_at(pictures: list[np.ndarray], rule: StillRule | None = None, first: int = 0) -> list[Candidate | None]:
    """What the rule says of each of four pictures a second, of which every fourth is a sampled one."""
    rule = rule or StillRule()
    return [
        rule.glance(k / 4, picture) if k % 4 else rule.feed(k / 4, picture) for k, picture in enumerate(pictures, first)
    ]


def kept(pictures: list[np.ndarray]) -> list[Candidate]:
    return [one for one in looked_at(pictures) if one is not None and not one.again]


FIRST, SECOND = slide("Attention", "keys and values"), slide("Memory", "what is forgotten")
GROWN = slide("Attention", "keys and values", "and queries")


def test_each_slide_is_kept_once_with_the_time_it_appeared() -> None:
    pictures = [noisy(FIRST, k) for k in range(10)] + [noisy(SECOND, k) for k in range(10, 20)]
    assert [(one.time_s, one.start_s) for one in run(pictures)] == [(1.0, 0.0), (10.0, 10.0)]


def test_a_slide_that_grows_is_kept_again() -> None:
    assert [one.start_s for one in run([FIRST] * 4 + [GROWN] * 4)] == [0.0, 4.0]


def test_the_same_slide_after_a_glance_away_is_not_kept_again() -> None:
    pictures = [FIRST] * 5 + [moving(1)] + [FIRST] * 5
    assert [one.time_s for one in run(pictures)] == [1.0, 5.0, 6.0]  # the glance came 4 s later: in motion one per 4 s
    pictures = [FIRST] * 4 + [moving(1)] + [FIRST] * 5
    assert [one.time_s for one in run(pictures)] == [1.0]


def test_in_motion_one_picture_is_kept_in_four_seconds() -> None:
    times = [one.time_s for one in run([moving(k) for k in range(20)])]
    assert times == [1.0, 5.0, 9.0, 13.0, 17.0, 19.0]  # and the last one, so that a clip's end is read


def test_a_video_of_one_picture_is_read() -> None:
    assert [(one.time_s, one.start_s) for one in run([FIRST])] == [(0.0, 0.0)]
    assert run([]) == []


def test_a_state_of_the_last_second_is_kept() -> None:
    assert [one.time_s for one in run([FIRST] * 3 + [SECOND])] == [1.0, 3.0]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=24), st.data())
@settings(max_examples=60, deadline=None)
def test_an_interruption_anywhere_changes_nothing(shown: list[int], data: st.DataObject) -> None:
    known = [FIRST, SECOND, GROWN, moving(1), moving(2), moving(3)]
    pictures = [known[i] for i in shown]
    cut = data.draw(st.integers(0, len(pictures)))
    rule = StillRule()
    found = [rule.feed(float(k), picture) for k, picture in enumerate(pictures[:cut])]
    rule = StillRule.from_bytes(rule.to_bytes())
    found += [rule.feed(float(k), picture) for k, picture in enumerate(pictures[cut:], cut)]
    assert [one for one in [*found, rule.last()] if one is not None and not one.again] == run(pictures)


def test_the_rule_keeps_its_own_copy_of_a_reused_buffer() -> None:
    buffer, rule = FIRST.copy(), StillRule()
    assert rule.feed(0.0, buffer) is None
    assert rule.feed(1.0, buffer) is not None
    buffer[:] = SECOND
    assert (found := rule.feed(2.0, buffer)) is not None
    assert found.extra  # neither still nor 4 s after the last one
    buffer[:] = FIRST
    assert (found := rule.feed(3.0, buffer)) is not None
    assert found.extra


def test_codec_noise_is_no_change_and_one_new_word_is() -> None:
    assert share_changed(FIRST, noisy(FIRST, 1)) == 0
    assert share_changed(slide("Attention"), slide("Attention", "values")) >= 0.004


@pytest.mark.parametrize("picture", [moving(1), np.zeros((HEIGHT, WIDTH), np.uint8), noisy(moving(2), 3)])
def test_text_scores_above_what_is_none(picture: np.ndarray) -> None:
    assert text_score(FIRST) > 5
    assert text_score(picture) == 0


def test_only_new_text_counts() -> None:
    """Else a speaker who moves beside a long slide would outrank every slide with less text."""
    assert text_score(FIRST, FIRST) == 0
    assert 0 < text_score(GROWN, FIRST) < text_score(GROWN)
    speaker = FIRST.copy()
    speaker[120:, 240:] = moving(4)[120:, 240:]
    assert text_score(speaker, FIRST) == 0


def test_motion_beside_slides_never_crowds_a_slide_out() -> None:
    slides = [slide(f"Chapter {n}", *(f"line {n} {m} of text" for m in range(n % 5))) for n in range(12)]
    pictures = []
    for number, base in enumerate(slides):
        for second in range(30):
            shown = base.copy()
            shown[120:, 240:] = moving(100 + number * 30 + second)[120:, 240:]
            pictures.append(shown)
    candidates = run(pictures)
    best = sorted(candidates, key=lambda one: -one.score)[: len(slides) * 2]
    assert len(candidates) > 80
    for number in range(len(slides)):
        assert any(number * 30 <= one.time_s < number * 30 + 30 for one in best), number


def test_a_slide_of_half_a_second_is_kept_with_the_time_it_left() -> None:
    found = kept([FIRST] * 10 + [SECOND] * 2 + [FIRST] * 10)
    assert [(one.time_s, one.start_s, one.extra) for one in found] == [
        (1.0, 0.0, False),
        (2.75, 2.5, True),
        (3.25, 3.0, True),
    ]
    assert found[2].left_s == 3.0


def over(text: np.ndarray, seed: int) -> np.ndarray:
    """The upper half of a slide, as a title over a moving picture."""
    shown = moving(seed).copy()
    shown[:90] = text[:90]
    return shown


def test_text_that_stands_over_a_moving_picture_is_kept_at_once() -> None:
    found = kept(
        [moving(k) for k in range(9)] + [over(FIRST, k) for k in range(9, 13)] + [moving(k) for k in range(13, 17)]
    )
    assert [one.time_s for one in found if one.extra] == [2.5]


def test_moving_text_is_kept_once_a_second() -> None:
    drifting = [np.roll(FIRST, 7 * k, axis=1) for k in range(32)]
    times = [one.time_s for one in kept(drifting)]
    assert max(after - before for before, after in pairwise(times)) <= 1.0


@given(st.lists(st.integers(0, 5), min_size=4, max_size=40))
@settings(max_examples=40, deadline=None)
def test_glances_change_nothing_of_the_usual_candidates(shown: list[int]) -> None:
    known = [FIRST, SECOND, GROWN, moving(1), moving(2), over(SECOND, 3)]
    pictures = [known[i] for i in shown]
    rule = StillRule()
    usual = [
        one.score for k, picture in enumerate(pictures[::4]) if (one := rule.feed(float(k), picture)) and not one.extra
    ]
    assert [one.score for one in looked_at(pictures) if one is not None and not one.extra] == usual


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
@settings(max_examples=40, deadline=None)
def test_an_interruption_between_glances_changes_nothing(shown: list[int], data: st.DataObject) -> None:
    known = [FIRST, SECOND, GROWN, moving(1), over(FIRST, 2), over(SECOND, 3)]
    pictures = [known[i] for i in shown]
    cut = data.draw(st.integers(0, len(pictures)))
    first = StillRule()
    found = looked_at(pictures[:cut], first)
    second = StillRule.from_bytes(first.to_bytes())
    found += looked_at(pictures[cut:], second, first=cut)
    assert looked_at(pictures) == found


def test_what_an_older_version_saved_begins_anew() -> None:
    assert StillRule.from_bytes(b"\x00" * 40).feed(0.0, FIRST) is None


def test_no_more_unread_spans_than_a_row_can_hold() -> None:
    spans = [Span(2.0 * k, 2.0 * k + 1 - (k % 7) / 10) for k in range(1000)]
    found = joined(spans)
    assert len(found) <= MOST_UNREAD
    assert all(any(one.start_s <= span.start_s and span.end_s <= one.end_s for one in found) for span in spans)
