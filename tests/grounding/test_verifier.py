"""A candidate is looked at again, widened, and what changed is told."""

from __future__ import annotations

import math

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.grounding import Evidence, Proposal, refine, verify


class Sees:
    def __init__(self, *spans: tuple[float, float]) -> None:
        self.spans = spans

    def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
        return [Proposal(start_s, end_s, 1.0) for start_s, end_s in self.spans]


@pytest.mark.parametrize(
    ("seen", "held", "text"),
    [
        ([(100.0, 126.0)], True, "widened by 13 s each side: same bounds"),
        ([(100.1, 125.9)], True, "widened by 13 s each side: same bounds"),
        ([(95.0, 126.0)], True, "widened by 13 s each side: start 100.0 -> 95.0 s"),
        (
            [(90.0, 99.0), (101.0, 130.0)],
            True,
            "widened by 13 s each side: start 100.0 -> 101.0 s, end 126.0 -> 130.0 s",
        ),
        ([(130.0, 135.0)], False, "widened by 13 s each side: not found again"),
        ([], False, "widened by 13 s each side: not found again"),
    ],
)
def test_what_changed_is_told(seen: list[tuple[float, float]], held: bool, text: str) -> None:
    asked: list[tuple[float, float, float]] = []

    def look(start_s: float, end_s: float, fps: float) -> Evidence:
        asked.append((start_s, end_s, fps))
        return Evidence(start_s, end_s)

    told = verify("x", Proposal(100, 126, 0.5), Sees(*seen), look, 1000, fps=2)
    assert (told.held, told.text) == (held, text)
    assert asked == [(87.0, 139.0, 2)]


def test_the_second_look_stays_inside_the_video() -> None:
    asked: list[tuple[float, float]] = []

    def look(start_s: float, end_s: float, fps: float) -> Evidence:
        asked.append((start_s, end_s))
        return Evidence(start_s, end_s)

    verify("x", Proposal(0.1, 0.2, 1), Sees(), look, 60)
    verify("x", Proposal(40, 59, 1), Sees(), look, 60)
    assert asked == [(0.0, 1.2), (30.5, 60)]
    with pytest.raises(InvalidArgument, match="outside the video"):
        verify("x", Proposal(70, 80, 1), Sees(), look, 60)


class Fine:
    """Sees an event in steps of 1 / fps; keeps what it was shown."""

    def __init__(self, start_s: float, end_s: float) -> None:
        self.span, self.asked = (start_s, end_s), []

    def look(self, start_s: float, end_s: float, fps: float) -> Evidence:
        self.asked.append((start_s, end_s, fps))
        return Evidence(start_s, end_s, payload=fps)

    def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
        fps = evidence.payload
        assert isinstance(fps, float)
        low = max(evidence.start_s, math.floor(self.span[0] * fps) / fps)
        high = min(evidence.end_s, math.ceil(self.span[1] * fps) / fps)
        return [Proposal(low, high, 1.0)] if low < high else []


def test_each_bound_is_looked_at_alone_with_many_pictures() -> None:
    seen = Fine(101.3, 125.6)
    found = refine("x", Proposal(100, 127, 0.5, evidence="kept"), seen, seen.look, 1000)
    assert seen.asked == [(98.0, 102.0, 8.0), (125.0, 129.0, 8.0)]
    assert (found.start_s, found.end_s) == pytest.approx((101.25, 125.625))
    assert (found.score, found.evidence) == (0.5, "kept")


def test_a_bound_at_which_nothing_is_seen_stays_and_none_leaves_the_video() -> None:
    seen = Fine(40.0, 58.0)
    found = refine("x", Proposal(10.0, 59.5, 1.0), seen, seen.look, 60)
    assert (found.start_s, found.end_s) == (10.0, 58.0)
    assert seen.asked[1] == (57.5, 60, 8.0)
    assert refine("x", Proposal(1.0, 1.1, 1.0), seen, seen.look, 60) == Proposal(1.0, 1.1, 1.0)
