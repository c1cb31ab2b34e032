"""Which moments of a span to show: those that match a query, else those that differ.

Knows the samplers, frame vectors and scored entries. Knows nothing of pictures or tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_tools.service.library import Asked, Library

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def chosen_times(library: Library, asked: Asked, budget: int, query: str) -> list[float]:
    """At most `budget` times in the span, increasing. With a query those whose text answers it, spread; else those that
    differ most as pictures. A span with fewer sampled pictures than asked for is divided evenly instead."""
    import torch

    from agent_tools.compression import QuerySampler, RedundancySampler

    rows = library.store.frames(asked.video.id, asked.span.start_s, asked.span.end_s)
    if len(rows) <= budget:
        return _even(asked, budget)
    times = [row.time_s for row in rows]
    at = torch.tensor(times, dtype=torch.float64)
    if query.strip():
        features, vector = _text_features(library, asked, times, query)
        if features is not None and vector is not None:
            picked = QuerySampler().select(torch.from_numpy(features), at, budget, torch.from_numpy(vector))
            return [times[int(i)] for i in picked]
    features = _frame_features(library, asked)
    if features is None or len(features) != len(times):
        return _even(asked, budget)
    picked = RedundancySampler(threshold=library.models.frame_threshold).select(torch.from_numpy(features), at, budget)
    return [times[int(i)] for i in picked]


def _even(asked: Asked, budget: int) -> list[float]:
    """Middles of equal parts of the span; no more than one for each tenth of a second."""
    count = max(1, min(budget, int(asked.span.length_s * 10)))
    width = asked.span.length_s / count
    return [round(asked.span.start_s + (i + 0.5) * width, 3) for i in range(count)]


def _frame_features(library: Library, asked: Asked) -> NDArray[np.float32] | None:
    from agent_tools.ingestion.frames import sequence

    producer = library.models.frame_producer
    vectors = sequence(library.store, asked.video.id, producer, asked.span.start_s, asked.span.end_s)[1]
    return vectors if len(vectors) else None


def _text_features(
    library: Library, asked: Asked, times: list[float], query: str
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """For each time the sum of the vectors of the entries shown or said then (else zeros), and the query's."""
    import numpy as np

    encoder = library.models.text()
    if encoder is None:
        return None, None
    held = library.entries.get(library.store, asked.video.id, encoder)
    features = np.zeros((len(times), encoder.dim), np.float32)
    for row, entry in enumerate(held.entries):
        if entry.end_s <= asked.span.start_s or entry.start_s >= asked.span.end_s:
            continue
        for i, time_s in enumerate(times):
            if entry.start_s - 0.5 <= time_s < max(entry.end_s, entry.start_s + 1.0):
                features[i] += held.matrix[row]
    if not features.any():
        return None, None
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norms, 1e-9), encoder.encode([query], query=True)[0]
