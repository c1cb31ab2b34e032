"""Moments: neighbouring entries and pictures that answer a query together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agent_tools.service.library.library import VideoSpan
from agent_tools.service.search.pictures import SeenFrame
from agent_tools.service.search.recall import MOST_FOUND, ScoredEntry
from agent_tools.service.search.strength import Strength, strength
from agent_tools.store import Entry
from agent_tools.timeline import Span

JOIN_S = 4.0  # hits of one video this near each other are one moment
LONGEST_S = 45.0  # a merged moment grows no longer
NEAR_BEST = 0.6  # a neighbour joins a moment when it scores this share of the moment's best
NEIGHBOURS = 12  # entries looked at on each side
LEAST_SCORE = 0.02
MOST_SAME = 3  # moments of a video with the same texts that each keep their place
_MARKS = re.compile(r"[\W_]+")


@dataclass
class Moment:
    """Neighbouring entries that answer together."""

    video_id: str
    span: Span
    best: float
    found: list[ScoredEntry] = field(default_factory=list)
    shows: bool = False  # its pictures show what the query names
    repeats: int = 0  # other moments of the video with the same texts, which are folded into this one

    @property
    def strength(self) -> Strength:
        """The word for it: of the text that answers best, of pictures alone by their score."""
        best = max(self.found, key=lambda one: one.score, default=None)
        if best is None or self.best > best.score:
            return strength(self.best)
        return strength(best.score, best.cosine, best.words)


def fold_repeats(moments: Sequence[Moment]) -> list[Moment]:
    """The moments, where more than MOST_SAME of one video with the same texts are one with their count.

    A loop of a speech model, a slogan or a logo would fill the page otherwise. A line that is said a few times keeps
    all of its times. Case and marks do not make texts different."""
    groups: dict[tuple[object, ...], list[Moment]] = defaultdict(list)
    for moment in moments:
        texts = sorted((r.entry.channel, _MARKS.sub(" ", r.entry.text.casefold())) for r in moment.found)
        groups[(moment.video_id, *texts) if texts else (id(moment),)].append(moment)
    folded = {id(one): len(same) - 1 for same in groups.values() if len(same) > MOST_SAME for one in same}
    first = {id(same[0]) for same in groups.values()}
    return [
        replace(moment, repeats=folded[id(moment)]) if id(moment) in folded else moment
        for moment in moments
        if id(moment) not in folded or id(moment) in first
    ]


def merge(found: Sequence[ScoredEntry], scopes: Sequence[VideoSpan]) -> list[Moment]:
    """Moments, best first: each begins with the best entry left and takes in good neighbours of the same video."""
    spans = {one.video.id: one.span for one in scopes}
    left = [r for r in found[:MOST_FOUND] if r.score >= LEAST_SCORE]
    by_video: dict[str, list[ScoredEntry]] = defaultdict(list)
    for r in left:
        by_video[r.entry.video_id].append(r)
    place: dict[int, int] = {}
    for group in by_video.values():
        group.sort(key=lambda r: (r.entry.start_s, r.entry.id))
        place.update({r.entry.id: i for i, r in enumerate(group)})
    taken: set[int] = set()
    moments: list[Moment] = []
    for seed in left:
        if seed.entry.id in taken:
            continue
        moment = Moment(seed.entry.video_id, _span(seed.entry), seed.score, [seed])
        taken.add(seed.entry.id)
        group, at = by_video[moment.video_id], place[seed.entry.id]
        for step in (1, -1):
            for i in range(at + step, at + step * (NEIGHBOURS + 1), step):
                if not 0 <= i < len(group):
                    break
                r = group[i]
                earliest = min(moment.span.start_s, moment.span.end_s - LONGEST_S)
                if not earliest <= r.entry.start_s <= moment.span.end_s + JOIN_S:
                    break  # nor can those farther on join, which begin farther away still
                if r.entry.id not in taken and r.score >= NEAR_BEST * seed.score and _join(moment, _span(r.entry)):
                    moment.found.append(r)
                    taken.add(r.entry.id)
        whole = spans[moment.video_id]
        moment.span = moment.span.clipped(whole.start_s, whole.end_s) or moment.span
        moments.append(moment)
    return moments


def with_pictures(moments: list[Moment], frames: Sequence[SeenFrame]) -> list[Moment]:
    """The moments with those that pictures show, best first: a picture in a moment supports it, others begin their own,
    and neighbours among them are one."""
    ranked = list(moments)
    for frame in frames:
        near = next((m for m in ranked if m.video_id == frame.video_id and _close(m, frame.span)), None)
        if near is None:
            ranked.append(Moment(frame.video_id, frame.span, frame.score, shows=True))
            continue
        near.shows = True
        near.best = 1 - (1 - near.best) * (1 - frame.score) if near.found else max(near.best, frame.score)
        if not near.found:
            _join(near, frame.span)
    return sorted(ranked, key=lambda m: -m.best)


def _close(moment: Moment, span: Span) -> bool:
    reach = JOIN_S if not moment.found else 0.0
    return span.start_s <= moment.span.end_s + reach and moment.span.start_s <= span.end_s + reach


def _join(moment: Moment, own: Span) -> bool:
    """Widen the moment by a neighbour's span, if it is near and the whole does not get too long."""
    start, end = min(own.start_s, moment.span.start_s), max(own.end_s, moment.span.end_s)
    near = own.start_s - moment.span.end_s <= JOIN_S and moment.span.start_s - own.end_s <= JOIN_S
    if not near or (end - start > LONGEST_S and (start, end) != (moment.span.start_s, moment.span.end_s)):
        return False
    moment.span = Span(start, end)
    return True


def _span(entry: Entry) -> Span:
    return Span(entry.start_s, max(entry.end_s, entry.start_s + 0.01))
