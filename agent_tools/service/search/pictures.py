"""Pictures by words, where the profile's frame encoder has a text side: which kept frames show what a query names.

A frame counts by how far it rises above the background of its video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.ingestion.spaces import frame_space
from agent_tools.service.frames.kept_frames import spans_shown_by
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.timeline import Span

if TYPE_CHECKING:
    pass

MOST = 60  # frames of one video that are called found
# Cosines of picture and text lie in a narrow band that differs by model and video: a frame is judged by how many
# deviations it lies above the video's own frames.
FLOOR, MIDDLE, SLOPE = 1.5, 2.5, 0.6
LEAST_DEVIATION = 0.01  # of an all but constant video
TO_DEVIATION = 1.4826  # of a normal distribution's median absolute deviation


@dataclass(frozen=True)
class SeenFrame:
    """A kept frame, the time it and the pruned ones beside it stand for, and how well it fits."""

    video_id: str
    span: Span
    score: float  # 0..1, no probability
    cosine: float


def frames_matching(
    library: Library, scopes: Sequence[VideoSpan], query: str, *, wait_s: float = 0.0
) -> list[SeenFrame]:
    """Frames of the asked spans that show what the query names, best first; none where pictures have no text side."""
    import numpy as np

    words = library.models.picture_words(wait_s)
    if words is None or not query.strip():
        return []
    vector = words.encode_text([query])[0]
    space = frame_space(library.models.frame_producer)
    found: list[SeenFrame] = []
    for one in scopes:
        ids, matrix = library.store.vectors(space, one.video.id)
        if not len(ids):
            continue
        cosines = matrix @ vector
        median = float(np.median(cosines))
        deviation = max(LEAST_DEVIATION, TO_DEVIATION * float(np.median(np.abs(cosines - median))))
        height = {int(k): (float(cosine) - median) / deviation for k, cosine in zip(ids, cosines, strict=True)}
        best = sorted((k for k in height if height[k] >= FLOOR), key=lambda k: -height[k])[:MOST]
        spans = spans_shown_by(library, one, set(best)) if best else {}
        place = {int(k): i for i, k in enumerate(ids)}
        found += [
            SeenFrame(one.video.id, span, 1 / (1 + math.exp(-(height[k] - MIDDLE) / SLOPE)), float(cosines[place[k]]))
            for k in best
            for span in spans.get(k, ())
        ]
    return sorted(found, key=lambda frame: (-frame.score, frame.video_id, frame.span.start_s))
