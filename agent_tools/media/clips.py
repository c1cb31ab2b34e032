"""A short piece of a video as a separate MP4 that is small enough to send."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container

from agent_tools.errors import DecodeError, InvalidArgument, LimitReached
from agent_tools.media.fence import name_of, open_media
from agent_tools.media.picture import fit_size
from agent_tools.media.samples import sample
from agent_tools.media.streams import Probe, only

LONGEST_S = 60.0
LARGEST_BYTES = 8 << 20
_MOST_FPS = 30.0
_MOST_FPS_WHOLE = 60.0  # of a clip without a size limit
_MOST_BITS = 100_000_000  # of a clip of a moment: encoders take no more than 31 bits
_SOUND_BITS = 96_000
_SOUND_BITS_WHOLE = 160_000
_LEAST_SOUND_BITS = 24_000
_ATTEMPTS = ((1280, 1.0), (854, 0.7), (640, 0.45), (426, 0.25))  # longer side in px, share of the bits that may be used
SOUND_RATE = 48_000
_SAMPLES = {"libopus": 960}  # of a frame that an encoder takes; of all others 1024
_LEAST_HOLE_S = 0.1  # in the sound: a shorter one closes up
_OVERHEAD_BYTES = 16_384  # the index of an MP4 of a minute


def clip(probe: Probe, start_s: float, end_s: float, out: Path, max_bytes: int = LARGEST_BYTES) -> int:
    """Write [start_s, end_s) to `out` as MP4 (H.264 and AAC), turned and stretched as displayed. Returns its bytes.

    The clip is encoded again, so it starts exactly at start_s. Pictures get smaller until the clip fits max_bytes.
    `out` appears only when it is complete.
    Raises:
        InvalidArgument: the span is empty or longer than 60 s.
        LimitReached: not even the smallest form fits max_bytes.
        DecodeError: the span holds neither a readable picture nor sound.
    """
    if not 0 <= start_s < end_s or end_s - start_s > LONGEST_S + 1e-6:
        raise InvalidArgument(
            f"{start_s}-{end_s} s cannot be a clip: the end must be after the start, at most {LONGEST_S:.0f} s later."
        )
    part = out.with_name(out.name + ".part")
    try:
        for long_side, share in _ATTEMPTS:
            encode(probe, start_s, end_s, part, long_side, int(max_bytes * share))
            size = part.stat().st_size
            if size <= max_bytes:
                os.replace(part, out)
                return size
    finally:
        part.unlink(missing_ok=True)
    raise LimitReached(
        f"{start_s}-{end_s} s of {name_of(probe.path)} does not fit {max_bytes} bytes. Ask for a shorter clip."
    )


def encode(
    probe: Probe,
    start_s: float,
    end_s: float,
    part: Path,
    long_side: int | None = None,
    target_bytes: int | None = None,
    on_share: Callable[[float], None] | None = None,
) -> None:
    """Write the span to `part` as MP4, whatever its length.

    Args:
        long_side: the longest side of the picture in px; None keeps its size.
        target_bytes: the size that the bit rate aims at; None keeps the quality, whatever the size.
        on_share: called with the share that is done, 0..1; may raise to stop.
    Raises: DecodeError: nothing in the span can be read.
    """
    with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        bits = None
        if target_bytes is not None:
            bits = min(_MOST_BITS, max(40_000, int((target_bytes - _OVERHEAD_BYTES) * 8 / (end_s - start_s))))
        sound_bits = _SOUND_BITS_WHOLE if bits is None else min(_SOUND_BITS, max(_LEAST_SOUND_BITS, bits // 4))
        sound = _sound_stream(probe, output, sound_bits)
        wrote = 0
        if probe.video is not None:
            left = None if bits is None else bits - (sound_bits if sound else 0)
            wrote += _pictures(probe, output, start_s, end_s, long_side, left, on_share or (lambda _share: None))
        if sound is not None:
            for packet in encoded_sound(probe, sound, start_s, end_s):
                output.mux(packet)
                wrote += 1
        if not wrote:
            raise DecodeError(f"{start_s}-{end_s} s of {name_of(probe.path)} holds nothing that can be read.")


def _pictures(
    probe: Probe,
    output: Any,
    start_s: float,
    end_s: float,
    long_side: int | None,
    bits: int | None,
    on_share: Callable[[float], None],
) -> int:
    assert probe.video is not None
    fps = min(_MOST_FPS_WHOLE if bits is None else _MOST_FPS, probe.video.fps or 25.0)
    # The sampling grid counts from 0, a clip from start_s: the first picture is the one on screen at start_s.
    rate = Fraction(fps).limit_denominator(1001)
    own = probe.video.width, probe.video.height
    width, height = (max(2, side - side % 2) for side in fit_size(*own, long_side or max(own)))
    stream = output.add_stream("libx264", rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = 1 / rate
    capped = {"crf": "20"} if bits is None else {"crf": "23", "maxrate": str(bits), "bufsize": str(2 * bits)}
    stream.options = {"preset": "veryfast", **capped}
    count = 0
    first: int | None = None
    for shown in sample(probe, float(rate), start_s, end_s):
        first = shown.k if first is None else first
        frame = av.VideoFrame.from_ndarray(shown.picture.rgb(width, height), format="rgb24")
        frame.pts = shown.k - first
        frame.time_base = 1 / rate
        output.mux(stream.encode(frame))
        count += 1
        on_share((shown.time_s - start_s) / (end_s - start_s))
    if count:
        output.mux(stream.encode(None))
    return count


def _sound_stream(probe: Probe, output: Any, bits: int) -> Any:
    if sound_index(probe) is None:
        return None
    return output.add_stream("aac", rate=SOUND_RATE, layout="stereo", bit_rate=bits)


def sound_index(probe: Probe) -> int | None:
    """The stream of the sound that goes with the pictures: the first that can be decoded."""
    return next((audio.index for audio in probe.audio if audio.codec != "unknown"), None)


def encoded_sound(probe: Probe, stream: Any, start_s: float, end_s: float) -> Iterator[Any]:
    """The packets of the span's sound, whose times count from start_s. Where the file has no sound there is silence.

    Args: stream: an output stream of SOUND_RATE and two channels."""
    index = sound_index(probe)
    assert index is not None
    resampler = av.AudioResampler(
        "fltp", "stereo", SOUND_RATE, frame_size=_SAMPLES.get(stream.codec_context.name, 1024)
    )
    position = 0
    heard_s = start_s

    def encode(parts: list[Any]) -> Iterator[Any]:
        nonlocal position
        for part in parts:
            part.pts, part.time_base = position, Fraction(1, SOUND_RATE)
            position += part.samples
            yield from stream.encode(part)

    for at_s, frame in _sound_frames(probe, index, start_s, end_s):
        frame.pts = None  # the clip counts its own samples
        for one in (*_silence(frame, at_s - heard_s), frame):
            yield from encode(resampler.resample(one))
        heard_s = at_s + frame.samples / frame.sample_rate
    if heard_s > start_s:
        yield from encode(resampler.resample(None))
        yield from stream.encode(None)


def _silence(like: Any, length_s: float) -> Iterator[Any]:
    """Frames of silence in the form of another frame, where the hole is too long to close up."""
    left = round(length_s * like.sample_rate) if length_s >= _LEAST_HOLE_S else 0
    while left > 0:
        frame = av.AudioFrame(like.format.name, like.layout.name, min(left, like.sample_rate))
        for plane in frame.planes:
            plane.update((b"\x80" if like.format.name.startswith("u8") else b"\0") * plane.buffer_size)
        frame.sample_rate = like.sample_rate
        left -= frame.samples
        yield frame


def _sound_frames(probe: Probe, index: int, start_s: float, end_s: float) -> Iterator[tuple[float, Any]]:
    """Each frame of sound that reaches into the span, and when it is heard."""
    for sought in (True, False):
        with open_media(probe.path) as container:
            stream: Any = container.streams[index]
            only(container, stream)
            if sought:
                if start_s < 2.0:
                    continue
                try:
                    container.seek(int((start_s + probe.origin_s - 0.5) / stream.time_base), stream=stream)
                except av.FFmpegError:
                    continue
            given = False
            after_s = start_s
            for frame in _decoded(container, stream):
                time_s = float(frame.pts * frame.time_base) - probe.origin_s if frame.pts is not None else after_s
                after_s = time_s + frame.samples / frame.sample_rate
                if sought and not given and time_s > start_s + 0.5:
                    break  # the seek went too far
                if time_s >= end_s:
                    return
                if after_s > start_s:
                    given = True
                    yield time_s, frame
            if given:
                return


def _decoded(container: av.container.InputContainer, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.FFmpegError:
                continue  # a broken packet costs its own 20 ms of sound
    except av.FFmpegError:
        return
