"""Values that follow from the state of all videos, kept until somebody commits.

What a reply says of every video of a library is the same in each reply, and making it costs the more the more videos
there are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from agent_tools.store import Status, Store

T = TypeVar("T")
MOST = 8_192  # values of one state; those of single videos are a few bytes


class SnapshotCache:
    """Values by key. Who gets one does not change it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._of: Mapping[str, Status] | None = None
        self._values: dict[Hashable, Any] = {}

    def of_each(self, key: Hashable, names: Sequence[str], make: Callable[[str], T]) -> list[T]:
        """The value of each name under a key; `make` is called for those that are not known."""
        known: dict[str, T] = self.get(key, dict)
        for name in names:
            if name not in known:
                known[name] = make(name)
        return [known[name] for name in names]

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key for the overview that this thread sees; `make` is called where it is not known."""
        overview = self._store.overview()
        with self._lock:
            if self._of is not overview or len(self._values) >= MOST:
                self._of, self._values = overview, {}
            values = self._values
        if key not in values:  # two threads at once make it twice, which harms nobody
            values[key] = make()
        value: T = values[key]
        return value
