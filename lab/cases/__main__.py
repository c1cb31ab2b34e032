"""Public reports, tried: each case is a folder with a small input and the right value; one line per case.

    python -m lab.cases FOLDER [CASE ...] [--whole]

FOLDER holds the cases (01-sdh-hi, 03-speakers, ...). Each one is taken into a temporary memory of its own, by the lite
profile, in this process; then the tools are asked. A line is PASS, FAIL with the reason, or "not coded" for a folder
that this program has no check for; what a case measures stands behind its line. --whole tries long cases at their full
length. The exit status is 1 if any case failed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from lab.cases.checks import CHECKS
from lab.cases.trial import Trial, Wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.cases", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with one folder per case")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names or first numbers of cases; default all")
    parser.add_argument("--whole", action="store_true", help="long cases at their full length")
    given = parser.parse_args()
    if not given.folder.is_dir():
        parser.error(f"{given.folder} is no folder")
    folders = sorted(path for path in given.folder.iterdir() if path.is_dir())
    wanted = [path for path in folders if not given.cases or path.name.startswith(tuple(given.cases))]
    if not wanted:
        parser.error(f"no case {', '.join(given.cases)} in {given.folder}")
    results = [_line(path, whole=given.whole) for path in wanted]
    return 1 if "FAIL" in results else 0


def _line(folder: Path, *, whole: bool) -> str:
    """Try one case and print its line; returns its first word."""
    check = CHECKS.get(folder.name)
    if check is None:
        _say(f"{folder.name:32} not coded")
        return "not coded"
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work,
        Trial(folder, Path(work), whole=whole) as trial,
    ):
        try:
            check(trial)
        except Wrong as wrong:
            word, why = "FAIL", str(wrong)
        else:
            word, why = "PASS", "; ".join(trial.figures)
    _say(f"{folder.name:32} {word} {time.monotonic() - begun:5.1f} s  {why}".rstrip())
    return word


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
