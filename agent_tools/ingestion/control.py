"""A job's pulse: it renews the lease and reports progress. A stop, a lost lease or too much memory ends the work."""

from __future__ import annotations

import ctypes
import logging
import math
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from agent_tools.errors import EngineError, StoreError, StoreFull
from agent_tools.store import Job, Store

log = logging.getLogger("agent_tools.worker")


@dataclass(frozen=True)
class PulseSettings:
    """How a worker shows that it lives."""

    beat_s: float = 1.0  # between two beats
    lease_s: float = 15.0  # that a beat holds the job; after it another worker may take it
    patience_s: float = 3.0  # of one beat for the write lock: several tries fit into a lease


class Stopped(Exception):
    """The job was asked to stop, or another worker holds it now: not an error."""


def lost() -> Stopped:
    """What ends the work of a worker that does not hold its job any more."""
    return Stopped("lost")


class Control:
    """Surrounds the work of one job. `check()` between two steps raises what ends it."""

    def __init__(
        self, store: Store, job: Job, worker: str, memory_mb: int, pulse: PulseSettings = PulseSettings()
    ) -> None:
        self.pulse = pulse
        self.store, self.job, self.worker, self.memory_mb = store, job, worker, memory_mb
        self._verdict = "go"
        self._progress, self._message = job.progress, ""
        self._part = (0.0, 1.0)
        self._start, self._start_progress = time.monotonic(), job.progress
        self._lease_end = time.monotonic() + pulse.lease_s
        self._beating_since: float | None = None  # of the beat that has not come back yet
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._pulse, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self.store.guard(self.job.id, self.worker, lost)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake.set()
        self._thread.join(self.pulse.lease_s)  # a beat that hangs in a dead connection ends with the process
        self.store.unguard()

    def within(self, start: float, end: float) -> None:
        """From here on, progress from 0 to 1 means this part of the job: one step may take longer than all others."""
        self._part = start, end

    def tell(self, progress: float, message: str) -> None:
        """Report how far the job is, from 0 to 1, and what it does now; then check."""
        start, end = self._part
        share = start + (end - start) * min(1.0, progress)
        self._progress, self._message = max(self._progress, share), message
        self.check()

    def check(self) -> None:
        """Raises: Stopped: a stop was asked for, or the lease is lost. EngineError: the memory limit is passed."""
        if self._verdict == "memory":
            used_mb = max(resident_mb(), self.memory_mb)
            raise EngineError(
                f"the ingest used {used_mb:.0f} MB, over its limit of {self.memory_mb} MB. Where the machine has it, "
                f"allow more with --memory-mb {math.ceil(1.5 * used_mb / 1000) * 1000}; else take smaller models, such "
                "as those of --profile lite."
            )
        if self._verdict != "go" or self._hangs():
            raise Stopped("lost" if self._verdict == "go" else self._verdict)

    def _hangs(self) -> bool:
        """Whether the lease is over while a beat waits for an answer, as it does when the network is cut."""
        since, now = self._beating_since, time.monotonic()
        return since is not None and now > self._lease_end and now - since > self.pulse.patience_s

    @property
    def eta_s(self) -> float | None:
        """Seconds that are left, by the pace of this run."""
        gained = self._progress - self._start_progress
        if gained < 0.01:
            return None
        return (time.monotonic() - self._start) / gained * (1.0 - self._progress)

    def _pulse(self) -> None:
        while True:
            self._beating_since = time.monotonic()
            answer = self._beat()
            self._beating_since = None
            if answer != "go":
                self._verdict = answer
            elif resident_mb() > self.memory_mb:
                self._verdict = "memory"
            if self._wake.wait(self.pulse.beat_s) or self._verdict == "lost":
                return

    def _beat(self) -> str:
        """One beat. A beat that fails is tried again until the lease is over; then the job counts as lost."""
        began = time.monotonic()
        try:
            answer = self.store.beat(
                self.job.id,
                self.worker,
                progress=self._progress,
                eta_s=self.eta_s,
                message=self._message,
                lease_s=self.pulse.lease_s,
                patience_s=self.pulse.patience_s,
            )
        except (StoreError, StoreFull) as error:
            if time.monotonic() < self._lease_end:
                return "go"
            log.error("job %s: its lease ran out, because no beat got through: %s", self.job.id, error)
            return "lost"
        self._lease_end = began + self.pulse.lease_s
        return answer


def resident_mb() -> float:
    """Memory that this process holds now, in MB; its peak where the system gives no current figure."""
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as statm:
            import resource

            return int(statm.read().split()[1]) * resource.getpagesize() / 1e6
    if sys.platform == "win32":
        return 0.0  # no figure without a further package: the limit does not hold there, as the documentation says
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def give_back_memory() -> None:
    """Return freed memory to the system. glibc keeps it for the thread that had it, so the memory of one channel, such
    as the index of hours of frames, would add to the memory of the next one."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)


Tell = Callable[[float, str], None]
