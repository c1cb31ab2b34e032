"""Captions that a broadcast carries inside its pictures are read, with their times."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import pytest

from agent_tools.media import probe, read_subtitles
from agent_tools.media.service_captions import Services

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


def line21(pair: Pair, field: int = 0) -> bytes:
    return bytes((0xFC | field, odd(pair[0]), odd(pair[1])))


def message(groups: bytes) -> bytes:
    """A message of H.264 (SEI) that carries groups of caption bytes (ATSC A/53)."""
    payload = b"\xb5\x00\x31GA94\x03" + bytes((0x40 | len(groups) // 3, 0xFF)) + groups + b"\xff"
    return b"\x00\x00\x00\x01\x06\x04" + bytes((len(payload),)) + payload + b"\x80"


def service_packet(block: bytes, number: int = 1) -> bytes:
    """The groups of a packet of CEA-708 with one block of a service."""
    data = bytes((number << 5 | len(block),)) + block
    data += bytes(1 - len(data) % 2)
    packet = bytes(((len(data) + 1) // 2,)) + data
    pairs = [packet[n : n + 2] for n in range(0, len(packet), 2)]
    return b"".join(bytes((0xFE if n else 0xFF,)) + pair for n, pair in enumerate(pairs))


def broadcast(
    path: Path,
    drawing: ModuleType,
    commands: dict[float, list[Pair]],
    seconds: int,
    field: int = 0,
    besides: dict[float, bytes] | None = None,
) -> Path:
    """A transport stream whose pictures carry the pairs, one each, from the given times on.

    Args:
        besides: other groups, by the time of their picture."""
    pairs = {round(at_s * FPS) + n: pair for at_s, some in commands.items() for n, pair in enumerate(some)}
    others = {round(at_s * FPS): groups for at_s, groups in (besides or {}).items()}
    return carrying(
        path,
        drawing,
        seconds,
        lambda number: message(line21(pairs.get(number, EMPTY), field) + others.get(number, b"")),
    )


def carrying(path: Path, drawing: ModuleType, seconds: int, before: Callable[[int], bytes]) -> Path:
    """A transport stream with the bytes that `before` gives in front of each picture."""
    plain = drawing.draw(
        path.with_suffix(".plain.ts"), drawing.even_times(seconds * FPS, FPS), size=(96, 54), b_frames=0
    )
    with av.open(str(plain)) as source, av.open(str(path), "w", format="mpegts") as out:
        video = source.streams.video[0]
        copy: Any = out.add_stream_from_template(video)
        first: Any = None
        for packet in source.demux(video):
            if packet.pts is None:
                continue
            first = packet.pts if first is None else first
            number = round(float((packet.pts - first) * packet.time_base) * FPS)
            carried = av.Packet(before(number) + bytes(packet))
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


def test_captions_of_the_second_field_are_a_track_of_their_own_without_the_programme_data(
    tmp_path: Path, drawing: ModuleType
) -> None:
    load, show, erase = (0x15, 0x20), (0x15, 0x2F), (0x15, 0x2C)
    rating = [(0x01, 0x03), *letters("NEWS AT TEN"), (0x0F, 0x1D)]
    film = broadcast(
        tmp_path / "two.ts",
        drawing,
        {0.2: rating, 1.0: [load, *letters("EL RIO SUBE")], 2.0: [show], 3.0: rating, 5.0: [erase]},
        6,
        field=1,
    )
    (track,) = read_subtitles(probe(film))
    assert "second field" in track.source
    assert [cue.text for cue in track.cues] == ["EL RIO SUBE"]
    assert (track.cues[0].start_s, track.cues[0].end_s) == pytest.approx((2.0, 5.0), abs=0.1)


WINDOW = bytes((0x98, 0x38, 0x4A, 0xD1, 0x0F, 0x1F, 0x11))  # defines a window; its parameters look like letters


def test_captions_of_digital_television_alone_are_told_as_not_read(tmp_path: Path, drawing: ModuleType) -> None:
    problems: list[str] = []
    told = {0.5: service_packet(WINDOW), 4.0: service_packet(WINDOW + b"THE BRIDGE")}
    assert read_subtitles(probe(broadcast(tmp_path / "dtv.ts", drawing, {}, 6, besides=told)), problems.append) == []
    assert problems == ["captions in the pictures are of a kind (CEA-708) that is not read"]


def test_captions_that_are_in_both_forms_are_read_without_a_word(tmp_path: Path, drawing: ModuleType) -> None:
    problems: list[str] = []
    film = broadcast(
        tmp_path / "both.ts",
        drawing,
        {0.5: [LOAD, *letters("THE BRIDGE")], 2.0: [SHOW], 4.0: [ERASE]},
        6,
        besides={2.0: service_packet(WINDOW + b"THE BRIDGE")},
    )
    assert [cue.text for track in read_subtitles(probe(film), problems.append) for cue in track.cues] == ["THE BRIDGE"]
    assert problems == []


@pytest.mark.parametrize(
    ("groups", "letters"),
    [
        (service_packet(b"no"), True),
        (service_packet(bytes((0x18, 0xB0, 0xA1))), True),  # Korean
        (service_packet(b"e", number=3), True),
        (service_packet(b"A", number=0), False),  # a packet without services
        (service_packet(WINDOW + b"   "), False),
        (service_packet(bytes((0x91, 0x2A, 0x2A, 0x2A, 0x92, 0x41, 0x42, 0x0D))), False),  # colours and places
        (service_packet(b"cut")[:3], False),
        (b"", False),
    ],
)
def test_what_counts_as_a_letter_of_digital_television(groups: bytes, letters: bool) -> None:
    services = Services()
    services.take(groups)
    assert services.letters == letters


def test_captions_of_a_dvd_are_read(tmp_path: Path, drawing: ModuleType) -> None:
    """A group of 15 pictures carries its pairs together, with its first picture."""
    script = {30: [LOAD, *letters("PORT AHEAD")], 60: [SHOW], 120: [ERASE]}
    pairs = {first + n: pair for first, some in script.items() for n, pair in enumerate(some)}

    def user_data(number: int) -> bytes:
        if number % 15:
            return b""
        blocks = b"".join(
            bytes((0xFF, odd(one[0]), odd(one[1]), 0xFE, 0x80, 0x80))
            for one in (pairs.get(number + n, EMPTY) for n in range(15))
        )
        return b"\0\0\1\xb2CC\x01\xf8" + bytes((0x80 | 15 << 1,)) + blocks

    film = tmp_path / "disc.mpg"
    with av.open(str(film), "w", format="mpeg") as out:
        stream: Any = out.add_stream("mpeg2video", rate=FPS, options={"g": "15", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        frames = [av.VideoFrame(96, 64, "yuv420p") for _ in range(180)]
        for number, frame in enumerate(frames):
            frame.pts = number
        coded = [packet for frame in (*frames, None) for packet in stream.encode(frame)]
        for number, packet in enumerate(coded):
            carried = av.Packet(with_user_data(bytes(packet), user_data(number)))
            carried.pts, carried.dts, carried.time_base = packet.pts, packet.dts, packet.time_base
            carried.is_keyframe, carried.stream = packet.is_keyframe, stream
            out.mux(carried)
    (track,) = read_subtitles(probe(film))
    assert [cue.text for cue in track.cues] == ["PORT AHEAD"]
    assert (track.cues[0].start_s, track.cues[0].end_s) == pytest.approx((2.0, 4.0), abs=0.15)


def with_user_data(picture: bytes, data: bytes) -> bytes:
    """User data stand behind the header of the picture, which ends with the first slice."""
    slice_at = picture.find(b"\0\0\1\x01")
    return picture[:slice_at] + data + picture[slice_at:]
