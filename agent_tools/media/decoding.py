"""One stream, decoded past a list of wanted times: the picture on screen at each, and what was unreadable.

The picture on screen at t is the last one whose time is not after t. Only pictures that can be that one, and those
that others refer to, are decoded (exact skipping): a packet that no wanted time falls on is decoded under NONREF,
which drops it when no other picture refers to it. Which packets those are is known before they are decoded, because a
few packets are read ahead: later ones cannot be shown before their own decoding time.
Knows packets, times and errors. Knows nothing of grids, zooms, sizes or colours."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import av
import av.container

from agent_tools.media.fence import open_media
from agent_tools.media.probing import Probe, only

TIME_EPS = 1e-6  # a picture at t - 1e-7 is on screen at t: containers round times
_LOOKAHEAD = 96  # packets read ahead at most; H.264 reorders over 16 pictures, so this is met only by broken times
_KNOWN_TIMES = 256
_START_DIRECTLY_S = 2.0  # nearer to the start than this a seek gains nothing
_SEEK_BACK_S = (0.0, 5.0, 30.0)  # tried in turn where a seek lands after the wanted time; then from the start
_GIVE_UP_AFTER_S = 10.0  # a seek that gives no picture for so long has landed wrongly
_READ_ERRORS = 16  # in a row, before the rest of the file counts as unreadable
_LONGEST_HOLD_S = 600.0  # a picture that stands longer than this without saying so is a hole in the file
# These take skip_frame anew with each packet. libdav1d and others read it once, when they are opened.
_SKIPPING_DECODERS = frozenset(
    {"h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3", "vp8", "vp9"}
)
_TAIL_S = 1.0  # headers and last frames disagree by less than this in sound files


@dataclass(frozen=True)
class Damage:
    """A span that could not be read, or whose pictures are damaged, and why."""

    start_s: float
    end_s: float
    why: str


class Targets(Protocol):
    """Wanted times, increasing."""

    def time(self, number: int) -> float | None:
        """The time of that number, or None behind the last."""

    def any_in(self, start_s: float, end_s: float) -> bool:
        """Whether a wanted time lies in [start_s, end_s)."""


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


class Moments:
    """A sorted list of times."""

    def __init__(self, times_s: Sequence[float]) -> None:
        self._times_s = times_s

    def time(self, number: int) -> float | None:
        return self._times_s[number] if number < len(self._times_s) else None

    def any_in(self, start_s: float, end_s: float) -> bool:
        number = bisect_left(self._times_s, start_s)
        return number < len(self._times_s) and self._times_s[number] < end_s


@dataclass(frozen=True)
class Shown:
    """The picture on screen at the wanted time of that number."""

    number: int
    time_s: float
    pts_s: float
    frame: Any  # av.VideoFrame


class Source:
    """An opened video stream. `careful` decodes without frame threads, so that errors come where they belong."""

    def __init__(self, probe: Probe, threads: int = 0, careful: bool = False) -> None:
        assert probe.video is not None
        self.container: av.container.InputContainer = open_media(probe.path)
        stream: Any = self.container.streams[probe.video.index]
        stream.thread_type = "SLICE" if careful else "AUTO"
        stream.codec_context.thread_count = threads
        self.stream = stream
        self.unit_s = float(stream.time_base)
        self.can_skip = stream.codec_context.name in _SKIPPING_DECODERS and not careful
        only(self.container, self.stream)

    def close(self) -> None:
        self.container.close()


class _SeekLied(Exception):
    """No picture at or before the wanted time came after a seek."""


class _Broken(Exception):
    """Something cannot be decoded; the careful pass will say what."""


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
        for shown in _seeking(probe, targets, first, _Ledger(probe, on_damage), threads, warm, careful=False):
            upcoming = shown.number + 1
            yield shown
    except _Broken:
        # Once more from the last good picture, now slowly, so that lost spans have exact bounds.
        again = max(first, upcoming - 1)
        ledger = _Ledger(probe, on_damage, known_to_s=targets.time(again) or 0.0)
        for shown in _seeking(probe, targets, again, ledger, threads, None, careful=True):
            if shown.number >= upcoming:
                yield shown


class _Ledger:
    """What was found unreadable in one pass. Ends of spans before known_to_s were told by an earlier pass."""

    def __init__(self, probe: Probe, tell: Callable[[Damage], None], known_to_s: float = -math.inf) -> None:
        self._probe, self._listener, self._known_to_s = probe, tell, known_to_s
        self._error: tuple[str, float] | None = None  # why, and until when a gap may stem from it
        self._marked: tuple[float, float] | None = None  # span of pictures that are there but damaged
        self._leaning = False  # on pictures that were lost: decoders give such ones out unmarked, until a key frame

    def failed(self, why: str, time_s: float | None) -> None:
        self._error = (why, math.inf if time_s is None else time_s + 2.0)

    def saw(self, frame: Any, time_s: float, length_s: float) -> None:
        self._leaning = self._leaning and not frame.key_frame
        if frame.is_corrupt or self._leaning:
            self._marked = (self._marked[0] if self._marked else time_s, time_s + length_s)
        elif self._marked and time_s > self._marked[1] + 1.0:
            self._close_marked()

    def is_loss(self, start_s: float, end_s: float, length_s: float) -> bool:
        """Whether nothing readable stands between two neighbouring pictures; if so it is told.
        A long gap alone is none: screen recordings hold one picture for minutes."""
        if end_s - start_s > _LONGEST_HOLD_S:
            self._tell(start_s, end_s, f"no picture for {end_s - start_s:.0f} s")
            return True
        if self._error is None:
            return False
        why, until_s = self._error
        if end_s - start_s <= length_s / 2:
            self._error = self._error if end_s <= until_s else None
            return False
        self._error = None
        self._leaning = True
        self._close_marked()
        self._tell(start_s, end_s, why)
        return True

    def file_ended(self, end_s: float) -> None:
        self._close_marked()
        claimed_s = _claimed_end(self._probe, end_s)
        if claimed_s is not None and claimed_s - end_s > (_TAIL_S if self._error is None else 0.02):
            self._tell(end_s, claimed_s, f"the file ends early: its header announces {claimed_s:.1f} s")

    def _close_marked(self) -> None:
        if self._marked:
            self._tell(*self._marked, "damaged pictures, kept as they were decoded")
            self._marked = None

    def _tell(self, start_s: float, end_s: float, why: str) -> None:
        if end_s > max(self._known_to_s, 0.0):
            self._listener(Damage(max(0.0, start_s), end_s, why))


def _claimed_end(probe: Probe, end_s: float) -> float | None:
    """Where the pictures should end. Where only the whole file's length is known, its sound must end early too."""
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


def _seeking(
    probe: Probe,
    targets: Targets,
    first: int,
    ledger: _Ledger,
    threads: int,
    warm: Source | None,
    careful: bool,
) -> Iterator[Shown]:
    """One pass from the key frame before the first target, or from the start of the file where seeking lies."""
    start_s = targets.time(first) or 0.0
    source = warm
    try:
        for back_s in _SEEK_BACK_S if start_s > _START_DIRECTLY_S else ():
            if start_s - back_s <= _START_DIRECTLY_S:
                break
            source = source or Source(probe, threads, careful)
            try:
                wanted = int((start_s - back_s + probe.origin_s) / source.unit_s)
                source.container.seek(wanted, stream=source.stream)
                yield from _pass(probe, source, targets, first, ledger, careful=careful, sought=True)
                return
            except (_SeekLied, av.FFmpegError):
                continue  # nothing was given out yet: _SeekLied comes before the first picture, and so do seek errors
        if source is not None and source is not warm:
            source.close()
        source = Source(probe, threads, careful)
        yield from _pass(probe, source, targets, first, ledger, careful=careful, sought=False)
    finally:
        if source is not None and source is not warm:
            source.close()


def _pass(
    probe: Probe, source: Source, targets: Targets, first: int, ledger: _Ledger, *, careful: bool, sought: bool
) -> Iterator[Shown]:
    """From where the source stands to the last target.
    Raises: _Broken unless careful; _SeekLied, before anything is given out, when sought."""
    assert probe.video is not None
    usual_s = 1.0 / probe.video.fps if probe.video.fps else 0.04
    number, due_s = first, targets.time(first)
    shown: Any = None
    shown_s = end_s = -math.inf
    packets = _Packets(probe, source, targets, careful)
    for packet, needed in packets:
        frames: Sequence[Any] = ()
        try:
            source.stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
            frames = packet.decode()
        except av.FFmpegError as error:
            if shown is not None or not sought:
                _failed(ledger, careful, "cannot be decoded", packets.time_of(packet), error)
        if sought and shown is None and not frames:
            time_s = packets.time_of(packet)
            if time_s is not None and due_s is not None and time_s > due_s + _GIVE_UP_AFTER_S:
                raise _SeekLied
        for frame in frames:
            stamp = frame.pts if frame.pts is not None else frame.dts
            # Nanoseconds: the difference of two large times is not exactly 0 where they are equal.
            time_s = round(stamp * source.unit_s - probe.origin_s, 9) if stamp is not None else end_s
            length_s = frame.duration * source.unit_s if frame.duration else usual_s
            if frame.interlaced_frame:
                packets.exact = False  # the two fields of a picture may be packets of their own
            if shown is None:
                if sought and not frame.key_frame:
                    continue  # a picture before the first key frame leans on pictures that were not read
                if sought and due_s is not None and time_s > due_s + TIME_EPS:
                    raise _SeekLied
            elif time_s <= shown_s:
                if time_s < shown_s - 1.0:
                    _failed(ledger, careful, "time stamps jump back", shown_s, None)
                continue
            if frame.is_corrupt and not careful:
                raise _Broken
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
    if shown is None:
        if sought:
            raise _SeekLied
        return
    while due_s is not None and due_s + TIME_EPS < end_s:
        yield Shown(number, due_s, shown_s, shown)
        number += 1
        due_s = targets.time(number)
    ledger.file_ended(end_s)


def _failed(ledger: _Ledger, careful: bool, why: str, time_s: float | None, error: Exception | None) -> None:
    if not careful:
        raise _Broken from error
    ledger.failed(why, time_s)


class _Packets:
    """The packets of a source in decoding order, each with whether its picture may be wanted."""

    def __init__(self, probe: Probe, source: Source, targets: Targets, careful: bool) -> None:
        self._origin_s, self._source, self._targets = probe.origin_s, source, targets
        self._careful = careful
        self.exact = source.can_skip  # False: every packet counts as needed

    def time_of(self, packet: Any) -> float | None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        return None if stamp is None else stamp * self._source.unit_s - self._origin_s

    def __iter__(self) -> Iterator[tuple[Any, bool]]:
        waiting: deque[Any] = deque()
        known: list[int] = []  # presentation times of the packets read, the early ones forgotten
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
                    self.exact = False  # such a file's decoding times promise nothing
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
                    raise _Broken from error
                failures += 1
                if failures == _READ_ERRORS:
                    return
