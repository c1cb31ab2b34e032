"""What the benchmarks print becomes a table part by part: goals, marks, dates; and how growth is fitted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.bench import growth, rows
from lab.bench.__main__ import LONG, PARTS


def part(date: str, what: str, **more: Any) -> dict[str, Any]:
    row = {"what": what, "against": "ffmpeg", "ours": "1 s", "reference": "2 s", "ratio": "2.00", "goal": ">= 1.2"}
    kept = {"date": date, "load": 0.5, "machine": "2 cores", "quick": False, "rows": [{**row, "reached": "yes"}]}
    return {**kept, **more}


@pytest.mark.parametrize(("reached", "shown"), [(True, "yes"), (False, "**no**"), (None, "-")])
def test_a_printed_row_is_read_back_with_its_mark(
    reached: bool | None, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.emit("decode", ours="1.0 s", ratio=1.234, cpu_ratio=1.5, goal=">= 1.2", reached=reached, packets=7)
    (row,) = rows.parsed("a line of something else\n" + capsys.readouterr().out)
    assert row["reached"] == shown
    assert row["ratio"] == "1.23 (CPU 1.50)"
    assert row["figures"] == {"packets": 7}


def test_table_has_a_row_for_each_and_says_when_each_part_ran() -> None:
    text = rows.table({"calls": part("2026-01-02", "start"), "decode": part("2026-01-01", "h264", quick=True)}, PARTS)
    lines = text.splitlines()
    assert lines[2] == "| h264 | ffmpeg | 1 s | 2 s | 2.00 | >= 1.2 | yes |"  # in the order of the parts
    assert lines[3].startswith("| start |")
    assert lines[-1] == ("On 2 cores. Run: decode 2026-01-01, load 0.5, short files; calls 2026-01-02, load 0.5.")


def test_a_part_that_ran_takes_the_place_of_its_last_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LAST", tmp_path / "bench.json")
    rows.keep({"decode": part("2026-01-01", "old"), "memory": part("2026-01-01", "six hours")})
    rows.keep({"decode": part("2026-02-02", "new")})
    assert [(name, one["date"]) for name, one in rows.last().items()] == [
        ("decode", "2026-02-02"),
        ("memory", "2026-01-01"),
    ]


def test_unknown_parts_are_refused_and_the_long_one_is_a_part() -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}  # tests are no part of what is installed
    command = [sys.executable, "-m", "lab.bench", "decoding"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no part decoding: decode" in done.stderr
    assert set(LONG) <= set(PARTS)


@pytest.mark.parametrize(("power", "values"), [(1.0, [2, 20, 200]), (0.0, [5, 5, 5]), (0.5, [1, 10**0.5, 10])])
def test_growth_is_the_power_that_values_follow(power: float, values: list[float]) -> None:
    assert growth.growth([1, 10, 100], values) == pytest.approx(power, abs=1e-6)


def test_needles_row_is_what_the_eval_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    from lab.bench.needles import MEASURED, main

    main()
    (row,) = rows.parsed(capsys.readouterr().out)
    report = json.loads((MEASURED / "needles.json").read_text())
    assert row["figures"]["calls"] == max(chain["calls"] for chain in report["lengths"][-1]["chains"])
    assert row["reached"] == "yes"


def test_figures_of_a_busy_machine_are_not_kept() -> None:
    parts = {"decode": {"load": 0.4}, "calls": {"load": 3.26}, "speech": {"load": rows.MOST_LOAD}}
    assert rows.busy(parts) == "calls: load 3.3"
    assert rows.busy({"decode": parts["decode"]}) == ""
