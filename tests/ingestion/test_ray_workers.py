"""The actor that keeps a worker: each of the two ends with the other. Ray itself is not needed here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent_tools.ingestion.worker import alive
from tests.acceptance.conftest import environment
from tests.waiting import PATIENCE_S

KEEPER = """
import time
from agent_tools.ingestion.ray_workers import Keeper
print(Keeper().pid(), flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="asks for signals of POSIX")
@pytest.mark.parametrize("killed", ["keeper", "worker"])
def test_a_keeper_and_its_worker_end_together(killed: str, tmp_path: Path) -> None:
    made = environment(  # nobody answers there: the worker waits
        AGENT_TOOLS_HOME=str(tmp_path), AGENT_TOOLS_STORE="postgresql://nobody@127.0.0.1:1/none"
    )
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER], env=made, stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    with keeper.stdout:
        worker = int(keeper.stdout.readline())
        assert alive(worker)
        os.kill(keeper.pid if killed == "keeper" else worker, signal.SIGKILL)
        assert keeper.wait(PATIENCE_S) == (-signal.SIGKILL if killed == "keeper" else 1)
    deadline = time.monotonic() + PATIENCE_S
    while alive(worker):
        assert time.monotonic() < deadline, "the worker goes on without its keeper"
        time.sleep(0.05)
