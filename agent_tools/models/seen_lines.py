"""Lines of text that were recognised before: the same crop is not recognised twice.

Knows grey crops and what was read from them. Knows nothing of the recogniser."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEIGHT = 24  # px to which a crop is scaled before it is compared
BLOCK = 4  # px: side of the blocks whose differences are compared, so that one changed letter is seen
NOISE = 6.0  # of 255: mean difference of a block that is still noise of the codec
NOISE_SHARE = 0.1  # of the crop's contrast: the same for faint text
MOST = 512  # lines that are remembered, those used last


@dataclass(frozen=True)
class SeenLine:
    """What was read from a crop: text and score 0..1."""

    text: str
    score: float


class SeenLines:
    """Finds the reading of a crop that looks the same, apart from noise. A letter more or less is another crop."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lines: OrderedDict[int, tuple[NDArray[np.int16], SeenLine]] = OrderedDict()
        self._of_width: dict[int, list[int]] = {}
        self._next = 0

    def find(self, crop: NDArray[np.uint8]) -> SeenLine | None:
        """What was read from a crop (H, W, 3) like this one; None if there was none."""
        small = _small(crop)
        low, high = np.percentile(small, (5, 95))
        noise = min(NOISE, NOISE_SHARE * float(high - low))
        for key in self._of_width.get(small.shape[1], ()):
            held, line = self._lines[key]
            if _largest_difference(held, small) <= noise:
                self._lines.move_to_end(key)
                return line
        return None

    def add(self, crop: NDArray[np.uint8], line: SeenLine) -> None:
        """Remember what was read from the crop; the line that was not used for longest is forgotten."""
        small = _small(crop)
        self._lines[self._next] = (small, line)
        self._of_width.setdefault(small.shape[1], []).append(self._next)
        self._next += 1
        if len(self._lines) > self._most:
            key, (old, _) = self._lines.popitem(last=False)
            self._of_width[old.shape[1]].remove(key)


def _small(crop: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The crop in grey, HEIGHT high, its width a multiple of BLOCK."""
    import cv2

    height, width = crop.shape[:2]
    columns = max(1, round(width * HEIGHT / max(1, height) / BLOCK))
    gray = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_BGR2GRAY)
    return cv2.resize(gray, (columns * BLOCK, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.int16)


def _largest_difference(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    difference = np.abs(one - other).reshape(HEIGHT // BLOCK, BLOCK, -1, BLOCK)
    return float(difference.mean((1, 3)).max())
