"""A search by pictures with a trained adapter: it judges whole segments first, then answers short windows below them.

ReVisionLLM's recursion (Sec. 3) with trained networks in both places; without weights, segments.py does the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.grounding import Evidence, Proposal, mean_entropy
from agent_tools.service.verdicts.segments import SPARSE, MemoryPlaces

if TYPE_CHECKING:
    from torch import Tensor

    from agent_tools.models.segment_reader import SegmentReader
    from agent_tools.service.verdicts.picture_evidence import PictureEvidence

AHEAD = 12  # windows of one batch


@dataclass(frozen=True)
class Seen:
    """The payload of a look: p that a segment holds the event, or a window's two tokens (2, S + 1) with p(present)."""

    segment: float | None = None
    window: tuple[Tensor, float] | None = None


class TrainedWindows:
    """Look and localizer of levels whose detail is SPARSE or a number of frames per second.

    As with the weightless search, a sparse look refuses nothing by itself: the level's top_k cuts."""

    def __init__(self, pictures: PictureEvidence, reader: SegmentReader, memory: MemoryPlaces | None = None) -> None:
        self._pictures, self._reader, self._memory = pictures, reader, memory
        self._read: dict[float, tuple[int, tuple[Tensor, float] | None]] = {}  # frames and answer by start

    def look(self, start_s: float, end_s: float, detail: float) -> Evidence:
        if detail == SPARSE:
            if self._memory is not None:
                return Evidence(start_s, end_s, payload=Seen(segment=self._memory.near(start_s, end_s)))
            frames = self._pictures.vectors_of(start_s, end_s)
            found = self._reader.existence(frames, self._pictures.event) if len(frames) else None
            return Evidence(start_s, end_s, payload=Seen(segment=found))
        if start_s not in self._read:
            self._read_ahead(start_s)
        count, window = self._read[start_s]
        return Evidence(start_s, end_s, frames=count, payload=Seen(window=window))

    def _read_ahead(self, start_s: float) -> None:
        """Read this window and those that a search asks for next in one batch: alone, each costs as much as several."""
        seconds = self._reader.seconds
        starts = [start_s + place * seconds / 2 for place in range(AHEAD)]
        frames = [self._pictures.each_second(start, seconds) for start in starts]
        there = [(start, one) for start, one in zip(starts, frames, strict=True) if len(one)]
        self._read[start_s] = (0, None)
        if there:
            answers = self._reader.windows([one for _, one in there], self._pictures.event)
            self._read |= {start: (len(one), own) for (start, one), own in zip(there, answers, strict=True)}

    def localize(self, event: str, evidence: Evidence) -> Sequence[Proposal]:
        seen = evidence.payload
        if isinstance(seen, Seen) and seen.segment is not None:
            return [Proposal(evidence.start_s, evidence.end_s, seen.segment, channel="frames")]
        found = self._best(evidence)
        return [] if found is None or found.score < 0.5 else [found]

    def nearest(self, event: str, evidence: Evidence) -> Proposal | None:
        """The likeliest span of a window that was refused."""
        return self._best(evidence)

    def _best(self, evidence: Evidence) -> Proposal | None:
        if not isinstance(evidence.payload, Seen) or evidence.payload.window is None:
            return None
        from agent_tools.grounding import best_places

        tokens, present = evidence.payload.window
        first, last = best_places(tokens)
        start_s = evidence.start_s + first
        end_s = min(evidence.end_s, evidence.start_s + last + 1)
        if start_s >= end_s:
            return None
        entropy = mean_entropy(tokens.numpy())
        return Proposal(start_s, end_s, present, entropy, evidence="frames, by the trained adapter", channel="frames")
