"""How long a film really is, by its packets: headers end early, and joined recordings start their clock again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import av

from agent_tools.media.damage import Damage
from agent_tools.media.fence import open_media
from agent_tools.media.streams import Probe, only

_TAIL_S = 1.0  # headers and last packets disagree by less than this in whole files
_BACK_S = 1.0  # a decoding time that jumps back by more starts the clock again; less is jitter
# Their headers hold no length: FFmpeg estimates it from the first and the last clock alone.
_WITHOUT_INDEX = frozenset({"mpegts", "mpeg", "wtv", "dhav"})
_FAR_S = 1e8  # behind the end of every file


@dataclass(frozen=True)
class Length:
    """The length in seconds from the first picture, and the parts within it that cannot be read as they are."""

    duration_s: float
    unread: tuple[Damage, ...] = ()


def measured(probe: Probe) -> Length:
    """The header's length, or the one that the packets show, if that is longer.

    A file with an index is read from its last key frame on. A transport stream has none, so all of its packets are
    read, without decoding them. Pictures behind a clock that starts again make the length longer, as an unread part."""
    claimed_s = probe.duration_s or 0.0
    stream_index = probe.video.index if probe.video is not None else next((a.index for a in probe.audio), None)
    if stream_index is None:
        return Length(claimed_s)
    whole = not claimed_s or probe.container in _WITHOUT_INDEX
    with closing(open_media(probe.path)) as container:
        stream: Any = container.streams[stream_index]
        only(container, stream)
        if not whole:
            try:
                container.seek(int((probe.origin_s + _FAR_S) / float(stream.time_base)), stream=stream)
            except av.FFmpegError:
                return Length(claimed_s)
        end_s, again_s = _reach(_times(container, stream), probe.origin_s)
    reached_s = end_s if not claimed_s or end_s > claimed_s + _TAIL_S else claimed_s
    if again_s <= _TAIL_S:
        return Length(reached_s)
    why = (
        f"the clock starts again here: {again_s:.0f} s behind it were not read. Join the recordings again, as one film"
    )
    return Length(end_s + again_s, (Damage(end_s, end_s + again_s, why),))


def pictures(probe: Probe) -> int:
    """How many pictures the film has, by its packets. It reads the whole file."""
    if probe.video is None:
        return 0
    with closing(open_media(probe.path)) as container:
        stream: Any = container.streams[probe.video.index]
        only(container, stream)
        return sum(1 for _ in _times(container, stream))


def _times(container: Any, stream: Any) -> Iterator[tuple[float | None, float, float]]:
    """(decoding time, presentation time, length) of each packet, in seconds on the stream's clock.

    Behind a seek, FFmpeg knows no decoding time of the first packets of some files: None."""
    unit_s = float(stream.time_base)
    try:
        for packet in container.demux(stream):
            if packet.pts is not None and not packet.is_discard:
                decoded_s = None if packet.dts is None else packet.dts * unit_s
                yield decoded_s, packet.pts * unit_s, (packet.duration or 0) * unit_s
    except av.FFmpegError:
        return  # the readable part counts; decoding tells what is lost


def _reach(times: Iterator[tuple[float | None, float, float]], origin_s: float) -> tuple[float, float]:
    """(end of the first clock, seconds of pictures on clocks that started again)."""
    end_s = behind_s = 0.0
    last_s: float | None = None
    first_s: float | None = None  # of the clock that started again
    for decoded_s, shown_s, length_s in times:
        if decoded_s is not None:
            if last_s is not None and decoded_s < last_s - _BACK_S:
                behind_s, first_s = behind_s + (last_s - first_s if first_s is not None else 0.0), decoded_s
            last_s = decoded_s + length_s
        if first_s is None:
            end_s = max(end_s, shown_s + length_s - origin_s)
    if first_s is not None and last_s is not None:
        behind_s += last_s - first_s
    return end_s, behind_s
