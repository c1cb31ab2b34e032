"""Python processes that start their work at one word, so that they meet each other in the store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
BOUND_S = 120  # of any wait: far more than the work takes on a busy machine


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs `code` with sys.argv[1:] = arguments; its stdin and stdout are pipes."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def together(code: str, arguments: Sequence[Sequence[object]]) -> list[list[str]]:
    """Run one process per list of arguments; each prints "ready", waits for a line and works. Their further lines."""
    processes = [start(code, *given) for given in arguments]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        out, _ = process.communicate(timeout=BOUND_S)
        assert process.returncode == 0, out
        answers.append(out.splitlines())
    return answers
