"""A step of a pass that runs ahead of the next step, in its own thread, by a bounded number of items."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """Iterates `items` in a thread and gives them in the same order. Close it, for example with contextlib.closing.

    At most `most` items wait, one more is being made and the consumer holds one. So memory is bounded, and a result
    never depends on which side is faster. An error of `items` is raised here after the items before it. Several can be
    stacked: each takes from the one below, and the last one is closed first.
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
        """Let the thread finish the item that it is making, then end it and close `items`."""
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
        except BaseException as error:  # noqa: BLE001  # the consumer, in the other thread, gets the error
            self._error = error
        finally:
            if (close := getattr(self._items, "close", None)) and not isinstance(self._items, Ahead):
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, item: Item) -> bool:
        """False where nobody wants the item any more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < self._most or self._closed)
            if not self._closed:
                self._ready.append(item)
                self._changed.notify_all()
            return not self._closed
