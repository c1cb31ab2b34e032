"""On-screen text that may be there unread: letters too small after scaling, pictures in motion between two that were
read, and words on texture, which the detector overlooks."""

from __future__ import annotations

import math
from collections.abc import Iterable

from agent_tools.models.readable import LEAST_LETTER_PX, LONG_SIDE, SMALLEST_PX
from agent_tools.store import ChannelRow, VideoRow
from agent_tools.timeline import Span

HIDDEN_AT_MOST = 0.01  # share of a span in which texture may have hidden words: few do, and most of them are read


def missed_px(row: ChannelRow, video: VideoRow) -> float:
    """Letters smaller than this, in pixels of the video, may stand on its pictures unread; 0 if only tiny ones do."""
    shrunk = max(1.0, max(video.width or 0, video.height or 0) / LONG_SIDE) * (2.0 if row.detail.half_size else 1.0)
    least = LEAST_LETTER_PX * shrunk
    return least if least > SMALLEST_PX else 0.0


def too_small(px: float) -> str:
    """The phrase that says so."""
    return f"letters under {math.ceil(px)} px were not readable"


def unread_s(row: ChannelRow, span: Span) -> float:
    """For how many seconds of the span something that may be text is on pictures that were not read."""
    return _length_s(row.detail.unread, span)


def hidden_s(row: ChannelRow, span: Span) -> float:
    """For how many seconds of the span texture may have hidden words; 0 up to HIDDEN_AT_MOST of it."""
    length_s = _length_s(row.detail.hidden, span)
    return length_s if length_s > HIDDEN_AT_MOST * span.length_s else 0.0


def _length_s(spans: Iterable[tuple[float, float]], inside: Span) -> float:
    parts = (Span(a, b).clipped(inside.start_s, inside.end_s) for a, b in spans)
    return sum(part.length_s for part in parts if part is not None)


def between_pictures(seconds: float) -> str:
    """The phrase that says so."""
    return f"words that stood shorter than 4 s may be missed in {math.ceil(seconds)} s of moving pictures"


def on_texture(seconds: float) -> str:
    """The phrase that says so."""
    return f"words over leaves, windows or the like may be missed in {math.ceil(seconds)} s of pictures"
