"""Text that stands for half a second over moving pictures is looked for, and what was not looked at is said."""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from agent_tools.ingestion.screen_text.brief_text import BriefText, Look
from agent_tools.ingestion.screen_text.still import HEIGHT, WIDTH
from agent_tools.media import Picture
from agent_tools.models.ocr import OcrLine
from agent_tools.timeline import Span

Rgb = NDArray[np.uint8]
ENOUGH = 100.0  # whole pictures a second


def street(seed: int) -> Rgb:
    """A picture full of edges, another one for each seed: (360, 640, 3)."""
    small = np.random.default_rng(seed).integers(60, 190, (90, 160), dtype=np.uint8)
    large = np.asarray(Image.fromarray(small).resize((640, 360), Image.Resampling.BICUBIC))
    return np.repeat(large[..., None], 3, axis=2)


def calm(words: str = "", at: tuple[int, int] = (60, 40)) -> Rgb:
    image = Image.new("RGB", (640, 360), (30, 60, 90))
    ImageDraw.Draw(image).text(at, words, font=ImageFont.load_default(32), fill=(255, 255, 255))
    return np.asarray(image)


class Knows:
    """An engine that is told what stands on the pictures, and notes the sizes of the parts it is given."""

    producer = "knows@1"

    def __init__(self, words: str = "") -> None:
        self.words, self.score, self.sizes = words, 0.99, list[tuple[int, int]]()

    def read(self, rgb: Rgb) -> list[OcrLine]:
        self.sizes.append((rgb.shape[1], rgb.shape[0]))
        return [OcrLine(self.words, self.score, (0.3, 0.3, 0.7, 0.7))] if self.words else []


def looking(engine: Knows | None, per_s: float = ENOUGH) -> tuple[BriefText, Callable[[float, Rgb], Look]]:
    brief = BriefText(per_s)
    brief.engine = engine

    def look(time_s: float, rgb: Rgb) -> Look:
        picture = Picture(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24"))
        return brief.look(time_s, picture.gray(WIDTH, HEIGHT), picture)

    return brief, look


def test_only_the_part_that_changed_and_may_be_text_is_searched() -> None:
    engine = Knows()
    _, look = looking(engine)
    look(0.0, calm("first words"))
    look(0.5, calm("first words"))  # the same picture: nothing to look for
    look(1.0, calm())  # an empty one
    assert len(engine.sizes) == 1
    width, height = engine.sizes[0]
    assert width < 400
    assert height < 120


def test_words_may_be_hidden_where_texture_moves_and_not_where_a_calm_picture_changes() -> None:
    brief, look = looking(Knows())
    for k in range(8):
        look(k / 2, street(k) if 2 <= k < 5 else calm())
    (span,) = brief.hidden()
    assert span == Span(0.5, 2.5)


def test_words_are_new_once_and_gone_once() -> None:
    engine = Knows()
    _, look = looking(engine)
    looks = []
    for k in range(10):
        engine.words = "some words" if 2 <= k < 7 else ""
        looks.append(look(k / 2, street(k)))
    assert [one.new for one in looks].index(True) == 2
    assert sum(one.new for one in looks) == 1
    assert [one.gone for one in looks].index(True) == 7
    assert sum(one.gone for one in looks) == 1


def test_words_on_a_calm_picture_are_gone_when_their_place_has_changed() -> None:
    engine = Knows("some words")
    _, look = looking(engine)
    assert look(0.0, calm("some words in a line that is long")).new
    assert not look(0.5, calm("some words in a line that is long")).gone
    engine.words = ""
    assert look(1.0, np.full_like(calm(), 200)).gone


@pytest.mark.parametrize(("words", "score", "new", "doubtful"), [
    ("COMING SOON", 0.85, True, False),
    ("EXIT", 0.95, True, False),
    ("EXIT", 0.8, False, True),
    ("11", 0.7, False, False),  # windows
    ("|/-;1", 0.95, False, False),  # a fence
])  # fmt: skip
def test_what_is_worth_reading_the_whole_picture_for(words: str, score: float, new: bool, doubtful: bool) -> None:
    engine = Knows(words)
    engine.score = score
    _, look = looking(engine)
    found = look(0.0, street(0))
    assert (found.new, found.doubtful) == (new, doubtful)


def test_every_half_second_is_looked_at_while_there_is_a_budget() -> None:
    brief, look = looking(Knows())
    for k in range(40):
        assert look(k / 2, street(k)).seen
    assert brief.unread(20.0) == []


@pytest.mark.parametrize("engine", [None, Knows()])
def test_without_an_engine_or_a_budget_what_may_be_text_is_unread(engine: Knows | None) -> None:
    brief, look = looking(engine, per_s=0.0)
    for k in range(20):
        look(k / 2, street(k))
    for k in range(20, 40):
        look(k / 2, calm())
    (span,) = brief.unread(20.0)
    assert span == Span(0.0, 10.0)


def test_a_small_budget_is_spread_over_the_film_and_never_exceeded() -> None:
    engine = Knows()
    brief, look = looking(engine, per_s=0.05)
    for k in range(1600):
        look(k / 2, street(k % 50))
    searched = sum(width * height for width, height in engine.sizes) / (960 * 540)
    assert searched <= 0.05 * (800 + 600) + 1
    assert searched >= 0.9 * 0.05 * (800 + 600)
    assert brief.unread(800.0)[-1].end_s > 750


def test_a_picture_that_is_read_as_a_whole_is_not_searched_again() -> None:
    engine = Knows()
    brief, look = looking(engine)
    picture = Picture(av.VideoFrame.from_ndarray(calm("a slide"), "rgb24"))
    brief.whole(0.0, picture.gray(WIDTH, HEIGHT))
    look(0.5, calm("a slide"))
    assert engine.sizes == []


@given(st.lists(st.integers(0, 5), min_size=2, max_size=16), st.data())
@settings(max_examples=25, deadline=None)
def test_an_interruption_changes_nothing(shown: list[int], data: st.DataObject) -> None:
    pictures = [calm("one"), calm("two", (300, 200)), calm(), street(1), street(2), street(3)]
    cut = data.draw(st.integers(0, len(shown)))
    per_s = data.draw(st.sampled_from([ENOUGH, 0.001]))
    brief, look = looking(Knows("some words"), per_s)
    whole = [look(k / 2, pictures[which]) for k, which in enumerate(shown)]
    first, look_first = looking(Knows("some words"), per_s)
    parts = [look_first(k / 2, pictures[which]) for k, which in enumerate(shown[:cut])]
    second, look_second = looking(Knows("some words"), per_s)
    second.restore(first.to_bytes())
    parts += [look_second(k / 2, pictures[which]) for k, which in enumerate(shown[cut:], cut)]
    assert parts == whole
    assert second.unread(20.0) == brief.unread(20.0)


def test_what_another_version_saved_is_not_read() -> None:
    brief, _ = looking(None)
    brief.restore(b"\x00" * 40)
    assert brief.unread(0.0) == []
