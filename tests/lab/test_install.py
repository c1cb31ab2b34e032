"""`make install` is quiet: one line says how far it is."""

from __future__ import annotations

from pathlib import Path

from lab.install import pinned, progress

PIP = """Obtaining file:///home/me/agent_tools
Collecting anyio==4.11.0 (from -c constraints.txt (line 3))
  Using cached anyio-4.11.0-py3-none-any.whl
Requirement already satisfied: setuptools in ./.venv/lib
Collecting numpy>=2 (from agent-tools-video==0.2)
Collecting numpy[more]
Installing collected packages: numpy, anyio
Successfully installed anyio-4.11.0 numpy-2.2.6
"""


def test_each_package_counts_once_and_the_end_is_whole() -> None:
    told = list(progress(PIP.splitlines(), expected=8))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert told[4] == (0.4, "4 of about 8 packages")
    assert told[-2:] == [(0.8, "writing the packages"), (1.0, "installed")]


def test_the_constraints_of_the_checkout_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    path.write_text("# pinned\nanyio==4.11.0\n\nnumpy==2.2.6\n")
    assert pinned(path) == 2
