"""Moments that look like a given one, by the vectors of the frames that were kept.

This works on every profile, because it needs no text side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_tools.errors import InvalidArgument
from agent_tools.service.frames.kept_frames import grid_step_s
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.moments import Moment
from agent_tools.timeline import Span, merged, parse_uri
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAREST = 200
LEAST_COSINE = 0.35  # unrelated pictures of the lite descriptor lie below (95th percentile .28, measured on real clips)
JOIN_S = 3.0


def similar_moments(library: Library, scopes: Sequence[VideoSpan], uri: str) -> list[Moment]:
    """Moments of the asked videos whose pictures are nearest to the picture at the uri's time, best first.

    The moment asked with is left out. Raises: InvalidArgument: no `video://` uri, or no picture there.
    """
    ref = parse_uri(uri)
    if ref is None:
        raise InvalidArgument(
            f"like is {clean(uri, 80)!r}; it must be a uri such as video://<id>#t=10,12 from a reply."
        )
    own = library.video_span(uri)
    middle = own.span.start_s if ref.start_s is None else own.span.middle_s
    found = library.store.standing(own.video.id, middle)
    shown = None if found is None else _vector(library, own.video.id, found.k)
    if shown is None:
        raise InvalidArgument(f"{own.video.id} has no pictures at {middle:.1f} s. Give a uri of a video with pictures.")
    space, vector = shown
    nearest = library.store.nearest(space, vector, video_ids=[one.video.id for one in scopes], limit=NEAREST)
    spans = {one.video.id: one.span for one in scopes}
    steps: dict[str, float] = {}
    moments: list[Moment] = []
    for video_id, k, cosine in nearest:
        if cosine < LEAST_COSINE:
            continue
        if video_id not in steps:
            steps[video_id] = grid_step_s(library, video_id)
        step = steps[video_id]
        start_s, end_s = spans[video_id].start_s, spans[video_id].end_s
        times_s = [time_s for time_s in library.store.times_of(video_id, k) if start_s <= time_s < end_s]
        for span in merged((Span(time_s, min(time_s + step, end_s)) for time_s in times_s), JOIN_S):
            near = video_id == own.video.id and span.overlap_s(Span(max(0.0, middle - JOIN_S), middle + JOIN_S)) > 0
            if near:
                continue
            beside = next(
                (m for m in moments if m.video_id == video_id and _touching(m.span, span)),
                None,
            )
            if beside is None:
                moments.append(Moment(video_id, span, float(cosine)))
            else:
                beside.span = Span(min(beside.span.start_s, span.start_s), max(beside.span.end_s, span.end_s))
    return sorted(moments, key=lambda m: -m.best)


def maker_of(library: Library, uri: str) -> str:
    """Who made the vector of the picture that a search like the uri asks with."""
    row = library.store.channel(library.video_span(uri).video.id, "frames")
    return row.producer if row is not None else ""


def _touching(a: Span, b: Span) -> bool:
    return a.start_s <= b.end_s + JOIN_S and b.start_s <= a.end_s + JOIN_S


def _vector(library: Library, video_id: str, k: int) -> tuple[str, NDArray[np.float32]] | None:
    """The space that holds the vector of the video's kept frame k, and that vector."""
    for space in library.store.spaces():
        vector = library.store.vector(space, video_id, k) if space.endswith("|frame") else None
        if vector is not None:
            return space, vector
    return None
