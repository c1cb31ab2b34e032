"""Public reports, tried: each case is a folder with a small input and the right value; one line per case.

    python -m lab.cases FOLDER [CASE ...] [--whole] [--record]

FOLDER holds the cases (01-sdh-hi, 03-speakers, ...). Each one is taken into a temporary memory of its own, by the lite
profile, in this process; then the tools are asked. A line is PASS, FAIL with the reason, or "not coded" for a folder
that this program has no check for; what a case measures stands behind its line. --whole tries long cases at their full
length. --record keeps the lines of these cases for the table in the documentation, beside what the case's expect.md
says of the first try. The exit status is 1 if any case failed."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from lab.cases.checks import CHECKS
from lab.cases.trial import Trial, Wrong

MEASURED = Path(__file__).parents[1] / "measured" / "cases.json"
_PATH = re.compile(r"(?:[A-Za-z]:)?[/\\][\w.-]+[/\\][^\s'\"]*")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.cases", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with one folder per case")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names or first numbers of cases; default all")
    parser.add_argument("--whole", action="store_true", help="long cases at their full length")
    parser.add_argument("--record", action="store_true", help="write these cases to lab/measured and the documentation")
    given = parser.parse_args()
    if not given.folder.is_dir():
        parser.error(f"{given.folder} is no folder")
    folders = sorted(path for path in given.folder.iterdir() if path.is_dir())
    wanted = [path for path in folders if not given.cases or path.name.startswith(tuple(given.cases))]
    if not wanted:
        parser.error(f"no case {', '.join(given.cases)} in {given.folder}")
    results = {path: _line(path, whole=given.whole) for path in wanted}
    if given.record:
        record([_row(path, *result) for path, result in results.items() if path.name in CHECKS])
    return 1 if any(word == "FAIL" for word, _ in results.values()) else 0


def _row(folder: Path, word: str, why: str) -> dict[str, str]:
    """What the table says of a case; it holds no path of this machine."""
    first = re.search(r"^Verdict on [\d-]+: (\w+)", (folder / "expect.md").read_text("utf-8"), re.MULTILINE)
    return {
        "case": folder.name,
        "what": (CHECKS[folder.name].__doc__ or "").strip(),
        "before": first[1] if first else "",
        "now": word,
        "measured": _PATH.sub("...", why),
        "date": date.today().isoformat(),
    }


def record(rows: list[dict[str, str]]) -> None:
    """Put the rows in the place of older ones of the same cases, and write the table."""
    kept = {row["case"]: row for row in json.loads(MEASURED.read_text("utf-8"))} if MEASURED.is_file() else {}
    kept.update({row["case"]: row for row in rows})
    text = json.dumps([kept[name] for name in sorted(kept)], indent=1, ensure_ascii=False)
    MEASURED.write_text(text + "\n", encoding="utf-8")
    from lab import docs

    docs.write_all()


def _line(folder: Path, *, whole: bool) -> tuple[str, str]:
    """Try one case and print its line; returns its first word, and what was measured or why it failed."""
    check = CHECKS.get(folder.name)
    if check is None:
        _say(f"{folder.name:32} not coded")
        return "not coded", ""
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
    return word, why


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
