"""How much one caller may ask at once: a rate of requests, and numbers of calls running and waiting.

Knows counts and clocks. Knows nothing of what a call does."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import anyio

from agent_tools.errors import LimitReached

Kind = Literal["quick", "look", "wait"]
RUNNING: dict[Kind, int] = {
    "quick": 8,  # searches and lists
    "look": 2,  # zoom and grounding: they decode and encode
    "wait": 16,  # ingest_video only waits for its worker
}
WAITING = 32  # calls of a kind that may queue before further ones are refused
PER_SECOND = 50.0  # requests of one caller, sustained
BURST = 200.0
CLIENTS_OF_A_HOST = 4  # asking at full rate, where no token tells them apart: then it is the user's own machine
MOST_CALLERS = 4096


class Rate:
    """A bucket of requests per caller; `take` refuses when it is empty."""

    def __init__(
        self, per_second: float = PER_SECOND, burst: float = BURST, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._now = per_second, burst, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, clients: int = 1) -> None:
        """Count one request of a caller that stands for so many clients. Raises: LimitReached: it asks too fast."""
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
    """Places for running calls, per kind. Made inside a running event loop."""

    def __init__(self) -> None:
        self._limiters: dict[Kind, anyio.CapacityLimiter] = {
            kind: anyio.CapacityLimiter(places) for kind, places in RUNNING.items()
        }

    @asynccontextmanager
    async def place(self, kind: Kind, within_s: float = math.inf) -> AsyncIterator[None]:
        """Wait for a place and hold it; when none has come free within that time, for one among the quick calls.

        Raises: LimitReached: too many wait already.
        """
        limiter = self._limiters[kind]
        waiting = limiter.statistics().tasks_waiting
        if waiting >= WAITING:
            raise LimitReached(
                f"{RUNNING[kind]} such calls run and {waiting} wait. Read the answers you asked for, then call again."
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
