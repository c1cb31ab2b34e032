"""On-screen text that may be there unread: letters too small after scaling, and pictures in motion between two that
were read."""

from __future__ import annotations

import math

from agent_tools.models.readable import LEAST_LETTER_PX, LONG_SIDE, SMALLEST_PX
from agent_tools.store import ChannelRow, VideoRow
from agent_tools.timeline import Span


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
    parts = (Span(a, b).clipped(span.start_s, span.end_s) for a, b in row.detail.unread)
    return sum(part.length_s for part in parts if part is not None)


def between_pictures(seconds: float) -> str:
    """The phrase that says so."""
    return f"words that stood shorter than 4 s may be missed in {math.ceil(seconds)} s of moving pictures"
