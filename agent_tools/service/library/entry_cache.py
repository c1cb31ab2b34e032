"""Entries and their vectors of the videos looked into last, one by one, held in memory for the next question.

A video is read again when something of it has changed. Searches of many videos do not come here: see
store/flat_search.py."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.ingestion.spaces import line_space, text_space
from agent_tools.service.library.loaded_lines import LoadedLines, load_lines
from agent_tools.store import Entry, Status, Store, spelling
from agent_tools.timeline import Span
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.profiles import TextEncoder
    from agent_tools.models.routed_text import Sides

HELD_BYTES = 64 << 20  # of all videos; the one asked for last is held whatever its size
ENTRY_BYTES = 600  # about what an entry takes besides its vector


@dataclass(frozen=True)
class LoadedVideo:
    """One video's entries with their vectors, as read at one state of its channels."""

    mark: object
    entries: tuple[Entry, ...]  # those that have a vector, by channel and time; then the others
    matrix: NDArray[np.float32]  # (n, D), of these entries; zero rows of the others
    spans: NDArray[np.float64]  # (n, 2), start and end of these entries
    row_of: dict[int, int]  # by entry id, of the entries that have a vector
    by_channel: dict[str, slice]  # their rows, in time order
    lines: LoadedLines | None = None  # of on-screen texts, where any has lines with vectors
    sides: Sides | None = None  # of these entries, where the encoder has two parts

    @property
    def nbytes(self) -> int:
        lines = 0 if self.lines is None else self.lines.matrix.nbytes
        return self.matrix.nbytes + lines + ENTRY_BYTES * len(self.entries)

    def of_channels(self, values: NDArray[np.float32], channels: Sequence[str]) -> NDArray[np.float32]:
        """Of values by row those of the entries of these channels that have a vector."""
        import numpy as np

        return np.concatenate([values[:0], *(values[self.by_channel[c]] for c in channels if c in self.by_channel)])

    def compare(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosines of all entries with a query's vector, (n,)."""
        import numpy as np

        products: NDArray[np.float32] = np.vecdot(self.matrix, vector)  # no BLAS: see store/index.py
        return products if self.sides is None else self.sides.cosines(products, vector)

    def overlapping(self, span: Span) -> list[Entry]:
        """As Store.entries gives them."""
        starts, ends = self.spans.T
        rows = ((starts < span.end_s) & ((ends > span.start_s) | (starts >= span.start_s))).nonzero()[0]
        return sorted((self.entries[row] for row in rows), key=lambda entry: (entry.start_s, entry.end_s, entry.id))


class EntryCache:
    """Reads a video again when something of it has changed."""

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        self._held_bytes = held_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], tuple[Status | None, LoadedVideo]] = OrderedDict()

    def get(self, store: Store, video_id: str, encoder: TextEncoder) -> LoadedVideo:
        """The video as it is now."""
        key = (video_id, encoder.producer)
        status = store.overview().get(video_id)  # the same object as long as nothing of it changed
        with self._lock:
            seen, held = self._held.get(key, (None, None))
            if held is not None and status is not None and seen is status:
                self._held.move_to_end(key)
                return held
        spaces = text_space(encoder.producer), line_space(encoder.producer)
        mark = tuple(store.entries_mark(video_id, space) for space in spaces)
        if held is None or held.mark != mark:
            held = _read(store, video_id, encoder, mark)
        with self._lock:
            self._held[key] = status, held
            self._held.move_to_end(key)
            size = sum(each.nbytes for _, each in self._held.values())
            while size > self._held_bytes and len(self._held) > 1:
                size -= self._held.popitem(last=False)[1][1].nbytes
        return held


def _read(store: Store, video_id: str, encoder: TextEncoder, mark: object) -> LoadedVideo:
    import numpy as np

    from agent_tools.models.routed_text import reach_of, sides_of

    everything = store.entries(video_id)
    ids, vectors = store.vectors(text_space(encoder.producer), video_id)
    vector_of = {int(i): row for row, i in enumerate(ids)}
    by_channel: dict[str, list[Entry]] = {name: [] for name in TEXT_CHANNELS}
    others: list[Entry] = []
    for entry in everything:
        known = entry.id in vector_of and entry.channel in by_channel and spelling.has_enough_letters(entry.text)
        (by_channel[entry.channel] if known else others).append(entry)
    compared = [entry for group in by_channel.values() for entry in group]
    entries = (*compared, *others)
    matrix = np.zeros((len(entries), encoder.dim), np.float32)
    if compared:  # without any vector the store gives an array of no width
        matrix[: len(compared)] = vectors[[vector_of[entry.id] for entry in compared]]
    bounds = [0, *itertools.accumulate(len(group) for group in by_channel.values())]
    return LoadedVideo(
        mark=mark,
        entries=entries,
        matrix=matrix,
        spans=np.array([(entry.start_s, entry.end_s) for entry in entries]).reshape(-1, 2),
        row_of={entry.id: row for row, entry in enumerate(compared)},
        by_channel={name: slice(a, b) for name, (a, b) in zip(by_channel, itertools.pairwise(bounds), strict=True)},
        lines=load_lines(store, video_id, encoder, compared),
        sides=sides_of(encoder, reach_of(matrix)),
    )
