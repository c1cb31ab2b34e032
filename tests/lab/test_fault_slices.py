"""A run of a slice goes on where it was stopped, counts what failed, and runs one case alone."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.faults.__main__ import NAMES, part
from lab.faults.slices import Outcome, Slice, go_on

RAN: list[str] = []


@contextlib.contextmanager
def stage(_seed: int, _folder: Path) -> Iterator[Callable[[str], Outcome]]:
    def run(case: str) -> Outcome:
        RAN.append(case)
        if case == "raises":
            raise ValueError("what this case found")
        return Outcome.of("it fell" if case == "falls" else "")

    yield run


SLICE = Slice("drawn", "cases of this test", lambda _seed: ["stands", "falls", "raises"], stage)


def test_a_stopped_run_goes_on_and_a_whole_one_begins_anew(tmp_path: Path) -> None:
    RAN.clear()
    told: list[str] = []
    row = go_on(SLICE, 0, 0.0, tell=told.append, folder=tmp_path)
    assert (row["tried"], row["survived"], row["cases_left"]) == (1, 1, 2)
    row = go_on(SLICE, 0, 1.0, tell=told.append, folder=tmp_path)
    assert RAN == ["stands", "falls", "raises"]
    assert (row["tried"], row["survived"], row["cases_left"]) == (3, 1, 0)
    assert told[0] == "drawn --seed 0 --case 'falls': it fell"
    assert "ValueError: what this case found at test_fault_slices.py" in told[1]
    assert json.loads((tmp_path / "drawn.json").read_text())["outcomes"]["falls"]["failures"] == ["it fell"]
    assert go_on(SLICE, 0, 0.0, tell=told.append, folder=tmp_path)["cases_left"] == 2


def test_another_seed_begins_anew_and_a_case_alone_keeps_nothing(tmp_path: Path) -> None:
    go_on(SLICE, 0, 0.0, tell=str, folder=tmp_path)
    kept = (tmp_path / "drawn.json").read_text()
    assert go_on(SLICE, 0, 1.0, only="falls", tell=str, folder=tmp_path)["survived"] == 0
    assert (tmp_path / "drawn.json").read_text() == kept
    assert go_on(SLICE, 1, 0.0, tell=str, folder=tmp_path)["cases_left"] == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_slice_has_cases_that_are_named_once(name: str) -> None:
    found = part(name)
    cases = list(found.cases(0))
    assert found.name == name
    assert len(cases) == len(set(cases)) > 0
