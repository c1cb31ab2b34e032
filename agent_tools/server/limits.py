"""How much one caller may do at once: requests per second, running calls and waiting calls."""

from __future__ import annotations

import math
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import anyio

from agent_tools.errors import LimitReached

Kind = Literal["quick", "look", "wait"]
# A search is one thread's work nearly all the time: more of them at once than there are cores only wait for the
# interpreter's lock and for each other's caches (32 clients on two cores: 8 at once took 40 ms of CPU each, 3 take 28).
QUICK = min(8, (os.cpu_count() or 1) + 1)
RUNNING: dict[Kind, int] = {
    "quick": QUICK,  # searches and lists
    "look": 2,  # zoom and grounding: they decode and encode
    "wait": 16,  # ingest_video only waits for its worker
}
WAITING = 40  # calls of a kind that may queue before more are refused
CLIENTS_OF_A_HOST = 4  # at full rate each; without a token they look the same, on the user's own machine
MOST_CALLERS = 4096


@dataclass(frozen=True)
class RateLimit:
    """How many requests one caller may send."""

    per_second: float = 50.0  # sustained
    burst: float = 200.0  # at once, after a pause


class Rate:
    """A bucket of requests per caller; `take` refuses when the bucket is empty."""

    def __init__(self, limit: RateLimit | None = None, now: Callable[[], float] = time.monotonic) -> None:
        limit = limit or RateLimit()
        self._per_second, self._burst, self._now = limit.per_second, limit.burst, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, clients: int = 1) -> None:
        """Count one request of a caller that stands for so many clients. Raises: LimitReached: the rate is too high."""
        now = self._now()
        cost = 1.0 / clients
        left, then = self._left.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        self._left[caller] = (max(0.0, left - cost), now)
        while len(self._left) > MOST_CALLERS:
            self._left.popitem(last=False)
        if left < cost:
            raise LimitReached(
                f"More than {self._per_second * clients:g} requests a second. Wait a second, then go on."
            )


class Slots:
    """Places for running calls, per kind. Make it inside a running event loop."""

    def __init__(self) -> None:
        self._limiters: dict[Kind, anyio.CapacityLimiter] = {
            kind: anyio.CapacityLimiter(places) for kind, places in RUNNING.items()
        }

    @asynccontextmanager
    async def place(self, kind: Kind, within_s: float = math.inf) -> AsyncIterator[None]:
        """Wait for a place and keep it. A call that waits longer than within_s takes a place of the quick calls.

        Raises: LimitReached: too many calls wait already.
        """
        limiter = self._limiters[kind]
        waiting = limiter.statistics().tasks_waiting
        if waiting >= WAITING:
            raise LimitReached(
                f"{RUNNING[kind]} calls of this kind run and {waiting} wait. Wait for their answers, then call again."
            )
        with anyio.move_on_after(within_s) as patience:
            await limiter.acquire()
        if patience.cancelled_caught:
            async with self.place("quick"):
                yield
            return
        try:
            yield
        finally:
            limiter.release()
