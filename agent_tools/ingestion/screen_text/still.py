"""Which pictures to read: each that stands still and differs from the last one kept; in motion one per 4 s. Beside
them, while there is room: each on which new text stands for a moment, and in motion one per second that shows new text.

It works on small grey pictures in time order. The pruning of frames is another rule, which loses slides."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_tools.timeline import Span

Gray = NDArray[np.uint8]
Tiles = NDArray[np.bool_]  # (ROWS, COLUMNS)
WIDTH, HEIGHT = 320, 180
ROWS, COLUMNS = 18, 32  # tiles of 10 x 10 px
TILE_DIFFERENCE = 6.0  # of 255: mean difference at which a tile has changed
CHANGED_SHARE = 0.004  # of the tiles: a picture with as many changed tiles is another one
MOTION_S = 4.0  # in motion one picture is kept in this time
GLANCES_FPS = 4.0  # pictures a second that are looked at: text that stands for .5 s is on two of them
GLANCES_APART_S = 0.5  # between a kept picture and one that is kept for the text that stands on it
STANDING_TILES = 4  # of new text that stands, for such a picture
MOVING_S = 1.0  # in motion one picture is kept in this time while it shows new text
MOVING_TILES = 8  # of new text in motion, for such a picture
TEXT_CONTRAST = 45  # levels between neighbouring pixels of a row that make an edge of a letter
TEXT_EDGES = 4  # rising ones, and as many falling, in a tile of text
FAINT_CONTRAST, FAINT_EDGES = 24, 2  # the same for what may be text: all frames with text have such tiles
UNREAD_S = 0.5  # what stands for a shorter time may be missed without a word
MOST_UNREAD = 400  # spans: those with the shortest pauses between them are joined
_SAVED = b"still rule 3"  # what another version saved is not read: the rule starts again there
_HEAD = struct.Struct("<I")


@dataclass(frozen=True)
class Candidate:
    """A picture worth reading. What it shows stood on screen from start_s until the next candidate's."""

    time_s: float
    start_s: float
    score: float  # how much text it shows that the last candidate did not (text_score): for the order of the work
    extra: bool = False  # kept for a text that stands for a moment or moves: it is read where there is room
    left_s: float | None = None  # when the text of the candidate before was gone, where that was seen
    again: bool = False  # no new picture: the extra one at time_s still stands, and is not an extra any more


class StillRule:
    """Feed every sampled picture, and the glances between them, in time order. Its state can be saved and restored
    between any two. The glances and the extra candidates do not change which others there are."""

    def __init__(self) -> None:
        self._previous: Gray | None = None  # of the sampled ones
        self._kept: Gray | None = None  # the last candidate that is no extra
        self._latest: Gray | None = None  # the last candidate
        self._before: Gray | None = None  # the picture before, sampled or a glance
        self._previous_s = self._before_s = 0.0
        self._kept_s = self._latest_s = -MOTION_S
        self._since_s = 0.0  # since when the picture now on screen has stood
        self._due = False  # 4 s have passed since a picture was kept
        self._new = True  # the picture now on screen differs from the kept one
        self._standing: Tiles | None = None  # the text for which a glance was kept, until it is gone
        self._left_s: float | None = None  # when it was gone

    def feed(self, time_s: float, gray: Gray, *, motion: bool = True) -> Candidate | None:
        """Judge the sampled picture at time_s, (180, 320) uint8: a candidate if it is to be kept.

        Args: motion: without it only what stands still is kept; `in_motion` can be asked for the rest."""
        self._watch(time_s, gray)
        still = self._previous is not None and share_changed(gray, self._previous) < CHANGED_SHARE
        if not still:
            self._since_s = time_s
        self._new = self._kept is None or share_changed(gray, self._kept) >= CHANGED_SHARE
        self._due = self._previous is not None and time_s - self._kept_s >= MOTION_S
        self._previous, self._previous_s = gray.copy(), time_s
        self._before, self._before_s = self._previous, time_s
        if self._new and still:
            return self._keep()
        return self.in_motion(time_s, gray) if motion else None

    def in_motion(self, time_s: float, gray: Gray) -> Candidate | None:
        """A candidate if the sampled picture, which was fed just now, is to be kept although it is not still."""
        if self._new and self._due:
            return self._keep()
        if self._latest is None or time_s - self._latest_s < MOVING_S or text_score(gray, self._latest) < MOVING_TILES:
            return None
        return self._keep_extra(time_s, gray, time_s)

    def glance(self, time_s: float, gray: Gray, *, extras: bool = True) -> Candidate | None:
        """Judge a picture between two sampled ones: a candidate if text stands on it that the last one does not show.
        What moves beside the text does not matter."""
        self._watch(time_s, gray)
        before, before_s = self._before, self._before_s
        self._before, self._before_s = gray.copy(), time_s
        if not extras or before is None or self._latest is None or time_s - self._latest_s < GLANCES_APART_S:
            return None
        standing = changed(gray, self._latest)
        if int(standing.sum()) < STANDING_TILES:
            return None
        standing &= ~changed(gray, before)
        if int(standing.sum()) < STANDING_TILES:
            return None
        standing &= text_tiles(gray)
        if int(standing.sum()) < STANDING_TILES:
            return None
        found = self._keep_extra(time_s, gray, before_s)
        self._standing = standing
        return found

    def last(self) -> Candidate | None:
        """The last sampled picture, if it was never kept: a clip's end, or a video of one picture."""
        return self._keep() if self._new and self._previous is not None else None

    def keep_words(self, time_s: float, gray: Gray) -> Candidate:
        """Keep the picture at time_s, the last one that was fed or glanced at, because words were found on it."""
        return self._keep_extra(time_s, gray, time_s)

    def _keep(self) -> Candidate:
        """Keep the sampled picture on screen; where an extra candidate shows the same, that one."""
        assert self._previous is not None
        score = text_score(self._previous, self._kept)
        since_extra = self._latest_s > self._kept_s
        self._kept, self._kept_s, self._new = self._previous, self._previous_s, False
        if since_extra and self._latest is not None and share_changed(self._kept, self._latest) < CHANGED_SHARE:
            self._standing = None
            return Candidate(self._latest_s, self._latest_s, score, again=True)
        return self._take(self._kept_s, self._kept, Candidate(self._kept_s, self._since_s, score, left_s=self._left_s))

    def _keep_extra(self, time_s: float, gray: Gray, start_s: float) -> Candidate:
        score = text_score(gray, self._latest)
        return self._take(time_s, gray.copy(), Candidate(time_s, start_s, score, extra=True, left_s=self._left_s))

    def _take(self, time_s: float, gray: Gray, candidate: Candidate) -> Candidate:
        self._latest, self._latest_s = gray, time_s
        self._standing = self._left_s = None
        return candidate

    def _watch(self, time_s: float, gray: Gray) -> None:
        """Note when the text for which a glance was kept leaves."""
        if self._latest is None or self._standing is None:
            return
        fresh = changed(gray, self._latest)
        if 2 * int((fresh & self._standing).sum()) > int(self._standing.sum()):
            self._standing, self._left_s = None, time_s

    def to_bytes(self) -> bytes:
        """The state between two pictures."""
        if self._previous is None:
            return b""
        pictures: list[Gray] = []
        places: dict[str, int] = {}  # several names often have one picture
        for name in _PICTURES:
            held = getattr(self, f"_{name}")
            if held is not None:
                places[name] = next((place for place, one in enumerate(pictures) if one is held), len(pictures))
                pictures[places[name] : places[name] + 1] = [held]
        numbers = {name: getattr(self, f"_{name}") for name in _NUMBERS}
        standing = None if self._standing is None else np.packbits(self._standing).tolist()
        head = json.dumps([numbers, standing, places]).encode()
        return _SAVED + _HEAD.pack(len(head)) + head + zlib.compress(np.stack(pictures).tobytes(), 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> StillRule:
        rule = cls()
        if not data.startswith(_SAVED):
            return rule
        data = data[len(_SAVED) :]
        (size,) = _HEAD.unpack_from(data)
        numbers, standing, places = json.loads(data[_HEAD.size : _HEAD.size + size])
        held = np.frombuffer(zlib.decompress(data[_HEAD.size + size :]), np.uint8).reshape(-1, HEIGHT, WIDTH)
        for name, value in numbers.items():
            setattr(rule, f"_{name}", value)
        for name, place in places.items():
            setattr(rule, f"_{name}", held[place])
        if standing is not None:
            rule._standing = np.unpackbits(np.array(standing, np.uint8)).astype(np.bool_).reshape(ROWS, COLUMNS)
        return rule


_PICTURES = ("previous", "kept", "latest", "before")
_NUMBERS = ("previous_s", "before_s", "kept_s", "latest_s", "since_s", "new", "left_s")


def share_changed(one: Gray, other: Gray) -> float:
    """Share of the 18 x 32 tiles whose mean difference is over 6 of 255."""
    return float(changed(one, other).mean())


def text_score(gray: Gray, before: Gray | None = None) -> float:
    """How many tiles look like text and, where `before` is given, have changed since: 0..576.

    New text alone counts, because a speaker beside a slide makes a candidate of it every 4 s: with 300 calls an hour
    all of 75 such slides were read, by all their text 26. It orders the work and excludes nothing while calls are
    left: on the development clips it is over 0 on 94 % of the frames with text and on 42 % of the others.
    """
    text = text_tiles(gray)
    return float((text if before is None else text & changed(gray, before)).sum())


def text_tiles(gray: Gray, contrast: int = TEXT_CONTRAST, edges: int = TEXT_EDGES) -> Tiles:
    """The tiles that look like text: each holds both rising and falling edges, and so does a neighbour on its row."""
    step = np.diff(gray.astype(np.int16), axis=1, prepend=gray[:, :1].astype(np.int16))
    rising, falling = _per_tile(step > contrast).sum((1, 3)), _per_tile(step < -contrast).sum((1, 3))
    busy = np.minimum(rising, falling) >= edges
    text: Tiles = np.zeros_like(busy)
    text[:, 1:] |= busy[:, 1:] & busy[:, :-1]
    text[:, :-1] |= busy[:, 1:] & busy[:, :-1]
    return text


def changed(one: Gray, other: Gray) -> Tiles:
    """The tiles that differ by more than the noise of a codec."""
    difference = np.abs(one.astype(np.int16) - other.astype(np.int16))
    found: Tiles = _per_tile(difference).mean((1, 3)) > TILE_DIFFERENCE
    return found


def may_be_text(gray: Gray) -> Tiles:
    """The tiles that may hold text, faint or small text too. All pictures with text have such tiles."""
    return text_tiles(gray, FAINT_CONTRAST, FAINT_EDGES)


def _per_tile(values: NDArray[Any]) -> NDArray[Any]:
    """(HEIGHT, WIDTH) -> (ROWS, height of a tile, COLUMNS, width of a tile)."""
    return values.reshape(ROWS, HEIGHT // ROWS, COLUMNS, WIDTH // COLUMNS)


def joined(spans: Iterable[Span]) -> list[Span]:
    """The spans, those with a pause under UNREAD_S between them as one, and no more than MOST_UNREAD."""
    held = list(spans)
    pauses = sorted(after.start_s - before.end_s for before, after in pairwise(held))
    too_many = len(held) - MOST_UNREAD
    least_s = max(UNREAD_S, pauses[too_many - 1] if too_many > 0 else 0.0)
    found: list[Span] = []
    for span in held:
        if found and span.start_s - found[-1].end_s <= least_s:
            found[-1] = Span(found[-1].start_s, span.end_s)
        else:
            found.append(span)
    return found
