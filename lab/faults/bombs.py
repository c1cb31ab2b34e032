"""Files that are small on disk and huge to read: pictures of 16k x 16k, ten thousand streams, a million cues."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from agent_tools.evals.films.demo_video import _ASS_HEADER
from tests.drawing import draw, even_times

SIDE = 16_000  # FFmpeg itself knows no picture of 2**28 pixels
STREAMS = 10_000
CUES = 1_000_000


def large_frames(folder: Path) -> Path:
    """Four pictures of 16,000 x 16,000 in one colour, which a codec packs into next to nothing."""
    path = folder / "large.mov"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "gray"
        frame = av.VideoFrame.from_ndarray(np.full((SIDE, SIDE), 128, np.uint8), format="gray")
        for number in range(4):
            frame.pts, frame.time_base = number, Fraction(1)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def many_streams(folder: Path) -> Path:
    """An MP4 whose index holds its one track ten thousand times."""
    data = draw(folder / "streams.mp4", even_times(10, 10), size=(96, 54)).read_bytes()
    path = folder / "streams.mp4"
    at = data.index(b"moov") - 4
    (size,) = struct.unpack(">I", data[at : at + 4])
    moov = data[at + 8 : at + size]
    track_at = moov.index(b"trak") - 4
    (track_size,) = struct.unpack(">I", moov[track_at : track_at + 4])
    track = moov[track_at : track_at + track_size]
    inner = moov[:track_at] + track * STREAMS + moov[track_at + track_size :]
    path.write_bytes(data[:at] + struct.pack(">I", len(inner) + 8) + b"moov" + inner + data[at + size :])
    return path


def many_cues_beside(folder: Path) -> Path:
    """A video of two seconds with subtitles of a million cues beside it, as small as cues can be."""
    path = draw(folder / "beside.mp4", even_times(20, 10), size=(96, 54))
    with (folder / "beside.srt").open("w", encoding="utf-8") as out:
        for number in range(CUES):
            out.write(f"{number}\n00:00:0{number % 2},{number % 1000:03d} --> 00:00:02,000\n{number:x}\n\n")
    return path


def dense_cues_beside(folder: Path) -> Path:
    """As many cues as a file that is still read can hold (16 MiB), all of them different, within two seconds."""
    path = draw(folder / "dense.mp4", even_times(20, 10), size=(96, 54))
    with (folder / "dense.srt").open("w", encoding="utf-8") as out:
        while out.tell() < 16_700_000:
            for number in range(1000):
                out.write(
                    f"1\n00:00:0{number % 2},{number % 1000:03d} --> 00:00:02,000\nw{out.tell():x} x{number:x}\n\n"
                )
    return path


def many_cues_inside(folder: Path) -> Path:
    """A million cues in a subtitle track of the file itself."""
    path = folder / "inside.mp4"
    pictures = draw(folder / "pictures.mp4", even_times(20, 10), size=(96, 54), b_frames=0)
    with av.open(str(pictures)) as source, av.open(str(path), "w") as out:
        shown = out.add_stream_from_template(source.streams.video[0])
        text: Any = out.add_stream("mov_text")
        text.codec_context.subtitle_header = _ASS_HEADER
        text.codec_context.time_base = text.time_base = Fraction(1, 1_000_000)
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = shown
                out.mux(packet)
        for number in range(CUES):
            words = f"c{number:x}".encode()
            packet = av.Packet(len(words).to_bytes(2, "big") + words)
            packet.stream, packet.time_base = text, Fraction(1, 1_000_000)
            packet.pts = packet.dts = number
            packet.duration = 1
            out.mux(packet)
    pictures.unlink()
    return path


BOMBS: dict[str, Callable[[Path], Path]] = {
    "16k frames": large_frames,
    "10,000 streams": many_streams,
    "1,000,000 cues beside": many_cues_beside,
    "16 MiB of cues beside": dense_cues_beside,
    "1,000,000 cues inside": many_cues_inside,
}
