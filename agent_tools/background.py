"""Threads that compute in the background, and how a process that has such threads ends.

Before Python 3.14 a daemon thread dies when it asks for the interpreter's lock during the interpreter's last steps
(python/cpython#87135). Inside the C++ of torch, ONNX Runtime or OpenCV this ends the whole process with the signal
ABRT and "terminate called without an active exception". So Python waits for the threads started here before its last
steps, or `leave` ends the process without these steps."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import NoReturn

INTERRUPTED = 130  # exit status after Ctrl-C: 128 and the number of SIGINT, as shells have it
_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
LONGEST_S = 60.0  # that Python waits at its end for one thread; a model loads in less
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def take_one_blas_thread() -> None:
    """Let NumPy's products in this process and the processes that it starts take one thread. Call before NumPy loads.

    OpenBLAS's further threads wait by spinning: with two of them, ingesting two clips and looking at them
    (`tests/evals/test_zoom.py`) took 15.8 CPU s in place of 9.6. A number that is set already stays."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def share_one_heap() -> None:
    """Let all threads of this process take memory from one heap. Call before threads are started.

    glibc gives each thread a heap of its own, and what a call has freed stays in the heap of the thread that made it: a
    server that has searched 100 hours 40 times peaks at 342 MB with one heap, at 343 to 390 with many. Calls take as
    much CPU either way: nearly all that they allocate, they allocate while they hold the interpreter's lock."""
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
        if mallopt is not None:
            mallopt(_ARENA_MAX, 1)


def collect_garbage_seldom() -> None:
    """Let Python look for unreachable cycles after 10,000 new objects in place of 700.

    Most objects that a process makes at its start are modules and classes, which stay. Fewer looks at them save a tenth
    of the CPU time of `agent-tools search` (.86 s to .78 s, least of 6 runs)."""
    gc.set_threshold(10_000, 20, 20)


def start(work: Callable[..., None], *given: object, name: str) -> threading.Thread:
    """Start a daemon thread that does `work(*given)`."""
    thread = threading.Thread(target=work, args=given, name=name, daemon=True)
    _threads.add(thread)
    thread.start()
    return thread


def leave(status: object) -> NoReturn:
    """End this process as sys.exit(status) does, but without waiting for a background thread that still computes.

    What was written is flushed. Other threads that are no daemons are waited for, as Python does, until Ctrl-C."""
    _let_interrupt_end()
    if isinstance(status, str) or not any(thread.is_alive() for thread in _threads):
        raise SystemExit(status)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    end_at_once(status if isinstance(status, int) else 0)


@contextlib.contextmanager
def ended_by_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the process at once and without a traceback, until the block ends."""
    if _let_interrupt_end():
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        yield


def _let_interrupt_end() -> bool:
    """False where something else was wanted: the starter ignores it, or another thread than the main one asks."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    signal.signal(signal.SIGINT, lambda *_: end_at_once(INTERRUPTED))
    return True


def end_at_once(status: int) -> NoReturn:
    """End this process without Python's last steps. All data has to be written already."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


@atexit.register
def _wait() -> None:
    for thread in list(_threads):
        thread.join(LONGEST_S)
