"""Reads the header and the first picture of a file: its streams, times and chapters, and which stream is the film."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.container
import av.stream

from agent_tools.errors import UnreadableVideo
from agent_tools.media.fence import name_of, open_media
from agent_tools.media.languages import language_of
from agent_tools.untrusted import clean

_FIRST_PICTURE_PACKETS = 3000  # a transport stream cut between key frames starts with packets that give no picture
_COVER = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
_MICROSECOND = 1e-6  # unit of a container's start_time and duration
_TEXT_CODECS = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text", "eia_608"})


@dataclass(frozen=True)
class VideoStream:
    """The stream that is sampled. width and height are as displayed: pixel aspect and rotation applied."""

    index: int
    codec: str
    width: int
    height: int
    rotation: int  # degrees anticlockwise that the coded picture must be turned: -180, -90, 0, 90, 180
    fps: float | None
    pixel_aspect: float
    end_s: float | None = None  # end of this stream as the header claims it; damage is measured against it
    interlaced: bool = False  # as its first picture says


@dataclass(frozen=True)
class AudioStream:
    index: int
    codec: str  # "unknown" if there is no decoder
    language: str | None
    duration_s: float | None


@dataclass(frozen=True)
class SubtitleStream:
    index: int
    codec: str
    language: str | None
    text: bool  # False: pictures of text (PGS, VobSub), which need OCR


@dataclass(frozen=True)
class Chapter:
    start_s: float
    end_s: float
    title: str


@dataclass(frozen=True)
class Probe:
    """One file. Public times are stream times minus origin_s, so the first picture (else sound) is at 0."""

    path: Path
    container: str
    duration_s: float | None  # as the header claims it; None if the header does not say: see last_time
    origin_s: float
    video: VideoStream | None
    audio: tuple[AudioStream, ...]
    subtitles: tuple[SubtitleStream, ...]
    chapters: tuple[Chapter, ...]
    metadata: dict[str, str]


def probe(path: Path) -> Probe:
    """Open the file, decode its first picture, and return what the file holds.

    The film is the largest video stream with more than one picture; cover art is never the film.
    Raises:
        SourceNotFound: there is no file.
        UnreadableVideo: nothing in it can be decoded; the message says why and what to do.
    """
    with open_media(path) as container:
        video, origin_s = _first_video(container)
        if video is None:
            origin_s = _first_sound(container, path)
        duration_s = _duration(container, origin_s)
        return Probe(
            path=path,
            container=container.format.name,
            duration_s=duration_s,
            origin_s=origin_s,
            video=video,
            audio=tuple(
                AudioStream(s.index, _codec(s), language_of(s.language), _length(s)) for s in container.streams.audio
            ),
            subtitles=tuple(
                SubtitleStream(s.index, _codec(s), language_of(s.language), _is_text(container, s))
                for s in container.streams.subtitles
            ),
            chapters=_chapters(container, origin_s, duration_s),
            metadata=_metadata(container.metadata),
        )


def last_time(probe: Probe) -> float:
    """Seconds at which the last picture (else sound) of the file really ends, found by reading all packets.

    It is slow, because it reads the whole file. Use it if duration_s is None or not reliable.
    """
    with open_media(probe.path) as container:
        if probe.video is not None:
            stream: Any = container.streams[probe.video.index]
        else:
            stream = container.streams[probe.audio[0].index]
        only(container, stream)
        end = 0.0
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and not packet.is_discard:
                    length = packet.duration or 0
                    end = max(end, float((packet.pts + length) * packet.time_base) - probe.origin_s)
        except av.FFmpegError:
            pass  # the end of the readable part is the answer
        return end


def only(container: av.container.InputContainer, *streams: Any) -> None:
    """Let the demuxer skip all other streams; MP4 then does not even read them."""
    wanted = {stream.index for stream in streams}
    for stream in container.streams:
        stream.discard = av.stream.Discard.default if stream.index in wanted else av.stream.Discard.all


def _first_video(container: av.container.InputContainer) -> tuple[VideoStream | None, float]:
    candidates = [s for s in container.streams.video if s.codec_context is not None and not _is_cover(s)]
    several = any(s.frames > 1 for s in candidates)
    # A motion photo holds its still as a second, larger stream of one picture: it comes last.
    candidates.sort(key=lambda s: (several and s.frames == 1, -s.width * s.height, s.index))
    for number, stream in enumerate(candidates):
        frame = _first_frame(container, stream, rewind=number > 0)
        if frame is not None and frame.pts is not None and frame.time_base is not None:
            origin_s = float(frame.pts * frame.time_base)
            return _video_stream(container, stream, frame, origin_s), origin_s
    return None, 0.0


def _first_frame(container: av.container.InputContainer, stream: Any, *, rewind: bool) -> Any:
    stream.thread_type = "SLICE"  # frame threads would delay the first picture
    if rewind:
        try:
            container.seek(0)
        except av.FFmpegError:
            return None
    packets = container.demux(stream)
    for _ in range(_FIRST_PICTURE_PACKETS):
        try:
            packet = next(packets, None)
            if packet is None:
                return None
            for frame in packet.decode():
                return frame
        except av.FFmpegError:
            packets = container.demux(stream)  # an error ends the generator, not the file
    return None


def _video_stream(container: av.container.InputContainer, stream: Any, frame: Any, origin_s: float) -> VideoStream:
    aspect = pixel_aspect(stream.sample_aspect_ratio)
    width, height = display_size(frame.width, frame.height, aspect, frame.rotation)
    rate = stream.average_rate or stream.guessed_rate
    end = _stream_end(container, stream)
    return VideoStream(
        index=stream.index,
        codec=_codec(stream),
        width=width,
        height=height,
        rotation=frame.rotation,
        fps=float(rate) if rate else None,
        pixel_aspect=aspect,
        end_s=None if end is None else max(0.0, end - origin_s),
        interlaced=bool(frame.interlaced_frame),
    )


def pixel_aspect(ratio: Any) -> float:
    """Width over height of one pixel; 1.0 if the file gives no value or an impossible one."""
    value = float(ratio) if ratio else 1.0
    return value if 0.1 <= value <= 10 else 1.0


def display_size(width: int, height: int, aspect: float, rotation: int) -> tuple[int, int]:
    """Size on screen of a coded picture: pixels squared along the width, then turned."""
    width = max(1, round(width * aspect))
    return (height, width) if round(rotation / 90) % 2 else (width, height)


def _stream_end(container: av.container.InputContainer, stream: Any) -> float | None:
    """The end of this stream (in stream time) from the header. Matroska has it in a tag, or not at all."""
    if stream.duration is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    for key, value in stream.metadata.items():
        if key.upper().startswith("DURATION"):
            parts = value.split(":")
            try:
                return float(sum(float(part) * 60**power for power, part in enumerate(reversed(parts))))
            except ValueError:
                continue
    if container.duration is None:
        return None
    others = [s for s in container.streams if s.type in ("audio", "subtitle")]
    return None if others else ((container.start_time or 0) + container.duration) * _MICROSECOND


def _first_sound(container: av.container.InputContainer, path: Path) -> float:
    for stream in container.streams.audio:
        if stream.codec_context is None:
            continue
        try:
            container.seek(0)
            for frame in container.decode(stream):
                return float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else 0.0
        except av.FFmpegError:
            continue
    raise UnreadableVideo(_why_nothing(container, path))


def _why_nothing(container: av.container.InputContainer, path: Path) -> str:
    name, streams = name_of(path), list(container.streams)
    unknown = [s for s in streams if s.type in ("video", "audio") and s.codec_context is None]
    if unknown:
        kinds = " and ".join(sorted({s.type for s in unknown}))
        return f"{name} holds {kinds} in a codec that no decoder here knows. Convert it to H.264 and AAC first."
    if any(s.type == "subtitle" for s in streams):
        return f"{name} holds subtitles only. Put them next to their video under its name, and give that video."
    if streams:
        return f"{name} opens, but no picture and no sound in it can be decoded. Copy it again or convert it."
    return f"{name} holds no streams. Give a file with video or sound."


def _duration(container: av.container.InputContainer, origin_s: float) -> float | None:
    if container.duration is None:
        return None
    length = container.duration * _MICROSECOND
    start = (container.start_time or 0) * _MICROSECOND
    # Streams may start before the first picture. Matroska counts its length from 0, not from the first picture.
    lengths = [length, start + length - origin_s]
    ends = [_stream_end(container, s) for s in container.streams if s.type in ("video", "audio") and not _is_cover(s)]
    known = [end - origin_s for end in ends if end is not None]
    if known and len(known) == len(ends):
        lengths.append(max(known))
    return round(max(0.0, min(lengths)), 6)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & _COVER)


def _length(stream: Any) -> float | None:
    return None if stream.duration is None else float(stream.duration * stream.time_base)


def _codec(stream: Any) -> str:
    context = stream.codec_context
    return "unknown" if context is None else str(context.codec.canonical_name)


def _is_text(container: av.container.InputContainer, stream: Any) -> bool:
    # Matroska's WebVTT has no decoder here; its packets hold the text itself. Elsewhere an unknown codec is anything.
    if stream.codec_context is None:
        return container.format.name == "matroska,webm"
    return stream.codec_context.name in _TEXT_CODECS


def _chapters(container: av.container.InputContainer, origin_s: float, duration_s: float | None) -> tuple[Chapter, ...]:
    chapters = []
    for raw in container.chapters():
        unit = raw["time_base"]
        if unit is None:
            continue
        start_s = max(0.0, float(raw["start"] * unit) - origin_s)
        end_s = float(raw["end"] * unit) - origin_s
        if duration_s is not None:
            end_s = min(end_s, duration_s)
        if end_s > start_s:
            chapters.append(Chapter(start_s, end_s, clean(raw["metadata"].get("title", ""), 200)))
    return tuple(sorted(chapters, key=lambda chapter: chapter.start_s))


def _metadata(raw: dict[str, str]) -> dict[str, str]:
    pairs: Iterable[tuple[str, str]] = ((clean(key, 60), clean(value, 500)) for key, value in raw.items())
    return dict([(key, value) for key, value in pairs if key and value][:32])
