from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from agent_tools.ingestion.screen_text.still import HEIGHT, WIDTH, Candidate, StillRule, share_changed, text_score


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
    return [one for one in [*found, rule.last()] if one is not None]


FIRST, SECOND = slide("Attention", "keys and values"), slide("Memory", "what is forgotten")
GROWN = slide("Attention", "keys and values", "and queries")


def test_each_slide_is_kept_once_with_the_time_it_appeared() -> None:
    pictures = [noisy(FIRST, k) for k in range(10)] + [noisy(SECOND, k) for k in range(10, 20)]
    assert [(one.time_s, one.start_s) for one in run(pictures)] == [(1.0, 0.0), (10.0, 10.0)]


def test_a_slide_that_grows_is_kept_again() -> None:
    assert [one.start_s for one in run([FIRST] * 4 + [GROWN] * 4)] == [0.0, 4.0]


def test_the_same_slide_after_a_glance_away_is_not_kept_again() -> None:
    pictures = [FIRST] * 5 + [moving(1)] + [FIRST] * 5
    assert [one.time_s for one in run(pictures)] == [1.0, 5.0, 7.0]  # the glance came 4 s later: in motion one per 4 s
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
    assert [one for one in [*found, rule.last()] if one is not None] == run(pictures)


def test_the_rule_keeps_its_own_copy_of_a_reused_buffer() -> None:
    buffer, rule = FIRST.copy(), StillRule()
    assert rule.feed(0.0, buffer) is None
    assert rule.feed(1.0, buffer) is not None
    buffer[:] = SECOND
    assert rule.feed(2.0, buffer) is None  # neither still nor 4 s after the last one
    assert rule.feed(3.0, buffer) is not None


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
