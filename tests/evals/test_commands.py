"""The eval commands: which there are, what they cost before they run, and how they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent_tools.cli import app
from agent_tools.errors import InvalidArgument
from agent_tools.evals.commands import eval_app
from agent_tools.evals.needles import needles

COMMANDS = {"memaug-tiny", "grounding-tiny", "compression", "compare", "grounding", "calibrate"} | {
    "needles",
    "zoom",
    "reasoning",
    "retrieval",
    "hourvideo",
    "choices",
}


def test_every_measure_is_a_command_of_agent_tools_eval() -> None:
    shown = CliRunner().invoke(app, ["eval", "--help"], terminal_width=200)
    assert shown.exit_code == 0
    assert {name for name in COMMANDS if name in shown.stdout} == COMMANDS


def test_commands_load_nothing_heavy_before_one_runs() -> None:
    heavy = "torch numpy av mcp transformers".split()
    program = f"import sys, agent_tools.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.train
def test_tiny_evidence_is_printed_and_written(tmp_path: Path) -> None:
    path = tmp_path / "memaug.json"
    shown = CliRunner().invoke(eval_app, ["memaug-tiny", "--steps", "1", "--json", str(path)])
    assert shown.exit_code == 0
    assert "| asked about a frame that is |" in shown.stdout
    assert json.loads(path.read_text())["steps"] == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["needles", "--lengths", "1000,long"], "'long' is not a number"),
        (["needles", "--lengths", "60", "--hops", "9"], "hops are 1 to 6"),
        (["compare", "--data", "/nowhere"], "not a manifest"),
        (["reasoning", "--film", "/nowhere.mp4"], "truth.json is not a list of clips"),
        (["reasoning", "--truth", "/nowhere.json"], "name it, too, with --film"),
        (["retrieval"], "give one --home"),
        (["reasoning", "--minutes", "2"], "give at least"),
        (["needles", "--items", "/nowhere.json"], "nowhere.json"),
    ],
)
def test_wrong_argument_is_refused_with_what_is_wrong(arguments: list[str], told: str) -> None:
    refused = CliRunner().invoke(eval_app, arguments).exception
    assert isinstance(refused, InvalidArgument)
    assert told in str(refused)


@pytest.mark.parametrize(
    ("flags", "lengths", "depths", "seeds"),
    [
        (["--grid"], range(1_000, 10_001, 1_000), (0.0, 0.25, 0.5, 0.75, 1.0), [0, 1, 2]),
        (["--quick"], (200,), (0.5,), (0,)),
        (["--lengths", "840,1000", "--depths", "0,1", "--seeds", "4"], [840, 1000], [0.0, 1.0], [4]),
    ],
)
def test_needles_are_asked_at_the_lengths_and_depths_of_the_flags(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], lengths: object, depths: object, seeds: object
) -> None:
    told: dict[str, object] = {}

    def run(**asked: object) -> dict[str, object]:
        told.update(asked)
        return {}

    monkeypatch.setattr(needles, "run_needles", run)
    monkeypatch.setattr(needles, "markdown", lambda report: "a table")
    assert CliRunner().invoke(eval_app, ["needles", *flags]).exit_code == 0
    assert (told["lengths"], told["depths"], told["seeds"]) == (lengths, depths, seeds)
