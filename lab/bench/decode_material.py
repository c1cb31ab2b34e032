"""Files for the decode benchmark: 720p at 25 pictures a second, of any length and codec.

Real clips of ../shared/videos/dev (or drawn pictures where that folder does not exist) are encoded once. The packets
of this unit are then repeated with later times, so an hour takes no longer to make than twenty seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

os.environ.setdefault("SVT_LOG", "1")  # its encoder would write its settings to stderr

import av
import numpy as np

SIZE = (1280, 720)
FPS = 25
CLIPS = ("dog_leash.mp4", "leaf_deer.mp4", "motorway.mp4", "letter_blocks.mp4", "football_juggle.mp4")
_SHARED = Path(os.environ.get("AGENT_TOOLS_TEST_VIDEOS", Path(__file__).parents[3] / "shared" / "videos")).resolve()

# name -> encoder, its options, suffix. Key frames at most each 8 s: players' and cameras' files lie between 2 and 10 s.
CODECS: dict[str, tuple[str, dict[str, str], str]] = {
    "h264-b": ("libx264", {"preset": "medium", "crf": "24", "bf": "3"}, ".mp4"),
    "h264-no-b": ("libx264", {"preset": "medium", "crf": "24", "bf": "0"}, ".mp4"),
    "hevc": ("libx265", {"preset": "veryfast", "crf": "27", "x265-params": "log-level=none"}, ".mp4"),
    "vp9": ("libvpx-vp9", {"deadline": "good", "cpu-used": "5", "crf": "36", "b": "0", "row-mt": "1"}, ".webm"),
    "av1": ("libsvtav1", {"preset": "10", "crf": "40"}, ".mp4"),
}


def material(folder: Path, codec: str, length_s: float, unit_s: float = 20.0) -> Path:
    """A file of that codec and length (rounded up to whole units), made once per folder."""
    encoder, options, suffix = CODECS[codec]
    unit = folder / f"{codec}-unit-{unit_s:g}{suffix}"
    if not unit.exists():
        _encode(unit, encoder, options, unit_s)
    times = max(1, -int(-length_s // unit_s))
    path = folder / f"{codec}-{times * unit_s:g}{suffix}"
    if not path.exists():
        _repeat(unit, path, times)
    return path


def source_name() -> str:
    return "five real clips" if (_SHARED / "dev" / CLIPS[0]).exists() else "drawn pictures"


def _encode(path: Path, encoder: str, options: dict[str, str], unit_s: float) -> None:
    part = path.with_name("part-" + path.name)
    with av.open(str(part), "w") as container:
        stream: Any = container.add_stream(encoder, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.gop_size = 8 * FPS
        stream.options = options
        for number, frame in enumerate(_pictures(int(unit_s * FPS))):
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            frame.pict_type = 0  # the encoder chooses; a decoded frame brings its own type along
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    part.replace(path)


def _pictures(count: int) -> Iterator[Any]:
    share = -(-count // len(CLIPS))
    for number in range(count):
        clip, position = divmod(number, share)
        path = _SHARED / "dev" / CLIPS[clip]
        if not path.exists():
            yield _drawn(number)
            continue
        if position == 0:
            frames = _looped(path)
        yield next(frames).reformat(*SIZE, format="yuv420p")


def _looped(path: Path) -> Iterator[Any]:
    while True:
        with av.open(str(path)) as container:
            yield from container.decode(video=0)


def _drawn(number: int) -> Any:
    across, down = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    noise = np.random.default_rng(number // 200).integers(0, 40, (SIZE[1], SIZE[0]))
    rgb = np.stack([(across + 3 * number) % 256, (down + number) % 256, (across + down) // 8 + noise], axis=-1)
    return av.VideoFrame.from_ndarray(rgb.astype(np.uint8), format="rgb24")


def _repeat(unit: Path, path: Path, times: int) -> None:
    part = path.with_name("part-" + path.name)
    with av.open(str(part), "w") as output:
        stream: Any = None
        for turn in range(times):
            with av.open(str(unit)) as container:
                source = container.streams.video[0]
                stream = stream or output.add_stream_from_template(source, opaque=True)
                packets = [packet for packet in container.demux(source) if packet.size]
                unit_ticks = round(sum(1 for _ in packets) / FPS / source.time_base)
                for packet in packets:
                    packet.stream = stream
                    packet.pts += turn * unit_ticks
                    packet.dts += turn * unit_ticks
                    output.mux(packet)
    part.replace(path)
