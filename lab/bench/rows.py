"""Rows of measurements and the table they make.

A row says what was measured and against what, both figures, their ratio, the goal and whether it is reached. A part
prints its rows with `emit`, one JSON object per line; `python -m lab.bench` collects them and keeps the last run of
each part in lab/measured/bench.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

LAST = Path(__file__).parents[1] / "measured" / "bench.json"  # {part: {date, load, seconds, machine, command, rows}}
MOST_LOAD = 1.5  # of the machine when a part begins, for figures that are kept
COLUMNS = ("what", "against", "ours", "reference", "ratio", "goal", "reached")


def emit(
    what: str,
    *,
    against: str = "-",
    ours: str = "-",
    reference: str = "-",
    ratio: float | None = None,
    cpu_ratio: float | None = None,
    goal: str = "-",
    reached: bool | None = None,
    **figures: Any,
) -> None:
    """Print one row. What is named is what the table shows; `figures` are all the numbers, for the file alone.

    Args:
        ratio: of times on the wall, by which `reached` is judged; cpu_ratio: of processor time, which other work on the
            machine disturbs less.
    """
    shown_ratio = "-" if ratio is None else f"{ratio:.2f}" + ("" if cpu_ratio is None else f" (CPU {cpu_ratio:.2f})")
    shown = {"what": what, "against": against, "ours": ours, "reference": reference}
    shown |= {"ratio": shown_ratio, "goal": goal, "reached": _reached(reached)}
    sys.stdout.write(json.dumps({**shown, "figures": figures}) + "\n")
    sys.stdout.flush()


def _reached(reached: bool | None) -> str:
    return "-" if reached is None else "yes" if reached else "**no**"


def parsed(printed: str) -> list[dict[str, Any]]:
    """The rows among the lines that a part printed."""
    found = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    return [row for row in found if "what" in row]


def table(parts: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> str:
    """The rows of every part as Markdown, and on what and when each part ran."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    held = [name for name in order if name in parts]
    for name in held:
        lines += [f"| {' | '.join(str(row.get(column, '-')) for column in COLUMNS)} |" for row in parts[name]["rows"]]
    return "\n".join([*lines, "", *_runs({name: parts[name] for name in held})])


def _runs(parts: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    machines: dict[str, list[str]] = {}
    for name, part in parts.items():
        short = ", short files" if part.get("quick") else ""
        machines.setdefault(part["machine"], []).append(f"{name} {part['date']}, load {part['load']:.1f}{short}")
    for machine, runs in machines.items():
        yield f"On {machine}. Run: {'; '.join(runs)}."


def busy(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """The parts that began while the machine had other work, with the load; "" if none did."""
    return ", ".join(f"{name}: load {part['load']:.1f}" for name, part in parts.items() if part["load"] > MOST_LOAD)


def last() -> dict[str, Any]:
    """The last run of each part, {} where none was kept."""
    kept: dict[str, Any] = json.loads(LAST.read_text(encoding="utf-8")) if LAST.exists() else {}
    return kept


def keep(parts: Mapping[str, Any]) -> None:
    """Put these parts in place of their last runs; the others stay."""
    LAST.write_text(json.dumps({**last(), **parts}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
