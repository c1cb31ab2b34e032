"""`make faults`: fault injection in slices of at most 15 minutes; each slice ends in one row.

    python -m lab.faults [SLICE ...] [--seed N] [--minutes M] [--case CASE]
    python -m lab.faults --record

Without SLICE it runs the slices that the variable FAULTS names (make faults FAULTS=kill,paths), or all of them. A run
that was stopped continues where it stopped when the same command is given again. --case runs one case of a slice.
--record runs nothing: it writes the rows of the last runs to lab/measured/faults.json and to the documentation,
which says of each slice how much of it was not run."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shlex
import sys
from datetime import date
from typing import Any

from lab.faults.slices import PROGRESS, ROOT, Slice, go_on

NAMES = ("paths", "injection", "arguments", "state", "kill", "shared", "files", "load", "absence", "brief", "scale")
MEASURED = ROOT / "lab" / "measured" / "faults.json"


def part(name: str) -> Slice:
    found: Slice = importlib.import_module(f"lab.faults.{name}").SLICE
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.faults", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("slices", nargs="*", metavar="SLICE", help=", ".join(NAMES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=15.0, help="time limit of each slice in this run")
    parser.add_argument("--case", default="", help="run only this case of the slice")
    parser.add_argument(
        "--record", action="store_true", help="write the rows of the last runs to lab/measured and the documentation"
    )
    given = parser.parse_args()
    if given.record:
        record()
        return 0
    names = given.slices or [name for name in os.environ.get("FAULTS", "").split(",") if name] or list(NAMES)
    for name in names:
        if name not in NAMES:
            parser.error(f"no slice {name!r}: {', '.join(NAMES)}")
    good = True
    for name in names:
        row = go_on(part(name), given.seed, given.minutes, only=given.case, tell=say)
        say(json.dumps(row, ensure_ascii=False))
        good &= row["survived"] == row["tried"]
        if row["cases_left"] and not given.case:
            say(f"{name}: {row['cases_left']} cases left; the same command continues there")
        if not given.case:
            keep(row, f"python -m lab.faults {name} --seed {given.seed}")
    return 0 if good else 1


def keep(row: dict[str, Any], command: str) -> None:
    """Keep the row of a run, finished or not, until --record takes it."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    whole = {**row, "command": command, "date": date.today().isoformat(), "machine": machine}
    (PROGRESS / f"{row['slice']}.row").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")


def record() -> None:
    rows = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.is_file() else {}
    for name in NAMES:
        if (PROGRESS / f"{name}.row").is_file():
            rows[name] = json.loads((PROGRESS / f"{name}.row").read_text(encoding="utf-8"))
    text = json.dumps({name: rows[name] for name in NAMES if name in rows}, indent=1, ensure_ascii=False)
    MEASURED.write_text(text + "\n", encoding="utf-8")
    from lab import docs

    docs.write_all()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    say(f"# python -m lab.faults {shlex.join(sys.argv[1:])}")
    raise SystemExit(main())
