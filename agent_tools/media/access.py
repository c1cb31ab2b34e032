"""Single moments of a video: the picture on screen at each given time."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType

from agent_tools.errors import InvalidArgument, SourceNotFound
from agent_tools.media.damage import Damage
from agent_tools.media.decoder import decode
from agent_tools.media.fence import name_of
from agent_tools.media.packets import Moments, Source
from agent_tools.media.picture import Picture, Scaler
from agent_tools.media.samples import Sample
from agent_tools.media.streams import Probe

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
