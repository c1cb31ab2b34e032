"""One stream, decoded past a list of wanted times: the picture on screen at each, and what was unreadable.

The picture on screen at t is the last one whose time is not after t. A first pass decodes with all threads and only
what is needed; where something breaks, a careful pass takes over and finds the exact bounds of the loss.
Knows pictures, seeking and errors. Knows nothing of grids, zooms, sizes or colours."""

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
_SEEK_BACK_S = (0.0, 5.0, 30.0)  # tried in turn where a seek lands after the wanted time; then from the start
_JUMP_BACK_S = 1.0  # less is jitter: the late picture is passed over
_GIVE_UP_AFTER_S = 10.0  # a seek that gives no picture for so long has landed wrongly


@dataclass(frozen=True)
class Shown:
    """The picture on screen at the wanted time of that number."""

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
        on_damage: is told each unreadable span in time order; spans may reach beyond the targets.
        threads: decoder threads, 0 = as many as cores.
        warm: an opened source to start from; it stays open. Any other is opened and closed here.
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
        again = max(first, upcoming - 1)
        ledger = Ledger(probe, on_damage, known_to_s=targets.time(again) or 0.0)
        for shown in _seeking(probe, targets, again, ledger, threads, None, careful=True):
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
    """One pass from the key frame before the first target, or from the start of the file where seeking lies."""
    start_s = targets.time(first) or 0.0
    source = warm
    try:
        for from_s in _seek_times(start_s, warm):
            source = source or Source(probe, threads, careful)
            try:
                source.container.seek(int((from_s + probe.origin_s) / source.unit_s), stream=source.stream)
                yield from _pass(probe, source, targets, first, ledger, careful=careful, sought=True)
                return
            except (_SeekLied, av.FFmpegError):
                continue  # nothing was given out yet: _SeekLied comes before the first picture, and so do seek errors
        if source is not None and source is not warm:
            source.close()
        source = Source(probe, threads, careful)
        for shown in _pass(probe, source, targets, first, ledger, careful=careful, sought=False):
            if warm is not None:
                warm.seeks_lie = True  # the picture was there
            yield shown
    finally:
        if source is not None and source is not warm:
            source.close()


def _seek_times(start_s: float, warm: Source | None) -> list[float]:
    """Where to seek to, in turn, for the picture at start_s; none where opening the file is as near and no dearer."""
    if warm is not None:
        return [] if warm.seeks_lie else sorted({max(0.0, start_s - back_s) for back_s in _SEEK_BACK_S}, reverse=True)
    return [start_s - back_s for back_s in _SEEK_BACK_S if start_s - back_s > _START_DIRECTLY_S]


def _pass(
    probe: Probe, source: Source, targets: Targets, first: int, ledger: Ledger, *, careful: bool, sought: bool
) -> Iterator[Shown]:
    """From where the source stands to the last target.
    Raises: Broken unless careful; _SeekLied, before anything is given out, when sought."""
    assert probe.video is not None
    usual_s = 1.0 / probe.video.fps if probe.video.fps else 0.04
    number, due_s = first, targets.time(first)
    shown: Any = None
    shown_s = end_s = -math.inf
    jumped = False
    packets = Packets(probe, source, targets, careful)
    for packet, needed in packets:
        frames: Sequence[Any] = ()
        try:
            source.stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
            frames = packet.decode()
        except av.FFmpegError as error:
            # Packets before the first picture, or before the first key frame after a seek, lose nothing that counts.
            at_s = packets.time_of(packet)
            if shown is not None or (not sought and (at_s is None or at_s >= 0)):
                if not careful:
                    raise Broken from error
                ledger.failed("cannot be decoded", at_s)
        for frame in frames:
            stamp = frame.pts if frame.pts is not None else frame.dts
            # Nanoseconds: the difference of two large times is not exactly 0 where they are equal.
            time_s = round(stamp * source.unit_s - probe.origin_s, 9) if stamp is not None else end_s
            length_s = frame.duration * source.unit_s if frame.duration else usual_s
            if frame.interlaced_frame:
                packets.exact = False  # see Source.can_skip
            if shown is None:
                if sought and not frame.key_frame:
                    continue  # a picture before the first key frame leans on pictures that were not read
                if sought and due_s is not None and time_s > due_s + TIME_EPS:
                    raise _SeekLied
            elif time_s <= shown_s:
                jumped = jumped or time_s < shown_s - _JUMP_BACK_S
                if jumped and not careful:
                    raise Broken
                if jumped:
                    ledger.dropped(length_s)
                continue
            if frame.is_corrupt and not careful:
                raise Broken
            lost = shown is not None and ledger.is_loss(end_s, time_s, length_s)
            ledger.saw(frame, time_s, length_s)
            while due_s is not None and due_s + TIME_EPS < time_s:
                if shown is not None and not (lost and due_s + TIME_EPS >= end_s):
                    yield Shown(number, due_s, shown_s, shown)
                number += 1
                due_s = targets.time(number)
            if due_s is None:
                return
            shown, shown_s, end_s = frame, time_s, time_s + length_s
        if sought and shown is None and due_s is not None:
            at_s = packets.time_of(packet)
            if at_s is not None and at_s > due_s + _GIVE_UP_AFTER_S:
                raise _SeekLied
    if shown is None:
        if sought:
            raise _SeekLied
        return
    while due_s is not None and due_s + TIME_EPS < end_s:
        yield Shown(number, due_s, shown_s, shown)
        number += 1
        due_s = targets.time(number)
    ledger.file_ended(end_s)
