"""Pictures for the page, as JPEG of a stated width: kept frames at once, or the picture of a time by the looker."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from agent_tools.errors import EngineError, InvalidArgument
from agent_tools.service.frames.kept_frames import kept_jpeg, standing_frames
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.library.looker_client import CHECK

MOST_TIMES = 24
LEAST_WIDTH, MOST_WIDTH = 48, 1568  # px
QUALITY = 78


@dataclass(frozen=True)
class ShownPicture:
    """The JPEG that stands for a time that was asked for."""

    time_s: float
    jpeg: bytes


def pictures(
    library: Library, name: str, times_s: Sequence[float], width: int, *, exact: bool, check: CHECK | None = None
) -> list[ShownPicture]:
    """The pictures of these times, `width` px wide at most; times without any picture are left out.

    Args:
        exact: decode the pictures that are on screen at these times. Else kept frames stand for them, which needs no
            file; only a video without kept frames is decoded.
        check: called while the looker works; raises where the call was cancelled.

    Raises: InvalidArgument: too many times, or a width that its rule forbids; and what `Library.video` raises."""
    if not 1 <= len(times_s) <= MOST_TIMES:
        raise InvalidArgument(f"times_s holds {len(times_s)} times; it must hold 1 to {MOST_TIMES}.")
    if not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise InvalidArgument(f"width is {width}; it must be from {LEAST_WIDTH} to {MOST_WIDTH} px.")
    scope = library.video_span(name)
    if not scope.video.width:
        return []
    last_s = max(0.0, scope.span.end_s - 0.001)
    asked = {time_s: min(max(0.0, time_s), last_s) for time_s in times_s}
    if exact and (found := _decoded(library, scope, asked, width, check)):
        return found
    kept = [(time_s, _kept(library, scope, at_s)) for time_s, at_s in asked.items()]
    shown = [ShownPicture(time_s, scaled(data, width)) for time_s, data in kept if data is not None]
    return shown or ([] if exact else _decoded(library, scope, asked, width, check))


def scaled(jpeg: bytes, width: int) -> bytes:
    """A picture at most `width` px wide; a smaller one is not enlarged."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        if picture.width <= width:
            return jpeg
        height = max(1, round(picture.height * width / picture.width))
        picture.draft("RGB", (width, height))
        small = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _kept(library: Library, scope: VideoSpan, time_s: float) -> bytes | None:
    found = kept_jpeg(library, scope, time_s)
    return found if found is not None else next(iter(standing_frames(library, scope.video.id, [time_s]).values()), None)


def _decoded(
    library: Library, scope: VideoSpan, asked: dict[float, float], width: int, check: CHECK | None
) -> list[ShownPicture]:
    """The pictures out of the file; [] where it cannot be opened or decoded."""
    paths = library.sources(scope.video.id)
    if not paths:
        return []
    own_width, own_height = scope.video.width or 16, scope.video.height or 9
    long_side = max(width, round(width * own_height / own_width))
    try:
        shots = library.looker.pictures(paths[0], list(asked.values()), long_side=long_side, check=check)
    except EngineError:
        return []
    return [ShownPicture(time_s, shot.jpeg) for time_s, shot in zip(asked, shots, strict=True) if shot is not None]
