"""Threads that compute in the background, and how a process that has such threads ends.

Before Python 3.14 a daemon thread dies when it asks for the interpreter's lock during the interpreter's last steps
(python/cpython#87135). Inside the C++ of torch, ONNX Runtime or OpenCV this ends the whole process with the signal
ABRT and "terminate called without an active exception". So Python waits for the threads started here before its last
steps, or `leave` ends the process without these steps."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import NoReturn

LONGEST_S = 60.0  # that Python waits at its end for one thread; a model loads in less
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def start(work: Callable[..., None], *given: object, name: str) -> threading.Thread:
    """Start a daemon thread that does `work(*given)`."""
    thread = threading.Thread(target=work, args=given, name=name, daemon=True)
    _threads.add(thread)
    thread.start()
    return thread


def leave(status: object) -> NoReturn:
    """End this process as sys.exit(status) does, but without waiting for a background thread that still computes.

    What was written is flushed. Other threads that are no daemons are waited for, as Python does."""
    if isinstance(status, str) or not any(thread.is_alive() for thread in _threads):
        raise SystemExit(status)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    end_at_once(status if isinstance(status, int) else 0)


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
