"""A program of lab that is ended, by any signal, leaves no process and no folder behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.faults.homes import alive

ROOT = Path(__file__).parents[2]
# Starts a process that starts one in a session of its own, and has a folder with something in it.
PROGRAM = """
import subprocess, sys, time
from lab.lifetime import temporary
inner = "import subprocess, time; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True)"
with temporary("lifetime-") as folder:
    (folder / "kept").write_text("x")
    outer = subprocess.Popen([sys.executable, "-c", inner + "; time.sleep(600)"], stdout=subprocess.PIPE, text=True)
    print(folder, outer.pid, outer.stdout.readline().strip(), flush=True)
    sys.stdin.read()
"""
pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, 0])
def test_what_a_program_started_ends_with_it(number: int) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdin is not None
    with program.stdout, program.stdin:
        folder, *pids = program.stdout.readline().split()
        assert Path(folder, "kept").exists()
        assert all(alive(int(pid)) for pid in pids)
        if number:
            program.send_signal(number)
    program.wait(30)
    deadline = time.monotonic() + 30
    while Path(folder).exists() or any(alive(int(pid)) for pid in pids):
        assert time.monotonic() < deadline, f"{folder} or one of {pids} is still there"
        time.sleep(0.05)
