"""The kept frames of a video: which picture stands for a time, which times a kept frame stands for, its picture.

An ingest looks at pictures on an even grid and keeps the frames that differ. A pruned picture is shown by the kept
frame that it is like."""

from __future__ import annotations

from collections.abc import Sequence

from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.timeline import Span

SLOWEST_GRID_S = 10.0  # between two sampled pictures: --fps is at least 0.1


def grid_step_s(library: Library, video_id: str) -> float:
    """Seconds between two sampled pictures of the video: of its own ingest, whatever this server samples at."""
    later = next((row for row in library.store.frames(video_id, 0.0, SLOWEST_GRID_S + 1.0) if row.k), None)
    return later.time_s / later.k if later is not None else 1.0 / library.settings.fps


def spans_shown_by(library: Library, scope: VideoSpan, wanted: set[int]) -> dict[int, list[Span]]:
    """By kept frame the stretches of the asked span for which it stands."""
    rows = library.store.frames(scope.video.id, scope.span.start_s, scope.span.end_s)
    step = rows[1].time_s - rows[0].time_s if len(rows) > 1 else 1.0
    spans: dict[int, list[Span]] = {}
    for row in rows:
        if row.stands_for not in wanted:
            continue
        end_s = min(row.time_s + step, scope.span.end_s)
        held = spans.setdefault(row.stands_for, [])
        if held and row.time_s - held[-1].end_s <= step / 2:
            held[-1] = Span(held[-1].start_s, max(end_s, held[-1].end_s))
        elif end_s > row.time_s:
            held.append(Span(row.time_s, end_s))
    return spans


def kept_jpeg(library: Library, scope: VideoSpan, time_s: float) -> bytes | None:
    """The kept frame that stands for the sampled picture at a time; None where no picture was sampled there."""
    rows = library.store.frames(scope.video.id, max(0.0, time_s - SLOWEST_GRID_S), time_s + 0.01)
    if not rows:
        return None
    last = rows[-1]
    step = last.time_s / last.k if last.k else 1.0 / library.settings.fps  # what it was sampled at, not what is now
    data = library.store.frame_picture(scope.video.id, last.stands_for) if time_s - last.time_s <= 1.01 * step else None
    return None if data is None else _as_jpeg(data)


def standing_frames(library: Library, video_id: str, times_s: Sequence[float]) -> dict[float, bytes]:
    """The kept frames that stand for what is shown at the times, by their own times: several times may share one."""
    jpegs: dict[float, bytes] = {}
    for time_s in times_s:
        row = library.store.standing(video_id, time_s)
        data = library.store.frame_picture(video_id, row.k) if row is not None else None
        if row is not None and data is not None:
            jpegs[row.time_s] = _as_jpeg(data)
    return dict(sorted(jpegs.items()))


def standing_pictures(library: Library, video_id: str, times_s: Sequence[float], within: Span) -> list[bytes | None]:
    """For each time the kept frame that stands for the sampled picture nearest to it, as it is kept, see
    picture_files; None where there is no picture.

    Args:
        within: sampled pictures outside are not considered."""
    rows = library.store.frames(video_id, within.start_s, within.end_s)
    found: list[bytes | None] = []
    for time_s in times_s:
        near = min(rows, key=lambda row: abs(row.time_s - time_s), default=None)
        found.append(None if near is None else library.store.frame_picture(video_id, near.stands_for))
    return found


def _as_jpeg(data: bytes) -> bytes:
    from agent_tools.media.picture_files import as_jpeg  # Pillow is slow to import

    return as_jpeg(data)
