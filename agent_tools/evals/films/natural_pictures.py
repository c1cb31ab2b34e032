"""Pictures without text that look natural to an OCR: leaves, branches, windows, a crowd.

An OCR reads signs into them, as it does into photographs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

STYLES = ("leaves", "branches", "windows", "crowd")
PARTS = 700  # leaves, or branches, in a picture


def natural_picture(seed: int, width: int, height: int) -> NDArray[np.uint8]:
    """A picture (height, width, 3), RGB, the same for the same seed."""
    rng = np.random.default_rng(seed)
    style = STYLES[seed % len(STYLES)]
    colours = rng.integers(20, 235, (6, 3))
    picture = Image.new("RGB", (width, height), _rgb(colours[0]))
    pen = ImageDraw.Draw(picture)
    if style == "windows":
        _windows(pen, rng, colours, width, height)
    else:
        for _ in range(PARTS):
            x, y = rng.uniform(0, width), rng.uniform(0, height)
            colour = _rgb(np.clip(colours[rng.integers(1, 6)] + rng.integers(-30, 30, 3), 0, 255))
            if style == "leaves":
                w, h = rng.uniform(6, 30), rng.uniform(4, 16)
                pen.ellipse((x - w / 2, y - h / 2, x + w / 2, y + h / 2), fill=colour)
            elif style == "branches":
                angle, length = rng.uniform(0, np.pi), rng.uniform(10, 70)
                end = (x + length * np.cos(angle), y + length * np.sin(angle))
                pen.line((x, y, *end), fill=colour, width=int(rng.integers(1, 5)))
            else:
                size = rng.uniform(6, 16)
                pen.ellipse((x - size / 2, y - size, x + size / 2, y), fill=colour)
                pen.rectangle(
                    (x - size * 0.7, y, x + size * 0.7, y + 1.8 * size), fill=_rgb(colours[rng.integers(1, 6)])
                )
    blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.7)), np.float32)
    return np.clip(blurred + rng.normal(0, 6, blurred.shape), 0, 255).astype(np.uint8)


def _windows(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, colours: NDArray[np.int64], width: int, height: int
) -> None:
    """Rows of windows of some houses."""
    left = 0.0
    while left < width:
        house = rng.uniform(60, 160)
        top = rng.uniform(0, height * 0.5)
        pen.rectangle((left, top, left + house, height), fill=_rgb(colours[rng.integers(1, 6)] // 2 + 60))
        across, down = rng.uniform(9, 20), rng.uniform(12, 26)
        for y in np.arange(top + 6, height - down, down):
            for x in np.arange(left + 4, left + house - across, across):
                light = int(rng.integers(20, 240))
                pen.rectangle((x, y, x + across * 0.6, y + down * 0.6), fill=(light, light, light // 2 + 60))
        left += house


def _rgb(colour: NDArray[np.int64]) -> tuple[int, int, int]:
    return int(colour[0]), int(colour[1]), int(colour[2])
