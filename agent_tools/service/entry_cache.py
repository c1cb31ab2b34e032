"""Entries and text vectors of the videos searched last, held in memory for the next question.

Knows when a video has changed. Knows nothing of questions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.ingestion.spaces import text_space
from agent_tools.store import Entry, Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.profiles import TextEncoder

HELD_VIDEOS = 64


@dataclass(frozen=True)
class Held:
    """One video's entries with their vectors, as read at one state of its channels."""

    mark: object
    entries: tuple[Entry, ...]
    matrix: NDArray[np.float32]  # (n, D), zero rows where an entry has no vector yet
    row_of: dict[int, int]


class EntryCache:
    """Entries and vectors of the videos searched last; read again when a channel of the video has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], Held] = OrderedDict()

    def get(self, store: Store, video_id: str, encoder: TextEncoder) -> Held:
        import numpy as np

        mark = (
            tuple((row.name, row.state, row.entries, row.updated_at) for row in store.channels(video_id)),
            store.count_notes(video_id),
        )
        key = (video_id, encoder.producer)
        with self._lock:
            held = self._held.get(key)
            if held is not None and held.mark == mark:
                self._held.move_to_end(key)
                return held
        entries = tuple(store.entries(video_id))
        ids, vectors = store.vectors(text_space(encoder.producer), video_id)
        place = {int(i): row for i, row in zip(ids, vectors, strict=True)}
        matrix = np.zeros((len(entries), encoder.dim), np.float32)
        for row, entry in enumerate(entries):
            if entry.id in place:
                matrix[row] = place[entry.id]
        held = Held(mark, entries, matrix, {entry.id: row for row, entry in enumerate(entries)})
        with self._lock:
            self._held[key] = held
            while len(self._held) > HELD_VIDEOS:
                self._held.popitem(last=False)
        return held
