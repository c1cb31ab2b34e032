"""Contact sheets: several pictures in one image, with the time under each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent_tools.errors import InvalidArgument
from agent_tools.media.picture import fit_size
from agent_tools.media.picture_files import Pixels, jpeg

_GAP_PX = 4
_STRIP_SHARE, _LEAST_STRIP_PX = 9, 16  # a strip has a ninth of the shorter side of a cell


def sheet(
    images: Sequence[tuple[str, Pixels]],
    long_side: int = 1568,
    cell_px: int = 480,
    per_sheet: int = 9,
    quality: int = 80,
) -> list[bytes]:
    """The pictures in order, row by row, as one JPEG, or as several if they do not fit.

    A cell is as large as the largest picture within cell_px (nine cells of 480 px at 16:9 stand three by three);
    cells get smaller before a sheet exceeds long_side. A label stands in a strip under its picture.
    Args:
        images: (label, (H, W, 3) uint8) in the order wanted; an empty label draws none.
        long_side: most pixels of a sheet's longer side.
        per_sheet: most cells of one sheet.
    Raises: InvalidArgument: a limit is too small to hold a cell.
    """
    if long_side < 64 or cell_px < 16 or per_sheet < 1:
        raise InvalidArgument(
            f"long_side {long_side}, cell_px {cell_px}, per_sheet {per_sheet}: they must be at least 64, 16 and 1."
        )
    return [
        _one_sheet(images[start : start + per_sheet], long_side, cell_px, quality)
        for start in range(0, len(images), per_sheet)
    ]


def _one_sheet(images: Sequence[tuple[str, Pixels]], long_side: int, cell_px: int, quality: int) -> bytes:
    sizes = [fit_size(rgb.shape[1], rgb.shape[0], cell_px) for _, rgb in images]
    cell = max(width for width, _ in sizes), max(height for _, height in sizes)
    strip = max(_LEAST_STRIP_PX, min(cell) // _STRIP_SHARE) if any(label for label, _ in images) else 0
    columns, rows, factor = _grid(len(images), cell, strip, long_side)
    cell = max(1, int(cell[0] * factor)), max(1, int(cell[1] * factor))
    step = cell[0] + _GAP_PX, cell[1] + strip + _GAP_PX
    canvas = Image.new("RGB", (_GAP_PX + columns * step[0], _GAP_PX + rows * step[1]), (24, 24, 24))
    for number, ((label, rgb), (width, height)) in enumerate(zip(images, sizes, strict=True)):
        left = _GAP_PX + number % columns * step[0]
        top = _GAP_PX + number // columns * step[1]
        size = max(1, int(width * factor)), max(1, int(height * factor))
        small = Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS)
        canvas.paste(small, (left + (cell[0] - size[0]) // 2, top + (cell[1] - size[1]) // 2))
        if label:
            _write(canvas, label, left, top + cell[1], strip)
    return jpeg(np.asarray(canvas), quality)


def _grid(count: int, cell: tuple[int, int], strip: int, long_side: int) -> tuple[int, int, float]:
    """(columns, rows, factor <= 1) with the least shrinking, then the least waste, then the most square sheet."""
    best: tuple[tuple[float, int, int], tuple[int, int, float]] | None = None
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        wide, high = columns * cell[0], rows * cell[1]
        room = long_side - _GAP_PX * (columns + 1), long_side - _GAP_PX * (rows + 1) - strip * rows
        factor = min(1.0, room[0] / wide, room[1] / high)
        cost = (-factor, columns * rows, max(wide, high + strip * rows))
        if best is None or cost < best[0]:
            best = cost, (columns, rows, factor)
    assert best is not None
    return best[1]


def _write(canvas: Image.Image, label: str, left: int, top: int, strip: int) -> None:
    font = ImageFont.load_default(max(10, strip - 8))
    ImageDraw.Draw(canvas).text((left + 5, top + strip // 2), label, font=font, fill=(255, 255, 255), anchor="lm")
