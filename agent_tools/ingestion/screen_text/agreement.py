"""Two readings of one picture become one: that of the whole picture, and what a search of a part of it found.

Where they say the same, each confirms the other. Texture that one of them reads as letters, the other seldom reads so.
Pure functions over lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent_tools.ingestion.screen_text.merge import stands_in
from agent_tools.ingestion.screen_text.trust import Box, TextLine

SAME_PLACE = 0.5  # of the smaller of two boxes lies in the other: their lines are two readings of one place


def together(read: Sequence[TextLine], found: Sequence[TextLine]) -> tuple[TextLine, ...]:
    """The lines of the whole picture, and what the search found besides: each misses some words.

    Disputed are the lines on which the two do not agree, and those that only the search found. Where it found nothing,
    a line of the whole picture is not: it may stand outside of the part that was searched."""
    lines = []
    for line in read:
        others = [one.text for one in found if _at_one_place(line.box, one.box)]
        lines.append(replace(line, disputed=bool(others) and not stands_in(line.text, others)))
    texts = [line.text for line in read]
    more = (replace(line, disputed=True) for line in found if not stands_in(line.text, texts))
    return (*lines, *more)


def _at_one_place(one: Box, other: Box) -> bool:
    wide, high = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return False
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return wide * high >= SAME_PLACE * smaller
