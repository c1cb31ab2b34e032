"""The verdict follows its three conditions, and a raw score is never more than uncertain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.errors import InvalidArgument
from agent_tools.grounding import Verdict, could_show, decide

ABSENT: dict[str, Any] = {
    "probability": 0.05,
    "kind": "calibrated",
    "coverage_share": 0.98,
    "judged": ["subtitles", "screen_text", "notes"],
    "not_judged": {"frames": "no text side (lite)", "speech": "not transcribed"},
    "could_show": {"screen_text"},
}


@pytest.mark.parametrize(
    ("changed", "verdict", "reason"),
    [
        ({}, "absent", "0.05 after searching notes, screen_text, subtitles over 98 %"),
        ({"probability": 0.1, "coverage_share": 0.95}, "absent", "0.10"),
        ({"probability": 0.1001}, "uncertain", "between 0.1 and 0.5"),
        ({"probability": 0.4999}, "uncertain", "between 0.1 and 0.5"),
        ({"probability": 0.5}, "present", "at least 0.5"),
        ({"probability": 0.9, "coverage_share": 0.1}, "present", "at least 0.5"),
        ({"coverage_share": 0.949}, "uncertain", "only 94.9 % of the span"),
        ({"could_show": {"screen_text", "frames"}}, "uncertain", "could show this: frames (no text side (lite))"),
        ({"not_judged": ["screen_text"]}, "uncertain", "could show this: screen_text"),
        ({"judged": []}, "uncertain", "no channel that could show this was searched"),
        ({"could_show": {"captions"}}, "uncertain", "no channel that could show this was searched"),
        ({"kind": "raw"}, "uncertain", "raw"),
        ({"kind": "raw", "probability": 0.99}, "uncertain", "raw"),
        ({"kind": "raw", "why_raw": "still loading"}, "uncertain", "still loading"),
        ({"probability": None}, "uncertain", "nothing was found"),
    ],
)
def test_verdict(changed: dict[str, Any], verdict: str, reason: str) -> None:
    said = decide(**(ABSENT | changed))
    assert (said.verdict, reason in said.reason) == (verdict, True), said


def test_a_visual_query_on_lite_is_uncertain_and_words_on_a_slide_can_be_absent() -> None:
    lite = {key: value for key, value in ABSENT.items() if key != "could_show"}
    assert decide(**lite, could_show=could_show("a dog chews a bone")).verdict == "uncertain"
    assert decide(**lite, could_show=could_show("'Mitigation' on a slide")).verdict == "absent"


def test_a_doubt_keeps_from_absent_and_not_from_present() -> None:
    assert decide(**ABSENT).verdict == "absent"
    assert decide(**ABSENT, doubt="found apart") == Verdict("uncertain", "found apart")
    assert decide(**(ABSENT | {"probability": 0.9}), doubt="found apart").verdict == "present"


@given(
    st.none() | st.floats(0, 1),
    st.sampled_from(["calibrated", "raw"]),
    st.floats(0, 1),
    st.sets(st.sampled_from(["frames", "subtitles", "speech"])),
    st.sets(st.sampled_from(["frames", "subtitles", "speech"])),
)
def test_absent_needs_all_its_conditions(
    probability: float | None, kind: Any, share: float, judged: set[str], could: set[str]
) -> None:
    not_judged = {"frames", "subtitles", "speech"} - judged
    said = decide(probability, kind, share, judged, not_judged, could).verdict
    if said == "absent":
        assert probability is not None
        assert probability <= 0.1
        assert share >= 0.95
        assert kind == "calibrated"
        assert could <= judged
    if said == "present":
        assert kind == "calibrated"


@pytest.mark.parametrize("broken", [{"probability": 1.2}, {"coverage_share": float("nan")}, {"kind": "sure"}])
def test_values_that_cannot_be_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        decide(**(ABSENT | broken))
