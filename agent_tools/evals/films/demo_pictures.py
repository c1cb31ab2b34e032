"""The pictures of the demo video: slides and cards with text, and moving pictures without text.

Every picture is RGB uint8. A moving picture is drawn small and the encoder's scaler enlarges it, so an hour of them is
cheap."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 360  # of slides and cards, and of the video
SMALL_WIDTH, SMALL_HEIGHT = 160, 90  # of moving pictures

Rgb = NDArray[np.uint8]

_PAPER = {"light": "#f4f1e8", "dark": "#1d2733", "warm": "#f6e3c5"}
_INK = {"light": "#20242b", "dark": "#f2efe6", "warm": "#3a2412"}
_ACCENT = {"light": "#2b6cb0", "dark": "#e0a33a", "warm": "#9c3d1e"}


def slide(lines: Sequence[str], style: str) -> Rgb:
    """A slide (360, 640, 3): heading, rule, and the other lines below as points."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), _PAPER[style])
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 14, HEIGHT), fill=_ACCENT[style])
    draw.text((44, 34), lines[0], fill=_ACCENT[style], font=ImageFont.load_default(38))
    draw.line((44, 96, WIDTH - 44, 96), fill=_ACCENT[style], width=3)
    for number, line in enumerate(lines[1:]):
        draw.ellipse((46, 139 + 62 * number, 56, 149 + 62 * number), fill=_ACCENT[style])
        draw.text((72, 126 + 62 * number), line, fill=_INK[style], font=ImageFont.load_default(28))
    return np.asarray(picture)


def card(lines: Sequence[str], style: str) -> Rgb:
    """An index card (360, 640, 3): a framed sheet with a small heading and its fields in large type."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), _ACCENT[style])
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((40, 34, WIDTH - 40, HEIGHT - 34), radius=14, fill="#fffdf5", outline="#333333", width=3)
    draw.text((72, 58), lines[0], fill="#666666", font=ImageFont.load_default(24))
    for number, line in enumerate(lines[1:]):
        draw.text((72, 128 + 84 * number), line, fill="#111111", font=ImageFont.load_default(40))
    return np.asarray(picture)


class Motion:
    """A moving picture (90, 160, 3) of one style, the same for the same seed."""

    def __init__(self, style: str, seed: int) -> None:
        self._paint: Callable[[float], NDArray[np.float32]] = getattr(self, f"_{style}")
        self._rng = np.random.default_rng(seed)
        self._y, self._x = np.mgrid[0:SMALL_HEIGHT, 0:SMALL_WIDTH].astype(np.float32)
        self._colours = self._rng.uniform(30, 225, (6, 3)).astype(np.float32)
        self._phase = self._rng.uniform(0, 6.28, 6).astype(np.float32)
        self._field = self._rng.uniform(0, 1, (SMALL_HEIGHT // 6, SMALL_WIDTH // 6)).astype(np.float32)

    def at(self, seconds: float) -> Rgb:
        """The picture `seconds` after the scene's start."""
        return np.clip(self._paint(seconds), 0, 255).astype(np.uint8)

    def _mixed(self, share: NDArray[np.float32], one: int = 0, two: int = 1) -> NDArray[np.float32]:
        weight = share[..., None]
        mixed: NDArray[np.float32] = self._colours[one] * (1 - weight) + self._colours[two] * weight
        return mixed

    def _gradient(self, s: float) -> NDArray[np.float32]:
        angle = self._phase[0] + s / 9
        along = (self._x * np.cos(angle) + self._y * np.sin(angle)) / SMALL_WIDTH
        return self._mixed((0.5 + 0.5 * np.sin(3 * along + self._phase[1] + s / 3)).astype(np.float32))

    def _shapes(self, s: float) -> NDArray[np.float32]:
        picture = self._mixed(self._y / SMALL_HEIGHT)
        for i in range(2, 6):
            x = SMALL_WIDTH * (0.5 + 0.42 * np.sin(self._phase[i] + s * (0.3 + 0.1 * i)))
            y = SMALL_HEIGHT * (0.5 + 0.38 * np.cos(self._phase[i] * 2 + s * (0.2 + 0.07 * i)))
            if i % 2:
                inside = (self._x - x) ** 2 + (self._y - y) ** 2 < (7 + 2 * i) ** 2
            else:
                inside = (abs(self._x - x) < 8 + i) & (abs(self._y - y) < 6 + i)
            picture[inside] = self._colours[i]
        return picture

    def _texture(self, s: float) -> NDArray[np.float32]:
        """Soft blotches that drift: coarse noise, enlarged without interpolation in the small picture."""
        rows = (self._y + s * 3).astype(int) // 6 % self._field.shape[0]
        columns = (self._x + s * 5).astype(int) // 6 % self._field.shape[1]
        return self._mixed(self._field[rows, columns])

    def _hills(self, s: float) -> NDArray[np.float32]:
        picture = self._mixed(self._y / SMALL_HEIGHT)
        sun_x, sun_y = SMALL_WIDTH * (0.1 + s / 32), 24 - 10 * np.sin(s / 10)
        picture[(self._x - sun_x) ** 2 + (self._y - sun_y) ** 2 < 90] = (255, 236, 170)
        for i in range(2, 5):
            ridge = 30 + 13 * i + 7 * np.sin(self._x / (9 + 4 * i) + self._phase[i] + s * 0.15 * i)
            picture[self._y > ridge] = self._colours[i] * 0.7
        return picture

    def _rings(self, s: float) -> NDArray[np.float32]:
        x, y = SMALL_WIDTH * (0.5 + 0.3 * np.sin(s / 4)), SMALL_HEIGHT * 0.5
        distance = np.hypot(self._x - x, self._y - y)
        return self._mixed((0.5 + 0.5 * np.sin(distance / 4 - s * 1.5 + self._phase[0])).astype(np.float32))

    def _bars(self, s: float) -> NDArray[np.float32]:
        picture = np.broadcast_to(self._colours[0] * 0.35, (SMALL_HEIGHT, SMALL_WIDTH, 3)).copy()
        for i in range(6):
            height = SMALL_HEIGHT * (0.45 + 0.35 * np.sin(self._phase[i] + s * (0.4 + 0.12 * i)))
            inside = (abs(self._x - 20 - 24 * i) < 8) & (self._y > SMALL_HEIGHT - height)
            picture[inside] = self._colours[i]
        return picture
