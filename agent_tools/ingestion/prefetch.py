"""A step of a pass that is done ahead of the next one, in a thread of its own, by a bounded number of items.

Knows threads, order and errors. Knows nothing of what the items are."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """Iterates `items` in a thread and gives them in the same order. `close` it, with contextlib.closing.

    At most `most` items wait; one more is in the making and one in the hands of who iterates, so memory is bounded and
    a result never depends on who is faster. What `items` raises is raised here, behind the items before it. Aheads may
    be stacked: each takes from the one below, and the last is closed first.
    """

    def __init__(self, items: Iterator[Item], most: int = 1) -> None:
        self._items, self._most = items, most
        self._ready: deque[Item] = deque()
        self._error: BaseException | None = None
        self._ended = self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended)
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """End the thread, at the end of the item that it makes now, and close `items`."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to who iterates, in the other thread
            self._error = error
        finally:
            if (close := getattr(self._items, "close", None)) and not isinstance(self._items, Ahead):
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, item: Item) -> bool:
        """Whether it was wanted."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < self._most or self._closed)
            if not self._closed:
                self._ready.append(item)
                self._changed.notify_all()
            return not self._closed
