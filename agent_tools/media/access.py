"""Single moments of a video: the picture on screen at each given time."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import av

from agent_tools.errors import InvalidArgument, SourceNotFound
from agent_tools.media.damage import Damage
from agent_tools.media.decoder import decode
from agent_tools.media.fence import name_of
from agent_tools.media.packets import Moments, Source
from agent_tools.media.picture import Picture, Scaler
from agent_tools.media.samples import Sample
from agent_tools.media.streams import Probe

_REORDERED_S = (0.0, 0.1, 0.4, 1.5)  # a key frame is shown at most so long after its decoding time; tried in turn
_DECODE_ON_S = 3.0  # without an index of key frames: decoding on for this long costs about as much as a seek


class Opener:
    """Keeps the last few files open between calls: opening an hour of MP4 costs as much as one picture.

    A file that changed is opened again. Only one thread may use it at a time."""

    def __init__(self, keep: int = 4, threads: int = 0) -> None:
        self.threads = threads
        self._keep = keep
        self._open: OrderedDict[tuple[str, int, int, int], Source] = OrderedDict()

    def source(self, probe: Probe) -> Source:
        try:
            state = os.stat(probe.path)
        except OSError as error:
            raise SourceNotFound(f"{name_of(probe.path)} is not there any more. Give its new path.") from error
        assert probe.video is not None
        key = (str(probe.path), state.st_size, state.st_mtime_ns, probe.video.index)
        source = self._open.pop(key, None) or Source(probe, self.threads)
        self._open[key] = source
        while len(self._open) > self._keep:
            self._open.popitem(last=False)[1].close()
        return source

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self) -> Opener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def pictures_at(
    probe: Probe, times: Sequence[float], opener: Opener | None = None, threads: int = 0
) -> list[Sample | None]:
    """The picture on screen at each time, in the order of `times`; the same picture that `sample` gives there.

    Sample.k is the place in `times`. None where no picture is readable: after the last one, or in a damaged span.
    Args:
        times: seconds from the first picture, not negative, in any order.
        opener: keeps the file open for the next call; without it the file is closed again.
        threads: decoder threads if there is no opener, 0 = as many as cores.
    Raises: InvalidArgument: a time is negative or not a number.
    """
    for time_s in times:
        if not 0 <= time_s < float("inf"):
            raise InvalidArgument(f"{time_s} s is not a time in a video: it must be 0 or more.")
    found: list[Sample | None] = [None] * len(times)
    if probe.video is None or not times:
        return found
    own = Opener(keep=1, threads=threads) if opener is None else None
    try:
        source = (opener or own or Opener()).source(probe)
        scaler = Scaler()
        groups = _groups(source, probe, sorted(range(len(times)), key=lambda place: times[place]), times)
        while groups:
            # If seeks go wrong, each group would cost a pass from the start: one pass serves all groups.
            group = [place for rest in groups for place in rest] if source.seeks_lie else groups[0]
            groups = [] if source.seeks_lie else groups[1:]
            moments = Moments([times[place] for place in group])
            for shown in decode(probe, moments, 0, _ignore, threads, warm=source):
                picture = Picture(shown.frame, probe.video.pixel_aspect, scaler)
                place = group[shown.number]
                found[place] = Sample(place, shown.time_s, shown.pts_s, picture)
    finally:
        if own is not None:
            own.close()
    return found


def nearest_keys(probe: Probe, times: Sequence[float], within_s: float, opener: Opener | None = None) -> list[float]:
    """For each time that of the nearest key frame, where it is at most within_s away; else the time itself.

    A picture at a key frame costs one decoded picture, at any other time all those since the key frame before it. Only
    packets are read. A file without an index of key frames gives the times back.
    Args:
        times: seconds from the first picture, not negative.
    """
    if probe.video is None or not times or within_s <= 0:
        return list(times)
    own = Opener(keep=1) if opener is None else None
    try:
        source = (opener or own or Opener()).source(probe)
        return [_nearest_key(source, probe, time_s, within_s) for time_s in times]
    finally:
        if own is not None:
            own.close()


def _nearest_key(source: Source, probe: Probe, time_s: float, within_s: float) -> float:
    wanted = int((time_s + probe.origin_s) / source.unit_s)
    if len(source.stream.index_entries) < 2:  # Matroska's is read with the first seek
        source.container.seek(wanted, stream=source.stream)
    index = source.stream.index_entries
    if len(index) < 2 or source.seeks_lie:
        return time_s
    found = []
    for backward in (True, False):
        place = index.search_timestamp(wanted, backward=backward)
        if place >= 0 and (shown_s := _key_time(source, probe, index[place])) is not None:
            found.append(shown_s)
    best = min(found, key=lambda shown_s: abs(shown_s - time_s), default=None)
    return time_s if best is None or best < 0 or abs(best - time_s) > within_s else best


def _key_time(source: Source, probe: Probe, entry: Any) -> float | None:
    """When the key frame of an index entry is shown: the entry may name its decoding time, and a seek takes another."""
    for later_s in _REORDERED_S:
        try:
            source.container.seek(entry.timestamp + int(later_s / source.unit_s), stream=source.stream)
            packet = next(iter(source.container.demux(source.stream)))
        except (av.FFmpegError, StopIteration):
            return None
        same = packet.pos == entry.pos or packet.pts == entry.timestamp  # Matroska's entry names the cluster's place
        if packet.pts is not None and packet.is_keyframe and same:
            return float(round(packet.pts * source.unit_s - probe.origin_s, 9))
    return None


def _groups(source: Source, probe: Probe, order: Sequence[int], times: Sequence[float]) -> list[list[int]]:
    """Groups of places. Within a group, decoding on is cheaper than a seek: no key frame lies between the times."""
    groups: list[list[int]] = []
    last_s, last_key = 0.0, -1
    for place in order:
        time_s = times[place]
        index = source.stream.index_entries
        key = index.search_timestamp(int((time_s + probe.origin_s) / source.unit_s)) if len(index) > 1 else -1
        together = key == last_key if key >= 0 else time_s - last_s <= _DECODE_ON_S
        if groups and together:
            groups[-1].append(place)
        else:
            groups.append([place])
        last_s, last_key = time_s, key
    return groups


def _ignore(damage: Damage) -> None:
    """`sample` reports damage; here the missing picture shows it."""
