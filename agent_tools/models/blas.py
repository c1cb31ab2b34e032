"""How many threads NumPy's matrix products take, for the length of a block.

One thread is the right number for a query: two cost more CPU than they save time, and many times more on a busy
machine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    import numpy as np  # its library must be loaded before the controller looks for it

    assert np.__version__
    return ThreadpoolController()


def threads(most: int) -> AbstractContextManager[object]:
    """Matrix products of this process take at most so many threads inside the block."""
    limited: AbstractContextManager[object] = _controller().limit(limits=most, user_api="blas")
    return limited
