"""Videos drawn by tests: every picture carries its own number, which is read back from pixels, however scaled.

`draw` takes the times of the pictures, so constant and variable rates, late and negative starts are one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
_BITS = 12
_TICKS = 90_000
_SAMPLES = {"libopus": 960, "ac3": 1536, "mp3": 1152, "libmp3lame": 1152}  # of a frame that an encoder takes


def even_times(count: int, fps: float, start_s: float = 0.0) -> list[float]:
    """The times of `count` pictures at a constant rate."""
    return [start_s + number / fps for number in range(count)]


def numbered(number: int, width: int, height: int) -> Pixels:
    """(height, width, 3): 12 bits of the number as black and white blocks over a moving ramp that keeps codecs busy."""
    across = (np.arange(width) * 2 + number * 5) % 256
    down = np.arange(height) * 150 // height
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[..., 0] = across // 2 + 40
    rgb[..., 1] = down[:, None] + 40
    rgb[..., 2] = (across[None, :] + down[:, None]) // 3
    for bit in range(_BITS):
        left, right = bit * width // _BITS, (bit + 1) * width // _BITS
        rgb[height // 4 : 3 * height // 4, left:right] = 255 if number >> bit & 1 else 0
    return rgb


def number_in(rgb: Pixels) -> int:
    """The number that `numbered` drew, read from a picture of any size and channel count."""
    luma = rgb.mean(axis=2) if rgb.ndim == 3 else rgb
    height, width = luma.shape
    row = luma[3 * height // 8 : 5 * height // 8].mean(axis=0)
    return sum(int(row[(2 * bit + 1) * width // (2 * _BITS)] > 128) << bit for bit in range(_BITS))


def draw(
    path: Path,
    times_s: Sequence[float],
    *,
    size: tuple[int, int] = (320, 180),
    codec: str = "libx264",
    b_frames: int = 2,
    key_every: int = 48,
    rotation: int = 0,
    pixels: str = "yuv420p",
    tone: bool = False,
    sound: str = "aac",
    sound_from_s: float = 0.0,
    interleaved: bool = False,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    picture: Callable[[int, int, int], Pixels] = numbered,
) -> Path:
    """Write a video with one picture per time; the suffix of `path` picks the container.

    Args:
        times_s: presentation times, increasing.
        rotation: degrees anticlockwise that a player shall turn it.
        pixels: the format of the coded pictures.
        tone: whether a 440 Hz sound of the same length goes with it.
        sound: its codec.
        sound_from_s: when it begins.
        interleaved: write pictures and sound side by side, as a camera does, and not one after the other.
        picture: (number, width, height) -> (height, width, 3) uint8.
    """
    width, height = size
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.time_base = Fraction(1, _TICKS)
        stream.codec_context.gop_size = key_every
        if codec == "libx264":
            stream.codec_context.max_b_frames = b_frames
            stream.options = {"preset": "veryfast", "crf": "20", "b_strategy": "0", **(options or {})}
        else:
            stream.options = dict(options or {})
        if rotation:
            stream.set_display_rotation(rotation)
        heard = container.add_stream(sound, rate=48_000, layout="mono") if tone else None
        held: list[Any] = []
        put: Callable[[Any], object] = held.extend if interleaved else container.mux
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
            frame.pts, frame.time_base = round(time_s * _TICKS), Fraction(1, _TICKS)
            put(stream.encode(frame))
        put(stream.encode(None))
        if heard is not None:
            _tone(put, heard, sound_from_s, times_s[-1] + 0.04)
        for packet in sorted(held, key=lambda one: float(one.dts * one.time_base)):
            container.mux(packet)
    return path


def _tone(put: Callable[[Any], object], sound: Any, from_s: float, to_s: float) -> None:
    layout = av.AudioResampler(
        sound.codec_context.format.name, "mono", 48_000, frame_size=_SAMPLES.get(sound.name, 1024)
    )
    for start in range(round(from_s * 48_000), int(to_s * 48_000), 1024):
        wave = 0.2 * np.sin(2 * np.pi * 440 * (start + np.arange(1024)) / 48_000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None, :], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        for part in layout.resample(frame):
            put(sound.encode(part))
    put(sound.encode(None))


def cut(path: Path, source: Path, share: float) -> Path:
    """The first `share` of a file's bytes: a recording or a copy that broke off."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
