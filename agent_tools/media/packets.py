"""Which packets of a stream must be decoded for the pictures on screen at wanted times (exact skipping).

If no wanted time falls on a packet's picture, the packet is decoded under NONREF, which drops the picture if no other
picture refers to it. Some packets are read ahead, so this is known before a packet is decoded: a later packet cannot be
shown before its own decoding time."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import av
import av.container

from agent_tools.media.fence import open_media
from agent_tools.media.streams import Probe, only

TIME_EPS = 1e-6  # a picture at t + 1e-7 is on screen at t: containers round times
_LOOKAHEAD = 96  # packets read ahead at most; H.264 reorders over 16 pictures, so only broken times reach this
_KNOWN_TIMES = 256
_READ_ERRORS = 16  # in a row, before the rest of the file counts as unreadable
# These read skip_frame for each packet. libdav1d and others read it once, when they are opened.
_SKIPPING_DECODERS = frozenset(
    {"h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3", "vp8", "vp9"}
)


class Broken(Exception):
    """Something cannot be read or decoded; a careful pass finds out what."""


class Targets(Protocol):
    """Wanted times, increasing."""

    def time(self, number: int) -> float | None:
        """The time with that number, or None after the last."""

    def any_in(self, start_s: float, end_s: float) -> bool:
        """Whether a wanted time lies in [start_s, end_s)."""

    def wants_last(self, last_s: float, before_s: float) -> bool:
        """Whether the file's last picture is wanted although no wanted time shows it."""


class Grid:
    """The multiples of 1/fps below end_s."""

    def __init__(self, fps: float, end_s: float = math.inf) -> None:
        self._fps, self._end_s = fps, end_s

    def time(self, number: int) -> float | None:
        time_s = number / self._fps
        return time_s if time_s < self._end_s - TIME_EPS else None

    def any_in(self, start_s: float, end_s: float) -> bool:
        time_s = max(0, math.ceil(start_s * self._fps - TIME_EPS)) / self._fps
        return time_s < min(end_s, self._end_s)

    def wants_last(self, last_s: float, before_s: float) -> bool:
        """Whether the last picture of the file is wanted although no time of the grid shows it.

        It is where the picture before it stood for a step or longer: in such a file each picture is a state, such as
        a recorded screen, and the last one stays to be seen.
        Args:
            last_s, before_s: when the last picture came, and the one before it."""
        on_grid = math.ceil(last_s * self._fps - TIME_EPS) / self._fps
        return self._end_s == math.inf and on_grid > last_s + TIME_EPS and last_s - before_s >= 1.0 / self._fps


class Moments:
    """A sorted list of times."""

    def __init__(self, times_s: Sequence[float]) -> None:
        self._times_s = times_s

    def time(self, number: int) -> float | None:
        return self._times_s[number] if number < len(self._times_s) else None

    def any_in(self, start_s: float, end_s: float) -> bool:
        number = bisect_left(self._times_s, start_s)
        return number < len(self._times_s) and self._times_s[number] < end_s

    def wants_last(self, last_s: float, before_s: float) -> bool:
        return False


class Source:
    """An opened video stream. `careful` decodes without frame threads, so that errors come at the right picture."""

    def __init__(self, probe: Probe, threads: int = 0, careful: bool = False) -> None:
        assert probe.video is not None
        self.container: av.container.InputContainer = open_media(probe.path)
        stream: Any = self.container.streams[probe.video.index]
        stream.thread_type = "SLICE" if careful else "AUTO"
        stream.codec_context.thread_count = threads
        self.stream = stream
        self.unit_s = float(stream.time_base)
        # The two fields of an interlaced picture may be two packets: without one of them the other is spoilt.
        self.can_skip = stream.codec_context.name in _SKIPPING_DECODERS and not careful and not probe.video.interlaced
        self.seeks_lie = False  # set after a failed try: seeks in this file do not lead to the right place
        only(self.container, self.stream)

    def close(self) -> None:
        self.container.close()


class Packets:
    """The packets of a source in decoding order, each with a flag: its picture may be wanted."""

    def __init__(self, probe: Probe, source: Source, targets: Targets, careful: bool) -> None:
        self._origin_s, self._source, self._targets = probe.origin_s, source, targets
        self._careful = careful
        self.exact = source.can_skip  # False: every packet counts as needed

    def time_of(self, packet: Any) -> float | None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        return None if stamp is None else stamp * self._source.unit_s - self._origin_s

    def __iter__(self) -> Iterator[tuple[Any, bool]]:
        waiting: deque[Any] = deque()
        known: list[int] = []  # presentation times of the latest packets
        decoded_to = -(1 << 63)  # no later packet is shown before this time
        for packet in self._read():
            waiting.append(packet)
            if packet.size == 0 and packet.dts is None:
                break  # the packet that flushes the decoder: the last one
            if packet.pts is not None and not packet.is_discard:
                insort(known, packet.pts)
                del known[: max(0, len(known) - _KNOWN_TIMES)]
            if packet.dts is not None:
                decoded_to = packet.dts
                if packet.pts is not None and packet.pts < packet.dts:
                    self.exact = False  # the decoding times of such a file cannot be trusted
            while waiting:
                head = waiting[0]
                if self.exact and head.pts is not None and not head.is_discard and len(waiting) < _LOOKAHEAD:
                    place = bisect_right(known, head.pts)
                    if place == len(known) or known[place] > decoded_to:
                        break  # the picture after it may still come
                    needed = self._wanted(head.pts, known[place])
                else:
                    needed = True
                yield waiting.popleft(), needed
        for packet in waiting:
            yield packet, True

    def _wanted(self, pts: int, following: int) -> bool:
        unit_s, origin_s = self._source.unit_s, self._origin_s
        return self._targets.any_in(pts * unit_s - origin_s - TIME_EPS, following * unit_s - origin_s - TIME_EPS)

    def _read(self) -> Iterator[Any]:
        failures = 0
        while True:
            try:
                for packet in self._source.container.demux(self._source.stream):
                    failures = 0
                    yield packet
                return
            except av.FFmpegError as error:
                if not self._careful:
                    raise Broken from error
                failures += 1
                if failures == _READ_ERRORS:
                    return
