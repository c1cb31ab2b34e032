"""Reads on-screen text: pictures that stand still wait on disk, OCR reads the best of them, readings become entries.

Each reading is also kept in a file until the channel is done, so an interrupted ingest reads no picture twice."""

from __future__ import annotations

import base64
import bisect
import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from agent_tools.home import HomeFolder
from agent_tools.ingestion.screen_text.agreement import together
from agent_tools.ingestion.screen_text.brief_text import BriefText
from agent_tools.ingestion.screen_text.merge import Reading, ShownText, merge_readings
from agent_tools.ingestion.screen_text.shared_calls import PAIR, SIX, read_together, shares
from agent_tools.ingestion.screen_text.still import (
    HEIGHT,
    WIDTH,
    Candidate,
    Gray,
    StillRule,
    Tiles,
    joined,
    may_be_text,
)
from agent_tools.ingestion.screen_text.texture import hides_words
from agent_tools.ingestion.screen_text.trust import TextLine, strange_scripts, trusted, worth
from agent_tools.media import Picture
from agent_tools.models.profiles import OcrEngine
from agent_tools.store import UNSURE, EntryIn, Store
from agent_tools.timeline import Span, merged

SIDE = 960  # px: longer side of a picture that waits for OCR
QUALITY = 90
WHOLE = "whole-2"  # name of the file that says so
EXTRA, LEFT = "extra", "left"  # parts of the name of a picture
READINGS = "readings-2.jsonl"  # name of the file with what was read from pictures
GONE = "gone-1.jsonl"  # the same of nothing: the times at which the text of the picture before was gone
FOUND = "found-1.jsonl"  # the same of what was found on parts of pictures
LOOK_S = 0.5  # how long such a line stands at least

Lines = dict[str, list[TextLine]]  # by the name of a picture
OnRead = Callable[[int, float, bool], None]  # (pictures read, time all is read to, whether entries were written)


@dataclass(frozen=True)
class ReaderSettings:
    """How much is read, and how often what was read is stored."""

    least_calls: int = 30  # a short video may read this many pictures whatever its length
    searches: int = 8  # whole pictures that may be searched for brief text, for each call
    settle_every: int = 8  # readings between two writes of what can no longer change


DEFAULTS = ReaderSettings()


@dataclass(frozen=True)
class Waiting:
    """A picture on disk that waits to be read, and the span it stood on screen."""

    path: Path
    time_s: float
    start_s: float
    end_s: float
    score: float
    extra: bool = False  # it is read where there is room; see StillRule

    @property
    def stamp(self) -> str:
        return _stamp(self.time_s)


@dataclass(frozen=True)
class _Read:
    """All lines read from one picture, and the span it stood on screen."""

    start_s: float
    end_s: float
    lines: tuple[TextLine, ...]

    def of(self, lines: list[TextLine]) -> Reading:
        """The reading with these of its lines."""
        letters = sum(worth(one.text) for one in lines)
        score = sum(worth(one.text) * one.score for one in lines) / letters if letters else 1.0
        return Reading(
            self.start_s, self.end_s, tuple(one.text for one in lines), tuple(one.box for one in lines), score
        )


class Reader:
    """Collects pictures during the decode pass, then reads them. All its files lie in home/work/<video>."""

    def __init__(
        self,
        store: Store,
        video_id: str,
        home: Path,
        duration_s: float,
        settings: ReaderSettings = DEFAULTS,
        *,
        per_hour: int = 400,
    ) -> None:
        """Args: per_hour: calls of the OCR for an hour of video."""
        self.store, self.video_id, self.duration_s = store, video_id, duration_s
        self.settings = settings
        self.folder = HomeFolder(home).unread_pictures(video_id)
        self.rule = StillRule()
        self.per_hour = per_hour
        self.brief = BriefText(settings.searches * per_hour / 3600)
        self._last: Picture | None = None
        self._glanced: tuple[float, Picture] | None = None  # the last picture, if nothing has looked at it
        self._chosen: list[Waiting] = []
        self._groups: dict[str, tuple[Waiting, ...]] = {}  # by file name, of the pictures that share a call
        self._half_size = 0
        self._found: Lines = {}  # by stamp, what was found where a part of a picture was searched
        self._searched_only: Lines = {}  # the same by file name, of chosen pictures that are not read as a whole
        self._full: list[Span] = []  # in which pictures stood still whose texture may hide words
        self._doubtful: list[_Read] = []  # what was found and may be no text, on pictures that are not read

    # -- while decoding

    def restore(self, saved: str) -> None:
        """Continue from the state `saved`; "" starts from the beginning."""
        if saved:
            rule, brief = (base64.b64decode(part) for part in f"{saved}.".split(".")[:2])
            self.rule = StillRule.from_bytes(rule)
            self.brief.restore(brief)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def saved(self) -> str:
        """The state between two pictures, for the channel's row."""
        return ".".join(base64.b64encode(part).decode() for part in (self.rule.to_bytes(), self.brief.to_bytes()))

    def search_with(self, engine: OcrEngine) -> None:
        """Search for brief text while decoding, too."""
        self.brief.engine = engine

    def show(self, time_s: float, picture: Picture) -> None:
        """Judge one sampled picture; put it on disk if it is to be read."""
        gray = picture.gray(WIDTH, HEIGHT)
        self._last, self._glanced = picture, None
        if candidate := self.rule.feed(time_s, gray, motion=False):
            self.brief.whole(time_s, gray)
            self._put(candidate, picture)
        elif not self._look(time_s, gray, picture) and (candidate := self.rule.in_motion(time_s, gray)):
            self._put(candidate, picture)

    def glance(self, time_s: float, picture: Picture) -> None:
        """Judge a picture between two sampled ones."""
        gray = picture.gray(WIDTH, HEIGHT)
        due = self.brief.due(time_s)
        seen = self._look(time_s, gray, picture) if due else self.brief.complete
        self._glanced = None if due else (time_s, picture)
        if candidate := self.rule.glance(time_s, gray, extras=not seen):
            self._put(candidate, picture)

    def close(self) -> None:
        """End the pass: the last picture counts too, and all pictures to read are on disk."""
        if self._last is not None and (candidate := self.rule.last()) is not None:
            self._put(candidate, self._last)
        if self._glanced is not None:  # no later look sees what came up at the very end
            time_s, picture = self._glanced
            gray = picture.gray(WIDTH, HEIGHT)
            if not self._look(time_s, gray, picture):
                self._put(self.rule.keep_words(time_s, gray), picture)
        self._last = self._glanced = None
        spans = self.brief.unread(self.duration_s), self.brief.hidden()
        self._write(WHOLE, json.dumps([[(one.start_s, one.end_s) for one in joined(part)] for part in spans]).encode())

    def _look(self, time_s: float, gray: Gray, picture: Picture) -> bool:
        """Look for brief text, and keep the picture if there are new words on it. What was found is kept in any case.

        Returns: whether all that may be text was seen, so that no rule has to keep the picture."""
        look = self.brief.look(time_s, gray, picture)
        if look.gone:
            self._append(GONE, _stamp(time_s), ())
        if look.new or look.doubtful:
            self._append(FOUND, _stamp(time_s), look.lines)
        if look.new:
            self._put(self.rule.keep_words(time_s, gray), picture)
        return look.seen

    @property
    def whole(self) -> bool:
        """Whether a pass has reached the end, so that all pictures to read are on disk."""
        return (self.folder / WHOLE).is_file()

    # -- afterwards

    @property
    def chosen(self) -> int:
        """How many pictures will be read."""
        return len(self._chosen)

    @property
    def half_size(self) -> int:
        """How many of them are read at about half size, six to a call."""
        return self._half_size

    def unread(self) -> list[Span]:
        """The spans in which text may have stood that no picture to read shows: between two pictures in motion."""
        return self._spans()[0]

    def hidden(self) -> list[Span]:
        """The spans in which words may have stood on the texture of a picture that was read or searched."""
        return joined(merged([*self._spans()[1], *self._full]))

    def _spans(self) -> list[list[Span]]:
        path = self.folder / WHOLE
        held = path.read_bytes() if path.is_file() else b"[[], []]"
        return [[Span(a, b) for a, b in part] for part in json.loads(held)]

    def choose(self, per_hour: int) -> list[Span]:
        """Choose the pictures to read, those that look most like text first; returns the spans that are left out.

        Where there are more pictures than calls, those that look least like text share calls. So all of an hour in
        motion is read, instead of half of it. Extra pictures are read while no other one is made smaller for them.
        """
        calls = max(self.settings.least_calls, math.ceil(per_hour * self.duration_s / 3600))
        waiting, self._found = self._waiting(), self._lines_by_name(FOUND)
        usual = [one for one in waiting if not one.extra]
        extra = sorted((one for one in waiting if one.extra), key=self._rank)
        room = max(0, PAIR * calls - len(usual))
        # Of an extra picture without room, what was found when it was searched is what was read.
        searched = {one.path for one in extra[room:] if one.stamp in self._found}
        held = _ended([*usual, *extra[:room], *(one for one in extra if one.path in searched)], self.duration_s)
        pictures = [one for one in held if one.path not in searched]
        ranked = sorted(pictures, key=lambda one: (-one.score, one.start_s))
        spread = shares(len(ranked), calls)
        pairs_end = spread.alone + spread.in_pairs
        sixes_end = pairs_end + spread.in_sixes
        chosen, left_out = ranked[:sixes_end], ranked[sixes_end:]
        kept = [*chosen, *(one for one in held if one.path in searched)]
        self._chosen = sorted(kept, key=lambda one: one.start_s)
        self._searched_only = {one.path.name: self._found[one.stamp] for one in kept if one.path in searched}
        self._doubtful = _doubtful(self._found, {one.stamp for one in kept})
        self._groups = {}
        for part, size in ((ranked[spread.alone : pairs_end], PAIR), (ranked[pairs_end:sixes_end], SIX)):
            together = sorted(part, key=lambda one: one.start_s)
            for first in range(0, len(together), size):
                group = tuple(together[first : first + size])
                self._groups.update({one.path.name: group for one in group})
        self._half_size = spread.in_sixes
        return [Span(one.start_s, one.end_s) for one in sorted(left_out, key=lambda one: one.start_s)]

    def _rank(self, one: Waiting) -> tuple[bool, float, int]:
        """Extra pictures with words first; those that are left out are spread over the film."""
        return one.stamp not in self._found, -one.score, zlib.crc32(one.path.name.encode())

    def read(self, engine: OcrEngine, on_read: OnRead, *, open_end: bool = False) -> int:
        """Read the chosen pictures in time order and write entries as they can no longer change; returns how many.

        Args:
            on_read: called after each picture; may raise to stop. What was read so far is not read again.
            open_end: more pictures will come: the last text may still stand.
        """
        done = self._lines_by_name(READINGS) | self._searched_only
        self._full = []
        readings: list[_Read] = []
        written = 0
        for number, waiting in enumerate(self._chosen, 1):
            if waiting.path.name not in done:
                group = self._groups.get(waiting.path.name, (waiting,))
                images = [_opened(one.path) for one in group]
                for one, lines in zip(group, read_together(engine, images), strict=True):
                    self._append(READINGS, one.path.name, lines)
                    done[one.path.name] = lines
            both = together(done[waiting.path.name], self._found.get(waiting.stamp, []))
            readings.append(_Read(waiting.start_s, waiting.end_s, both))
            if not waiting.extra and hides_words(_may_be_text(waiting.path), [line.box for line in both]):
                self._full.append(Span(waiting.start_s, waiting.end_s))
            settle = number % self.settings.settle_every == 0 or number == len(self._chosen)
            if settle:
                written = self._settle(readings, final=number == len(self._chosen) and not open_end)
            on_read(number, waiting.start_s, settle)
        return written

    def clear(self) -> None:
        """Remove the pictures: the channel is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settle(self, readings: list[_Read], *, final: bool) -> int:
        """Write the merged entries; the last one waits until all is read, because it may still grow. Lines that are
        probably no text become entries of their own, marked "unsure"."""
        strangers = strange_scripts([line for reading in readings for line in reading.lines])
        sure, unsure = [], []
        for reading in readings:
            trust = trusted(reading.lines, strangers)
            sure.append(reading.of([line for line, is_text in zip(reading.lines, trust, strict=True) if is_text]))
            unsure.append(reading.of([line for line, is_text in zip(reading.lines, trust, strict=True) if not is_text]))
        reached_s = math.inf if final else readings[-1].start_s
        doubtful = [one.of(list(one.lines)) for one in self._doubtful if one.start_s < reached_s]
        unsure = sorted([*unsure, *doubtful], key=lambda one: one.start_s)
        entries = []
        for part, extra in ((sure, {}), (unsure, {UNSURE: True})):
            merged = merge_readings(part)
            if not final and merged and part[-1].lines:
                merged = merged[:-1]
            entries += [self._entry(shown, extra) for shown in merged if shown.start_s < self.duration_s]
        channel = self.store.channel(self.video_id, "screen_text")
        self.store.add_entries(self.video_id, "screen_text", channel.producer if channel else "", entries)
        return sum(UNSURE not in entry.extra for entry in entries)

    def _entry(self, shown: ShownText, extra: dict[str, bool]) -> EntryIn:
        kept = {
            "boxes": [[round(side, 4) for side in box] for box in shown.boxes],
            "confidence": round(shown.score, 2),
        }
        return EntryIn(shown.start_s, min(shown.end_s, self.duration_s), shown.text, {**extra, **kept})

    def _put(self, candidate: Candidate, picture: Picture) -> None:
        if candidate.again:  # the extra picture at that time counts as any other from now on
            for path in self.folder.glob(f"picture-{_stamp(candidate.time_s)}-*-{EXTRA}.jpg"):
                os.replace(path, path.with_name(path.name.replace(f"-{EXTRA}.jpg", ".jpg")))
            return
        parts = [_stamp(candidate.time_s), _stamp(candidate.start_s), f"{round(candidate.score):04d}"]
        if candidate.left_s is not None:
            parts.append(f"{LEFT}{_stamp(candidate.left_s)}")
        if candidate.extra:
            parts.append(EXTRA)
        self._write(f"picture-{'-'.join(parts)}.jpg", picture.jpeg(SIDE, QUALITY))

    def _write(self, name: str, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / (name + ".part")
        partial.write_bytes(data)
        os.replace(partial, self.folder / name)

    def _waiting(self) -> list[Waiting]:
        """Pictures on disk in time order, each with the time at which its text was seen to leave, inf if it was not."""
        if not self.folder.is_dir():
            return []
        found: list[Waiting] = []
        for path in sorted(self.folder.glob("picture-*.jpg")):
            _, time_s, start_s, score, *more = path.stem.split("-")
            for part in more:
                if part.startswith(LEFT) and found:  # each picture's name says it of the one before
                    found[-1] = replace(found[-1], end_s=max(found[-1].time_s, _seconds(part[len(LEFT) :])))
            found.append(Waiting(path, _seconds(time_s), _seconds(start_s), math.inf, float(score), EXTRA in more))
        for gone_s in map(_seconds, self._lines_by_name(GONE)):
            place = bisect.bisect_left(found, gone_s, key=lambda one: one.time_s) - 1
            if place >= 0:
                found[place] = replace(found[place], end_s=min(found[place].end_s, gone_s))
        return found

    def _lines_by_name(self, file: str) -> Lines:
        """What was read before, by picture; a line that was cut off in writing counts as not read."""
        path = self.folder / file
        done: Lines = {}
        if path.is_file():
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    name, lines = json.loads(line)
                    done[name] = [TextLine(text, score, tuple(box), texture) for text, score, box, texture in lines]
        return done

    def _append(self, file: str, name: str, lines: Sequence[TextLine]) -> None:
        held = [(line.text, line.score, line.box, line.texture) for line in lines]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / file).open("ab") as opened:
            opened.write(json.dumps([name, held], ensure_ascii=False).encode() + b"\n")


def _doubtful(found: Lines, kept: set[str]) -> list[_Read]:
    """What was found by searches on pictures that are not kept, in time order."""
    return [
        _Read(_seconds(stamp), _seconds(stamp) + LOOK_S, tuple(lines))
        for stamp, lines in sorted(found.items())
        if stamp not in kept
    ]


def _ended(pictures: Sequence[Waiting], duration_s: float) -> list[Waiting]:
    """The pictures in time order; what one shows stood until it was seen to leave, else until the next one's start."""
    held = sorted(pictures, key=lambda one: one.time_s)
    starts = [*(one.start_s for one in held[1:]), duration_s]
    return [
        replace(one, end_s=max(one.time_s, min(one.end_s, next_s))) for one, next_s in zip(held, starts, strict=True)
    ]


def _may_be_text(path: Path) -> Tiles:
    with Image.open(path) as opened:
        return may_be_text(np.asarray(opened.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)))


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return opened.convert("RGB")


def _stamp(seconds: float) -> str:
    return f"{round(seconds * 1000):010d}"


def _seconds(stamp: str) -> float:
    return int(stamp) / 1000
