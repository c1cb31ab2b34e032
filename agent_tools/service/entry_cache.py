"""Entries, their vectors and their chunks of the videos searched last, held in memory for the next question.

Knows when a video has changed, and how entries lie in chunks. Knows nothing of questions."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.ingestion.spaces import CHUNK, memory_producer, text_space
from agent_tools.store import Entry, SqliteMemory, Store
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.memory import Chunk
    from agent_tools.models.profiles import TextEncoder

HELD_VIDEOS = 128
CHUNK_S = 60.0
LEAST_LETTERS = 2
FIRST_CJK = 0x1100  # from here on one character can be a word
BESIDE_S = 5.0  # between two entries that are neighbours
_STRIDE = 10_000_000  # entries of one video have places in a range of their own, so that a hit tells its video
_numbers = itertools.count()


@dataclass(frozen=True)
class HeldChunk:
    """The entries of one channel in one chunk, with the memory tokens that stand for them."""

    channel: str
    start_s: float
    end_s: float
    chunk: Chunk  # .first_index is the place of its first entry


@dataclass(frozen=True)
class Held:
    """One video's entries with their vectors, as read at one state of its channels."""

    mark: object
    entries: tuple[Entry, ...]
    matrix: NDArray[np.float32]  # (n, D), zero rows where an entry has no vector yet
    chunks: tuple[HeldChunk, ...]
    base: int  # place of the first entry of all
    order: tuple[int, ...]  # row of the entry at each place, less base
    row_of: dict[int, int]  # by entry id, of the entries that have a vector
    by_channel: dict[str, list[int]]  # their rows, in time order
    beside: dict[int, tuple[int, ...]]  # by entry id: the entries just before and after, of the same channel

    def rows_of(self, channels: Sequence[str]) -> list[int]:
        """Rows of the entries of these channels that have a vector."""
        return [row for name in channels for row in self.by_channel.get(name, ())]

    def at(self, place: int) -> Entry:
        """The entry at a place that one of the chunks holds."""
        return self.entries[self.order[place - self.base]]


class EntryCache:
    """Reads a video again when a channel of it has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], Held] = OrderedDict()

    def get(self, store: Store, video_id: str, encoder: TextEncoder) -> Held:
        """The video as it is now."""
        mark = (
            tuple((row.name, row.state, row.entries, row.updated_at) for row in store.channels(video_id)),
            store.count_notes(video_id),
            len(store.notes(video_id)),
        )
        key = (video_id, encoder.producer)
        with self._lock:
            held = self._held.get(key)
            if held is not None and held.mark == mark:
                self._held.move_to_end(key)
                return held
        held = _read(store, video_id, encoder, mark)
        with self._lock:
            self._held[key] = held
            while len(self._held) > HELD_VIDEOS:
                self._held.popitem(last=False)
        return held


def video_number(place: int) -> int:
    """Which reading of a video a place belongs to; see Held.base."""
    return place // _STRIDE


def means(text: str) -> bool:
    """Whether a text says enough to be compared by meaning: to a sentence encoder "1" is like any question with a
    number in it. Such a text is found by its words."""
    letters = [character for character in text if character.isalpha()]
    return len(letters) >= LEAST_LETTERS or any(ord(letter) >= FIRST_CJK for letter in letters)


def _read(store: Store, video_id: str, encoder: TextEncoder, mark: object) -> Held:
    import numpy as np

    entries = tuple(store.entries(video_id))
    ids, vectors = store.vectors(text_space(encoder.producer), video_id)
    row_of = {int(i): row for row, i in enumerate(ids)}
    known = [(row, row_of[entry.id]) for row, entry in enumerate(entries) if entry.id in row_of and means(entry.text)]
    matrix = np.zeros((len(entries), encoder.dim), np.float32)
    if known:
        matrix[[row for row, _ in known]] = vectors[[place for _, place in known]]
    base = next(_numbers) * _STRIDE
    chunks, order = _chunks(store, video_id, encoder.producer, entries, matrix, [row for row, _ in known], base)
    by_channel: dict[str, list[int]] = {}
    for row, _ in known:
        by_channel.setdefault(entries[row].channel, []).append(row)
    row_of_entry = {entries[row].id: row for row, _ in known}
    beside = _beside(entries, by_channel)
    return Held(mark, entries, matrix, tuple(chunks), base, tuple(order), row_of_entry, by_channel, beside)


def _beside(entries: tuple[Entry, ...], by_channel: dict[str, list[int]]) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for rows in by_channel.values():
        for place, row in enumerate(rows):
            near = [rows[i] for i in (place - 1, place + 1) if 0 <= i < len(rows)]
            found[entries[row].id] = tuple(
                entries[other].id
                for other in near
                if entries[other].start_s - entries[row].end_s <= BESIDE_S
                and entries[row].start_s - entries[other].end_s <= BESIDE_S
            )
    return found


def _chunks(
    store: Store,
    video_id: str,
    producer: str,
    entries: tuple[Entry, ...],
    matrix: NDArray[np.float32],
    rows: list[int],
    base: int,
) -> tuple[list[HeldChunk], list[int]]:
    """Entries by channel and chunk; the tokens are those the ingest wrote, or, of a chunk not yet whole and of notes,
    made here from the vectors there are."""
    import torch

    from agent_tools.memory import Chunk, memory_tokens

    memory = SqliteMemory(store)
    found: list[HeldChunk] = []
    order: list[int] = []
    for channel in TEXT_CHANNELS:
        groups: dict[int, list[int]] = {}
        for row in rows:
            if entries[row].channel == channel:
                groups.setdefault(int(entries[row].start_s // CHUNK_S), []).append(row)
        if not groups:
            continue
        written = {m.start_s: m.vectors for m in memory.read(video_id, CHUNK, memory_producer(producer, channel))}
        for number, group in sorted(groups.items()):
            frames = torch.from_numpy(matrix[group])
            tokens = written.get(number * CHUNK_S)
            chunk = Chunk(memory_tokens(frames) if tokens is None else tokens, frames, base + len(order))
            end_s = max(entries[row].end_s for row in group)
            found.append(HeldChunk(channel, min(entries[row].start_s for row in group), end_s, chunk))
            order.extend(group)
    return found, order
