"""Pictures by words, where the profile's frame encoder has a text side: which kept frames show what a query names.

Knows frame vectors, their background and the text side. Knows nothing of replies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent_tools.ingestion.spaces import frame_space
from agent_tools.service.library import Asked, Library
from agent_tools.timeline import Span

MOST = 60  # frames of one video that are called found
# Cosines of picture and text lie in a narrow band that differs by model and video: a frame is judged by how many
# deviations it lies above the video's own frames.
FLOOR, MIDDLE, SLOPE = 1.5, 2.5, 0.6
LEAST_DEVIATION = 0.01  # of an all but constant video
_TO_DEVIATION = 1.4826  # of a normal distribution's median absolute deviation


@dataclass(frozen=True)
class SeenFrame:
    """A kept frame, the time it and the pruned ones beside it stand for, and how well it fits."""

    video_id: str
    span: Span
    score: float  # 0..1, no probability
    cosine: float


def seen(library: Library, asked: Sequence[Asked], query: str, *, wait_s: float = 0.0) -> list[SeenFrame]:
    """Frames of the asked spans that show what the query names, best first; none where pictures have no text side."""
    import numpy as np

    words = library.models.picture_words(wait_s)
    if words is None or not query.strip():
        return []
    vector = words.encode_text([query])[0]
    space = frame_space(library.models.frame_producer)
    found: list[SeenFrame] = []
    for one in asked:
        ids, matrix = library.store.vectors(space, one.video.id)
        if not len(ids):
            continue
        cosines = matrix @ vector
        median = float(np.median(cosines))
        deviation = max(LEAST_DEVIATION, _TO_DEVIATION * float(np.median(np.abs(cosines - median))))
        height = {int(k): (float(cosine) - median) / deviation for k, cosine in zip(ids, cosines, strict=True)}
        best = sorted((k for k in height if height[k] >= FLOOR), key=lambda k: -height[k])[:MOST]
        spans = _spans(library, one, set(best)) if best else {}
        place = {int(k): i for i, k in enumerate(ids)}
        found += [
            SeenFrame(one.video.id, span, 1 / (1 + math.exp(-(height[k] - MIDDLE) / SLOPE)), float(cosines[place[k]]))
            for k in best
            for span in spans.get(k, ())
        ]
    return sorted(found, key=lambda frame: (-frame.score, frame.video_id, frame.span.start_s))


def heights(library: Library, asked: Asked, query: str, *, wait_s: float = 0.0) -> list[tuple[Span, float]]:
    """(span, cosine) of every kept frame of the video, for relevance curves; empty without a text side."""
    words = library.models.picture_words(wait_s)
    if words is None:
        return []
    ids, matrix = library.store.vectors(frame_space(library.models.frame_producer), asked.video.id)
    if not len(ids):
        return []
    cosines = matrix @ words.encode_text([query])[0]
    whole = Asked(asked.video, Span(0.0, asked.video.duration_s or asked.span.end_s))
    spans = _spans(library, whole, {int(k) for k in ids})
    return [(span, float(cosine)) for k, cosine in zip(ids, cosines, strict=True) for span in spans.get(int(k), ())]


def _spans(library: Library, one: Asked, wanted: set[int]) -> dict[int, list[Span]]:
    """By kept frame the stretches of the asked span for which it stands."""
    rows = library.store.frames(one.video.id, one.span.start_s, one.span.end_s)
    step = rows[1].time_s - rows[0].time_s if len(rows) > 1 else 1.0
    spans: dict[int, list[Span]] = {}
    for row in rows:
        if row.stands_for not in wanted:
            continue
        end_s = min(row.time_s + step, one.span.end_s)
        held = spans.setdefault(row.stands_for, [])
        if held and row.time_s - held[-1].end_s <= step / 2:
            held[-1] = Span(held[-1].start_s, max(end_s, held[-1].end_s))
        elif end_s > row.time_s:
            held.append(Span(row.time_s, end_s))
    return spans
