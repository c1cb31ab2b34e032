"""A candidate is looked at again, widened, and what changed is told."""

from __future__ import annotations

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.grounding import Evidence, Proposal, verify


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
