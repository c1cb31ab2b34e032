"""What copying packets out of a file into another container needs: a place to begin at, times, and a stream like the
one that is copied."""

from __future__ import annotations

from typing import Any

import av
import av.container

from agent_tools.media.streams import Probe

RUN_UP_S = 2.0  # the longest distance in the file between sound and its pictures


class NotCopied(Exception):
    """Says why packets cannot be copied; the caller encodes instead."""


def stream_like(output: Any, stream: Any) -> Any:
    """A stream of `output` that takes the packets of `stream`. Raises: NotCopied: it does not accept them."""
    if stream.codec_context is None or stream.codec_context.codec.canonical_name not in output.supported_codecs:
        name = "its sound" if stream.type == "audio" else "its picture"
        raise NotCopied(f"{name} has a codec that this container does not accept")
    return output.add_stream_from_template(stream, opaque=True)  # without an encoder: AV1 is decoded by libdav1d


def seek_before(source: av.container.InputContainer, stream: Any, probe: Probe, time_s: float) -> bool:
    """Seek to the key frame at or before a time. False if a seek gains nothing or fails."""
    if time_s <= 0:
        return False
    try:
        source.seek(int((time_s + probe.origin_s) / stream.time_base), stream=stream)
    except av.FFmpegError:
        return False
    return True


def shown_at(packet: Any, probe: Probe) -> float:
    """Seconds at which the packet's picture or sound is presented."""
    return seconds_of(packet.pts, packet, probe)


def seconds_of(stamp: Any, packet: Any, probe: Probe) -> float:
    """A time stamp of the packet as seconds from the first picture."""
    return round(float(stamp * packet.time_base) - probe.origin_s, 9)


def dated(packets: list[Any]) -> list[Any]:
    """Give each packet a decoding time, one picture's length apart. Only the last one has its own (Matroska does so
    after a seek)."""
    last = packets[-1]
    for back, packet in enumerate(reversed(packets)):
        packet.dts = last.dts - back * (last.duration or 1)
    return packets
