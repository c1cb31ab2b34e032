"""The screen_text channel: pictures that stand still wait on disk, the best are read by OCR, readings become entries.

Knows the still rule, the OCR engine and the store. What was read is kept in a file of its own until the channel is
done, so that an interrupted ingest reads no picture twice."""

from __future__ import annotations

import base64
from pathlib import Path

from agent_tools.ingestion.still import Candidate, StillRule

from agent_tools.store import Store

GRAY = (320, 180)
SIDE = 960  # px: longer side of a picture that waits for OCR
QUALITY = 90
LEAST_CALLS = 30  # a short video may read this many pictures whatever its length
SETTLE_EVERY = 8  # readings between two writes of what can no longer change


class Reader:
    """Collects pictures during the decode pass, then reads them. All its files lie in home/work/<video>."""

    def __init__(self, store: Store, video_id: str, home: Path, duration_s: float) -> None:
        self.store, self.video_id, self.duration_s = store, video_id, duration_s
        self.folder = home / "work" / video_id
        self.rule = StillRule()
        self._chosen: list[Candidate] = []

    # -- while decoding

    def restore(self, saved: str) -> None:
        """Go on with the rule where `saved` left it."""
        if saved:
            self.rule = StillRule.from_bytes(base64.b64decode(saved))

    def saved(self) -> str:
        """The rule's state, for the channel's row."""
        return base64.b64encode(self.rule.to_bytes()).decode()
