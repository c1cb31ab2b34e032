"""Values that follow from the texts and the state of one video, kept until something of this video changes.

A library is asked of one event after another, and what is usual in a video's texts stays the same meanwhile. A commit
about another video costs one look here, not the value."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent_tools.store import Status, Store

T = TypeVar("T")
MOST_VIDEOS = 20_000
MOST_OF_ONE = 64  # values of one video: a span that is asked about is part of some keys


@dataclass
class _Known:
    overview: Mapping[str, Status]  # for which the values were last seen to hold
    status: Status | None
    mark: object  # of the entries
    values: dict[Hashable, Any] = field(default_factory=dict)


class VideoCache:
    """Values by video and key. Who gets one does not change it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._videos: OrderedDict[str, _Known] = OrderedDict()

    def get(self, video_id: str, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key for the video as it is now; `make` is called where it is not known."""
        values = self._values(video_id)
        if key not in values:  # two threads at once make it twice, which harms nobody
            made = make()
            if len(values) >= MOST_OF_ONE:
                values.clear()
            values[key] = made
            return made
        value: T = values[key]
        return value

    def _values(self, video_id: str) -> dict[Hashable, Any]:
        overview = self._store.overview()
        with self._lock:
            known = self._videos.get(video_id)
            if known is not None and known.overview is overview:
                return known.values
        status, mark = overview.get(video_id), self._store.entries_mark(video_id, "")
        with self._lock:
            known = self._videos.get(video_id)
            if known is None or known.status is not status or known.mark != mark:
                known = self._videos[video_id] = _Known(overview, status, mark)
                while len(self._videos) > MOST_VIDEOS:
                    self._videos.popitem(last=False)
            known.overview = overview
            return known.values
