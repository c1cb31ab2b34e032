"""A localizer without weights: relevance curves over time, and the spans where they rise above their own noise.

The rule: most entries of a video have nothing to do with an event, so the median of a curve's scores is its level and
1.4826 x MAD its noise (sigma). The largest of n noise values is about sigma x sqrt(2 ln n); a higher score is not noise
(the universal threshold with the MAD estimate: Donoho and Johnstone 1994, "Ideal spatial adaptation by wavelet
shrinkage"). Heights are in units of that threshold, so 1.0 is the edge of the noise on every channel, in a sparse and
in a dense transcript; a single cosine threshold cannot do this. A span ends where the curve falls to half of its peak's
height above the median (full width at half maximum), at the exact times of the entries."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from agent_tools.grounding.evidence import Background, Evidence, EvidenceItem, Proposal

_HEIGHT = itemgetter(0)  # of an entry's height and item


@dataclass(frozen=True)
class Noise:
    """The noise that a curve is assumed to have before the video has shown its own."""

    median: float
    sigma: float
    least_sigma: float  # on a nearly constant background a tiny rise must not become a peak


@dataclass(frozen=True)
class CurveSettings:
    noise: Mapping[str, Noise] = field(  # by EvidenceItem.how
        default_factory=lambda: {"meaning": Noise(0.05, 0.1, 0.03), "words": Noise(0.0, 0.2, 0.2)}
    )
    prior_n: int = 8  # weight of that assumption against the video's own entries
    least_n: int = 32  # sqrt(2 ln n) of fewer entries is too low a threshold for an uncertain sigma
    edge: float = 1.0  # height that counts as out of the noise
    fall: float = 0.5  # share of the peak's height at which a span ends
    bridge_s: float = 2.0  # silence between two entries that does not end a span
    max_spans: int = 10  # proposals of one look


@dataclass(frozen=True)
class _Piece:
    """A stretch in which the same entries are active."""

    start_s: float
    end_s: float
    height: float
    item: EvidenceItem  # the highest entry here


class RelevanceCurveLocalizer:
    """Proposes the spans where a channel's relevance rises above its noise; scores are heights in units of that noise.

    `look` has already scored the entries against the event, so `event` is not read here.
    The heights of one entry by meaning and by words combine as the root of the sum of squares (the largest of n such
    values over pure noise is still about sqrt(2 ln n)). Of several channels the highest counts: one is enough."""

    def __init__(self, settings: CurveSettings | None = None) -> None:
        self.settings = settings or CurveSettings()

    def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
        """Spans above the edge, best first; an empty list means that no entry rose above its noise."""
        return [one for one in self._spans(event, evidence, self.settings.max_spans) if one.score >= self.settings.edge]

    def nearest(self, event: str, evidence: Evidence) -> Proposal | None:
        """The highest span, even below the edge of the noise; None without entries above the median."""
        return next(iter(self._spans(event, evidence, 1)), None)

    def height(self, item: EvidenceItem, background: Mapping[str, Background]) -> float:
        """The height of an entry above its curve's median, in units of the edge of its noise; never below 0."""
        median, edge = self._noise(item, background)
        return max(0.0, (item.score - median) / edge)

    def _noise(self, item: EvidenceItem, background: Mapping[str, Background]) -> tuple[float, float]:
        """The median of an entry's curve, and how far above it the edge of the noise lies."""
        prior = self.settings.noise.get(item.how) or self.settings.noise["meaning"]
        found = background.get(item.curve, Background(0.0, 0.0, 0))
        weight = found.n / (found.n + self.settings.prior_n)
        median = weight * found.median + (1 - weight) * prior.median
        variance = weight * (1.4826 * found.mad) ** 2 + (1 - weight) * prior.sigma**2
        sigma = max(math.sqrt(variance), prior.least_sigma)
        return median, sigma * math.sqrt(2 * math.log(max(found.n, self.settings.least_n)))

    def _spans(self, event: str, evidence: Evidence, max_spans: int) -> list[Proposal]:
        pieces = self._curve(evidence)
        free = [True] * len(pieces)
        spans: list[Proposal] = []
        for peak in sorted(range(len(pieces)), key=lambda i: (-pieces[i].height, pieces[i].start_s)):
            if len(spans) == max_spans or pieces[peak].height <= 0:
                break
            if not free[peak] or self._is_flank(pieces, peak):
                continue
            first = self._reach(pieces, free, peak, -1)
            last = self._reach(pieces, free, peak, +1)
            free[first : last + 1] = [False] * (last + 1 - first)
            item = pieces[peak].item
            start_s, end_s = pieces[first].start_s, pieces[last].end_s
            spans.append(
                Proposal(start_s, end_s, pieces[peak].height, evidence=item.quoted(event), channel=item.channel)
            )
        return spans

    def _is_flank(self, pieces: Sequence[_Piece], place: int) -> bool:
        """Whether a neighbour is higher: then this is the slope of another peak, not a separate event."""
        beside = [index for index in (place - 1, place + 1) if 0 <= index < len(pieces)]
        return any(
            pieces[index].height > pieces[place].height
            and self._silence_s(pieces, index, place) <= self.settings.bridge_s
            for index in beside
        )

    @staticmethod
    def _silence_s(pieces: Sequence[_Piece], one: int, other: int) -> float:
        left, right = sorted((one, other))
        return pieces[right].start_s - pieces[left].end_s

    def _reach(self, pieces: Sequence[_Piece], free: Sequence[bool], peak: int, step: int) -> int:
        """The last piece on one side that belongs to the span of this peak."""
        floor = self.settings.fall * pieces[peak].height
        reached = peak
        while 0 <= (following := reached + step) < len(pieces):
            silence_s = self._silence_s(pieces, reached, following)
            if not free[following] or pieces[following].height < floor or silence_s > self.settings.bridge_s:
                break
            reached = following
        return reached

    def _curve(self, evidence: Evidence) -> list[_Piece]:
        """The height of the highest entry over time, in time order; stretches without entries are left out."""
        entries = self._entries(evidence)
        times = sorted({time for _, item in entries for time in (item.start_s, item.end_s)})
        entries.sort(key=lambda entry: entry[1].start_s)
        pieces: list[_Piece] = []
        active: list[tuple[float, EvidenceItem]] = []
        following = 0
        for start_s, end_s in itertools.pairwise(times):
            active = [entry for entry in active if entry[1].end_s > start_s]
            while following < len(entries) and entries[following][1].start_s <= start_s:
                active.append(entries[following])
                following += 1
            if active:
                height, item = max(active, key=_HEIGHT)
                pieces.append(_Piece(start_s, end_s, height, item))
        return pieces

    def _entries(self, evidence: Evidence) -> list[tuple[float, EvidenceItem]]:
        """One height per entry, from its scores by meaning and by words."""
        noise: dict[tuple[str, str], tuple[float, float]] = {}
        joined: dict[tuple[float, float, str, str], tuple[float, EvidenceItem]] = {}
        for item in evidence.items:
            if item.end_s <= max(item.start_s, evidence.start_s) or item.start_s >= evidence.end_s:
                continue
            curve = (item.channel, item.how)
            if curve not in noise:
                noise[curve] = self._noise(item, evidence.background)
            median, edge = noise[curve]
            key = (item.start_s, item.end_s, item.channel, item.text)
            before = joined.get(key, (0.0, item))[0]
            joined[key] = (math.hypot(before, max(0.0, (item.score - median) / edge)), item)
        return list(joined.values())
