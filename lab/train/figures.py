"""From answers to figures: shares with intervals, and how far two rows lie apart on the same queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent_tools.grounding import bootstrapped_error
from agent_tools.training import report

SHARES = ("R@1 at 0.3", "R@1 at 0.5", "named, alike", "named, other")
ROUNDS = 2000  # of a bootstrap


@dataclass(frozen=True)
class HeldOut:
    """What is asked of held-out films, in sentences that people wrote."""

    present: list[report.Query]
    alike: list[report.Query]  # absent, but the film shows something that shares most with it
    other: list[report.Query]  # absent, any other scene

    @property
    def all(self) -> list[report.Query]:
        return [*self.present, *self.alike, *self.other]


def measured(queries: HeldOut, answers: Sequence[report.Asked]) -> dict[str, Any]:
    """R@1 of present events; of each kind of absent ones how often a span is named; how far the score is from p."""
    there, alike = answers[: len(queries.present)], answers[len(queries.present) :][: len(queries.alike)]
    other = answers[len(queries.present) + len(queries.alike) :]
    shares = {f"R@1 at {iou:g}": [one.overlap >= iou for one in there] for iou in report.OVERLAPS}
    shares |= {"named, alike": [one.found for one in alike], "named, other": [one.found for one in other]}
    return {
        **shares,
        "scores": [one.score for one in answers],
        "present": [True] * len(there) + [False] * len(alike + other),
    }


def pooled(found: Sequence[Mapping[str, Any]], *, scored: bool) -> dict[str, Any]:
    """All seeds together: shares with 95 % intervals, R@1 of each seed, and the calibration error of the scores."""
    made: dict[str, Any] = {name: report.share(joined(found, name)) for name in SHARES}
    made["by_seed"] = [round(sum(own["R@1 at 0.3"]) / len(own["R@1 at 0.3"]), 3) for own in found]
    if scored:
        labels = np.array(joined(found, "present"), dtype=float)
        error = bootstrapped_error(np.array(joined(found, "scores")), labels, 0)
        made["calibration error"] = {"value": error.value, "low": error.low, "high": error.high}
    return made


def apart(found: Sequence[Mapping[str, Any]], than: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each share of one row minus that of another on the same queries, with paired intervals."""
    return {name: difference(joined(found, name), joined(than, name)) for name in SHARES}


def difference(here: Sequence[bool], than: Sequence[bool]) -> dict[str, float]:
    """The difference of two shares over the same queries, with its paired 95 % bootstrap interval."""
    apart = np.array(here, dtype=float) - np.array(than, dtype=float)
    drawn = np.random.default_rng(0).integers(0, len(apart), size=(ROUNDS, len(apart)))
    low, high = np.quantile(apart[drawn].mean(axis=1), (0.025, 0.975))
    return {"value": round(float(apart.mean()), 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def joined(found: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """The values of all seeds, one after the other."""
    return [one for own in found for one in own[name]]
