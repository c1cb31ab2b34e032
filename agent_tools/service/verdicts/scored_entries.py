"""Texts of a video, scored against an event: the form in which evidence out of texts reaches a search of windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from agent_tools.store import Entry
from agent_tools.timeline import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.grounding import Background, Evidence, EvidenceItem, RelevanceCurveLocalizer

Place = tuple[float, float, str, str]  # start, end, channel and text of an entry, or of several in a row

FIT = "fit"  # scores that need no background: either there is none, or it is in them already
LEAST_S = 0.1  # of an item: an instant has no span


def doubtful(entry: Entry) -> bool:
    """Whether the model that heard it is in doubt: it is found and shown, but it proves nothing alone."""
    return bool(entry.extra.get("doubtful"))


def localizer() -> RelevanceCurveLocalizer:
    """Relevance curves that know FIT: its edge of the noise is a score of .53, so words as they stand are 1.9 high."""
    from agent_tools.grounding import CurveSettings, Noise, RelevanceCurveLocalizer

    return RelevanceCurveLocalizer(CurveSettings(noise={**CurveSettings().noise, FIT: Noise(0.0, 0.2, 0.2)}))


@dataclass(frozen=True)
class Fits:
    """Entries as rows: when each begins and ends, its channel, and its score as FIT."""

    spans: NDArray[np.float64]  # (n, 2)
    channels: Sequence[str]
    scores: NDArray[np.float64]

    def inside(self, span: Span) -> NDArray[np.bool_]:
        """Which of them an evidence item of the span is made of."""
        import numpy as np

        starts, ends = self.spans.T
        overlapping: NDArray[np.bool_] = (starts < span.end_s) & (np.maximum(ends, starts + LEAST_S) > span.start_s)
        return overlapping


@dataclass(frozen=True)
class ScoredEntries:
    """Entries of a video that speak of an event, with the video's own background."""

    made: Callable[[], list[EvidenceItem]]
    background: dict[str, Background]
    words_only: str = ""  # why it went by words although meaning was asked for, "" if it did not
    producer: str = ""  # who made the vectors behind the scores, "" where words alone count
    foreign: Mapping[str, str] = field(default_factory=dict)  # channels that this encoder cannot judge, and why
    scattered: bool = False  # all the words that the event quotes stand somewhere, but in no one place together
    fits: Fits | None = None  # the scores of the items as arrays, where they are known before the items are made
    size: int | None = None  # of how many texts the best one is the best; None where that does not matter

    @cached_property
    def items(self) -> tuple[EvidenceItem, ...]:
        """In time order."""
        return _in_time_order(self.made())

    @property
    def is_empty(self) -> bool:
        """Whether it is known, before the items are made, that there are none."""
        return self.fits is not None and not len(self.fits.scores)

    def highest(self, span: Span) -> EvidenceItem | None:
        """What the best item in a span scores; None where the items must be made to know."""
        if self.fits is None:
            return None
        inside = self.fits.inside(span)
        return made_item(span.start_s, span.end_s, "", float(self.fits.scores[inside].max(initial=0.0)), "", FIT)

    def channels_in(self, span: Span) -> frozenset[str]:
        """Those of the items that overlap a span."""
        if self.fits is None:
            return frozenset(item.channel for item in self.look(span.start_s, span.end_s).items)
        return frozenset(self.fits.channels[row] for row in self.fits.inside(span).nonzero()[0].tolist())

    def look(self, start_s: float, end_s: float, _fps: float = 0.0) -> Evidence:
        """What a look at [start_s, end_s) brings; nothing is decoded for it."""
        from agent_tools.grounding import Evidence

        inside = tuple(item for item in self.items if item.start_s < end_s and item.end_s > start_s)
        return Evidence(start_s, end_s, items=inside, background=self.background)


def key_of(entry: Entry) -> Place:
    return entry.start_s, entry.end_s, entry.channel, entry.text


def item_of(entry: Entry, score: float, how: str) -> EvidenceItem:
    return made_item(*key_of(entry)[:3], score, entry.text, how)


def made_item(start_s: float, end_s: float, channel: str, score: float, text: str, how: str) -> EvidenceItem:
    from agent_tools.grounding import EvidenceItem

    return EvidenceItem(start_s, max(end_s, start_s + LEAST_S), channel, score, text, how)


def _in_time_order(items: list[EvidenceItem]) -> tuple[EvidenceItem, ...]:
    return tuple(sorted(items, key=lambda item: (item.start_s, item.end_s, item.channel, item.text, item.how)))
