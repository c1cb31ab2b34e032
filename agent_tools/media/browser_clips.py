"""A span as a short file that browsers play: its packets are copied where browsers know the codec, else it is encoded.

A copy begins at the key frame at or before the span, and ends at a key frame where one is near: so nothing is decoded,
and the next piece begins where this one ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import av.container

from agent_tools.errors import InvalidArgument
from agent_tools.media.clips import LARGEST_BYTES, LONGEST_S, SOUND_RATE, clip, encoded_sound, sound_index
from agent_tools.media.fence import open_media
from agent_tools.media.packet_copy import RUN_UP_S, NotCopied, dated, seconds_of, seek_before, shown_at, stream_like
from agent_tools.media.packets import TIME_EPS
from agent_tools.media.streams import Probe, only, pixel_aspect

LEAST_S = 2.0  # of a copy that was cut short because of its size: below that, pictures are made smaller instead
_BACK_S = (
    0.0,
    RUN_UP_S,
    12.0,
)  # the key frame is looked for so far before the span, in turn; farther, encoding is less
_OVER_S = 4.0  # how far a copy may go on behind the span to end at a key frame
_SOUND_BEHIND_S = 12.0  # how far behind its pictures sound is looked for in the file
_SOUND_BITS = 160_000
_STRETCHED = 0.01  # of the width: nobody sees less
_FORMATS = {"h264": ("yuv420p", "yuvj420p")}  # that browsers decode; of the other codecs:
_USUAL = ("yuv420p", "yuvj420p", "yuv420p10le")


@dataclass(frozen=True)
class Container:
    """A container that browsers play, the codecs that they play in it, and an encoder for sound of any other codec."""

    name: str
    pictures: frozenset[str]
    sounds: frozenset[str]
    sound_encoder: str


CONTAINERS = (
    Container("mp4", frozenset({"h264", "hevc", "av1", "vp9"}), frozenset({"aac", "mp3", "opus", "flac"}), "aac"),
    Container("webm", frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"}), "libopus"),
)


@dataclass(frozen=True)
class Playable:
    """What `playable` wrote."""

    start_s: float  # of its first picture; at or before the start of the span
    end_s: float  # the next piece begins here
    mime_type: str
    why_encoded: str  # "" if the packets of the pictures were copied


def playable(probe: Probe, start_s: float, end_s: float, out: Path, max_bytes: int = LARGEST_BYTES) -> Playable:
    """Write a piece that holds [start_s, end_s), or its beginning where the whole does not fit max_bytes.

    Raises: as `clip`.
    """
    if not 0 <= start_s < end_s or end_s - start_s > LONGEST_S + 1e-6:
        raise InvalidArgument(f"{start_s}-{end_s} s cannot be played as one piece of at most {LONGEST_S:.0f} s.")
    part = out.with_name(out.name + ".part")
    try:
        made = _copy(probe, start_s, end_s, part, max_bytes)
        os.replace(part, out)
        return made
    except NotCopied as reason:
        clip(probe, start_s, end_s, out, max_bytes)
        return Playable(start_s, end_s, "video/mp4", str(reason))
    finally:
        part.unlink(missing_ok=True)


def container_for(picture: str | None, sound: str | None) -> Container | None:
    """The container that takes both codecs, else one that takes the picture; None where browsers play neither."""
    takes = [one for one in CONTAINERS if picture is None or picture in one.pictures]
    both = [one for one in takes if sound is None or sound in one.sounds]
    return next(iter(both or (takes if picture else [])), None)


def _copy(probe: Probe, start_s: float, end_s: float, part: Path, max_bytes: int) -> Playable:
    index = sound_index(probe)
    codec = next((audio.codec for audio in probe.audio if audio.index == index), None)
    if probe.video is None:
        raise NotCopied("it has no pictures")
    kind = container_for(probe.video.codec, codec)
    if kind is None:
        raise NotCopied(f"browsers do not play {probe.video.codec}")
    copied = index is not None and codec in kind.sounds
    try:
        with open_media(probe.path) as source, av.open(str(part), "w", format=kind.name) as output:
            video: Any = source.streams[probe.video.index]
            if video.codec_context.pix_fmt not in _FORMATS.get(probe.video.codec, _USUAL):
                raise NotCopied(f"browsers do not play {probe.video.codec} as {video.codec_context.pix_fmt}")
            _check_aspect(video)
            streams = {video.index: stream_like(output, video)}
            if index is not None and copied:
                streams[index] = stream_like(output, source.streams[index])
            only(source, *(source.streams[one] for one in streams))
            piece = _Piece(probe, video.index, _key_before(source, video, probe, start_s), end_s, max_bytes, copied)
            _go_before(source, video, probe, piece.start_s - RUN_UP_S)
            made = piece.read(source.demux([source.streams[one] for one in streams]))
            if piece.end_s < min(end_s, start_s + LEAST_S) - TIME_EPS:
                raise NotCopied(f"so little of it fits {max_bytes} bytes that it would stop")
            sound: Iterator[Any] = iter(())
            if index is not None and not copied:
                stream = output.add_stream(kind.sound_encoder, rate=SOUND_RATE, layout="stereo", bit_rate=_SOUND_BITS)
                sound = encoded_sound(probe, stream, piece.start_s, piece.end_s)
            _mux(output, streams, made, list(sound), piece.start_s + probe.origin_s)
    except (av.FFmpegError, av.codec.codec.UnknownCodecError) as error:
        raise NotCopied(f"its streams do not go into {kind.name} as they are ({error})") from error
    return Playable(piece.start_s, piece.end_s, f"video/{kind.name}", "")


def _check_aspect(video: Any) -> None:
    """Raises: NotCopied: the container stretches the pictures otherwise than they say themselves; a copy loses that."""
    stated, own = pixel_aspect(video.sample_aspect_ratio), pixel_aspect(video.codec_context.sample_aspect_ratio)
    if abs(stated / own - 1.0) > _STRETCHED:
        raise NotCopied("its container stretches the pictures")


def _mux(output: Any, streams: dict[int, Any], copied: list[Any], encoded: list[Any], origin_s: float) -> None:
    """Write packets by their decoding time, those that are copied counted from the start of the piece."""
    for packet in copied:
        shift = round(origin_s / float(packet.time_base))
        packet.pts -= shift
        packet.dts -= shift
        packet.stream = streams[packet.stream_index]
    for packet in sorted([*copied, *encoded], key=lambda one: float(one.dts * one.time_base)):
        output.mux(packet)


def _key_before(source: av.container.InputContainer, video: Any, probe: Probe, start_s: float) -> Any:
    """The packet of the last key frame at or before a time. Raises: NotCopied: none is near."""
    for back_s in _BACK_S:
        if not _go_before(source, video, probe, start_s - back_s):
            continue
        found: Any = None
        for packet in source.demux(video):
            if packet.pts is None:
                if packet.size:
                    raise NotCopied("its pictures have no times")
                continue
            if shown_at(packet, probe) <= start_s + TIME_EPS and packet.is_keyframe:
                found = packet
            if packet.dts is not None and seconds_of(packet.dts, packet, probe) > start_s + TIME_EPS:
                break
        if found is not None:
            if shown_at(found, probe) < start_s - _BACK_S[-1]:
                break
            return found
    raise NotCopied(f"no key frame is within {_BACK_S[-1]:g} s before {start_s:g} s")


def _go_before(source: av.container.InputContainer, video: Any, probe: Probe, time_s: float) -> bool:
    """Read on from a key frame at or before a time, or from the start of the file. False if that fails."""
    if time_s > 0:
        return seek_before(source, video, probe, time_s)
    source.seek(0)
    return True


@dataclass
class _Piece:
    """Which packets of a file are in the copy, as they are read in the order of the file."""

    probe: Probe
    video: int  # the index of the film
    key: Any  # the packet that the copy begins with
    wanted_s: float  # the end of the span
    max_bytes: int
    sounding: bool
    start_s: float = 0.0
    end_s: float = 0.0  # of the copy; known when its pictures have been read
    size: int = 0
    _begun: bool = False
    _ended: bool = False  # the pictures are complete
    _next: Any = None  # the key frame behind the copy; pictures that are shown before it may depend on it
    _pictures: list[Any] = field(default_factory=list)
    _sounds: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start_s = shown_at(self.key, self.probe)

    def read(self, packets: Iterator[Any]) -> list[Any]:
        """The packets of the copy. Raises: NotCopied: a picture has no time, or there is none."""
        for packet in packets:
            if packet.pts is None:
                if packet.size and packet.stream_index == self.video:
                    raise NotCopied("its pictures have no times")
                continue
            if packet.stream_index != self.video:
                if self._sound(packet):
                    break
            elif self._ended:
                if shown_at(packet, self.probe) > self.end_s + _SOUND_BEHIND_S:
                    break
            else:
                self._picture(packet)
            if self._ended and not self.sounding:
                break
        if not self._pictures:
            raise NotCopied("no picture begins in it")
        last = max(self._pictures, key=lambda one: one.pts)
        last_s = shown_at(last, self.probe)
        if not self._ended:  # the file does
            self.end_s = max(self.wanted_s, last_s + float((last.duration or 0) * last.time_base))
        if not last.duration:
            last.duration = max(1, round((self.end_s - last_s) / float(last.time_base)))
        inside = [one for one in self._sounds if shown_at(one, self.probe) < self.end_s - TIME_EPS]
        return [*_all_dated(self._pictures), *inside]

    def _picture(self, packet: Any) -> None:
        at_s = shown_at(packet, self.probe)
        self._begun = self._begun or packet.pts == self.key.pts
        if not self._begun or packet.pts < self.key.pts:
            return  # a picture before the key frame depends on others that are not in the copy
        decoded_s = at_s if packet.dts is None else seconds_of(packet.dts, packet, self.probe)
        if self._next is not None:
            if packet.pts > self._next.pts:
                self._end(shown_at(self._next, self.probe))
            else:
                self._pictures += [packet] if self._next in self._pictures else [self._next, packet]
        elif packet.is_keyframe and at_s >= self.wanted_s - TIME_EPS:
            self._next = packet
        elif decoded_s >= self.wanted_s + _OVER_S or self.size + packet.size > self.max_bytes:
            self._end(decoded_s)  # what is decoded from here on is shown from here on
        else:
            self.size += packet.size
            self._pictures.append(packet)

    def _end(self, at_s: float) -> None:
        self.end_s, self._ended = at_s, True

    def _sound(self, packet: Any) -> bool:
        """Take a packet of sound. Whether it is behind the copy."""
        at_s = shown_at(packet, self.probe)
        if at_s >= self.start_s - TIME_EPS:
            packet.dts = packet.pts if packet.dts is None else packet.dts
            self.size += packet.size
            self._sounds.append(packet)
        return self._ended and at_s >= self.end_s


def _all_dated(packets: list[Any]) -> list[Any]:
    """Give packets without a decoding time one, counted back from the next that has it."""
    known = next((place for place, packet in enumerate(packets) if packet.dts is not None), None)
    if known is None:
        raise NotCopied("its pictures have no decoding times")
    dated(packets[: known + 1])
    if any(packet.dts is None for packet in packets):
        raise NotCopied("some of its pictures have no decoding time")
    return packets
