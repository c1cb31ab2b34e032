"""The pictures of a look: opened in the file by the looker, else the kept frames that stand for them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_tools.errors import EngineError
from agent_tools.ingestion.look_messages import Shot
from agent_tools.service.frames.kept_frames import standing_frames
from agent_tools.service.library.library import Library, VideoSpan

MOST_BASE64 = 600_000  # bytes: hosts cut tool results near 1 MB


@dataclass(frozen=True)
class Pictures:
    """Which pictures a look wants."""

    times_s: tuple[float, ...]
    side: int  # px of a single picture, or of a sheet's cell
    single: bool  # one by one, not on sheets
    region: Sequence[float] | None = None


def open_pictures(
    library: Library, scope: VideoSpan, wanted: Pictures, check: Callable[[], None]
) -> tuple[list[Shot], str]:
    """The pictures or sheets as far as they can be decoded, and a note where they come from kept frames.

    Raises: EngineError: the file cannot be opened, and no kept frame stands for a picture."""
    if not wanted.times_s:
        return [], ""
    paths = library.sources(scope.video.id)
    if not paths:
        return _from_kept(library, scope, wanted, check), f"{library.closed(scope.video.id)}: kept frames are shown"
    looker = library.looker
    try:
        if wanted.single:
            shots = looker.pictures(paths[0], wanted.times_s, long_side=wanted.side, region=wanted.region, check=check)
            return [shot for shot in shots if shot is not None], ""
        return looker.sheets(paths[0], wanted.times_s, cell=wanted.side, check=check), ""
    except EngineError as error:
        kept = _from_kept(library, scope, wanted, check)
        if not kept:
            raise
        return kept, f"{error.described} Kept frames are shown."


def within_a_result(shots: Sequence[Shot]) -> list[Shot]:
    """As many of the pictures, in time order, as a tool result may hold in base64."""
    kept: list[Shot] = []
    size = 0
    for shot in shots:
        size += len(base64.b64encode(shot.jpeg))
        if size > MOST_BASE64:
            break
        kept.append(shot)
    return kept


def _from_kept(library: Library, scope: VideoSpan, wanted: Pictures, check: Callable[[], None]) -> list[Shot]:
    jpegs = standing_frames(library, scope.video.id, wanted.times_s)
    if not wanted.single:
        return library.looker.sheets_of(list(jpegs.items()), cell=wanted.side, check=check)
    return [Shot(data, *_jpeg_size(data), (time_s,)) for time_s, data in jpegs.items()]


def _jpeg_size(data: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return image.size
