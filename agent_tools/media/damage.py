"""The unreadable parts of a stream: spans without a picture, and spans with damaged pictures that are kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av

from agent_tools.media.fence import open_media
from agent_tools.media.streams import Probe, only

_LONGEST_HOLD_S = 600.0  # one picture for longer than this means a hole in the file: time stamps jumped
_AFTER_ERROR_S = 2.0  # a gap that opens so long after an error has another cause; reordering is shorter
_CLEAN_S = 1.0  # damaged pictures with less good time than this between them make one span
_TAIL_S = 1.0  # headers and last pictures disagree by less than this in whole files


@dataclass(frozen=True)
class Damage:
    """A span that could not be read, or whose pictures are damaged, and why."""

    start_s: float
    end_s: float
    why: str


class Ledger:
    """Collects the damage of one pass. An earlier pass has reported spans that end before known_to_s."""

    def __init__(self, probe: Probe, on_damage: Callable[[Damage], None], known_to_s: float = -math.inf) -> None:
        self._probe, self._on_damage, self._known_to_s = probe, on_damage, known_to_s
        self._error: tuple[str, float] | None = None  # the reason, and the last time of a gap that it may explain
        self._marked: tuple[float, float] | None = None  # span of pictures that are there but damaged
        self._dropped_s = 0.0
        self._after_loss = False  # pictures depend on lost ones until a key frame, and decoders do not mark them

    def dropped(self, length_s: float) -> None:
        """Count a picture whose time stamp jumps back."""
        self._dropped_s += length_s

    def failed(self, why: str, time_s: float | None) -> None:
        self._error = (why, math.inf if time_s is None else time_s + _AFTER_ERROR_S)

    def saw(self, frame: Any, time_s: float, length_s: float) -> None:
        self._after_loss = self._after_loss and not frame.key_frame
        if frame.is_corrupt or self._after_loss:
            self._marked = (self._marked[0] if self._marked else time_s, time_s + length_s)
        elif self._marked and time_s > self._marked[1] + _CLEAN_S:
            self._close_marked()

    def is_loss(self, start_s: float, end_s: float, length_s: float) -> bool:
        """Whether pictures between two neighbours were lost; if so, the loss is reported.

        A long gap alone is not a loss: screen recordings show one picture for minutes."""
        if end_s - start_s > _LONGEST_HOLD_S:
            self._report(start_s, end_s, f"no picture for {end_s - start_s:.0f} s")
            return True
        if self._error is None:
            return False
        why, until_s = self._error
        if end_s - start_s <= length_s / 2:
            self._error = self._error if end_s <= until_s else None
            return False
        self._error = None
        self._after_loss = True
        self._close_marked()
        self._report(start_s, end_s, why)
        return True

    def file_ended(self, end_s: float) -> None:
        self._close_marked()
        if self._dropped_s > _TAIL_S:
            self._report(end_s, end_s + self._dropped_s, "time stamps jump back: these pictures were not read")
            return
        claimed_s = _claimed_end(self._probe, end_s)
        if claimed_s is not None and claimed_s - end_s > (_TAIL_S if self._error is None else 0.02):
            self._report(end_s, claimed_s, f"the file ends early: its header announces {claimed_s:.1f} s")

    def _close_marked(self) -> None:
        if self._marked:
            self._report(*self._marked, "damaged pictures, kept as they were decoded")
            self._marked = None

    def _report(self, start_s: float, end_s: float, why: str) -> None:
        if end_s > max(self._known_to_s, 0.0):
            self._on_damage(Damage(max(0.0, start_s), end_s, why))


def _claimed_end(probe: Probe, end_s: float) -> float | None:
    """The time at which the pictures should end, or None. If only the file's length is known, its sound must end early
    too."""
    assert probe.video is not None
    if probe.video.end_s is not None or probe.duration_s is None:
        return probe.video.end_s
    if probe.duration_s - end_s <= _TAIL_S:
        return None
    with open_media(probe.path) as container:
        others = [s for s in container.streams if s.type == "audio"]
        only(container, *others)
        reached_s = 0.0
        try:
            container.seek(int((probe.origin_s + end_s) * 1_000_000))
            for packet in container.demux(others):
                if packet.pts is not None:
                    reached_s = float(packet.pts * packet.time_base) - probe.origin_s
        except av.FFmpegError:
            pass
    return probe.duration_s if probe.duration_s - reached_s > _TAIL_S else None
