"""The tiny evidence: windows become spans or nothing, and the run that README shows says of each claim what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from agent_tools.evals.tiny.grounding import DIM, WINDOW_S, Dense, Drawn, TinyLocalizer, TinySettings, markdown, run
from agent_tools.grounding import Evidence

MEASURED = Path(__file__).resolve().parents[2] / "lab" / "measured" / "grounding_tiny.json"
REFUSAL = WINDOW_S
PAIRS = [("recursive", "flat"), None, ("flat", "never"), ("flat", "cosine")]  # searches that the claims compare


class Answering(Dense):
    """Gives the two tokens it was told, whatever it sees."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__(may_refuse=True)
        self.told = torch.tensor([first, last])

    def forward(self, frames: Tensor, question: Tensor) -> Tensor:
        return 9.0 * torch.nn.functional.one_hot(self.told, WINDOW_S + 1)[None].float()


@pytest.mark.parametrize(
    ("first", "last", "spans"),
    [
        (3, 7, [(103.0, 108.0)]),  # the last index is inside
        (0, WINDOW_S - 1, [(100.0, 100.0 + WINDOW_S)]),
        (5, 5, [(105.0, 106.0)]),
        (7, 3, []),
        (REFUSAL, REFUSAL, []),
        (3, REFUSAL, []),
    ],
)
def test_two_tokens_of_a_window_are_a_span_or_nothing(first: int, last: int, spans: list[tuple[float, float]]) -> None:
    seen = Drawn(torch.ones(WINDOW_S, DIM), torch.ones(2, DIM), None)
    evidence = Evidence(100.0, 100.0 + WINDOW_S, WINDOW_S, payload=seen)
    found = TinyLocalizer(Answering(first, last), None).localize("the asked pair", evidence)
    assert [(one.start_s, one.end_s) for one in found] == spans


@pytest.mark.train
def test_hardly_trained_networks_are_searched_whole_and_refuse_only_where_they_may() -> None:
    result = run(seed=0, settings=TinySettings(steps=60, videos=3, absent=2))
    assert 0 < result["claims"][1]["here"] < 0.5
    assert result["said_present_of_absent"]["never"] >= 0.9
    assert result["said_present_of_absent"]["flat"] <= 0.1
    assert set(result["r1"]) == {"recursive", "flat", "never", "cosine", "released"}


@pytest.fixture
def measured() -> dict[str, Any]:
    held: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return held


def test_each_measured_claim_compares_the_searches_it_names(measured: dict[str, Any]) -> None:
    for claim, pair in zip(measured["claims"], PAIRS, strict=True):
        here, than, gain = claim["here"], claim["than"], claim["difference"]
        assert gain == pytest.approx(here - than)
        if pair is None:  # fewer frames is the paper's sign
            assert (than, claim["agree"]) == (1.0, here < 1)
            continue
        assert (here, than) == (measured["r1"][pair[0]], measured["r1"][pair[1]])
        assert claim["low"] <= gain <= claim["high"]
        assert claim["agree"] is (here > than)
        assert claim["clear"] is (claim["low"] > 0 or claim["high"] < 0)


def test_measured_refusal_is_learnt_and_recursion_refuses_more(measured: dict[str, Any]) -> None:
    said = measured["said_present_of_absent"]
    assert said["recursive"] < said["flat"] < said["never"] == 1.0


def test_table_says_no_where_a_claim_does_not_hold_and_how_sure_that_is(measured: dict[str, Any]) -> None:
    entropy = measured["claims"][3] | {"agree": False, "clear": False, "here": 0.5, "than": 0.625, "difference": -0.125}
    rows = markdown(measured | {"claims": [entropy | {"low": -0.25, "high": 0.0}]}).splitlines()
    assert (
        "| entropy ranks better than the cosine | 4.8 -> 8.4 | 0.50 | 0.62 | -0.12 (-0.25 to +0.00) "
        "| **no**, within the noise |" in rows
    )
