"""Lines of letters so small that the OCR's detector does not see them: thin dark or light strips on calm ground.

Knows a grey picture. Knows nothing of the OCR. What is found is seldom read right, but near enough to say that words
which are looked for may stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGE = 14  # levels between neighbouring pixels of a row that make an edge of a small letter
GAP = 7  # px between two edges that belong to one line
LEAST_HEIGHT, MOST_HEIGHT = 4, 12  # px of a strip of such edges; the detector sees larger letters
LEAST_ASPECT = 3.5  # a shorter strip is an icon
FILLED = 0.3  # least share of edges in a strip: letters stand close
CALM = 0.08  # most edges in the two rows above and below
MARGIN = 2  # px around a strip that belong to the crop
MOST = 64  # strips of a picture, the longest first

Strip = tuple[int, int, int, int]  # x0, y0, x1, y1 in px


def small_lines(gray: NDArray[np.uint8], taken: Sequence[Strip] = ()) -> list[Strip]:
    """Where such lines stand in a grey picture (H, W), longest first, apart from those that are `taken`."""
    import cv2

    edges = np.zeros(gray.shape, np.uint8)
    edges[:, 1:] = np.abs(np.diff(gray.astype(np.int16), axis=1)) > EDGE
    for x0, y0, x1, y1 in taken:
        edges[max(0, y0) : y1, max(0, x0) : x1] = 0
    runs = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((1, GAP), np.uint8))
    runs = cv2.morphologyEx(runs, cv2.MORPH_OPEN, np.ones((1, GAP), np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(runs, connectivity=8)
    found: list[Strip] = []
    height, width = gray.shape
    for x, y, wide, high, _ in boxes[1:count].tolist():
        if not LEAST_HEIGHT <= high <= MOST_HEIGHT or wide < LEAST_ASPECT * high:
            continue
        if edges[y : y + high, x : x + wide].mean() < FILLED or not _is_calm(edges, x, y, wide, high):
            continue
        found.append(
            (max(0, x - MARGIN), max(0, y - MARGIN), min(width, x + wide + MARGIN), min(height, y + high + MARGIN))
        )
    return sorted(found, key=lambda one: one[0] - one[2])[:MOST]


def _is_calm(edges: NDArray[np.uint8], x: int, y: int, wide: int, high: int) -> bool:
    above, below = edges[max(0, y - 3) : max(0, y - 1), x : x + wide], edges[y + high + 1 : y + high + 3, x : x + wide]
    return all(part.size and float(part.mean()) <= CALM for part in (above, below))
