"""Whether the papers' claims hold in the figures of `python -m lab.train`: a claim holds outside its interval only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FORGOTTEN = "right, span forgotten"  # as agent_tools.training.memaug names it
CURVES, PEAK = "no training: relevance curves", "no training: 11 s around the highest cosine"
HOLDS, OPPOSITE, NOT_SHOWN = "holds", "**the opposite**", "not shown: the interval contains 0"
# claim, the row that tests it, the figure, and whether the claim says that the row's figure is higher
ROWS = (
    ("training finds more than the weightless search", CURVES, "R@1 at 0.3", False),
    ("training names fewer absent look-alikes than the weightless search", CURVES, "named, alike", True),
    ("training names fewer other absent events than the weightless search", CURVES, "named, other", True),
    ("training finds more than the plain peak, which is never silent", PEAK, "R@1 at 0.3", False),
    ("stage 1-A (dense) finds more (ReVisionLLM)", "without 1-A (dense)", "R@1 at 0.3", False),
    ("stage 1-B (sparse) finds more (ReVisionLLM)", "without 1-B (sparse)", "R@1 at 0.3", False),
    ("stage 2 (hours) finds more (ReVisionLLM)", "without 2 (hours)", "R@1 at 0.3", False),
    ('"not present" names fewer absent look-alikes (ReVisionLLM)', 'without "not present"', "named, alike", True),
    ('"not present" names fewer other absent events (ReVisionLLM)', 'without "not present"', "named, other", True),
    (
        "long videos find more than short clips at equal steps",
        "short clips alone (1-A), as many steps",
        "R@1 at 0.3",
        False,
    ),
)
SEARCHES = (
    ("entropy ranks better than the cosine (ReVisionLLM)", "entropy minus cosine"),
    ("recursion finds as much as the flat search, or more (ReVisionLLM)", "recursive minus flat"),
)
MEMORIES = (
    ("memory finds what was forgotten (Hour-LLaVA)", "whole videos, with memory", "whole videos, without memory"),
    ("training adds to the rule that it starts at", "whole videos, with memory", "no training, with memory"),
    (
        "whole videos teach more than short ones at equal steps (VideoMarathon)",
        "whole videos, with memory",
        "short videos alone",
    ),
    (
        "short videos first, then whole ones, teach more (VideoChat-Flash)",
        "short, then whole",
        "whole videos, with memory",
    ),
)


@dataclass(frozen=True)
class Judged:
    """A claim with the difference that tests it: positive where the figures speak for it."""

    claim: str
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        if self.low > 0:
            return HOLDS
        return OPPOSITE if self.high < 0 else NOT_SHOWN


def of_rows(made: Mapping[str, Any]) -> Iterator[Judged]:
    """Claims about stages and data, by paired differences to all stages; then those about searches."""
    for claim, row, figure, higher in ROWS:
        if row in (made.get("apart") or {}):
            yield _judged(claim, made["apart"][row][figure], 1 if higher else -1)
    if tool := made.get("served"):
        yield _judged("ground_event finds more with the adapter than without it", tool["apart"]["R@1 at 0.3"], 1)
    for claim, key in SEARCHES:
        if found := ((made.get("searches") or {}).get("apart") or {}).get(key):
            yield _judged(claim, found, 1)


def of_memories(memories: Mapping[str, Any]) -> Iterator[Judged]:
    """Claims about memaugs, by the difference of two shares."""
    for claim, row, other in MEMORIES:
        if row in memories and other in memories:
            yield Judged(claim, *_apart(memories[row][FORGOTTEN], memories[other][FORGOTTEN]))


def table(judged: Iterator[Judged]) -> list[str]:
    """Lines of Markdown; none without a claim."""
    rows = [f"| {one.claim} | {one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f}) | {one.verdict} |" for one in judged]
    return ["| claim | what speaks for it | here |", "|---|---|---|", *rows] if rows else []


def _judged(claim: str, found: Mapping[str, float], sign: int) -> Judged:
    low, high = sorted((sign * found["low"] + 0.0, sign * found["high"] + 0.0))  # + 0.0: no "-0.00"
    return Judged(claim, sign * found["value"] + 0.0, low, high)


def _apart(here: Mapping[str, float], than: Mapping[str, float]) -> tuple[float, float, float]:
    """(difference, low, high) of two shares with Wilson intervals (Newcombe 1998, method 10)."""
    apart = here["value"] - than["value"]
    down = math.hypot(here["value"] - here["low"], than["high"] - than["value"])
    up = math.hypot(here["high"] - here["value"], than["value"] - than["low"])
    return apart, apart - down, apart + up
