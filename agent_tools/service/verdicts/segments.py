"""The sparse level of a search by pictures: a segment is one vector made for the question (ReVisionLLM, Sec. 3).

Whole segments are ranked by their vectors. The best ones go on, and relevance curves read the windows below them."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.grounding import Evidence, Proposal

if TYPE_CHECKING:
    from agent_tools.grounding import Level, RelevanceCurveLocalizer
    from agent_tools.models.picture_memory import PictureMemory
    from agent_tools.models.segment_reader import SegmentReader
    from agent_tools.service.verdicts.picture_evidence import PictureEvidence

SPARSE, DENSE = 0.0, 1.0  # details of a level: one vector per segment, or every frame that was sampled


@dataclass(frozen=True)
class Segment:
    """The payload of a sparse look."""

    # of its vector above the video's frames, in units of their noise; p that it holds the event, from a trained adapter
    height: float | None  # None without frames


class Segments:
    """Look and localizer of levels whose detail is SPARSE or DENSE.

    A sparse look refuses nothing: one vector for minutes says where to look first, not that a moment is not there. So
    what the level above does not pass on is cut by its top_k alone."""

    def __init__(
        self,
        pictures: PictureEvidence,
        curves: RelevanceCurveLocalizer,
        reader: SegmentReader,
        memory: MemoryPlaces | None = None,
    ) -> None:
        self._pictures, self._curves, self._reader, self._memory = pictures, curves, reader, memory

    def look(self, start_s: float, end_s: float, detail: float) -> Evidence:
        if detail != SPARSE:
            return self._pictures.look(start_s, end_s)
        frames = self._pictures.vectors_of(start_s, end_s)
        height = None
        if len(frames) and self._memory is not None:
            height = self._memory.near(start_s, end_s)
        elif len(frames) and self._reader.judges:
            height = self._reader.existence(frames, self._pictures.event)
        elif len(frames):
            cosine = float(self._reader.read(frames, self._pictures.event) @ self._pictures.event)
            height = max(0.0, (self._pictures.of(cosine) - self._pictures.median) / self._pictures.edge)
        return Evidence(start_s, end_s, payload=Segment(height))

    def localize(self, event: str, evidence: Evidence) -> Sequence[Proposal]:
        if not isinstance(evidence.payload, Segment):
            return self._curves.localize(event, evidence)
        if evidence.payload.height is None:
            return []
        return [Proposal(evidence.start_s, evidence.end_s, evidence.payload.height, channel="frames")]

    def nearest(self, event: str, evidence: Evidence) -> Proposal | None:
        """Of a dense look that found nothing, what came nearest; a segment without frames has nothing to name."""
        return None if isinstance(evidence.payload, Segment) else self._curves.nearest(event, evidence)


class MemoryPlaces:
    """Where a trained MemAug places the event, from one read of all frames of a video (Hour-LLaVA, Sec. 3)."""

    def __init__(self, pictures: PictureEvidence, memory: PictureMemory) -> None:
        frames = pictures.vectors[pictures.shown]
        rows, self._near = memory.places(frames, pictures.event)
        self._times_s = [pictures.looked_at[row][0] for row in rows.tolist()]

    def near(self, start_s: float, end_s: float) -> float:
        """p that the event is in [start_s, end_s)."""
        first, last = bisect.bisect_left(self._times_s, start_s), bisect.bisect_left(self._times_s, end_s)
        return float(self._near[first:last].sum())


def sparse_first(levels: Sequence[tuple[float, float, int | None]]) -> list[Level]:
    """(window s, stride s, best windows that go on), coarse to fine: all but the last are sparse."""
    from agent_tools.grounding import Level

    last = len(levels) - 1
    return [Level(length, stride, DENSE if i == last else SPARSE, k) for i, (length, stride, k) in enumerate(levels)]
