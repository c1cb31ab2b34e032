"""A crop that was recognised is known again through the noise of a codec; one letter more or less is another crop."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from agent_tools.models.seen_lines import SeenLine, SeenLines


def crop(text: str, size: int = 28, ink: int = 20, ground: int = 240, quality: int = 95) -> np.ndarray:
    font = ImageFont.load_default(size)
    image = Image.new("RGB", (420, size + 8), (ground,) * 3)
    ImageDraw.Draw(image).text((6, 2), text, font=font, fill=(ink,) * 3)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


@pytest.mark.parametrize(("ink", "ground"), [(20, 240), (235, 25), (120, 160)])
def test_the_same_crop_is_known_again_through_noise(ink: int, ground: int) -> None:
    seen = SeenLines()
    seen.add(crop("Folie Nummer 1", ink=ink, ground=ground), SeenLine("Folie Nummer 1", 0.98))
    again = seen.find(crop("Folie Nummer 1", ink=ink, ground=ground, quality=85))
    assert again == SeenLine("Folie Nummer 1", 0.98)


@pytest.mark.parametrize("size", [14, 28, 44])
@pytest.mark.parametrize(
    "other",
    ["Folie Nummer 2", "Folie Nummer 7", "Folie Nummer 1.", "Folie Nümmer 1", "Folie Numrner 1", "folie Nummer 1", ""],
)
@pytest.mark.parametrize(("ink", "ground"), [(20, 240), (120, 160)])
def test_one_letter_or_mark_makes_another_crop(other: str, size: int, ink: int, ground: int) -> None:
    seen = SeenLines()
    seen.add(crop("Folie Nummer 1", size, ink, ground), SeenLine("Folie Nummer 1", 0.98))
    assert seen.find(crop(other, size, ink, ground)) is None


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    seen = SeenLines(most=2)
    first, second, third = (crop(text) for text in ("first line", "second line", "third line"))
    seen.add(first, SeenLine("first line", 1.0))
    seen.add(second, SeenLine("second line", 1.0))
    assert seen.find(first) is not None
    seen.add(third, SeenLine("third line", 1.0))
    assert seen.find(second) is None
    assert seen.find(first) == SeenLine("first line", 1.0)
    assert seen.find(third) == SeenLine("third line", 1.0)
