"""Letters too small for the detector are found as strips, and what is read of them is near enough to raise a doubt."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from agent_tools.evals.films.natural_pictures import natural_picture
from agent_tools.ingestion.screen_text.shared_calls import read_together
from agent_tools.ingestion.screen_text.trust import trusted
from agent_tools.models.ocr import RapidOcr
from agent_tools.models.small_lines import MOST, small_lines
from agent_tools.service.verdicts.quoted_words import Occurrence

LINES = ("Improbability Flux Monitor", "Power Distribution", "Crew Manifest", "Subsystem Health", "Current occupants")


def shrunk(lines: tuple[str, ...] = LINES, px: int = 6) -> NDArray[np.uint8]:
    """Light lines on dark ground, drawn large and scaled down to type of so many px: (360, 640, 3)."""
    scale = 4
    image = Image.new("RGB", (640 * scale, 360 * scale), (18, 18, 20))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(px * scale)
    for row, line in enumerate(lines):
        pen.text((90 * scale, (40 + 24 * row) * scale), line, font=font, fill=(220, 220, 220))
    buffer = io.BytesIO()
    image.resize((640, 360), Image.Resampling.BOX).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer).convert("RGB"))


def gray(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(rgb).convert("L"))


def test_each_small_line_is_a_strip() -> None:
    found = small_lines(gray(shrunk()))
    for row in range(len(LINES)):
        assert any(y0 <= 40 + 24 * row + 5 <= y1 for _, y0, _, y1 in found), row
    assert len(found) <= len(LINES) + 2
    assert [one[0] - one[2] for one in found] == sorted(one[0] - one[2] for one in found)


def test_what_the_detector_has_is_no_strip() -> None:
    assert small_lines(gray(shrunk()), [(0, 0, 640, 360)]) == []


def test_no_more_strips_than_are_worth_reading() -> None:
    image = Image.new("L", (640, 360), 20)
    pen = ImageDraw.Draw(image)
    for row in range(30):
        for column in range(4):
            pen.text((10 + 155 * column, 4 + 12 * row), "small letters", font=ImageFont.load_default(7), fill=220)
    assert len(small_lines(np.asarray(image))) == MOST < 120


def test_pictures_without_text_give_no_trusted_line() -> None:
    reader = RapidOcr()
    for seed in range(4):
        (lines,) = read_together(reader, [Image.fromarray(natural_picture(seed, 640, 360))])
        assert not any(trusted(lines)), seed


def test_lines_read_with_doubt_stand_behind_the_others_and_are_joined_with_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = RapidOcr()
    reader.read(shrunk())
    boxes = np.array([[(10, 10), (90, 10), (90, 20), (10, 20)], [(95, 10), (160, 10), (160, 20), (95, 20)]])
    answer = SimpleNamespace(boxes=boxes, txts=("Crivw Marifent", "Power"), scores=(0.5, 0.9))
    monkeypatch.setattr(reader, "_engine", lambda picture, **rest: answer)
    found = reader.read(np.full((180, 320, 3), 30, np.uint8))
    assert [(line.text, line.score) for line in found] == [("Power", 0.9), ("Crivw Marifent", 0.5)]


@pytest.mark.parametrize(("words", "read"), [
    ("Improbability Flux Monitor", "Imprsbabiihy Tiue Monter"),  # as they were read in a dashboard of 300 px
    ("Crew Manifest", "Criww Marifent"),
    ("Power Distribution", "Power batributioen"),
    ("Big Buck Bunny", "BUNKY"),  # a drawn title
])  # fmt: skip
def test_what_was_read_with_doubt_may_be_the_words(words: str, read: str) -> None:
    assert Occurrence(words).guessed(read)
    for other in ("Photosynthesis", "Quarterly revenue", "Shopping cart", "gradient descent", "mitochondria", "Bern"):
        assert not Occurrence(other).guessed(read), other
