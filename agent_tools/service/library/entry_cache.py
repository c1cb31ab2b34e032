"""Entries, their vectors and their chunks of the videos searched last, held in memory for the next question.

A video is read again when something of it has changed."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.ingestion.spaces import CHUNK, memory_producer, text_space
from agent_tools.store import Entry, SqliteMemory, Status, Store
from agent_tools.timeline import Span
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.memory import Bank, Chunk
    from agent_tools.models.profiles import TextEncoder

HELD_VIDEOS = 128
CHUNK_S = 60.0
LEAST_LETTERS = 2
FIRST_CJK = 0x1100  # from here on one character can be a word
NEIGHBOUR_S = 5.0  # between two entries that are neighbours
_STRIDE = 10_000_000  # entries of one video have places in a range of their own, so that a hit tells its video
_numbers = itertools.count()


@dataclass(frozen=True)
class LoadedChunk:
    """The entries of one channel in one chunk, with the memory tokens that stand for them."""

    channel: str
    start_s: float
    end_s: float
    chunk: Chunk  # .first_index is the place of its first entry


@dataclass(frozen=True)
class LoadedVideo:
    """One video's entries with their vectors, as read at one state of its channels."""

    mark: object
    entries: tuple[Entry, ...]  # those that have a vector, by channel and time; then the others
    matrix: NDArray[np.float32]  # (n, D), of these entries; zero rows of the others
    spans: NDArray[np.float64]  # (n, 2), start and end of these entries
    chunks: tuple[LoadedChunk, ...]
    base: int  # place of the first entry
    row_of: dict[int, int]  # by entry id, of the entries that have a vector
    by_channel: dict[str, slice]  # their rows, in time order
    neighbours: dict[int, tuple[int, ...]]  # by entry id: the entries just before and after, of the same channel

    def of_channels(self, values: NDArray[np.float32], channels: Sequence[str]) -> NDArray[np.float32]:
        """Of values by row those of the entries of these channels that have a vector."""
        import numpy as np

        return np.concatenate([values[:0], *(values[self.by_channel[c]] for c in channels if c in self.by_channel)])

    def at(self, place: int) -> Entry:
        """The entry at a place that one of the chunks holds."""
        return self.entries[place - self.base]

    def overlapping(self, span: Span) -> list[Entry]:
        """As Store.entries gives them."""
        starts, ends = self.spans.T
        rows = ((starts < span.end_s) & ((ends > span.start_s) | (starts >= span.start_s))).nonzero()[0]
        return sorted((self.entries[row] for row in rows), key=lambda entry: (entry.start_s, entry.end_s, entry.id))


class EntryCache:
    """Reads a video again when something of it has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], tuple[Status | None, LoadedVideo]] = OrderedDict()
        self._bank: tuple[object, Bank] | None = None

    def get(self, store: Store, video_id: str, encoder: TextEncoder) -> LoadedVideo:
        """The video as it is now."""
        key = (video_id, encoder.producer)
        status = store.overview().get(video_id)  # the same object as long as nothing of it changed
        with self._lock:
            seen, held = self._held.get(key, (None, None))
            if held is not None and status is not None and seen is status:
                self._held.move_to_end(key)
                return held
        mark = store.entries_mark(video_id, text_space(encoder.producer))
        if held is None or held.mark != mark:
            held = _read(store, video_id, encoder, mark)
        with self._lock:
            self._held[key] = status, held
            self._held.move_to_end(key)
            while len(self._held) > HELD_VIDEOS:
                self._held.popitem(last=False)
        return held

    def bank(self, videos: tuple[tuple[LoadedVideo, Span], ...], channels: tuple[str, ...]) -> Bank:
        """The chunks of these channels that lie in each video's span, side by side; the one made last is kept, since
        most questions go to the same videos as the one before."""
        from agent_tools.memory import Bank

        key = channels, tuple((held.base, span) for held, span in videos)
        kept = self._bank
        if kept is None or kept[0] != key:
            pieces = (
                piece.chunk
                for held, span in videos
                for piece in held.chunks
                if piece.channel in channels and piece.start_s < span.end_s and piece.end_s > span.start_s
            )
            kept = self._bank = key, Bank(list(pieces))
        return kept[1]


def video_number(place: int) -> int:
    """Which reading of a video a place belongs to; see LoadedVideo.base."""
    return place // _STRIDE


def has_enough_letters(text: str) -> bool:
    """Whether a text says enough to be compared by meaning: to a sentence encoder "1" is like any question with a
    number in it. Such a text is found by its words."""
    letters = 0
    for character in text:
        if character.isalpha():
            letters += 1
            if letters >= LEAST_LETTERS or ord(character) >= FIRST_CJK:
                return True
    return False


def _read(store: Store, video_id: str, encoder: TextEncoder, mark: object) -> LoadedVideo:
    import numpy as np

    everything = store.entries(video_id)
    ids, vectors = store.vectors(text_space(encoder.producer), video_id)
    vector_of = {int(i): row for row, i in enumerate(ids)}
    by_channel: dict[str, list[Entry]] = {name: [] for name in TEXT_CHANNELS}
    others: list[Entry] = []
    for entry in everything:
        known = entry.id in vector_of and entry.channel in by_channel and has_enough_letters(entry.text)
        (by_channel[entry.channel] if known else others).append(entry)
    compared = [entry for group in by_channel.values() for entry in group]
    entries = (*compared, *others)
    matrix = np.zeros((len(entries), encoder.dim), np.float32)
    if compared:  # without any vector the store gives an array of no width
        matrix[: len(compared)] = vectors[[vector_of[entry.id] for entry in compared]]
    bounds = [0, *itertools.accumulate(len(group) for group in by_channel.values())]
    rows = {name: slice(a, b) for name, (a, b) in zip(by_channel, itertools.pairwise(bounds), strict=True)}
    base = next(_numbers) * _STRIDE
    return LoadedVideo(
        mark=mark,
        entries=entries,
        matrix=matrix,
        spans=np.array([(entry.start_s, entry.end_s) for entry in entries]).reshape(-1, 2),
        chunks=tuple(_chunks(store, video_id, encoder.producer, entries, matrix, rows, base)),
        base=base,
        row_of={entry.id: row for row, entry in enumerate(compared)},
        by_channel=rows,
        neighbours={id_: near for group in by_channel.values() for id_, near in _neighbours(group)},
    )


def _neighbours(entries: Sequence[Entry]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each entry's id and those of its neighbours, of entries of one channel in time order."""
    for place, own in enumerate(entries):
        near = [entries[i] for i in (place - 1, place + 1) if 0 <= i < len(entries)]
        yield (
            own.id,
            tuple(
                other.id
                for other in near
                if other.start_s - own.end_s <= NEIGHBOUR_S and own.start_s - other.end_s <= NEIGHBOUR_S
            ),
        )


def _chunks(
    store: Store,
    video_id: str,
    producer: str,
    entries: Sequence[Entry],
    matrix: NDArray[np.float32],
    rows: Mapping[str, slice],
    base: int,
) -> Iterator[LoadedChunk]:
    """Entries by channel and chunk; the tokens are those the ingest wrote, or, of a chunk not yet whole and of notes,
    made here from the vectors there are. The frames are rows of the matrix, not copied."""
    import torch

    from agent_tools.memory import Chunk, memory_tokens

    memory = SqliteMemory(store)
    vectors = torch.from_numpy(matrix)
    for channel, part in rows.items():
        if part.start == part.stop:
            continue
        written = {m.start_s: m.vectors for m in memory.read(video_id, CHUNK, memory_producer(producer, channel))}
        grouped = itertools.groupby(range(part.start, part.stop), lambda row: int(entries[row].start_s // CHUNK_S))
        for number, group in grouped:
            own = list(group)
            frames = vectors[own[0] : own[-1] + 1]
            tokens = written.get(number * CHUNK_S)
            chunk = Chunk(memory_tokens(frames) if tokens is None else tokens, frames, base + own[0])
            end_s = max(entries[row].end_s for row in own)
            yield LoadedChunk(channel, entries[own[0]].start_s, end_s, chunk)
