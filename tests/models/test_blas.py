from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from agent_tools.models import blas


def now() -> set[int]:
    assert np.__version__  # loads its library
    own = (one for one in ThreadpoolController().info() if one["user_api"] == "blas" and "numpy" in one["filepath"])
    return {one["num_threads"] for one in own}  # not those of libraries that came with another package


def test_blocks_that_overlap_leave_the_number_of_before() -> None:
    """As of two searches at once: the first to begin ends while the other still computes."""
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        before = now()
        if before != {2}:
            pytest.skip("NumPy's library always takes one thread here")
        with ExitStack() as first, ExitStack() as second:
            first.enter_context(blas.threads(1))
            second.enter_context(blas.threads(1))
            first.close()
            assert now() == {1}
            second.close()
            assert now() == before
        with blas.threads(2), blas.threads(1):
            assert now() == {1}
        assert now() == before
