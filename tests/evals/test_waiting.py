"""What a person sees while a call runs."""

from __future__ import annotations

import itertools

import pytest

from agent_tools.evals.agents import waiting
from agent_tools.evals.agents.waiting import WaitingLine


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds pass between two reports."""
    ticks = itertools.count(100.0, 10.0)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(ticks))


def test_a_terminal_has_one_line_with_stage_share_and_seconds_left(capsys: pytest.CaptureFixture[str]) -> None:
    line = WaitingLine(on_terminal=True)
    line.show(0.2, "looking at pictures")
    line.show(0.4, "reading on-screen text")
    line.clear()
    shown = capsys.readouterr().err
    assert "\n" not in shown
    last = shown.split("\x1b[2K")[2]
    assert last.split() == "[########............] 40% reading on-screen text, about 30 s left".split()
    assert shown.endswith("\x1b[2K")


def test_a_file_has_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    line = WaitingLine(on_terminal=False)
    for tenth in range(6):
        line.show(tenth / 10, "reading")
    line.clear()
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert told[1].strip() == "20%  reading, about 80 s left"


def test_no_time_is_guessed_before_something_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    line = WaitingLine(on_terminal=True)
    line.show(0.0, "opening the file")
    line.show(0.005, "opening the file")
    assert "left" not in capsys.readouterr().err
