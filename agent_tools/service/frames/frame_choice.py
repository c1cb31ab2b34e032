"""Which moments of a span to show: those that match a query, else those that differ.

The choice uses samplers, frame vectors and scored entries. No picture is opened for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.store import Entry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OFFERED, OFFERED_EACH = 48, 4  # frames that differ, from which those are chosen that show most
MOST_ROWS = 2000  # rows that a choice is measured on: an hour at one a second counts every second one


def chosen_times(
    library: Library, scope: VideoSpan, budget: int, query: str, answering: Sequence[Entry] = ()
) -> list[float]:
    """At most `budget` times in the span, increasing. With a query those whose text answers it, spread; else pictures
    that differ and together show most of the span. A span with fewer sampled pictures is divided evenly instead.

    Args:
        answering: entries that answer the query, best first: what shows the way where texts have no vectors.
    """
    import torch

    from agent_tools.compression import QuerySampler, RedundancySampler

    rows = library.store.frames(scope.video.id, scope.span.start_s, scope.span.end_s)
    times = [row.time_s for row in rows]
    if len(rows) <= budget:
        return _even(library, scope, budget, times)
    at = torch.tensor(times, dtype=torch.float64)
    if query.strip():
        words = library.models.picture_words()
        shown = None if words is None else _frame_features(library, scope)
        if words is not None and shown is not None and len(shown) == len(times):
            asks = torch.from_numpy(words.encode_text([query])[0])
            return [times[int(i)] for i in QuerySampler().select(torch.from_numpy(shown), at, budget, asks)]
        features, vector = _text_features(library, scope, times, query)
        if features is not None and vector is not None:
            picked = QuerySampler().select(torch.from_numpy(features), at, budget, torch.from_numpy(vector))
            return [times[int(i)] for i in picked]
        if answering:
            return _within(answering, times, budget)
    features = _frame_features(library, scope)
    if features is None or len(features) != len(times):
        return _even(library, scope, budget, times)
    sampler = RedundancySampler(threshold=library.models.frame_threshold)
    offered = sampler.select(torch.from_numpy(features), at, max(OFFERED, OFFERED_EACH * budget)).tolist()
    return [times[i] for i in representative(features, offered, budget)]


def representative(features: NDArray[np.float32], offered: Sequence[int], budget: int) -> list[int]:
    """Of the offered rows those `budget` that together lie nearest to all rows (greedy facility location), increasing.

    The least redundant frames of a span are its fades and flashes; what an agent wants to see is what lasts.

    Args:
        features: (T, D), normalised. offered: rows to choose from, increasing.
    """
    import numpy as np

    if len(offered) <= budget:
        return list(offered)
    step = max(1, len(features) // MOST_ROWS)
    near = np.maximum(features[::step] @ features[list(offered)].T, 0.0)  # (T, offered)
    covered = np.zeros(len(near), np.float32)
    taken: list[int] = []
    for _ in range(budget):
        gain = np.maximum(near - covered[:, None], 0.0).sum(0)
        gain[taken] = -1.0
        taken.append(int(gain.argmax()))
        covered = np.maximum(covered, near[:, taken[-1]])
    return sorted(offered[i] for i in taken)


def _within(entries: Sequence[Entry], times: list[float], budget: int) -> list[float]:
    """Times on screen with the entries, the best entry's first: one of each, then a second of each, and so on."""
    inside = [[t for t in times if entry.start_s <= t < max(entry.end_s, entry.start_s + 1.0)] for entry in entries]
    chosen: list[float] = []
    for part in range(1, budget + 1):
        for held in inside:
            middle = held[min(len(held) - 1, len(held) * part // (part + 1))] if held else None
            if middle is not None and middle not in chosen and len(chosen) < budget:
                chosen.append(middle)
    return sorted(chosen)


def _even(library: Library, scope: VideoSpan, budget: int, sampled: Sequence[float]) -> list[float]:
    """Middles of equal parts of the span; no more than one for each tenth of a second. One that falls where pictures
    are known to be damaged moves to the nearest sampled time, because there a picture was seen."""
    count = max(1, min(budget, int(scope.span.length_s * 10)))
    width = scope.span.length_s / count
    middles = [round(scope.span.start_s + (i + 0.5) * width, 3) for i in range(count)]
    gaps = [gap for gap in library.store.gaps(scope.video.id) if gap.channel in ("", "frames")]
    moved = {
        min(sampled, key=lambda time_s: abs(time_s - middle))
        if sampled and any(gap.start_s <= middle < gap.end_s for gap in gaps)
        else middle
        for middle in middles
    }
    return sorted(moved)


def _frame_features(library: Library, scope: VideoSpan) -> NDArray[np.float32] | None:
    from agent_tools.ingestion.picture_vectors import sequence

    producer = library.models.frame_producer
    vectors = sequence(library.store, scope.video.id, producer, scope.span.start_s, scope.span.end_s)[1]
    return vectors if len(vectors) else None


def _text_features(
    library: Library, scope: VideoSpan, times: list[float], query: str
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """For each time the sum of the vectors of the entries shown or said then (else zeros), and the query's."""
    import numpy as np

    encoder = library.models.text()
    if encoder is None:
        return None, None
    held = library.entries.get(library.store, scope.video.id, encoder)
    features = np.zeros((len(times), encoder.dim), np.float32)
    for row, entry in enumerate(held.entries):
        if entry.end_s <= scope.span.start_s or entry.start_s >= scope.span.end_s:
            continue
        for i, time_s in enumerate(times):
            if entry.start_s - 0.5 <= time_s < max(entry.end_s, entry.start_s + 1.0):
                features[i] += held.matrix[row]
    if not features.any():
        return None, None
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norms, 1e-9), encoder.encode([query], query=True)[0]
