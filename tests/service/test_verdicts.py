"""Verdicts on the hour assembled from the real clips, with a sparse and a dense transcript, asked by an MCP client; its
texts stand as they are listed. What an OCR misses of them is measured by lab/bench/grounding_hour.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_tools.evals.films.cue_lists import Remembered, lay_down
from agent_tools.evals.grounding.grounding import run_grounding
from agent_tools.service.verdicts.calibrations import calibrator_for
from agent_tools.service.verdicts.event_search import FEW, LOCALIZER, NAMED_WORDS
from tests.library import lite, opened
from tests.service.dev_hour import ABSENT_SIGHTS, ABSENT_WORDS, NAMED, SEEN, dev_hour

pytestmark = pytest.mark.slow

Answers = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=["sparse", "dense"])
def asked(
    request: pytest.FixtureRequest, real_videos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Answers]:
    """The report, and the answer to each event."""
    folder = tmp_path_factory.mktemp(request.param)
    film, truth = dev_hour(real_videos, request.param)
    with opened(lite(folder / "home")) as library:
        encoder = library.models.text(120)
        assert encoder is not None
        lay_down(library.store, film, Remembered(encoder))
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    report = run_grounding(folder / "truth.json", folder / "home", folder / "out")
    answers = json.loads((folder / "out" / "replies.json").read_text(encoding="utf-8"))
    assert (folder / "out" / "reliability.png").stat().st_size > 1000
    return report, {one["event"]["text"]: one for one in answers}


def test_of_ten_absent_events_at_most_one_is_called_present(asked: tuple[dict[str, Any], Answers]) -> None:
    verdicts = [asked[1][event]["verdict"] for event in (*ABSENT_WORDS, *ABSENT_SIGHTS)]
    assert verdicts.count("present") <= 1


def test_six_of_eight_absent_words_are_called_absent(asked: tuple[dict[str, Any], Answers]) -> None:
    verdicts = {event: asked[1][event]["verdict"] for event in ABSENT_WORDS}
    assert list(verdicts.values()).count("absent") >= 6, verdicts


def test_a_sight_is_uncertain_with_its_reason(asked: tuple[dict[str, Any], Answers]) -> None:
    for event in (*ABSENT_SIGHTS, SEEN[0][0]):
        answer = asked[1][event]
        assert answer["verdict"] == "uncertain", answer
        assert "frames (no words (lite))" in answer["why"]


def test_words_that_stand_there_are_present_at_their_place(asked: tuple[dict[str, Any], Answers]) -> None:
    report, answers = asked
    named = [answers[event] for event, *_ in NAMED]
    assert sum(one["verdict"] == "present" for one in named) >= len(named) - 1
    assert report["present_called_absent"] <= 0.05
    hits = sum(
        any(abs(one["spans"][0][0] - start_s) < 1 for start_s, _ in one["event"]["spans"])
        for one in named
        if one["spans"]
    )
    assert hits >= len(named) - 1


@pytest.mark.parametrize("name", [LOCALIZER, FEW, NAMED_WORDS])
def test_a_shipped_calibration_reports_what_it_was_fitted_on(name: str) -> None:
    calibrator = calibrator_for(name, "lite")
    assert calibrator is not None
    report = calibrator.report
    assert report.n >= 500
    assert report.n_absent == pytest.approx(report.n / 2, rel=0.02)
    assert report.data.startswith("assembled ")
    assert report.ece_after.value < report.ece_before.value
    assert sum(one.n for one in report.bins) == report.n
