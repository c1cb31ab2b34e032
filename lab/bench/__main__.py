"""`make bench`: every measurement, one after the other, each against a named reference in the same run.

    python -m lab.bench [PART ...] [--quick] [--readme] [--long] [--resume]

Parts: decode ingest memory encoding calls retrieval needles. Prints a Markdown table and writes build/bench.json, part
by part as they end. A full run (no PART, not quick), and any run with --readme, also puts its rows in place of the last
ones in lab/measured/bench.json and README; the rows of other parts, and of parts that failed, stay, with their date.
`memory` (six hours of video, 12 minutes) runs only where it is named or --long is given. --resume goes on where a run
of today was broken off. --quick shortens files and rounds, and the table then says so. A part that fails is a row that
says so, and the exit status is 1."""

from __future__ import annotations

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
    "decode": ("decode", [], ["--quick"]),
    "ingest": ("ingest", [], ["--length", "300", "--rounds", "2"]),
    "memory": ("ingest", ["--long", "21600"], ["--long", "1800", "--short", "300"]),
    "encoding": ("encoding", [], ["--quick"]),
    "calls": ("calls", [], ["--rounds", "5", "--calls", "40", "--hours", "2"]),
    "retrieval": ("retrieval", ["--spectra", "0.5,0.15,iid"], ["--quick"]),
    "needles": ("kept", [], []),
}
LONG = ("memory",)
FLAGS = ("--quick", "--readme", "--long", "--resume")


def run(part: str, quick: bool) -> dict[str, Any]:
    """The rows that a part printed, and on what it ran; a part that fails is a row that says so."""
    module, full, short = PARTS[part]
    arguments = [f"lab.bench.{module}", *(short if quick else full)]
    load, begun = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"), time.perf_counter()
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


def main() -> None:
    named = [word for word in sys.argv[1:] if not word.startswith("--")]
    flags = {word for word in sys.argv[1:] if word.startswith("--")}
    if unknown := sorted({word for word in named if word not in PARTS} | (flags - {*FLAGS})):
        sys.exit(f"no {', '.join(unknown)}; parts: {', '.join(PARTS)}; flags: {', '.join(FLAGS)}")
    quick = "--quick" in flags
    asked = named or [part for part in PARTS if part not in LONG or "--long" in flags]
    made: dict[str, Any] = {}
    if "--resume" in flags and OUT.exists():
        before = json.loads(OUT.read_text(encoding="utf-8"))
        today = time.strftime("%Y-%m-%d")
        made = {n: p for n, p in before.items() if p["date"] == today and p["quick"] == quick and not p["failed"]}
    OUT.parent.mkdir(exist_ok=True)
    for part in asked:
        if part not in made:
            sys.stderr.write(f"{part} ...\n")
            made[part] = run(part, quick)
            OUT.write_text(json.dumps(made, indent=1, ensure_ascii=False), encoding="utf-8")
    sys.stdout.write(rows.table(made, list(PARTS)) + "\n")
    if (not named and not quick) or "--readme" in flags:
        rows.keep({part: made[part] for part in asked if not made[part]["failed"] or part not in rows.last()})
        docs.write("measured")
    sys.exit(int(any(made[part]["failed"] for part in asked)))


if __name__ == "__main__":
    main()
