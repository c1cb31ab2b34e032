"""One stream, decoded past a list of wanted times: the picture on screen at each, and what was unreadable.

The picture on screen at t is the last one whose time is not after t. A first pass decodes with all threads and only
what is needed; where something breaks, a careful pass takes over and finds the exact bounds of the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av

from agent_tools.media.damage import Damage, Ledger
from agent_tools.media.packets import TIME_EPS, Broken, Packets, Source, Targets
from agent_tools.media.streams import Probe

_START_DIRECTLY_S = 2.0  # nearer to the start than this a seek gains nothing
_SEEK_BACK_S = (0.0, 5.0, 30.0)  # tried in turn if a seek lands after the wanted time; then from the start
_JUMP_BACK_S = 1.0  # less is jitter: the late picture is left out
_GIVE_UP_AFTER_S = 10.0  # a seek that gives no picture for so long has landed wrongly


@dataclass(frozen=True)
class Shown:
    """The picture on screen at the wanted time with that number."""

    number: int
    time_s: float
    pts_s: float
    frame: Any  # av.VideoFrame


class _SeekLied(Exception):
    """No picture at or before the wanted time came after a seek."""


def decode(
    probe: Probe,
    targets: Targets,
    first: int,
    on_damage: Callable[[Damage], None],
    threads: int = 0,
    warm: Source | None = None,
) -> Iterator[Shown]:
    """The pictures on screen at targets first, first + 1, ... in order, without those that are unreadable.

    Args:
        on_damage: called with each unreadable span in time order; spans may reach beyond the targets.
        threads: decoder threads, 0 = as many as cores.
        warm: an opened source to start from; it stays open. Without it a source is opened and closed here.
    """
    if probe.video is None or targets.time(first) is None:
        return
    upcoming = first
    try:
        for shown in _seeking(probe, targets, first, Ledger(probe, on_damage), threads, warm, careful=False):
            upcoming = shown.number + 1
            yield shown
    except Broken:
        # Once more from the last good picture, now slowly, so that lost spans have exact bounds.
        restart = max(first, upcoming - 1)
        ledger = Ledger(probe, on_damage, known_to_s=targets.time(restart) or 0.0)
        for shown in _seeking(probe, targets, restart, ledger, threads, None, careful=True):
            if shown.number >= upcoming:
                yield shown


def _seeking(
    probe: Probe,
    targets: Targets,
    first: int,
    ledger: Ledger,
    threads: int,
    warm: Source | None,
    careful: bool,
) -> Iterator[Shown]:
    """One pass from the key frame before the first target, or from the start of the file if its seeks go wrong."""
    start_s = targets.time(first) or 0.0
    source = warm
    try:
        for from_s in _seek_times(start_s, warm):
            source = source or Source(probe, threads, careful)
            try:
                source.container.seek(int((from_s + probe.origin_s) / source.unit_s), stream=source.stream)
                yield from _Pass(probe, source, targets, first, ledger, careful=careful, sought=True).run()
                return
            except (_SeekLied, av.FFmpegError):
                continue  # no picture has left yet: _SeekLied and seek errors both come before the first one
        if source is not None and source is not warm:
            source.close()
        source = Source(probe, threads, careful)
        for shown in _Pass(probe, source, targets, first, ledger, careful=careful, sought=False).run():
            if warm is not None:
                warm.seeks_lie = True  # the picture was there
            yield shown
    finally:
        if source is not None and source is not warm:
            source.close()


def _seek_times(start_s: float, warm: Source | None) -> list[float]:
    """The times to seek to, in turn, for the picture at start_s. Empty if opening the file is as near and as cheap."""
    if warm is not None:
        return [] if warm.seeks_lie else sorted({max(0.0, start_s - back_s) for back_s in _SEEK_BACK_S}, reverse=True)
    return [start_s - back_s for back_s in _SEEK_BACK_S if start_s - back_s > _START_DIRECTLY_S]


class _Pass:
    """One run of a source, from where it stands to the last target."""

    def __init__(
        self, probe: Probe, source: Source, targets: Targets, first: int, ledger: Ledger, *, careful: bool, sought: bool
    ) -> None:
        assert probe.video is not None
        self._source, self._targets, self._ledger = source, targets, ledger
        self._origin_s = probe.origin_s
        self._careful, self._sought = careful, sought
        self._usual_s = 1.0 / probe.video.fps if probe.video.fps else 0.04
        self._packets = Packets(probe, source, targets, careful)
        self._number, self._due_s = first, targets.time(first)
        self._shown: Any = None  # the picture on screen, from _shown_s to _end_s
        self._shown_s = self._end_s = self._before_s = -math.inf  # _before_s: when the picture before it came
        self._jumped = False  # time stamps went back

    def run(self) -> Iterator[Shown]:
        """The pictures on screen at the targets.

        Raises: Broken unless careful; _SeekLied after a seek, before the first picture."""
        for packet, needed in self._packets:
            for frame in self._decoded(packet, needed):
                time_s, length_s = self._times(frame)
                if not self._follows(frame, time_s, length_s):
                    continue
                lost = self._shown is not None and self._ledger.is_loss(self._end_s, time_s, length_s)
                self._ledger.saw(frame, time_s, length_s)
                yield from self._due_before(time_s, lost)
                if self._due_s is None:
                    return
                self._before_s = self._shown_s
                self._shown, self._shown_s, self._end_s = frame, time_s, time_s + length_s
            if self._sought and self._shown is None:
                self._check_landing(packet)
        if self._shown is None:
            if self._sought:
                raise _SeekLied
            return
        yield from self._due_before(self._end_s, lost=False)
        if (
            self._due_s is not None
            and self._due_s > self._end_s
            and self._targets.wants_last(self._shown_s, self._before_s)
        ):
            yield Shown(self._number, self._shown_s, self._shown_s, self._shown)
        self._ledger.file_ended(self._end_s)

    def _decoded(self, packet: Any, needed: bool) -> Sequence[Any]:
        """The frames of a packet; empty after an error in a careful pass."""
        try:
            self._source.stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
            frames: Sequence[Any] = packet.decode()
            return frames
        except av.FFmpegError as error:
            # Packets before the first picture, or before the first key frame after a seek, lose nothing that counts.
            at_s = self._packets.time_of(packet)
            if self._shown is not None or (not self._sought and (at_s is None or at_s >= 0)):
                if not self._careful:
                    raise Broken from error
                self._ledger.failed("cannot be decoded", at_s)
            return ()

    def _times(self, frame: Any) -> tuple[float, float]:
        """(time, length) of a frame in seconds."""
        stamp = frame.pts if frame.pts is not None else frame.dts
        # Nanoseconds: the difference of two large times is not exactly 0 where they are equal.
        time_s = round(stamp * self._source.unit_s - self._origin_s, 9) if stamp is not None else self._end_s
        return time_s, frame.duration * self._source.unit_s if frame.duration else self._usual_s

    def _follows(self, frame: Any, time_s: float, length_s: float) -> bool:
        """Whether the frame comes after the picture on screen, so that it is shown next."""
        if frame.interlaced_frame:
            self._packets.exact = False  # see Source.can_skip
        if self._shown is None:
            if self._sought and not frame.key_frame:
                return False  # a picture before the first key frame depends on pictures that were not read
            if self._sought and self._due_s is not None and time_s > self._due_s + TIME_EPS:
                raise _SeekLied
        elif time_s <= self._shown_s:
            self._jumped = self._jumped or time_s < self._shown_s - _JUMP_BACK_S
            if self._jumped and not self._careful:
                raise Broken
            if self._jumped:
                self._ledger.dropped(length_s)
            return False
        if frame.is_corrupt and not self._careful:
            raise Broken
        return True

    def _due_before(self, time_s: float, lost: bool) -> Iterator[Shown]:
        """The picture on screen for each target before time_s; after a loss only to the end of that picture."""
        while self._due_s is not None and self._due_s + TIME_EPS < time_s:
            if self._shown is not None and not (lost and self._due_s + TIME_EPS >= self._end_s):
                yield Shown(self._number, self._due_s, self._shown_s, self._shown)
            self._number += 1
            self._due_s = self._targets.time(self._number)

    def _check_landing(self, packet: Any) -> None:
        """Raises: _SeekLied: packets are far behind the target, and no picture has come."""
        at_s = self._packets.time_of(packet)
        if self._due_s is not None and at_s is not None and at_s > self._due_s + _GIVE_UP_AFTER_S:
            raise _SeekLied
