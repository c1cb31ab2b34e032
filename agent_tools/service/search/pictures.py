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
    import numpy as np
    from numpy.typing import NDArray

FRAMES = "frames"  # the run of a video's frames in a flat index
MOST = 60  # frames of one video that are called found
SPARE = 20  # more are compared exactly, because codes may put them in another order
# Cosines of picture and text lie in a narrow band that differs by model and video: a frame is judged by how many
# deviations it lies above the video's own frames.
FLOOR, MIDDLE, SLOPE = 1.5, 2.5, 0.6
CODED = 0.1  # of a deviation, by which a code may be wrong
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
    """Frames of the asked spans that show what the query names, best first; none where pictures have no text side.

    One pass over codes compares all kept frames; those that may be found are compared exactly."""
    words = library.models.picture_words(wait_s)
    if words is None or not query.strip():
        return []
    vector = words.encode_text([query])[0]
    space = frame_space(library.models.frame_producer)
    asked = [one.video.id for one in scopes]
    everything = len(scopes) == len(library.store.overview())
    view = library.store.flat_view(space, None if everything else asked)
    if view is None:
        return []
    selection = view.select(asked, (FRAMES,))
    products = selection.compare(view.ask(vector))
    near = [(one, _near(products[own], own.start)) for one in scopes if (own := selection.of_video(one.video.id))]
    positions = [at for _, usual in near for at in usual.positions]
    rows = selection.coded.rows[selection.places[positions]].tolist() if positions else []
    exact = library.store.exact_products(space, rows, vector)
    cosines = {at: exact[row] for at, row in zip(positions, rows, strict=True) if row in exact}
    found: list[SeenFrame] = []
    for one, usual in near:
        heights = {at: usual.height(cosines[at]) for at in usual.positions if at in cosines}
        best = sorted((at for at, height in heights.items() if height >= FLOOR), key=lambda at: -heights[at])[:MOST]
        frame_of = {at: int(selection.coded.ids[selection.places[at]]) for at in best}
        spans = spans_shown_by(library, one, set(frame_of.values())) if best else {}
        found += [
            SeenFrame(one.video.id, span, 1 / (1 + math.exp(-(heights[at] - MIDDLE) / SLOPE)), cosines[at])
            for at in best
            for span in spans.get(frame_of[at], ())
        ]
    return sorted(found, key=lambda frame: (-frame.score, frame.video_id, frame.span.start_s))


@dataclass(frozen=True)
class _Near:
    """What is usual among the frames of a video, and the positions of those that may rise above it."""

    positions: Sequence[int]
    median: float
    deviation: float

    def height(self, cosine: float) -> float:
        """In deviations above the median."""
        return (cosine - self.median) / self.deviation


def _near(cosines: NDArray[np.float32], first: int) -> _Near:
    """Args: first: the position of the first of them."""
    import numpy as np

    if not len(cosines):
        return _Near((), 0.0, LEAST_DEVIATION)
    median = float(np.median(cosines))
    deviation = max(LEAST_DEVIATION, TO_DEVIATION * float(np.median(np.abs(cosines - median))))
    rising = np.flatnonzero(cosines >= median + (FLOOR - CODED) * deviation)
    best = rising[np.argsort(-cosines[rising], kind="stable")][: MOST + SPARE]
    return _Near((first + best).tolist(), median, deviation)
