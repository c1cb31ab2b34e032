"""`make bench`: all measurements, one part after the other, each against a named reference in the same run.

    python -m lab.bench [PART ...] [--quick] [--readme] [--long] [--resume]

Prints a Markdown table and writes build/bench.json after each part. A full run (no PART and no --quick) and any run
with --readme also replace the rows of their parts in lab/measured/bench.json and in the documentation. The rows of
other parts, and of parts that failed, stay there with their date. A part that fails gets a row with the reason, and
the exit status is 1. Nothing is replaced where the machine's load was over 1.5 when a part began: such figures are of
other work too."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lab import docs
from lab.bench import rows

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "bench.json"
PARTS: dict[str, tuple[str, list[str], list[str]]] = {  # module, arguments in full, and quick
    "decode": ("decode", ["--rounds", "3"], ["--quick"]),
    "ingest": ("ingest", ["--rounds", "1"], ["--length", "300", "--rounds", "2"]),
    "memory": ("ingest", ["--long", "21600"], ["--long", "1800", "--short", "300"]),
    "encoding": ("encoders", ["--length", "120", "--rounds", "1"], ["--quick"]),
    "calls": ("calls", [], ["--rounds", "5", "--calls", "40", "--hours", "2"]),
    "library": ("library", [], ["--hours", "10", "--videos", "300"]),
    "clients": ("clients", [], ["--seconds", "5"]),
    "retrieval": ("retrieval", ["--spectra", "0.5,0.15,iid"], ["--quick"]),
    "needles": ("needles", [], []),
    "speech": ("speech", [], ["--quick"]),
    "languages": ("languages", [], ["--quick"]),
    "viewer": ("viewer", [], ["--clicks", "5", "--turns", "30"]),
}
SETTLES_S = 120.0  # in which the load of two busy cores falls to a fifth
LONG = ("memory", "speech", "languages")  # parts that run only when they are named or --long is given


def run(part: str, quick: bool) -> dict[str, Any]:
    """The rows that a part printed, with its machine and command. A part that fails gets a row with the reason."""
    module, full, short = PARTS[part]
    arguments = [f"lab.bench.{module}", *(short if quick else full)]
    load, begun = settled(), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True)
    found = rows.parsed(done.stdout)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
        found.append({"what": f"{part} failed: {why}", "reached": "**no**"})
    return {
        "date": time.strftime("%Y-%m-%d"),
        "load": load,
        "seconds": round(time.perf_counter() - begun),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "command": f"python -m {' '.join(arguments)}",
        "quick": quick and short != full,
        "failed": bool(done.returncode),
        "rows": found,
    }


def settled() -> float:
    """The machine's load, once that of the part before is gone: it is a mean of the last minute. NaN on Windows."""
    if not hasattr(os, "getloadavg"):
        return float("nan")
    until = time.monotonic() + SETTLES_S
    while (load := os.getloadavg()[0]) > rows.MOST_LOAD and time.monotonic() < until:
        time.sleep(2)
    return load


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; if none is named, all but {', '.join(LONG)}"
    )
    parser.add_argument("--quick", action="store_true", help="shorter files and fewer rounds; the table says so")
    parser.add_argument(
        "--readme", action="store_true", help="keep these rows in lab/measured/bench.json and the documentation"
    )
    parser.add_argument("--long", action="store_true", help=f"also run {', '.join(LONG)}: half an hour more")
    parser.add_argument("--resume", action="store_true", help="skip the parts that a run of today has finished")
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}: {', '.join(PARTS)}")
    quick: bool = given.quick
    chosen = given.parts or [part for part in PARTS if part not in LONG or given.long]
    made: dict[str, Any] = {}
    if given.resume and OUT.exists():
        before = json.loads(OUT.read_text(encoding="utf-8"))
        today = time.strftime("%Y-%m-%d")
        made = {n: p for n, p in before.items() if p["date"] == today and p["quick"] == quick and not p["failed"]}
    OUT.parent.mkdir(exist_ok=True)
    for part in chosen:
        if part not in made:
            sys.stderr.write(f"{part} ...\n")
            made[part] = run(part, quick)
            OUT.write_text(json.dumps(made, indent=1, ensure_ascii=False), encoding="utf-8")
    sys.stdout.write(rows.table(made, list(PARTS)) + "\n")
    if (not given.parts and not quick) or given.readme:
        busy = rows.busy({part: made[part] for part in chosen})
        if busy:
            sys.stderr.write(f"The machine was busy ({busy}): lab/measured/bench.json and the documentation stay.\n")
            sys.exit(1)
        rows.keep({part: made[part] for part in chosen if not made[part]["failed"] or part not in rows.last()})
        docs.write("measured")
    sys.exit(int(any(made[part]["failed"] for part in chosen)))


if __name__ == "__main__":
    main()
