"""Texts of a video, scored against an event: the form in which evidence out of texts reaches a search of windows."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
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
FEW = 256  # so many items are made all at once: one more message to a store costs as much


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

    def inside(self, start_s: float, end_s: float) -> NDArray[np.bool_]:
        """Which of them overlap [start_s, end_s) as items."""
        import numpy as np

        starts, ends = self.spans.T
        overlapping: NDArray[np.bool_] = (starts < end_s) & (np.maximum(ends, starts + LEAST_S) > start_s)
        return overlapping


@dataclass(frozen=True)
class ScoredEntries:
    """Entries of a video that speak of an event, with the video's own background."""

    made: Callable[[Sequence[int] | None], list[EvidenceItem]]  # of these rows of `fits`; None is all, in any order
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
        return _in_time_order(self.made(None))

    @cached_property
    def _bounds(self) -> tuple[list[float], list[float]]:
        """Of the items when each begins, and when the last that began up to there has ended."""
        return [item.start_s for item in self.items], list(accumulate((item.end_s for item in self.items), max))

    @cached_property
    def _many(self) -> Fits | None:
        """The scores, where they are known and there are too many items to make all of them for a few."""
        return self.fits if self.fits is not None and len(self.fits.scores) > FEW else None

    @property
    def is_empty(self) -> bool:
        """Whether it is known, before the items are made, that there are none."""
        return self.fits is not None and not len(self.fits.scores)

    def highest(self, span: Span) -> EvidenceItem | None:
        """What the best item in a span scores; None where the items must be made to know."""
        if self.fits is None:
            return None
        inside = self.fits.inside(span.start_s, span.end_s)
        return made_item(span.start_s, span.end_s, "", float(self.fits.scores[inside].max(initial=0.0)), "", FIT)

    def channels_in(self, span: Span) -> frozenset[str]:
        """Those of the items that overlap a span."""
        if self.fits is None:
            return frozenset(item.channel for item in self.look(span.start_s, span.end_s).items)
        return frozenset(
            self.fits.channels[row] for row in self.fits.inside(span.start_s, span.end_s).nonzero()[0].tolist()
        )

    def look(self, start_s: float, end_s: float, _fps: float = 0.0) -> Evidence:
        """What a look at [start_s, end_s) brings; nothing is decoded for it."""
        from agent_tools.grounding import Evidence

        begins, ended = self._bounds
        some = self.items[bisect_right(ended, start_s) : bisect_left(begins, end_s)]
        inside = tuple(item for item in some if item.end_s > start_s)
        return Evidence(start_s, end_s, items=inside, background=self.background)

    def best(self, span: Span, count: int) -> tuple[EvidenceItem, ...]:
        """The items of highest score that overlap a span, the best first, of equal ones the earliest."""
        if self._many is None:
            return best_of(self.look(span.start_s, span.end_s).items, count)
        rows = self._many.inside(span.start_s, span.end_s).nonzero()[0]
        scores = self._many.scores[rows]
        least = sorted(scores.tolist())[-count:][:1]
        return best_of(_in_time_order(self.made(rows[scores >= min(least, default=0.0)].tolist())), count)

    def around_best(self, span: Span, margin_s: float) -> tuple[EvidenceItem, ...]:
        """Of the items that overlap a span the best one, then all that stand so near it, in time order."""
        import numpy as np

        fits = self._many
        if fits is None:
            best = self.best(span, 1)
            near = [one for item in best for one in self.look(item.start_s - margin_s, item.end_s + margin_s).items]
        else:
            rows = fits.inside(span.start_s, span.end_s).nonzero()[0]
            if not len(rows):
                return ()
            row = rows[np.lexsort((fits.spans[rows, 0], -fits.scores[rows]))[0]]
            start_s, end_s = fits.spans[row].tolist()
            around = fits.inside(start_s - margin_s, max(end_s, start_s + LEAST_S) + margin_s).nonzero()[0]
            near = list(_in_time_order(self.made(around.tolist())))
            best = best_of([one for one in near if one.start_s < span.end_s and one.end_s > span.start_s], 1)
        return (*best, *(one for one in near if one not in best))


def best_of(items: Sequence[EvidenceItem], count: int) -> tuple[EvidenceItem, ...]:
    """The items of highest score, the best first, of equal ones the earliest. Args: items: in time order."""
    return tuple(heapq.nlargest(count, items, key=lambda item: (item.score, -item.start_s)))


def key_of(entry: Entry) -> Place:
    return entry.start_s, entry.end_s, entry.channel, entry.text


def items_of(scored: Iterable[tuple[Entry, float]], how: str) -> list[EvidenceItem]:
    """Entries with their scores, as items."""
    from agent_tools.grounding import EvidenceItem

    return [
        EvidenceItem(one.start_s, max(one.end_s, one.start_s + LEAST_S), one.channel, score, one.text, how)
        for one, score in scored
    ]


def made_item(start_s: float, end_s: float, channel: str, score: float, text: str, how: str) -> EvidenceItem:
    from agent_tools.grounding import EvidenceItem

    return EvidenceItem(start_s, max(end_s, start_s + LEAST_S), channel, score, text, how)


def _in_time_order(items: list[EvidenceItem]) -> tuple[EvidenceItem, ...]:
    return tuple(sorted(items, key=lambda item: (item.start_s, item.end_s, item.channel, item.text, item.how)))
