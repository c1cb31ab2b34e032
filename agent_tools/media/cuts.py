"""A piece of any length as a separate MP4. Its packets are copied if both ends allow it, else it is encoded again.

A copy holds exactly the pictures of the span: if pictures near the end depend on later ones, the span is encoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.container

from agent_tools.errors import InvalidArgument, UnreadableVideo
from agent_tools.media.clips import encode, sound_index
from agent_tools.media.fence import open_media
from agent_tools.media.packet_copy import RUN_UP_S, NotCopied, dated, seconds_of, seek_before, shown_at, stream_like
from agent_tools.media.packets import TIME_EPS
from agent_tools.media.streams import Probe, only

_TRIED = 30  # pictures of a copy that are decoded as a check
_BACK_S = (RUN_UP_S, 12.0)  # reading begins so far before a border, in turn; then at the start of the file


@dataclass(frozen=True)
class Cut:
    """What `cut` wrote."""

    size_bytes: int
    why_encoded: str  # "" if the packets were copied


def cut(probe: Probe, start_s: float, end_s: float, out: Path, on_share: Callable[[float], None] | None = None) -> Cut:
    """Write the pictures shown in [start_s, end_s) and their sound to `out`, in the source's own size.

    Args:
        out: the file; its suffix chooses the container. It appears only when it is complete.
        on_share: called while it is encoded with the share that is done, 0..1; may raise to stop.
    Raises:
        InvalidArgument: the span is empty.
        DecodeError: the span holds neither a readable picture nor sound.
    """
    if not 0 <= start_s < end_s:
        raise InvalidArgument(f"{start_s}-{end_s} s cannot be a clip: the end must be after the start.")
    part = out.with_name(f"{out.stem}.part{out.suffix}")
    why = ""
    try:
        try:
            _copy(probe, start_s, end_s, part)
        except NotCopied as reason:
            why = str(reason)
            encode(probe, start_s, end_s, part, on_share=on_share)
        size = part.stat().st_size
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return Cut(size, why)


def _copy(probe: Probe, start_s: float, end_s: float, part: Path) -> None:
    if probe.video is None:
        raise NotCopied("it has no pictures")
    first_pts = _first(probe, start_s)
    _check_end(probe, start_s, end_s)
    sound = sound_index(probe)
    wrote = 0
    try:
        with open_media(probe.path) as source, av.open(str(part), "w") as output:
            video: Any = source.streams[probe.video.index]
            streams = {video.index: stream_like(output, video)}
            if sound is not None:
                streams[sound] = stream_like(output, source.streams[sound])
            only(source, *(source.streams[index] for index in streams))
            seek_before(source, video, probe, start_s - RUN_UP_S)
            origin_s = float(first_pts * video.time_base)
            for packet in _span(source, streams, video.index, first_pts, probe, end_s):
                shift = round(origin_s / float(packet.time_base))
                index = packet.stream_index
                packet.pts -= shift
                if packet.dts is not None:
                    packet.dts -= shift
                packet.stream = streams[index]
                output.mux(packet)
                wrote += index == video.index
    except (av.FFmpegError, av.codec.codec.UnknownCodecError) as error:
        raise NotCopied(f"its streams do not go into {part.suffix} as they are ({error})") from error
    if not wrote:
        raise NotCopied("no picture begins in it")
    if not _plays(part):
        raise NotCopied(f"its pictures cannot be read out of {part.suffix} as they are")


def _plays(part: Path) -> bool:
    """Whether the first pictures of a copy decode: some containers keep pictures in a form that others do not."""
    try:
        with open_media(part) as made:
            return bool(list(zip(range(_TRIED), made.decode(video=0), strict=False)))
    except (av.FFmpegError, UnreadableVideo):
        return False


def _span(
    source: av.container.InputContainer, streams: dict[int, Any], video: int, first_pts: int, probe: Probe, end_s: float
) -> Iterator[Any]:
    """The packets of the span, in the order of the file, until every stream is past its end."""
    begun = False
    open_streams = set(streams)
    unit: Any = source.streams[video].time_base
    first_s = float(first_pts * unit)
    undated: list[Any] = []
    packets: Iterator[Any] = source.demux([source.streams[index] for index in streams])
    for packet in packets:
        if packet.pts is None:
            continue
        at_s = shown_at(packet, probe)
        index = packet.stream_index
        if packet.dts is not None and seconds_of(packet.dts, packet, probe) >= end_s:
            open_streams.discard(index)
            if not open_streams:
                return
        if at_s >= end_s - TIME_EPS:
            continue
        if index == video:
            begun = begun or packet.pts == first_pts
            if begun and packet.pts >= first_pts:  # earlier ones depend on pictures before the cut
                undated.append(packet)
                if packet.dts is not None:
                    yield from dated(undated)
                    undated = []
        elif at_s + probe.origin_s + float((packet.duration or 0) * packet.time_base) / 2 >= first_s:
            yield packet


def _first(probe: Probe, start_s: float) -> int:
    """pts of the picture on screen at start_s. Raises: NotCopied: it is not a key frame."""
    shown: Any = None
    key_s: float | None = None
    for packet in _around(probe, start_s):
        at_s = shown_at(packet, probe)
        if at_s <= start_s + TIME_EPS:
            if packet.is_keyframe:
                key_s = at_s if key_s is None else max(key_s, at_s)
            if shown is None or packet.pts > shown.pts:
                shown = packet
    if shown is None:
        raise NotCopied("no picture is shown where it begins")
    if not shown.is_keyframe:
        before = f"the key frame before it is at {key_s:.2f} s" if key_s is not None else "no key frame is before it"
        raise NotCopied(f"{start_s:g} s is not a key frame ({before})")
    return int(shown.pts)


def _check_end(probe: Probe, start_s: float, end_s: float) -> None:
    """Check the last pictures. Raises: NotCopied: a picture before the end depends on one after it."""
    behind = False
    for packet in _around(probe, end_s):
        at_s = shown_at(packet, probe)
        if at_s >= end_s - TIME_EPS:
            behind = behind or not packet.is_disposable
        elif behind and at_s >= start_s - TIME_EPS:
            raise NotCopied(f"pictures before {end_s:g} s depend on later ones")


def _around(probe: Probe, time_s: float) -> list[Any]:
    """The packets of the film from a key frame at or before a time until no more can come before that time."""
    assert probe.video is not None
    for back_s in (*_BACK_S, None):
        with open_media(probe.path) as source:
            stream: Any = source.streams[probe.video.index]
            only(source, stream)
            if back_s is not None and not seek_before(source, stream, probe, time_s - back_s):
                continue
            found: list[Any] = []
            for packet in source.demux(stream):
                if packet.pts is None:
                    continue
                if packet.dts is not None and seconds_of(packet.dts, packet, probe) > time_s + TIME_EPS:
                    break  # no picture is shown before it is decoded
                found.append(packet)
            if found and (back_s is None or shown_at(found[0], probe) <= time_s + TIME_EPS):
                return found
    return []
