"""Claims of ReVisionLLM about a search, with a trained adapter: how to rank proposals, and what recursion saves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from agent_tools.grounding import Evidence, Grounder, Grounding, Level, Proposal, temporal_iou
from agent_tools.service.library.library import Library
from agent_tools.service.verdicts.event_search import SEGMENTS
from agent_tools.service.verdicts.picture_evidence import picture_evidence
from agent_tools.service.verdicts.segments import DENSE, SPARSE
from agent_tools.service.verdicts.trained_windows import TrainedWindows
from agent_tools.training.report import Asked, Query, share
from lab.train.figures import difference

RANKINGS: dict[str, Literal["raw", "entropy"]] = {
    "flat, ranked by p(present)": "raw",
    "flat, ranked by entropy, as in the paper": "entropy",
    "flat, ranked by cosine": "raw",
}
RECURSIVE = "recursive, ranked by p(present), as served"


class _ByCosine:
    """The same proposals, scored by the cosine of the event with the middle frame of the span."""

    def __init__(self, trained: TrainedWindows, seen: Any) -> None:
        self._trained, self._seen = trained, seen

    def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
        found = []
        for one in self._trained.localize(event, evidence):
            frames = self._seen.each_second((one.start_s + one.end_s) / 2 - 0.5, 1)
            found.append(replace(one, score=float(frames[0] @ self._seen.event)) if len(frames) else one)
        return found


def peaks(library: Library, queries: Sequence[Query]) -> list[Asked]:
    """What needs no training and no rule for silence: 11 s around the highest cosine, smoothed over 7 s."""
    found = []
    for query in queries:
        span = library.video_span(query.video)
        seen = picture_evidence(library, span, query.sentence)
        if seen is None:
            found.append(Asked(0.0, False, 0.0, 0.0))
            continue
        cosines = seen.each_second(0.0, int(span.span.end_s)) @ seen.event
        at = int(np.convolve(cosines, np.ones(7) / 7, "same").argmax())
        best = (at - 5.0, at + 6.0)
        overlap = max((temporal_iou(best, true) for true in query.spans), default=0.0)
        found.append(Asked(overlap, True, float(cosines[at]), 1.0))
    return found


def claims(library: Library, queries: Sequence[Query]) -> dict[str, Any]:
    """R@1 at IoU .3 by ranking, of the flat search over all windows, and the frames that the recursion read."""
    reader = library.models.segment_reader
    window_s = float(reader.seconds)
    dense = Level(window_s, window_s / 2, DENSE)
    coarse = Level(SEGMENTS[0], SEGMENTS[1], SPARSE, SEGMENTS[2])
    right: dict[str, list[bool]] = {name: [] for name in (*RANKINGS, RECURSIVE)}
    read, flat = 0, 0
    for query in (query for query in queries if query.spans):
        span = library.video_span(query.video)
        seen = picture_evidence(library, span, query.sentence)
        if seen is None:
            continue
        trained = TrainedWindows(seen, reader)
        whole = (span.span.start_s, span.span.end_s)

        for name, scoring in RANKINGS.items():
            localizer = _ByCosine(trained, seen) if name.endswith("cosine") else trained
            found = Grounder([dense], localizer, scoring).ground(query.sentence, *whole, trained.look)
            right[name].append(_hits(found, query))
        found = Grounder([coarse, dense], trained, "raw").ground(query.sentence, *whole, trained.look)
        right[RECURSIVE].append(_hits(found, query))
        read, flat = read + found.frames_processed, flat + found.frames_total
    return {"right": right, "frames_read": read, "frames_flat": flat}


def _hits(found: Grounding, query: Query) -> bool:
    return bool(found.proposals) and any(temporal_iou(found.proposals[0], true) >= 0.3 for true in query.spans)


def together(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All seeds: shares with intervals, and frames read over frames of the flat search."""
    names = [*RANKINGS, RECURSIVE]
    right = {name: [good for one in found for good in one["right"][name]] for name in names}
    read, flat = (sum(one[key] for one in found) for key in ("frames_read", "frames_flat"))
    return {
        "R@1 at 0.3": {name: share(right[name]) for name in names},
        "apart": {
            "entropy minus cosine": difference(right[names[1]], right[names[2]]),
            "recursive minus flat": difference(right[RECURSIVE], right[names[0]]),
        },
        "frames_read": round(read / max(1, flat), 3),
    }
