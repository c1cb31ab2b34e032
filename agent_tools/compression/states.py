"""Which few pictures to show of many: at even distances, and none that looks like another that is shown.

Works on feature vectors and times. A picture that stands still is a state: several rows in a row that look alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agent_tools.errors import ShapeError

# Cosine from which two pictures are shown as one. It lies above KeepRule.same: a picture that is left out here is not
# seen at all, while a frame that an ingest drops can still be looked at.
SAME = 0.985
EDGE_S = 0.5  # the bounds of a text on screen are not known more exactly than this
MOST_STATES = 2000  # states that are compared with each other: the cost grows with the square

Rows = NDArray[np.float32]


def distinct_times(features: Rows, times_s: Sequence[float], wanted_s: Sequence[float]) -> list[float]:
    """At most as many times as wanted, rising, so that no two show the same picture.

    A wanted time is left out where its picture looks like one that is already chosen, or is a fade: a single row
    between two still pictures. What this saves goes to the rows that are farthest in time from all chosen ones. So the
    result shows each picture that the wanted times show, fades aside, and more where they would repeat one. It is
    shorter than asked where no more pictures differ. In motion, several wanted times may fall on one row: what moves
    looks different between two rows too.

    Args:
        features: (T, D), of length 1, in time order. times_s: (T,), rising. wanted_s: rising, each once.
    Raises: ShapeError: not as many times as rows.
    """
    _check(features, times_s)
    if not len(features):
        return list(wanted_s)
    at = np.asarray(times_s, dtype=np.float64)
    still = _still(features)
    fade = _fades(still)
    seen = np.zeros(len(at), dtype=bool)  # rows that look like a chosen one
    far = np.full(len(at), np.inf)  # seconds to the nearest chosen time
    chosen: list[float] = []
    moving: set[int] = set()

    def choose(row: int, time_s: float) -> None:
        nonlocal seen, far
        seen = seen | (features @ features[row] >= SAME)
        seen[row] = True
        far = np.minimum(far, np.abs(at - time_s))
        chosen.append(time_s)
        if not still[row]:
            moving.add(row)

    for time_s in wanted_s:
        row = int(np.abs(at - time_s).argmin())
        if not fade[row] and (not seen[row] or row in moving):
            choose(row, time_s)
    while len(chosen) < len(wanted_s) and not (seen | fade).all():
        row = int(np.where(seen | fade, -1.0, far).argmax())
        choose(row, float(at[row]))
    return sorted(chosen)


def legible_times(wanted_s: Sequence[float], part_s: float, texts_s: Sequence[tuple[float, float]]) -> list[float]:
    """The wanted times, each moved within its own part of the span to where most can be read that no other time shows.

    A time stays where it is unless moving it shows more texts than it loses.
    Args:
        wanted_s: middles of equal parts, rising. part_s: length of a part.
        texts_s: (start_s, end_s) of each text on screen.
    """
    times = list(wanted_s)

    def reads(time_s: float, text: tuple[float, float]) -> bool:
        return text[0] <= time_s < text[1]

    for place, middle in enumerate(wanted_s):
        others = times[:place] + times[place + 1 :]
        first, last = middle - part_s / 2, middle + part_s / 2
        missed = [
            text
            for text in texts_s
            if text[0] < last and text[1] > first and not any(reads(time_s, text) for time_s in others)
        ]
        edges = sorted({max(first, min(last, edge)) for text in missed for edge in text})
        offers = [middle, *(_towards(middle, a, b) for a, b in pairwise(edges))]
        times[place] = max(
            offers, key=lambda time_s: (sum(reads(time_s, text) for text in missed), -abs(time_s - middle))
        )
    return times


def _towards(time_s: float, start_s: float, end_s: float) -> float:
    """The nearest time to time_s that lies EDGE_S inside of a span, or its middle where it is too short."""
    inside = min(EDGE_S, (end_s - start_s) / 2)
    return min(max(time_s, start_s + inside), end_s - inside)


def distinct_rows(features: Rows, scores: Rows) -> list[int]:
    """Rows, rising, of which no two look alike: of each state the one with the highest score, of equals the first.

    Of more than MOST_STATES states those with the highest scores are compared with each other.
    Args:
        features: (T, D), of length 1, in time order. scores: (T,).
    Raises: ShapeError: not as many scores as rows.
    """
    _check(features, scores)
    best: list[int] = []
    first = 0
    for row in range(len(features)):
        if not best or features[row] @ features[first] < SAME:
            first = row
            best.append(row)
        elif scores[row] > scores[best[-1]]:
            best[-1] = row
    ranked = sorted(best, key=lambda row: (-float(scores[row]), row))[:MOST_STATES]
    alike = features[ranked] @ features[ranked].T >= SAME
    free = np.ones(len(ranked), dtype=bool)
    kept: list[int] = []
    for place, row in enumerate(ranked):
        if free[place]:
            kept.append(row)
            free &= ~alike[place]
    return sorted(kept)


def state_around(features: Rows, row: int) -> tuple[int, int]:
    """The first row, and the one after the last, of those around a row that look like it without a break."""
    unlike = np.flatnonzero(features @ features[row] < SAME)
    unlike = unlike[unlike != row]  # a row of zeros is not even like itself
    place = int(np.searchsorted(unlike, row))
    start = int(unlike[place - 1]) + 1 if place else 0
    return start, int(unlike[place]) if place < len(unlike) else len(features)


def look_alike(features: Rows, row: int, others: Sequence[int]) -> bool:
    """Whether a row shows the same picture as one of the others."""
    return bool((features[list(others)] @ features[row] >= SAME).any())


def seen_before(features: Rows, seen: Sequence[Rows]) -> NDArray[np.bool_]:
    """Mask (T,): which of the pictures (T, D) look like one of those seen so far, each (D,)."""
    if not seen:
        return np.zeros(len(features), dtype=bool)
    alike: NDArray[np.bool_] = np.any(features @ np.stack(seen).T >= SAME, axis=1)
    return alike


def first_alike(seen: Sequence[Rows], picture: Rows) -> int | None:
    """The place of the first of the pictures (D,) seen so far that looks like this one (D,); None where it is new."""
    if not seen:
        return None
    alike = np.flatnonzero(np.stack(seen) @ picture >= SAME)
    return int(alike[0]) if len(alike) else None


def lasting_rows(features: Rows) -> NDArray[np.bool_]:
    """Mask (T,): False for fades, which are single rows between two still pictures."""
    return ~_fades(_still(features))


def _still(features: Rows) -> NDArray[np.bool_]:
    """Which rows look like the row before them or the one after."""
    alike = np.einsum("td,td->t", features[1:], features[:-1]) >= SAME
    still: NDArray[np.bool_] = np.append(False, alike) | np.append(alike, False)
    return still


def _fades(still: NDArray[np.bool_]) -> NDArray[np.bool_]:
    fades: NDArray[np.bool_] = ~still & np.append(False, still[:-1]) & np.append(still[1:], False)
    return fades


def _check(features: Rows, each: Sequence[float] | NDArray[np.float32]) -> None:
    if len(features) != len(each):
        raise ShapeError(f"{len(each)} numbers are given for {len(features)} rows.")
