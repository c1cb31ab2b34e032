"""The programs of lab: each starts from the root of a checkout, and lab/README.md names it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.bench.__main__ import PARTS

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in (ROOT / "lab").rglob("*.py")
    if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
)
PRIVATE = ("lab.conformance.server", "lab.clients.tap", "lab.lifetime")  # started by the programs themselves


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_bench_is_a_module(part: str) -> None:
    assert importlib.util.find_spec(f"lab.bench.{PARTS[part][0]}") is not None


@pytest.mark.parametrize("program", ["lab.bench", "lab.faults", "lab.conformance", "lab.clients", "lab.bench.fusion"])
def test_a_program_answers_help_and_does_nothing_else(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONSAFEPATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"usage: python -m {program}" in done.stdout or f"usage: {program.rpartition('.')[2]}.py" in done.stdout


@pytest.mark.parametrize("program", [program for program in PROGRAMS if program not in PRIVATE])
def test_the_readme_of_lab_names_each_program(program: str) -> None:
    assert program in (ROOT / "lab" / "README.md").read_text(encoding="utf-8")
