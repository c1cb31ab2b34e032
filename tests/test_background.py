"""A process ends in peace although a thread of it still computes in C++."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time

import pytest

from tests.waiting import PATIENCE_S

SCALING = """
import sys, threading, time
import cv2, numpy
from agent_tools import background

picture, begun = numpy.zeros((1200, 1200, 3), numpy.uint8), threading.Event()

def scale(seconds):
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        cv2.resize(picture, (600, 600))
        begun.set()
"""
BY_PYTHON = SCALING + "threading.Thread(target=scale, args=(60.0,), daemon=True).start(); begun.wait()"
WAITED_FOR = SCALING + "background.start(scale, 1.0, name='scale'); begun.wait(); sys.exit(3)"
LEFT = SCALING + "background.start(scale, 60.0, name='scale'); begun.wait(); print('said', end=''); background.leave(3)"
OVER = SCALING + "background.start(scale, 0.0, name='scale').join(); background.leave('no thread is left')"


def ended(code: str) -> tuple[int, bytes, bytes]:
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE_S, check=False)
    return found.returncode, found.stdout, found.stderr


@pytest.mark.skipif(sys.version_info >= (3, 14) or sys.platform == "win32", reason="there the thread just stops")
def test_python_alone_ends_with_an_abort() -> None:
    """This is why agent_tools.background is there. It may go when this fails on all versions that are supported."""
    assert any("terminate called" in ended(BY_PYTHON)[2].decode() for _ in range(5))


def test_python_waits_for_a_background_thread() -> None:
    assert ended(WAITED_FOR) == (3, b"", b"")


def test_leave_does_not_wait_for_a_background_thread_and_keeps_what_was_said() -> None:
    began = time.monotonic()
    assert ended(LEFT) == (3, b"said", b"")
    assert time.monotonic() - began < 50.0


def test_leave_without_a_thread_is_an_exit_as_usual() -> None:
    status, said, error = ended(OVER)
    assert (status, said, error.strip()) == (1, b"", b"no thread is left")


LOADING = """
import os, signal, sys

class Interrupter:
    def find_spec(self, name, *_):
        if name == "agent_tools.errors":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
sys.argv = ["agent-tools", "ls"]
from agent_tools.cli import main
main()
"""
ENDING = """
import os, signal, threading, time
from agent_tools import background

def interrupt():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

threading.Thread(target=interrupt).start()
background.leave(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process there cannot send itself Ctrl-C alone")
@pytest.mark.parametrize("moment", [LOADING, ENDING])
def test_ctrl_c_ends_a_program_that_loads_or_ends_without_a_traceback(moment: str) -> None:
    own_signals = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may ignore them
    assert ended(own_signals + moment) == (130, b"", b"")


@pytest.mark.parametrize(("given", "taken"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, min(2, os.cpu_count() or 1))])
def test_products_take_one_thread_unless_a_number_is_set(given: dict[str, str], taken: int) -> None:
    program = """
from agent_tools import background
background.take_one_blas_thread()
import numpy
from threadpoolctl import threadpool_info
print([pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"])
"""
    others = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", program], env=others | given, capture_output=True, text=True)
    assert done.stdout.strip() in (f"[{taken}]", "[]"), done.stderr  # NumPy on macOS may have no OpenBLAS


def test_the_program_collects_garbage_seldom() -> None:
    program = """
import gc, runpy, sys
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("agent_tools", run_name="__main__")
finally:
    print(gc.get_threshold()[0])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "10000", done.stderr


HEAPS = """
import ctypes, sys, threading
from agent_tools.background import share_one_heap
if sys.argv[1:]:
    share_one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.fdopen.restype = ctypes.c_void_p, ctypes.c_void_p
together = threading.Barrier(4)
def take():
    together.wait()
    assert libc.malloc(ctypes.c_size_t(1 << 16))
    together.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"),
    reason="glibc alone has a heap for each thread",
)
def test_threads_share_one_heap() -> None:
    many, one = (
        subprocess.run([sys.executable, "-c", HEAPS, *flag], capture_output=True, text=True, check=True).stdout
        for flag in ([], ["one"])
    )
    assert many.count("<heap nr=") > 1 == one.count("<heap nr=")
