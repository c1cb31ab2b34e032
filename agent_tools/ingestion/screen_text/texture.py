"""Where a picture is so full of what may be letters that the OCR's detector overlooks words.

Over branches or rows of windows it saw no box on words of 28 to 65 px that a person reads at once, one of them
in none of four looks. Pure functions over tiles and boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from agent_tools.ingestion.screen_text.still import COLUMNS, ROWS, Tiles
from agent_tools.ingestion.screen_text.trust import Box

# Share of the tiles that may be text and hold no line that was read. Of 112 words on nine drawn films and two of moving
# photographs, four were overlooked: they stood on pictures of .34 to .76. Four more, on other films, had .33 to .69.
FULL = 0.3


def hides_words(may_be_text: Tiles, boxes: Iterable[Box]) -> bool:
    """Whether words may stand on a picture beside those that were read.

    Args:
        may_be_text: the tiles that were searched.
        boxes: of the lines that were read."""
    return float((may_be_text & ~tiles_of(boxes)).mean()) >= FULL


def tiles_of(boxes: Iterable[Box]) -> Tiles:
    """The tiles that the boxes touch."""
    found: Tiles = np.zeros((ROWS, COLUMNS), np.bool_)
    for x0, y0, x1, y1 in boxes:
        found[math.floor(y0 * ROWS) : math.ceil(y1 * ROWS), math.floor(x0 * COLUMNS) : math.ceil(x1 * COLUMNS)] = True
    return found
