"""A flat index: the vectors of a space as rows of int8 numbers side by side, compared with a query in one pass.

A vector of length 1 is kept as D numbers from -127 to 127 and a scale that turns them back: a scalar quantiser with a
scale for each row. A product with a query then differs from the exact one by some ten-thousandths, which is enough for
a median over all rows; who needs the best few hundred exactly compares their vectors again. A hundred hours of 384
numbers are 36 MB and take SimSIMD 2 ms.

Knows arrays. Knows nothing of SQL, of texts or of pictures."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import simsimd
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Seconds = NDArray[np.float64]
Bytes = NDArray[np.int8]
Rows = NDArray[np.int64]

LARGEST = 127
FIRST, SECOND, BOTH = slice(0, 1), slice(1, 2), slice(0, 2)  # codes of a query
AT_ONCE = 8 << 20  # bytes compared in one call, so that other threads get the interpreter in between; or read together
SELECTIONS = 8  # kept of one view
CENTRE_ROWS = 2_048  # rows that the mean of a selection is taken from
SLACK = 1.25  # room for vectors that come later, when the arrays grow
DEAD_SHARE = 0.25  # of the rows; more are dropped by making the arrays again


def encode(matrix: Floats) -> tuple[Bytes, Floats]:
    """Codes (n, D) and scales (n,) of vectors (n, D); a row of zeros stays one."""
    scales = np.abs(matrix).max(axis=1, initial=0.0) / np.float32(LARGEST)
    codes = np.rint(matrix / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    return codes, np.asarray(scales, np.float32)


def batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Names in their order, so many at once that their sizes in bytes come to AT_ONCE."""
    batch: list[str] = []
    room = AT_ONCE
    for name, size in sizes.items():
        if batch and size > room:
            yield batch
            batch, room = [], AT_ONCE
        batch.append(name)
        room -= size
    if batch:
        yield batch


def rest_of(matrix: Floats, codes: Bytes, scales: Floats) -> Floats:
    """What the codes of vectors (n, D) leave over."""
    return np.asarray(matrix - codes * scales[:, None], np.float32)


@dataclass(frozen=True)
class Asked:
    """A query as a code, and what that leaves over as a second one."""

    codes: Bytes  # (2, D)
    scales: Floats  # (2,)

    @classmethod
    def of(cls, query: Floats) -> Asked:
        """Args: query: (D,)."""
        first, scale = encode(query[None])
        rest, small = encode(rest_of(query[None], first, scale))
        return cls(np.concatenate([first, rest]), np.concatenate([scale, small]))

    def products(self, codes: Bytes, scales: Floats, own: slice = BOTH) -> Floats:
        """The products with rows (n, D), as their codes give them: (n,).

        Args:
            own: FIRST takes half the time; what the first code leaves over then shifts all products alike."""
        found = np.empty(len(codes), np.float32)
        size = max(1, AT_ONCE // max(1, codes.shape[1]))
        for low in range(0, len(codes), size):
            some = slice(low, low + size)
            dots = np.asarray(simsimd.cdist(self.codes[own], codes[some], metric="dot"))
            found[some] = (self.scales[own] @ dots) * scales[some]
        return found

    def exact_products(self, codes: Bytes, scales: Floats, rest: tuple[Bytes, Floats], first: Floats) -> Floats:
        """The products with rows, exact within some millionths.

        Args:
            rest: what the codes leave over, as a second code.
            first: (n,), the products by the query's first code."""
        return first + self.products(codes, scales, SECOND) + self.products(*rest)


@dataclass(frozen=True)
class Coded:
    """Vectors as codes, and what each row is."""

    codes: Bytes  # (n, D)
    scales: Floats  # (n,)
    ids: Rows  # (n,), what each vector is of
    rows: Rows  # (n,), where the vector itself is stored
    spans: Seconds  # (n, 2), start and end

    @classmethod
    def empty(cls, capacity: int, dim: int, held_bytes: int, folder: Path | None) -> Coded:
        """Room for vectors. Codes of more than held_bytes lie in an unnamed file in the folder, which the system keeps
        in memory as long as there is room."""
        return cls(
            _room(capacity, dim, held_bytes, folder),
            np.empty(capacity, np.float32),
            np.empty(capacity, np.int64),
            np.empty(capacity, np.int64),
            np.empty((capacity, 2), np.float64),
        )

    def part(self, start: int, stop: int) -> Coded:
        some = slice(start, stop)
        return Coded(self.codes[some], self.scales[some], self.ids[some], self.rows[some], self.spans[some])

    def write(self, start: int, other: Coded) -> None:
        for own, new in zip(self._arrays, other._arrays, strict=True):
            own[start : start + len(new)] = new

    def __len__(self) -> int:
        return len(self.scales)

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._arrays)

    @property
    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return self.codes, self.scales, self.ids, self.rows, self.spans


@dataclass(frozen=True)
class Placed:
    """Where a video's rows lie: in runs, such as the entries of one channel in time order."""

    version: int
    start: int
    stop: int
    runs: Mapping[str, tuple[int, int]]  # by name: first row, last row + 1


@dataclass(frozen=True)
class View:
    """A flat index at one moment: what comes and goes later does not change it."""

    coded: Coded
    videos: Mapping[str, Placed]
    _selections: OrderedDict[object, Selection] = field(default_factory=OrderedDict, repr=False, compare=False)

    @staticmethod
    def ask(query: Floats) -> Asked:
        """What a query (D,) is compared as."""
        return Asked.of(query)

    def ids_of(self, video: str) -> Rows:
        """What the vectors of one video are of, (n,)."""
        placed = self.videos.get(video)
        return self.coded.ids[:0] if placed is None else self.coded.ids[placed.start : placed.stop]

    def batches(self, videos: Sequence[str]) -> Iterator[list[str]]:
        """These videos, as many at once as can be read together."""
        rows = {name: self.videos[name].stop - self.videos[name].start for name in videos}
        return batches({name: count * self.coded.codes.shape[1] for name, count in rows.items()})

    def select(self, videos: Sequence[str], runs: Sequence[str]) -> Selection:
        """The rows of these runs of these videos, in this order; those that are not here have none."""
        key = tuple(videos), tuple(runs)
        found = self._selections.get(key)
        if found is None:
            found = self._selections[key] = Selection(self.coded, self.videos, *key)
            while len(self._selections) > SELECTIONS:
                self._selections.popitem(last=False)
        return found


class Selection:
    """Some rows of a view, counted from 0: position n is the n-th row selected, video by video and run by run.

    Attributes:
        coded: the rows of the view.
        places: (n,), the row of the view at each position.
        owners: (n,), the number of each position's video among those asked for."""

    def __init__(
        self, coded: Coded, placed: Mapping[str, Placed], videos: tuple[str, ...], runs: tuple[str, ...]
    ) -> None:
        self.coded = coded
        self._reach: dict[int, NDArray[np.bool_]] = {}
        self._first: dict[tuple[str, str], int] = {}
        self._videos: dict[str, slice] = {}
        self._rows = {name: placed[name].runs for name in videos if name in placed}
        ranges: list[tuple[int, int]] = []
        counts, total = [], 0
        for name in videos:
            before = total
            for run, (start, stop) in self._rows.get(name, {}).items():
                if run in runs and start < stop:
                    self._first[name, run] = total
                    total += stop - start
                    if ranges and ranges[-1][1] == start:
                        ranges[-1] = (ranges[-1][0], stop)
                    else:
                        ranges.append((start, stop))
            self._videos[name] = slice(before, total)
            counts.append(total - before)
        self._ranges = ranges
        self.places: Rows = np.concatenate([np.empty(0, np.int64), *(np.arange(a, b) for a, b in ranges)])
        self.owners = np.repeat(np.arange(len(videos)), counts)

    def __len__(self) -> int:
        return len(self.places)

    def compare(self, asked: Asked, *, first: bool = False) -> Floats:
        """The products of a query with all rows, (n,), as their codes give them.

        Args:
            first: by the query's first code alone, in half the time; `second_part` is then still to be added."""
        coded, own = self.coded, FIRST if first else BOTH
        parts = [asked.products(coded.codes[a:b], coded.scales[a:b], own) for a, b in self._ranges]
        return np.concatenate([np.empty(0, np.float32), *parts])

    def second_part(self, asked: Asked) -> np.float32:
        """What the query's second code adds to its products with these rows, on average."""
        return np.float32(asked.scales[1] * np.vecdot(self._centre, asked.codes[1].astype(np.float32)))

    @cached_property
    def _centre(self) -> Floats:
        """The mean of the rows, (D,), of a sample where they are many."""
        some = self.places[:: max(1, len(self.places) // CENTRE_ROWS)]
        weighted = self.coded.codes[some] * self.coded.scales[some][:, None]
        return np.asarray(weighted.sum(axis=0) / max(1, len(some)), np.float32)

    def reach(self, first: int) -> NDArray[np.bool_]:
        """Whether each row holds anything in its first so many numbers, (n,)."""
        if first not in self._reach:
            parts = [self.coded.codes[a:b, :first].any(axis=1) for a, b in self._ranges]
            self._reach[first] = np.concatenate([np.empty(0, np.bool_), *parts])
        return self._reach[first]

    def of_video(self, name: str) -> slice:
        """The positions of one video."""
        return self._videos.get(name, slice(0, 0))

    def position(self, video: str, run: str, number: int) -> int | None:
        """Where the vector of an id stands; None where it was not selected."""
        first = self._first.get((video, run))
        if first is None:
            return None
        start, stop = self._rows[video][run]
        found = np.flatnonzero(self.coded.ids[start:stop] == number)
        return first + int(found[0]) if len(found) else None

    def follows(self, positions: Rows) -> NDArray[np.bool_]:
        """Whether the row before each position is of the same run of the same video, (n,)."""
        firsts = np.fromiter(self._first.values(), np.int64, len(self._first))
        return (positions > 0) & ~np.isin(positions, firsts)


class FlatIndex:
    """The vectors of one space. Put and drop by one thread at a time; views may be read by any number meanwhile."""

    def __init__(self, dim: int, held_bytes: int, folder: Path | None = None) -> None:
        """Args: held_bytes: codes up to this size lie in memory; see Coded.empty."""
        self.dim = dim
        self._held_bytes, self._folder = held_bytes, folder
        self._coded = Coded.empty(0, dim, held_bytes, folder)
        self._size = self._dead = 0
        self._videos: dict[str, Placed] = {}

    @property
    def nbytes(self) -> int:
        return self._coded.nbytes

    @property
    def versions(self) -> Mapping[str, int]:
        return {name: placed.version for name, placed in self._videos.items()}

    def view(self) -> View:
        """What is here now."""
        return View(self._coded.part(0, self._size), dict(self._videos))

    def put(self, video_id: str, version: int, coded: Coded, runs: Sequence[tuple[str, int]]) -> None:
        """Take in all vectors of a video, in place of those that were here.

        Args:
            runs: (name, number of rows), in the order of the rows."""
        self.drop(video_id)
        self.reserve(len(coded))
        start = self._size
        self._coded.write(start, coded)
        self._size += len(coded)
        firsts = accumulate((count for _, count in runs), initial=start)
        placed = {name: (first, first + count) for (name, count), first in zip(runs, firsts, strict=False)}
        self._videos[video_id] = Placed(version, start, self._size, placed)

    def drop(self, video_id: str) -> None:
        """Forget a video's vectors."""
        gone = self._videos.pop(video_id, None)
        if gone is not None:
            self._dead += gone.stop - gone.start

    def reserve(self, count: int) -> None:
        """Make room for so many more vectors. Views that are there keep the arrays they have."""
        live = self._size - self._dead
        if self._size + count <= len(self._coded) and self._dead <= max(1024, DEAD_SHARE * self._size):
            return
        room = live + count
        grown = room if not live else int(SLACK * room)
        old, self._coded = self._coded, Coded.empty(grown, self.dim, self._held_bytes, self._folder)
        self._size = self._dead = 0
        for video_id, placed in self._videos.items():
            start = self._size
            self._coded.write(start, old.part(placed.start, placed.stop))
            self._size += placed.stop - placed.start
            moved = start - placed.start
            runs = {name: (first + moved, last + moved) for name, (first, last) in placed.runs.items()}
            self._videos[video_id] = Placed(placed.version, start, self._size, runs)


def _room(capacity: int, dim: int, held_bytes: int, folder: Path | None) -> Bytes:
    size = capacity * dim
    if size <= held_bytes or folder is None:
        return np.empty((capacity, dim), np.int8)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, not a crash at a later write
        else:
            file.truncate(size)
        return np.frombuffer(mmap.mmap(file.fileno(), size), np.int8).reshape(capacity, dim)
