"""Letters that screen_text could not read, because the pictures of the video are scaled down before they are read."""

from __future__ import annotations

import math

from agent_tools.models.readable import LEAST_LETTER_PX, LONG_SIDE
from agent_tools.store import ChannelRow, VideoRow

SMALLEST_PX = 12.0  # of the letters that programs show (9 points); smaller ones are no text that somebody looks for


def missed_px(row: ChannelRow, video: VideoRow) -> float:
    """Letters smaller than this, in pixels of the video, may stand on its pictures unread; 0 if only tiny ones do."""
    shrunk = max(1.0, max(video.width or 0, video.height or 0) / LONG_SIDE) * (2.0 if row.detail.half_size else 1.0)
    least = LEAST_LETTER_PX * shrunk
    return least if least > SMALLEST_PX else 0.0


def too_small(px: float) -> str:
    """The phrase that says so."""
    return f"letters under {math.ceil(px)} px were not readable"
