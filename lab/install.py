"""Install the packages of a checkout quietly, with one line that shows how far it is; the whole output is in a log.

    python -m lab.install PYTHON LOG ARGUMENTS...

PYTHON is the interpreter of the environment, ARGUMENTS are those of `pip install`. Runs before anything is installed,
so it needs the standard library alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

BAR = 24  # characters
LAST_LINES = 20  # of the log, shown if it fails
COLLECTING = 0.8  # share of the line that is full when all packages are found
_FOUND = re.compile(r"^(Collecting|Requirement already satisfied:|Obtaining) (?P<name>[^\s(]+)")


def progress(lines: Iterable[str], expected: int) -> Iterator[tuple[float, str]]:
    """(share, sentence) after each line of pip's output that tells something. Args: expected: packages in all."""
    found: set[str] = set()
    for line in lines:
        if match := _FOUND.match(line):
            found.add(re.split(r"[<>=!~\[;@]", match["name"])[0].lower())
            yield COLLECTING * min(1.0, len(found) / max(1, expected)), f"{len(found)} of about {expected} packages"
        elif line.startswith("Installing collected packages"):
            yield COLLECTING, "writing the packages"
        elif line.startswith("Successfully installed"):
            yield 1.0, "installed"


def pinned(constraints: Path) -> int:
    """How many packages a constraints file pins."""
    return sum(bool(re.match(r"^[A-Za-z0-9]", line)) for line in constraints.read_text(encoding="utf-8").splitlines())


def main() -> int:
    python, log, *arguments = sys.argv[1:]
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", *arguments]
    with Path(log).open("a", encoding="utf-8") as kept:
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert run.stdout is not None

        def told() -> Iterator[str]:
            assert run.stdout is not None
            for line in run.stdout:
                kept.write(line)
                kept.flush()
                yield line

        for share, sentence in progress(told(), pinned(Path("constraints.txt"))):
            _show(share, sentence)
        code = run.wait()
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    if code:
        last = Path(log).read_text(encoding="utf-8").splitlines()[-LAST_LINES:]
        sys.stderr.write("\n".join([*last, f"pip failed; everything it said is in {log}", ""]))
    return code


def _show(share: float, sentence: str) -> None:
    if sys.stderr.isatty():
        full = round(BAR * share)
        sys.stderr.write(f"\r\x1b[2Kinstalling [{'#' * full}{'.' * (BAR - full)}] {share:4.0%}  {sentence}")
        sys.stderr.flush()
    elif share in (COLLECTING, 1.0):
        sys.stderr.write(f"installing: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
