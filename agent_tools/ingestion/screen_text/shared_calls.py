"""Several pictures in one call of the OCR: how many share a call, where each lies on the canvas, and which picture a
line belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from agent_tools.ingestion.screen_text.trust import Box, TextLine, textures
from agent_tools.models.profiles import OcrEngine

SIDE = 960  # px: of a canvas, the longest side that the engine reads without scaling down
BESIDE = 64  # px between two columns: wider than any gap between words of one line
BELOW = 24  # px between two rows
PAIR, SIX = 2, 6  # pictures of 16:9 that share a canvas: 832 px wide each, or 448


@dataclass(frozen=True)
class Shares:
    """How the pictures, those that look most like text first, are spread over the calls."""

    alone: int
    in_pairs: int
    in_sixes: int
    left_out: int


def shares(pictures: int, calls: int) -> Shares:
    """As many pictures as possible as large as possible: alone, else in pairs (which were read as well on the
    development clips), else in sixes; none is left out before all share a call by sixes."""
    if pictures <= PAIR * calls:
        alone = min(pictures, PAIR * calls - pictures)
        return Shares(alone, pictures - alone, 0, 0)
    in_pairs = PAIR * max(0, (SIX * calls - pictures) // (SIX - PAIR))
    in_sixes = min(pictures - in_pairs, SIX * (calls - in_pairs // PAIR))
    return Shares(0, in_pairs, in_sixes, pictures - in_pairs - in_sixes)


def read_together(engine: OcrEngine, images: Sequence[Image.Image]) -> list[list[TextLine]]:
    """The lines of each picture, from one call: a single one as it is, up to six on one canvas. Boxes are in 0..1 of
    the line's own picture."""
    if len(images) == 1:
        found = [(line.text, line.score, line.box) for line in engine.read(np.asarray(images[0]))]
        return [_with_textures(images[0], found)]
    columns, rows = _grid(images)
    width, height = (SIDE - BESIDE * (columns - 1)) // columns, (SIDE - BELOW * (rows - 1)) // rows
    fitted = [ImageOps.contain(image, (width, height), Image.Resampling.LANCZOS) for image in images]
    height = max(image.height for image in fitted)
    canvas = Image.new("RGB", (SIDE, height * rows + BELOW * (rows - 1)), (0, 0, 0))
    for place, image in enumerate(fitted):
        canvas.paste(image, (place % columns * (width + BESIDE), place // columns * (height + BELOW)))
    placed: list[list[tuple[str, float, Box]]] = [[] for _ in images]
    for line in engine.read(np.asarray(canvas)):
        x, y = (line.box[0] + line.box[2]) / 2 * canvas.width, (line.box[1] + line.box[3]) / 2 * canvas.height
        column = min(columns - 1, int((x + BESIDE / 2) / (width + BESIDE)))
        place = columns * min(rows - 1, int((y + BELOW / 2) / (height + BELOW))) + column
        if place < len(fitted):
            left, top = place % columns * (width + BESIDE), place // columns * (height + BELOW)
            box = _inside(line.box, canvas, (left, top), fitted[place])
            placed[place].append((line.text, line.score, box))
    return [_with_textures(image, lines) for image, lines in zip(images, placed, strict=True)]


def lines_of_part(engine: OcrEngine, rgb: NDArray[np.uint8], part: Box) -> list[TextLine]:
    """The lines in a part (x0, y0, x1, y1, in 0..1) of a picture (H, W, 3). Their boxes are in 0..1 of the picture."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = (round(side * size) for side, size in zip(part, (width, height) * 2, strict=True))
    cut = rgb[top:bottom, left:right]
    found = []
    for line in engine.read(np.ascontiguousarray(cut)):
        x0, x1 = ((left + x * (right - left)) / width for x in (line.box[0], line.box[2]))
        y0, y1 = ((top + y * (bottom - top)) / height for y in (line.box[1], line.box[3]))
        found.append((line.text, line.score, (x0, y0, x1, y1)))
    return _with_textures(Image.fromarray(rgb), found)


def _inside(box: Box, canvas: Image.Image, corner: tuple[int, int], image: Image.Image) -> Box:
    """A box of the canvas in 0..1 of the picture whose left top corner lies at `corner`."""
    x0, x1 = ((x * canvas.width - corner[0]) / image.width for x in (box[0], box[2]))
    y0, y1 = ((y * canvas.height - corner[1]) / image.height for y in (box[1], box[3]))
    return (max(0.0, min(1.0, x0)), max(0.0, min(1.0, y0)), max(0.0, min(1.0, x1)), max(0.0, min(1.0, y1)))


def _with_textures(image: Image.Image, lines: Sequence[tuple[str, float, Box]]) -> list[TextLine]:
    if not lines:
        return []
    around = textures(np.asarray(image.convert("L")), [box for _, _, box in lines])
    return [TextLine(*line, texture) for line, texture in zip(lines, around, strict=True)]


def _grid(images: Sequence[Image.Image]) -> tuple[int, int]:
    """(columns, rows) that leave the first picture largest; those of one video are of one size."""
    shape = images[0].size
    forms = ((1, 2), (2, 1)) if len(images) <= PAIR else ((2, 3), (3, 2))

    def scale(form: tuple[int, int]) -> float:
        columns, rows = form
        return min(
            (SIDE - BESIDE * (columns - 1)) / columns / shape[0],
            (SIDE - BELOW * (rows - 1)) / rows / shape[1],
        )

    return max(forms, key=scale)
