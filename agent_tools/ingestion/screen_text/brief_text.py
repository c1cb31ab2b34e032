"""Finds text that stands for half a second and longer, in motion too, without reading whole pictures.

Twice a second, the part of the picture that may hold text and has changed since it was last looked at is given to the
OCR. Where words are found that did not stand there before, the picture is kept to be read as a whole. Knows grey
pictures, pictures and lines. Knows nothing of files and entries."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from agent_tools.ingestion.screen_text.merge import holds_all
from agent_tools.ingestion.screen_text.shared_calls import lines_of_part
from agent_tools.ingestion.screen_text.still import (
    COLUMNS,
    HEIGHT,
    ROWS,
    WIDTH,
    Gray,
    Tiles,
    changed,
    may_be_text,
    text_tiles,
)
from agent_tools.ingestion.screen_text.texture import hides_words
from agent_tools.ingestion.screen_text.trust import Box, TextLine, is_long, mostly_letters, worth
from agent_tools.media import Picture
from agent_tools.models.profiles import OcrEngine
from agent_tools.models.readable import LEAST_LETTER_PX, LONG_SIDE, SMALLEST_PX
from agent_tools.timeline import Span

APART_S = 0.5  # between two looks: a text that stands so long is on one of them
LATE_S = 0.75  # with a longer pause between two looks, what stood between them may be missed
LEAST_SIDE = 640  # px: longer side of a picture whose part is searched, at least, but for smaller pictures
WHOLE_PX = 960 * 540  # of a picture that the OCR reads alone: what the budget counts
SAVED_UP_S = 600.0  # of the budget: what a calm time leaves is there for a busy one
AROUND = (1, 3)  # rows and columns of tiles around what may be text
SHORT_WORTH, SHORT_SCORE = 2.0, 0.9  # of a short line that is worth reading the whole picture for
LEAST_WORD = 3.0  # worth of a line that is kept as unsure
MOST_KNOWN = 64  # lines
LEAST_TILES = 4  # of text, for a picture to hold some
Region = tuple[int, int, int, int]  # of tiles: rows [top, bottom), columns [left, right)
_SAVED = b"brief text 2"
_HEAD = struct.Struct("<I")


@dataclass(frozen=True)
class Look:
    """One look: whether all that may be text was seen, the lines that were found, and whether there are new words."""

    seen: bool  # False where the budget left something out
    lines: tuple[TextLine, ...] = ()
    new: bool = False  # a line among them that is probably text did not stand there before
    doubtful: bool = False  # a line among them may be a word
    gone: bool = False  # none of the words that were found before stand there any more


class BriefText:
    """Give it every picture that is looked at, in time order. Its state can be saved and restored between any two."""

    def __init__(self, per_s: float) -> None:
        """Args: per_s: whole pictures (WHOLE_PX) that may be searched per second of video, in the long run."""
        self.engine: OcrEngine | None = None
        self.per_s = per_s
        self._seen: Gray | None = None  # each tile as it was when it was last looked at
        self._saved_up = per_s * SAVED_UP_S
        self._look_s = self._complete_s = -APART_S
        self._known: dict[str, Box] = {}  # lines that were found and still stand, and where
        self._whole: Gray | None = None  # the picture that was read as a whole last, until its text is gone
        self._unread: list[tuple[float, float]] = []
        self._hidden: list[tuple[float, float]] = []

    @property
    def complete(self) -> bool:
        """Whether the last look saw all."""
        return self._complete_s == self._look_s

    def due(self, time_s: float) -> bool:
        return time_s - self._look_s >= APART_S - 0.01

    def look(self, time_s: float, gray: Gray, picture: Picture) -> Look:
        """Look at what has changed."""
        self._saved_up = min(self.per_s * SAVED_UP_S, self._saved_up + self.per_s * (time_s - self._look_s))
        self._look_s = time_s
        fresh = self._fresh(gray)
        region = _region(fresh)
        if region is None:
            self._complete(time_s)
            return Look(True, gone=self._has_gone(gray, region))
        lines = self._search(region, picture)
        if lines is None:
            return Look(False)
        if hides_words(fresh, [line.box for line in lines]):
            self._hide(time_s)
        words = [line for line in lines if is_long(line) or _is_short_word(line)]
        new = any(not holds_all([line.text], list(self._known)) for line in words)
        gone = self._has_gone(gray, region)
        self._known |= {line.text: line.box for line in words}
        self._known = dict(list(self._known.items())[-MOST_KNOWN:])
        self._take(region, gray)
        self._complete(time_s)
        doubtful = any(line not in words and _may_be_a_word(line) for line in lines)
        return Look(True, tuple(lines), new, doubtful, gone and not words)

    def whole(self, time_s: float, gray: Gray) -> None:
        """The picture is read as a whole: nothing of it is to be looked for."""
        self._has_gone(gray, None)
        self._look_s, self._seen = time_s, gray.copy()
        self._whole = self._seen if int(text_tiles(gray).sum()) >= LEAST_TILES else None
        self._complete(time_s)

    def unread(self, end_s: float) -> list[Span]:
        """The spans up to end_s in which text may have stood that nothing looked at."""
        late = [(self._complete_s, end_s)] if end_s - self._complete_s > LATE_S else []
        return [Span(a, b) for a, b in (*self._unread, *late)]

    def hidden(self) -> list[Span]:
        """The spans in which words may have stood on texture that was searched: the detector overlooks some there."""
        return [Span(a, b) for a, b in self._hidden]

    def _hide(self, time_s: float) -> None:
        start_s, end_s = max(0.0, time_s - APART_S), time_s + APART_S
        if self._hidden and self._hidden[-1][1] >= start_s:
            start_s = self._hidden.pop()[0]
        self._hidden.append((start_s, end_s))

    def _fresh(self, gray: Gray) -> Tiles:
        """The tiles that may be text and were not looked at as they are now."""
        fresh = may_be_text(gray)
        return fresh if self._seen is None else fresh & changed(gray, self._seen)

    def _search(self, region: Region, picture: Picture) -> list[TextLine] | None:
        """The lines in a part of the picture; None where there is no engine or no budget."""
        if self.engine is None:
            return None
        longest = max(picture.width, picture.height)
        side = min(LONG_SIDE, max(LEAST_SIDE, round(longest * LEAST_LETTER_PX / SMALLEST_PX)))
        top, bottom, left, right = region
        share = min(side, longest) / longest
        cost = picture.width * picture.height * share**2 * (bottom - top) * (right - left) / (ROWS * COLUMNS * WHOLE_PX)
        if cost > self._saved_up:
            return None
        self._saved_up -= cost
        box = left / COLUMNS, top / ROWS, right / COLUMNS, bottom / ROWS
        return lines_of_part(self.engine, picture.fit(side), box)

    def _take(self, region: Region, gray: Gray) -> None:
        if self._seen is None:
            self._seen = gray.copy()
            return
        top, bottom, left, right = region
        high, wide = HEIGHT // ROWS, WIDTH // COLUMNS
        part = np.s_[top * high : bottom * high, left * wide : right * wide]
        self._seen = self._seen.copy()
        self._seen[part] = gray[part]

    def _complete(self, time_s: float) -> None:
        if time_s - self._complete_s > LATE_S:
            self._unread.append((max(0.0, self._complete_s), time_s))
        self._complete_s = time_s

    def _has_gone(self, gray: Gray, region: Region | None) -> bool:
        """Whether the text that stood there is gone since the last look: what was found, or a picture read as a whole.

        Args: region: that was searched just now, so that a line in it that stands there still is found again."""
        held = len(self._known)
        fresh = None if self._seen is None else changed(gray, self._seen)
        self._known = {text: box for text, box in self._known.items() if not _has_left(box, region, fresh)}
        gone = bool(held) and not self._known
        if self._whole is not None:
            text = text_tiles(self._whole)
            if 2 * int((text & changed(gray, self._whole)).sum()) > int(text.sum()):
                self._whole, gone = None, True
        return gone

    def to_bytes(self) -> bytes:
        """The state between two looks."""
        pictures = [one for one in (self._seen, self._whole) if one is not None]
        has = self._seen is not None, self._whole is not None
        spans = self._unread, self._hidden
        held = [self._saved_up, self._look_s, self._complete_s, self._known, *spans, has]
        head = json.dumps(held, ensure_ascii=False).encode()
        return _SAVED + _HEAD.pack(len(head)) + head + zlib.compress(b"".join(one.tobytes() for one in pictures), 6)

    def restore(self, data: bytes) -> None:
        """Go on from a state; what another version saved is not read."""
        if not data.startswith(_SAVED):
            return
        data = data[len(_SAVED) :]
        (size,) = _HEAD.unpack_from(data)
        self._saved_up, self._look_s, self._complete_s, known, unread, hidden, has = json.loads(
            data[_HEAD.size : _HEAD.size + size]
        )
        self._known = {text: tuple(box) for text, box in known.items()}
        self._unread, self._hidden = ([(a, b) for a, b in spans] for spans in (unread, hidden))
        pictures = np.frombuffer(zlib.decompress(data[_HEAD.size + size :]), np.uint8).reshape(-1, HEIGHT, WIDTH)
        self._seen = pictures[0] if has[0] else None
        self._whole = pictures[-1] if has[1] else None


def _region(fresh: Tiles) -> Region | None:
    """Rows and columns of tiles, [top, bottom) and [left, right), that hold all of these; None without any."""
    if not fresh.any():
        return None
    rows, columns = np.flatnonzero(fresh.any(1)), np.flatnonzero(fresh.any(0))
    more_rows, more_columns = AROUND
    return (
        max(0, int(rows[0]) - more_rows),
        min(ROWS, int(rows[-1]) + 1 + more_rows),
        max(0, int(columns[0]) - more_columns),
        min(COLUMNS, int(columns[-1]) + 1 + more_columns),
    )


def _is_short_word(line: TextLine) -> bool:
    return worth(line.text) >= SHORT_WORTH and line.score >= SHORT_SCORE


def _may_be_a_word(line: TextLine) -> bool:
    return worth(line.text) >= LEAST_WORD and mostly_letters(line.text)


def _has_left(box: Box, region: Region | None, fresh: Tiles | None) -> bool:
    """Whether a line at `box` is gone: its part was searched without finding it, or most of its tiles have changed."""
    top, bottom = int(box[1] * ROWS), max(int(box[1] * ROWS) + 1, int(np.ceil(box[3] * ROWS)))
    left, right = int(box[0] * COLUMNS), max(int(box[0] * COLUMNS) + 1, int(np.ceil(box[2] * COLUMNS)))
    if region is not None and region[0] < bottom and top < region[1] and region[2] < right and left < region[3]:
        return True
    return fresh is not None and 2 * int(fresh[top:bottom, left:right].sum()) > (bottom - top) * (right - left)
