"""Recursive temporal grounding, coarse to fine (ReVisionLLM, Sec. 3): levels of windows, looks, proposals, scores."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from agent_tools.errors import InvalidArgument
from agent_tools.grounding.confidence import SCORINGS, Scoring, rescore
from agent_tools.grounding.evidence import Localizer, Look, NamesNearMisses, Proposal
from agent_tools.grounding.spans import nms, pair, share_inside, temporal_iou, windows
from agent_tools.timeline import Span, merged

ROUNDING_S = 1e-9  # a region is the difference of two rounded times

Place = tuple[float, float]  # (start_s, end_s)


@dataclass(frozen=True)
class Level:
    """One level of the hierarchy; a list of them, coarse to fine, is the whole configuration."""

    length_s: float  # of a window
    stride_s: float  # from one window to the next, at most length_s
    detail: float  # frames per second for the look; 0 = stored entries are enough
    top_k: int | None = None  # number of best windows for the next level; None = all that were not refused

    def __post_init__(self) -> None:
        windows(self.length_s, self.length_s, self.stride_s)  # the same rules hold for both
        if not (math.isfinite(self.detail) and self.detail >= 0):
            raise InvalidArgument(f"detail = {self.detail} frames per second: finite and not negative.")
        if self.top_k is not None and self.top_k < 1:
            raise InvalidArgument(f"top_k = {self.top_k}: at least 1, or None for all.")

    def frames(self, start_s: float, end_s: float) -> int:
        """Frames a look at this span is expected to process."""
        return math.ceil(self.detail * (end_s - start_s) - 1e-9)


@dataclass(frozen=True)
class GrounderSettings:
    merge_gap_s: float = 0.0  # spans this close become one, if their scores allow
    min_score_share: float = 0.5  # a span joins a better one if it has this share of its score
    nms_iou: float | None = (
        0.0  # of spans overlapping by more, the best stays; 0 = disjoint, None = off (as in the paper)
    )
    # a level passes on its best windows, or only the best spans proposed in them (as in the paper), each at least as
    # long as a window of the next level; top_k counts windows or spans
    descend: Literal["windows", "spans"] = "windows"


@dataclass(frozen=True)
class LevelReport:
    window_s: float
    windows: int  # number of windows searched
    of: int  # number of windows that a flat pass at this level would search
    frames: int  # frames processed
    kept: int  # windows that were neither refused nor cut by top_k


@dataclass(frozen=True)
class Grounding:
    """The result of a search and its cost. No proposals = not present."""

    proposals: tuple[Proposal, ...]  # best first
    levels: tuple[LevelReport, ...]  # coarse to fine
    frames_processed: int
    frames_total: int  # of the flat search: every window of the finest level
    looks: int
    looks_bound: int  # the most looks that this call could take, known before the first look
    scoring: Scoring  # the score in use: "raw" if "entropy" found no token probabilities
    best_rejected: Proposal | None  # the best proposal that a level refused or cut

    @property
    def share(self) -> float:
        """Frames processed over the frames of a flat search; counts windows if no frames are needed."""
        if self.frames_total:
            return self.frames_processed / self.frames_total
        return self.levels[-1].windows / self.levels[-1].of

    @property
    def best_score(self) -> float | None:
        """The score for the calibrator: that of the best proposal, else of the best refused one.

        None without both: then no entry is above its background, which on relevance curves is height 0."""
        best = self.proposals[0] if self.proposals else self.best_rejected
        return None if best is None else best.score


@dataclass
class _Search:
    """The state of one call of ground: its look, its localizer and its counts."""

    event: str
    look: Look
    localizer: Localizer
    scoring: Scoring
    on_step: Callable[[int, int], object] | None
    bound: int
    looks: int = 0
    refused: list[Proposal] = field(default_factory=list)
    used: Scoring = "raw"

    def level(
        self, level: Level, places: Sequence[Place], flat: int
    ) -> tuple[list[Place], list[Proposal], LevelReport]:
        """Look into each place: the places kept, best first, all their proposals, and the count."""
        found: list[Proposal] = []
        owners: list[int] = []
        frames = 0
        for owner, (start_s, end_s) in enumerate(places):
            evidence = self.look(start_s, end_s, level.detail)
            proposals = self.localizer.localize(self.event, evidence)
            if not proposals and isinstance(self.localizer, NamesNearMisses):
                missed = self.localizer.nearest(self.event, evidence)
                self.refused += [missed] if missed else []
            found += proposals
            owners += [owner] * len(proposals)
            # evidence may have any type that its localizer reads; without a count of frames the expected one is used
            frames += int(getattr(evidence, "frames", level.frames(start_s, end_s)))
            self.looks += 1
            if self.on_step is not None:
                self.on_step(self.looks, max(self.bound, self.looks))
        found, self.used = rescore(found, self.scoring)
        best: dict[int, float] = {}
        for owner, one in zip(owners, found, strict=True):
            best[owner] = max(one.score, best.get(owner, -math.inf))
        ranked = sorted(best, key=lambda owner: (-best[owner], places[owner]))[: level.top_k]
        kept = set(ranked)
        self.refused += [one for owner, one in zip(owners, found, strict=True) if owner not in kept]
        proposals = [one for owner, one in zip(owners, found, strict=True) if owner in kept]
        report = LevelReport(level.length_s, len(places), flat, frames, len(ranked))
        return [places[owner] for owner in ranked], proposals, report


class Grounder:
    """Finds when an event happens: it looks coarsely everywhere, and closely at the best windows.

    Each level cuts the accepted part of the video into windows. Each window is looked at, localised and scored; the
    best top_k windows go to the next level. The next level never looks at a refused window. If every window is
    accepted, the result equals that of the flat search. The number of looks is at most `looks_bound(duration_s)`.
    Differs from the paper: a level passes on whole windows, not the few segments that the model named within one;
    the settings can say "spans".

    Args:
        levels: coarse to fine, window lengths not growing.
        localizer: finds the event in the evidence; no proposal = not present.
        score: "entropy" (1 / mean token entropy, as in the paper; the localizer's own score where it has no tokens),
            "released" (cos / max cos - H / max H, as in the released script) or "raw".
    Raises: InvalidArgument: no levels, levels that grow, or an unknown score."""

    def __init__(
        self,
        levels: Sequence[Level],
        localizer: Localizer,
        score: Scoring = "entropy",
        settings: GrounderSettings | None = None,
    ) -> None:
        if not levels or any(below.length_s > above.length_s for above, below in itertools.pairwise(levels)):
            raise InvalidArgument("levels: at least one, coarse to fine, no window longer than those above it.")
        if score not in SCORINGS:
            raise InvalidArgument(f"score = {score!r}: one of {', '.join(SCORINGS)}.")
        self.levels = tuple(levels)
        self.localizer = localizer
        self.score: Scoring = score
        self.settings = settings or GrounderSettings()

    def looks_bound(self, duration_s: float, exhaustive: bool = False) -> int:
        """The most looks that one call over duration_s can take.

        Below a level that keeps m windows of length L, there are at most
        m x ceil((L - l) / s) + (m - 1) x ceil(l / s) + 1 windows of length l and stride s, because kept windows that
        touch are searched as one stretch. With "spans", at most top_k spans are passed on, and they are not longer
        than their windows."""
        total, kept, above_s = 0, 1, duration_s
        for level in self.levels:
            if exhaustive:
                kept, above_s = 1, duration_s
            inside = max(0, math.ceil((above_s - level.length_s) / level.stride_s))
            count = kept * inside + (kept - 1) * math.ceil(level.length_s / level.stride_s) + 1
            total += count
            kept = count if level.top_k is None else min(level.top_k, count)
            above_s = min(level.length_s, duration_s)
        return total

    def ground(
        self,
        event: str,
        start_s: float,
        end_s: float,
        look: Look,
        on_step: Callable[[int, int], object] | None = None,
        exhaustive: bool = False,
    ) -> Grounding:
        """Search [start_s, end_s) for the event.

        Args:
            look: returns the evidence of (start_s, end_s, fps); called once per window and level.
            on_step: called after every look with (looks done, most looks); it may raise to stop.
            exhaustive: the order of the released scripts: look at all windows of the finest level and of each level
                above. A fine proposal stays if at least half of it lies in windows that every level above picked.
                A level that picked no window cuts nothing.
        Raises: InvalidArgument: the span is empty or not finite."""
        start_s, end_s = pair((start_s, end_s))
        if start_s == end_s:
            raise InvalidArgument(f"{start_s}-{end_s} s is empty: there is nothing to search.")
        bound = self.looks_bound(end_s - start_s, exhaustive)
        search = _Search(event, look, self.localizer, self.score, on_step, bound)
        whole = (start_s, end_s)
        proposals, reports, scoring = self._flat(search, whole) if exhaustive else self._descent(search, whole)
        settled = self._settle(proposals)
        # a refused span may overlap a kept one from another window: then it was not missed
        missed = [one for one in search.refused if all(temporal_iou(one, kept) == 0 for kept in settled)]
        return Grounding(
            proposals=tuple(settled),
            levels=tuple(reports),
            frames_processed=sum(report.frames for report in reports),
            frames_total=sum(self.levels[-1].frames(*place) for place in _places([whole], self.levels[-1])),
            looks=search.looks,
            looks_bound=bound,
            scoring=scoring,
            best_rejected=max(missed, key=lambda one: (one.score, -one.start_s), default=None),
        )

    def _descent(self, search: _Search, whole: Place) -> tuple[list[Proposal], list[LevelReport], Scoring]:
        """Coarse to fine: each level looks only where the level above found something."""
        accepted: Sequence[Place] = [whole]
        reports: list[LevelReport] = []
        proposals: list[Proposal] = []
        for number, level in enumerate(self.levels):
            flat = len(_places([whole], level))
            accepted, proposals, report = search.level(level, _places(_joined(accepted), level), flat)
            reports.append(report)
            if self.settings.descend == "spans" and level is not self.levels[-1]:
                best = merge_touching(proposals)[: level.top_k]
                length_s = min(self.levels[number + 1].length_s, level.length_s)
                accepted = [_widened(one, length_s, *whole) for one in best]
        return proposals, reports, search.used

    def _flat(self, search: _Search, whole: Place) -> tuple[list[Proposal], list[LevelReport], Scoring]:
        """All windows of the finest level first, then the levels above, which refuse some of what it found."""
        *above, finest = self.levels
        places = _places([whole], finest)
        _, proposals, finest_report = search.level(finest, places, len(places))
        scoring = search.used
        reports: list[LevelReport] = []
        for level in above:
            places = _places([whole], level)
            kept, _, report = search.level(level, places, len(places))
            picked = _joined(kept)
            if picked:
                search.refused += [one for one in proposals if share_inside(one, picked) < 0.5]
                proposals = [one for one in proposals if share_inside(one, picked) >= 0.5]
            reports.append(report)
        return proposals, [*reports, finest_report], scoring

    def _settle(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """Join touching spans and drop overlapping ones; best first."""
        whole = merge_touching(proposals, self.settings.merge_gap_s, self.settings.min_score_share)
        if self.settings.nms_iou is None:
            return whole
        return [whole[index] for index in nms(whole, [one.score for one in whole], self.settings.nms_iou)]


def merge_touching(proposals: Sequence[Proposal], gap_s: float = 0.0, min_score_share: float = 0.5) -> list[Proposal]:
    """Join spans at most gap_s apart if the lower score is at least `min_score_share` of the higher; best first.

    The joined span keeps all other fields of the stronger one. A much weaker neighbour stays separate, so it cannot
    blur the bounds of a strong span. Equal spans become one, whatever their scores."""
    ranked = sorted(proposals, key=lambda one: (-one.score, one.start_s, one.end_s))
    starts = np.array([one.start_s for one in ranked])
    ends = np.array([one.end_s for one in ranked])
    scores = np.array([one.score for one in ranked])
    free = np.ones(len(ranked), dtype=bool)
    wholes: list[Proposal] = []
    for index, best in enumerate(ranked):
        if not free[index]:
            continue
        start_s, end_s, joining = best.start_s, best.end_s, free & False
        joining[index] = True
        while joining.any():
            free &= ~joining
            start_s, end_s = min(start_s, float(starts[joining].min())), max(end_s, float(ends[joining].max()))
            close = (np.maximum(starts - end_s, start_s - ends) <= gap_s) & (scores >= min_score_share * best.score)
            joining = free & (close | ((starts == start_s) & (ends == end_s)))
        wholes.append(replace(best, start_s=start_s, end_s=end_s))
    return wholes


def _widened(one: Proposal, least_s: float, start_s: float, end_s: float) -> Place:
    """The span, widened around its middle to at least that length, inside [start_s, end_s)."""
    missing = max(0.0, least_s - (one.end_s - one.start_s)) / 2
    low = max(start_s, min(one.start_s - missing, end_s - least_s))
    return low, min(end_s, max(one.end_s + missing, low + least_s))


def _joined(places: Sequence[Place]) -> list[Place]:
    return [(span.start_s, span.end_s) for span in merged(Span(*place) for place in places)]


def _places(regions: Sequence[Place], level: Level) -> list[Place]:
    """The level's windows over each region, in time order, in seconds of the video."""
    places: list[Place] = []
    for low, high in regions:
        # the last end is the region's own: low + (high - low) may differ from it by a rounding, but not by a window
        cut = windows(high - low, level.length_s, level.stride_s)
        if len(cut) > 1 and cut[-1][0] - cut[-2][0] < ROUNDING_S:
            cut = cut[:-1]
        places += [(low + start_s, min(low + end_s, high)) for start_s, end_s in cut[:-1]]
        places.append((low + cut[-1][0], high))
    return places
