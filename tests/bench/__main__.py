"""`make bench`: every measurement, one after the other, each against a named reference in the same run.

    python -m tests.bench [PART ...] [--quick]     parts: decode ingest calls retrieval

Writes build/bench.json, prints a Markdown table, and puts it between the marks `measured` of README. --quick shortens
files and rounds, and leaves README alone, unless --readme asks for it; the table then says so."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PARTS: dict[str, tuple[list[str], list[str]]] = {  # arguments in full, and quick
    "decode": (["--length", "600"], ["--length", "60", "--rounds", "3", "--codecs", "h264-b", "--zoom-length", "120"]),
    "ingest": ([], ["--length", "300", "--rounds", "2", "--long", "0"]),
    "calls": ([], ["--rounds", "5", "--calls", "40", "--hours", "2"]),
    "retrieval": ([], ["--quick"]),
}


def run(part: str, arguments: list[str]) -> list[dict[str, Any]]:
    """The rows that a part printed; a part that fails is a row that says so."""
    command = [sys.executable, "-m", f"tests.bench.{part}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        rows.append({"row": part, "failed": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]})
    return [{**row, "command": f"python -m tests.bench.{part} {' '.join(arguments)}".strip()} for row in rows]


def table(rows: list[dict[str, Any]], machine: str) -> str:
    lines = [f"Measured by `make bench` on {machine}.", "", "| what | figures | goal |", "|---|---|---|"]
    for row in rows:
        shown = {k: v for k, v in row.items() if k not in ("row", "command", "goal", "about")}
        figures = ", ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in shown.items())
        lines.append(f"| {row.get('row', '?')} | {figures} | {row.get('goal', '-')} |")
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{k} {_value(v)}" for k, v in value.items()) + ")"
    if isinstance(value, list):
        return "/".join(_value(v) for v in value)
    return str(value)


def main() -> None:
    asked = [word for word in sys.argv[1:] if not word.startswith("--")] or list(PARTS)
    quick = "--quick" in sys.argv
    if unknown := [word for word in asked if word not in PARTS]:
        sys.exit(f"no part {', '.join(unknown)}; parts: {', '.join(PARTS)}")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    about = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    machine = f"{about}{load}, {time.strftime('%Y-%m-%d')}"
    rows: list[dict[str, Any]] = []
    for part in asked:
        sys.stderr.write(f"{part} ...\n")
        rows += run(part, PARTS[part][1 if quick else 0])
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1), encoding="utf-8")
    text = table(rows, machine + (", short files and few rounds (--quick)" if quick else ""))
    sys.stdout.write(text + "\n")
    if (not quick and asked == list(PARTS)) or "--readme" in sys.argv:
        readme = ROOT / "README.md"
        marks = re.compile(r"(<!-- measured -->\n).*?(\n?<!-- /measured -->)", re.S)
        readme.write_text(
            marks.sub(lambda m: m[1] + text + "\n<!-- /measured -->", readme.read_text()), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
