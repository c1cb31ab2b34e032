"""How many threads NumPy's matrix products take, for the length of a block.

One thread is the right number for a query: two cost more CPU than they save time, and many times more on a busy
machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    import numpy as np  # its library must be loaded before the controller looks for it

    assert np.__version__
    return ThreadpoolController()


class _Limit:
    """The number is one for the whole process: of blocks that run at once the least holds, and the last one to end
    gives the number of before back. Each by itself would give back what another has set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[int] = []
        self._limiter: Any = None

    def enter(self, most: int) -> None:
        with self._lock:
            lower = not self._asked or most < min(self._asked)
            self._asked.append(most)
            if lower:
                limiter = _controller().limit(limits=most, user_api="blas")
                self._limiter = self._limiter or limiter  # the first knows the number of before all blocks

    def leave(self, most: int) -> None:
        with self._lock:
            self._asked.remove(most)
            if not self._asked:
                self._limiter.restore_original_limits()
                self._limiter = None


_limit = _Limit()


@contextmanager
def threads(most: int) -> Iterator[None]:
    """Matrix products of this process take at most so many threads inside the block."""
    _limit.enter(most)
    try:
        yield
    finally:
        _limit.leave(most)
