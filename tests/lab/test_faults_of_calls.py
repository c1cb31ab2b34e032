"""A short version of each slice about calls: the cases that are quick, on one stage each. `make faults` runs all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.faults import absence, arguments, brief, injection, load, paths, state
from lab.faults.slices import Outcome

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and kill -9 are POSIX"),
]


def sound(found: Outcome) -> bool:
    assert found.failures == []
    assert found.survived == found.tried > 0
    return True


def test_what_reaches_for_other_files_does_not_get_them(tmp_path: Path) -> None:
    with paths.stage(0, tmp_path, looks=5) as run:
        for case in ("names", "resource uris", "swapped after ingest", "race at zoom", "changing names"):
            assert sound(run(case)), case


def test_text_of_a_video_stays_in_its_fields(tmp_path: Path) -> None:
    few = {name: injection.PAYLOADS[name] for name in ("ansi", "bidi")}  # those that the command line shows
    with injection.stage(0, tmp_path, few) as run:
        for case in (*few, "published", "logs"):
            assert sound(run(case)), case


def test_calls_with_any_arguments_end_as_replies_or_clean_errors(tmp_path: Path) -> None:
    with arguments.stage(0, tmp_path, calls_per_case=40) as run:
        assert sound(run("hundred 0"))


def test_words_that_stand_in_a_film_are_never_called_absent(tmp_path: Path) -> None:
    with absence.stage(0, tmp_path, words_of_film=2) as run:
        outcomes = {case: run(case) for case in ("my said", "tr said", "de 480p")}
    assert all(sound(found) for found in outcomes.values())
    rows = absence.summary(outcomes)
    assert rows["said"].startswith("24 words")
    assert rows["others"].startswith("6 words")


def test_words_that_stand_half_a_second_over_motion_are_never_called_absent(tmp_path: Path) -> None:
    with brief.stage(1, tmp_path, words_of_film=3) as run:
        found = run("de 360p")
    assert sound(found)
    assert found.tried == 3
    rows = brief.summary({"de 360p": found})
    assert rows["360p"].startswith("3 words, 0.67") or rows["360p"].startswith("3 words, 1.00")
    assert rows["others"].startswith("2 words, 0.00")  # the texture of this film could hide words


def test_clients_in_a_hurry_meet_no_error(tmp_path: Path) -> None:
    with load.stage(0, tmp_path, load.Crowd(clients=8, load_s=3.0)) as run:
        found = run("load")
        assert sound(found)
        assert found.figures["p99_ms"] >= found.figures["p50_ms"] > 0


@pytest.mark.parametrize("case", ["frames", "versions"])
def test_what_is_not_whole_is_said(tmp_path: Path, case: str) -> None:
    with state.stage(0, tmp_path) as run:
        assert sound(run(case))
