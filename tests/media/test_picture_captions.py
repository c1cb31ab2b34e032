"""Captions that a broadcast carries inside its pictures are read, with their times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import pytest

from agent_tools.media import probe, read_subtitles

FPS = 30
LOAD, SHOW, ERASE = (0x14, 0x20), (0x14, 0x2F), (0x14, 0x2C)
ROLL_UP, RETURN = (0x14, 0x25), (0x14, 0x2D)
EMPTY = (0, 0)
Pair = tuple[int, int]


def letters(text: str) -> list[Pair]:
    codes = [*text.encode("ascii"), *([0] if len(text) % 2 else [])]
    return list(zip(codes[::2], codes[1::2], strict=True))


def odd(value: int) -> int:
    """Seven bits with the parity that line 21 wants."""
    return value if bin(value).count("1") % 2 else value | 0x80


def message(pair: Pair) -> bytes:
    """A message of H.264 (SEI) that carries one pair of caption bytes (ATSC A/53)."""
    group = bytes((0xFC, odd(pair[0]), odd(pair[1])))
    payload = b"\xb5\x00\x31GA94\x03" + bytes((0x40 | 1, 0xFF)) + group + b"\xff"
    return b"\x00\x00\x00\x01\x06\x04" + bytes((len(payload),)) + payload + b"\x80"


def broadcast(path: Path, drawing: ModuleType, commands: dict[float, list[Pair]], seconds: int) -> Path:
    """A transport stream whose pictures carry the pairs, one each, from the given times on."""
    plain = drawing.draw(
        path.with_suffix(".plain.ts"), drawing.even_times(seconds * FPS, FPS), size=(96, 54), b_frames=0
    )
    pairs = {round(at_s * FPS) + n: pair for at_s, some in commands.items() for n, pair in enumerate(some)}
    with av.open(str(plain)) as source, av.open(str(path), "w", format="mpegts") as out:
        video = source.streams.video[0]
        copy: Any = out.add_stream_from_template(video)
        first: Any = None
        for packet in source.demux(video):
            if packet.pts is None:
                continue
            first = packet.pts if first is None else first
            number = round(float((packet.pts - first) * packet.time_base) * FPS)
            carried = av.Packet(message(pairs.get(number, EMPTY)) + bytes(packet))
            carried.pts, carried.dts, carried.time_base = packet.pts, packet.dts, packet.time_base
            carried.duration = round(Fraction(1, FPS) / packet.time_base)
            carried.is_keyframe, carried.stream = packet.is_keyframe, copy
            out.mux(carried)
    return path


def test_captions_that_pop_on_stand_from_their_show_to_their_erasure(tmp_path: Path, drawing: ModuleType) -> None:
    film = broadcast(
        tmp_path / "news.ts",
        drawing,
        {
            0.5: [LOAD, *letters("THE DAM IS OPEN ")],
            2.0: [SHOW],
            2.5: [LOAD, *letters("NOBODY KNEW ")],
            5.0: [ERASE],
            6.0: [SHOW],
            9.0: [ERASE],
        },
        10,
    )
    (track,) = read_subtitles(probe(film))
    assert "CEA-608" in track.source
    assert [cue.text for cue in track.cues] == ["THE DAM IS OPEN", "NOBODY KNEW"]
    assert [(c.start_s, c.end_s) for c in track.cues] == [
        pytest.approx((2.0, 5.0), abs=0.1),
        pytest.approx((6.0, 9.0), abs=0.1),
    ]


def test_captions_that_roll_up_begin_with_their_first_letters(tmp_path: Path, drawing: ModuleType) -> None:
    film = broadcast(
        tmp_path / "live.ts",
        drawing,
        {1.0: [ROLL_UP, RETURN, *letters("GOOD EVENING")], 4.0: [RETURN, *letters("THIS IS THE NEWS")], 7.0: [ERASE]},
        8,
    )
    (track,) = read_subtitles(probe(film))
    text = " ".join(cue.text for cue in track.cues)
    assert "GOOD EVENING" in text
    assert "THIS IS THE NEWS" in text
    assert track.cues[0].start_s == pytest.approx(1.0, abs=0.3)


def test_pictures_with_empty_caption_bytes_have_no_captions(tmp_path: Path, drawing: ModuleType) -> None:
    assert read_subtitles(probe(broadcast(tmp_path / "quiet.ts", drawing, {}, 4))) == []
