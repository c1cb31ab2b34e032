"""The whole path without weights: entries, curves, levels, second look, calibration, verdict."""

from __future__ import annotations

import random

import pytest

from agent_tools.grounding import (
    Background,
    Calibrator,
    Evidence,
    EvidenceItem,
    Grounder,
    Grounding,
    Level,
    RelevanceCurveLocalizer,
    could_show,
    decide,
    verify,
)

LEVELS = [Level(180, 180, 0, top_k=3), Level(20, 20, 0)]
HOUR = 3600.0
grounder = Grounder(LEVELS, RelevanceCurveLocalizer())


class Memory:
    """An hour of cues of 3.5 s every 4 s; the asked event is one of them, or none."""

    def __init__(self, seed: int, at: int | None) -> None:
        noise = random.Random(seed)
        scores = [noise.gauss(0.08, 0.07) for _ in range(900)]
        if at is not None:
            scores[at] = noise.gauss(0.65, 0.05)
        self.items = [EvidenceItem(4.0 * i, 4.0 * i + 3.5, "subtitles", s, f"cue {i}") for i, s in enumerate(scores)]
        self.background = {"subtitles:meaning": Background.of(scores)}

    def look(self, start_s: float, end_s: float, fps: float) -> Evidence:
        inside = tuple(item for item in self.items if item.start_s < end_s and item.end_s > start_s)
        return Evidence(start_s, end_s, 0, inside, self.background)

    def ground(self) -> Grounding:
        return grounder.ground("x", 0, HOUR, self.look)


@pytest.fixture(scope="module")
def calibrator() -> Calibrator:
    present = [Memory(seed, seed * 7 % 900).ground().best_score for seed in range(25)]
    absent = [Memory(1000 + seed, None).ground().best_score for seed in range(25)]
    return Calibrator.fit([score or 0.0 for score in present + absent], [1] * 25 + [0] * 25, data="drawn hours")


@pytest.mark.parametrize("at", [0, 44, 45, 449, 899])  # cue 44 ends a coarse window, cue 45 begins one
def test_a_cue_is_found_at_its_exact_times_in_few_looks(at: int) -> None:
    found = Memory(77, at).ground()
    best = found.proposals[0]
    assert (best.start_s, best.end_s) == (4.0 * at, 4.0 * at + 3.5)
    assert best.evidence == f"subtitles 'cue {at}'"
    assert found.looks <= 20 + 3 * 9
    assert found.looks_bound == 20 + 3 * 8 + 2 * 1 + 1
    assert found.share < 0.2


def test_present_and_absent_hours_get_their_verdicts(calibrator: Calibrator) -> None:
    channels = could_show("'kv cache' in the subtitles", ["subtitles"])

    def verdict(memory: Memory) -> str:
        probability = calibrator.probability(memory.ground().best_score or 0.0)
        return decide(probability, "calibrated", 1.0, ["subtitles"], [], channels).verdict

    assert [verdict(Memory(500 + seed, 100 + seed)) for seed in range(10)].count("present") >= 9
    assert [verdict(Memory(700 + seed, None)) for seed in range(10)].count("absent") >= 8


def test_an_absent_event_leaves_the_best_guess_to_look_at() -> None:
    found = Memory(12, None).ground()
    guess = found.proposals[0] if found.proposals else found.best_rejected
    assert guess is not None
    assert guess.score < 1.5


def test_the_second_look_confirms_exact_times() -> None:
    memory = Memory(77, 449)
    best = memory.ground().proposals[0]
    told = verify("x", best, RelevanceCurveLocalizer(), memory.look, HOUR)
    assert told.text == "widened by 1.75 s each side: same bounds"
