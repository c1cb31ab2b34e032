"""A slice of faults: named cases that run one after another, and the file that lets a stopped run continue."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.lifetime import temporary

ROOT = Path(__file__).resolve().parents[2]
PROGRESS = ROOT / "build" / "faults"
MOST_NAMED = 20  # failures that a row names


@dataclass
class Outcome:
    """What one case found: how many were tried, how many survived, and one sentence for each that did not."""

    tried: int = 1
    survived: int = 1
    failures: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, why: str) -> Outcome:
        """Of one try: "" survived, else why not."""
        return cls(1, int(not why), [why] if why else [])

    def count(self, why: str) -> None:
        """Add one try to a case of many."""
        self.tried += 1
        self.survived += int(not why)
        if why:
            self.failures.append(why)

    @classmethod
    def empty(cls) -> Outcome:
        return cls(0, 0)


Run = Callable[[str], Outcome]


@dataclass(frozen=True)
class Slice:
    """What is tried, its cases for a seed, and the stage on which a case runs by its name."""

    name: str
    what: str
    cases: Callable[[int], Sequence[str]]
    stage: Callable[[int, Path], AbstractContextManager[Run]]
    summary: Callable[[Mapping[str, Outcome]], dict[str, Any]] | None = None  # makes the row's figures of all outcomes


@dataclass
class Progress:
    """A run of a slice as far as it is, in one JSON file."""

    slice: str
    seed: int
    seconds: float = 0.0
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def load(cls, part: Slice, seed: int, folder: Path = PROGRESS) -> Progress:
        """What stands in the file where it is of this seed and not yet whole, else a new one."""
        path = folder / f"{part.name}.json"
        if path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            outcomes = {name: Outcome(**row) for name, row in kept["outcomes"].items()}
            found = cls(kept["slice"], kept["seed"], kept["seconds"], outcomes)
            if found.seed == seed and not found.whole(part):
                return found
        return cls(part.name, seed)

    def save(self, folder: Path = PROGRESS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{self.slice}.json.part"
        partial.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")
        os.replace(partial, folder / f"{self.slice}.json")

    def left(self, part: Slice) -> list[str]:
        return [case for case in part.cases(self.seed) if case not in self.outcomes]

    def whole(self, part: Slice) -> bool:
        return not self.left(part)

    def row(self, part: Slice) -> dict[str, Any]:
        """The one row of this run: what, tried, survived, seconds, seed; and each failure with its case."""
        failures = [f"{case}: {why}" for case, outcome in self.outcomes.items() for why in outcome.failures]
        figures = _greatest(self.outcomes.values()) if part.summary is None else part.summary(self.outcomes)
        return {
            "slice": part.name,
            "what": part.what,
            "tried": sum(outcome.tried for outcome in self.outcomes.values()),
            "survived": sum(outcome.survived for outcome in self.outcomes.values()),
            "seconds": round(self.seconds),
            "seed": self.seed,
            "figures": figures,
            "failures": failures[:MOST_NAMED],
            "cases_left": len(self.left(part)),
        }


def _greatest(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Of each figure the greatest number that a case found, or the last word."""
    figures: dict[str, Any] = {}
    for outcome in outcomes:
        for name, value in outcome.figures.items():
            known = figures.get(name)
            figures[name] = max(known, value) if isinstance(known, int | float) else value
    return figures


def go_on(
    part: Slice, seed: int, minutes: float, *, only: str = "", tell: Callable[[str], None], folder: Path = PROGRESS
) -> dict[str, Any]:
    """Run the cases that are left, for at most so many minutes, keeping each outcome; the row as it then stands.

    Args:
        only: run this one case anew, and keep nothing.
    """
    progress = Progress(part.name, seed) if only else Progress.load(part, seed, folder)
    cases = [only] if only else progress.left(part)
    deadline = time.monotonic() + 60 * minutes
    with temporary(f"faults-{part.name}-") as place, part.stage(seed, place) as run:
        for case in cases:
            began = time.monotonic()
            outcome = tried(run, case)
            progress.seconds += time.monotonic() - began
            progress.outcomes[case] = outcome
            for why in outcome.failures:
                tell(f"{part.name} --seed {seed} --case {case!r}: {why}")
            if not only:
                progress.save(folder)
            if time.monotonic() > deadline:
                break
    return progress.row(part)


def tried(run: Run, case: str) -> Outcome:
    """The outcome of a case; one that raised did not survive."""
    try:
        return run(case)
    except Exception as error:  # noqa: BLE001  # whatever a case meets is what it was sent to find
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome.of(f"{type(error).__name__}: {error} at {Path(place.filename).name}:{place.lineno}"[:600])
