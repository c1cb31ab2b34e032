"""Which lines read from a picture are text, and which are probably texture: windows, leaves, faces read as signs.

Pure functions over lines, boxes and grey pictures. A line that is not trusted is kept as "unsure": it is found by its
exact words, and used for nothing else."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in 0..1 of width and height

LONG = 5.0  # worth of letters from which a line can be trusted by itself: texture is read as one to three signs
SIGN_WORTH = 2.0  # letters that a Han, Kana or Hangul sign counts for
LONG_SCORE = 0.8  # least score of such a line
SHORT_SCORE = 0.95  # least score of a shorter one that stands alone, and of a disputed line on texture
COMPANY_SCORE = 0.8  # least score of a shorter one beside a line that is trusted
CALM = 0.12  # share of edges around a box up to which it stands on plain ground, as on a slide or a title card
SHORTEST = 2  # letters of a short line; a single sign needs company
LETTERS_SHARE = 0.6  # least share of letters and digits among the characters of a line: "|/-;1" is a fence
STRANGER_SHARE = 0.1  # of all that is read in a video: a script below it is a stranger there
EDGE = 24  # levels between neighbouring pixels that make an edge
RING = 0.7  # of the height of a box: how far around it the ground is judged


@dataclass(frozen=True)
class TextLine:
    """One line as read: text, score 0..1, box, and the share of edges (0..1) around it."""

    text: str
    score: float = 1.0
    box: Box = (0.0, 0.0, 0.0, 0.0)
    texture: float = 0.0
    disputed: bool = False  # another reading of the same picture shows other words at its place, or none


def trusted(lines: Sequence[TextLine], strangers: frozenset[str] = frozenset()) -> list[bool]:
    """For each line of one picture whether it is surely text.

    A long line with a good score is. A short one is where it stands beside such a line, or alone on plain ground with a
    high score. A short line of a script that the video hardly shows (`strangers`) is not.
    """
    long = [is_long(line) for line in lines]
    company = any(long)
    return [
        by_itself or (script_of(line.text) not in strangers and _short(line, company))
        for line, by_itself in zip(lines, long, strict=True)
    ]


def is_long(line: TextLine) -> bool:
    """Whether a line can be trusted by itself."""
    return worth(line.text) >= LONG and line.score >= _least(line, LONG_SCORE) and mostly_letters(line.text)


def worth(text: str) -> float:
    """Its letters and digits; a sign that can be a word counts for two."""
    return sum(SIGN_WORTH if _is_sign(letter) else 1.0 for letter in text if letter.isalnum())


def strange_scripts(lines: Sequence[TextLine]) -> frozenset[str]:
    """The scripts that hold less than a tenth of what a video shows, by letters weighted with their scores."""
    weights: Counter[str] = Counter()
    for line in lines:
        if is_long(line):
            weights[script_of(line.text)] += round(1000 * worth(line.text) * line.score)
    if not weights:
        return frozenset()
    seen = {script_of(line.text) for line in lines}
    return frozenset(script for script in seen if weights[script] < STRANGER_SHARE * weights.total())


def script_of(text: str) -> str:
    """The script of most of its letters, by the first word of their Unicode names; "" without letters."""
    counts = Counter("LATIN" if letter.isascii() else _script(letter) for letter in text if letter.isalpha())
    return counts.most_common(1)[0][0] if counts else ""


def textures(gray: NDArray[np.uint8], boxes: Sequence[Box]) -> list[float]:
    """The share of pixels with an edge in a ring around each box, in a grey picture (H, W); other boxes do not count.

    On a slide or a title card it is near 0. Among leaves, windows or a crowd it is .2 and more.
    """
    height, width = gray.shape
    values = gray.astype(np.int16)
    edges = np.zeros(gray.shape, np.bool_)
    edges[:, 1:] |= np.abs(np.diff(values, axis=1)) > EDGE
    edges[1:, :] |= np.abs(np.diff(values, axis=0)) > EDGE
    free = np.ones(gray.shape, np.bool_)
    for box in boxes:
        free[_cut(box, height, width, 0.1)] = False
    found = []
    for box in boxes:
        ring = _cut(box, height, width, RING)
        ground = free[ring]
        count = int(ground.sum())
        found.append(float((edges[ring] & ground).sum()) / count if count else 0.0)
    return found


def _short(line: TextLine, company: bool) -> bool:
    letters = sum(map(str.isalnum, line.text))
    if not mostly_letters(line.text):
        return False
    if company:
        return line.score >= _least(line, COMPANY_SCORE)
    alone = letters >= SHORTEST and any(map(str.isalpha, line.text))
    return alone and line.score >= SHORT_SCORE and line.texture <= CALM


def _least(line: TextLine, score: float) -> float:
    """The least score of a line: on plain ground a disputed one is text too, with a wrong letter."""
    return max(score, SHORT_SCORE) if line.disputed and line.texture > CALM else score


def mostly_letters(text: str) -> bool:
    signs = [letter for letter in text if not letter.isspace()]
    return sum(map(str.isalnum, signs)) >= LETTERS_SHARE * len(signs)


def _is_sign(letter: str) -> bool:
    return not letter.isascii() and _script(letter) in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0]


def _cut(box: Box, height: int, width: int, around: float) -> tuple[slice, slice]:
    """The pixels of a box and of a part of its height around it."""
    x0, y0, x1, y1 = box
    more = (y1 - y0) * height * around
    return (
        slice(max(0, int(y0 * height - more)), min(height, int(np.ceil(y1 * height + more)))),
        slice(max(0, int(x0 * width - more)), min(width, int(np.ceil(x1 * width + more)))),
    )
