from __future__ import annotations

import itertools
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.media import Block, audio
from agent_tools.media.damage import Damage
from agent_tools.media.sound import RATE
from agent_tools.media.streams import probe

CLICKS_S = (1.0, 4.5, 9.25)


def clicks(
    path: Path,
    *,
    offset_s: float = 0.0,
    seconds: float = 12.0,
    rate: int = 48_000,
    hole: tuple[float, float] | None = None,
) -> Path:
    """Pictures of `seconds` from 0 and stereo sound that begins at offset_s, with a burst at each of CLICKS_S."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound: Any = container.add_stream("pcm_s16le" if path.suffix in (".mkv", ".mov") else "aac", rate=rate)
        sound.layout = "stereo"
        for number in range(int(seconds * 5)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        times = np.arange(int((seconds - offset_s) * rate)) / rate + offset_s
        tone = np.zeros(len(times), np.float32)
        for click_s in CLICKS_S:
            inside = (times >= click_s) & (times < click_s + 0.05)
            tone[inside] = 0.8 * np.sin(2 * np.pi * 1000 * times[inside])
        form = sound.codec_context.format.name
        for start in range(0, len(tone), 1024):
            if hole and hole[0] <= times[start] < hole[1]:
                continue
            piece = np.stack([tone[start : start + 1024]] * 2)
            if form == "s16":
                piece = (piece.T.reshape(1, -1) * 32767).astype(np.int16)
            made = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format=form, layout="stereo")
            made.sample_rate, made.time_base = rate, Fraction(1, rate)
            made.pts = round(offset_s * rate) + start
            container.mux(sound.encode(made))
        container.mux(sound.encode(None))
    return path


def heard(blocks: list[Block]) -> list[float]:
    """When each burst begins."""
    found: list[float] = []
    for block in blocks:
        for time_s in np.flatnonzero(np.abs(block.samples) > 0.2) / RATE + block.start_s:
            if not found or time_s > found[-1] + 0.5:
                found.append(float(time_s))
    return found


@pytest.mark.parametrize("name", ["even.mp4", "even.mkv"])
@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_sound_comes_as_blocks_that_join_without_a_gap(tmp_path: Path, name: str, rate: int) -> None:
    blocks = list(audio(probe(clicks(tmp_path / name, rate=rate)), block_s=5.0))
    assert [len(block.samples) for block in blocks[:2]] == [5 * RATE, 5 * RATE]
    for before, after in itertools.pairwise(blocks):
        assert after.start_s == pytest.approx(before.end_s, abs=1e-6)
    assert blocks[0].samples.dtype == np.float32
    assert blocks[-1].end_s == pytest.approx(12.0, abs=0.06)
    assert heard(blocks) == pytest.approx(list(CLICKS_S), abs=0.005)


@pytest.mark.parametrize("offset_s", [0.7, 3.2])
def test_sound_that_begins_after_the_pictures_keeps_its_times(tmp_path: Path, offset_s: float) -> None:
    blocks = list(audio(probe(clicks(tmp_path / "late.mkv", offset_s=offset_s))))
    assert blocks[0].start_s == pytest.approx(offset_s, abs=0.005)
    assert heard(blocks) == pytest.approx([t for t in CLICKS_S if t >= offset_s], abs=0.005)


def test_sound_before_the_first_picture_is_left_out(tmp_path: Path) -> None:
    path = clicks(tmp_path / "plain.mkv")
    known = probe(path)
    later = type(known)(**{**known.__dict__, "origin_s": 2.0})
    blocks = list(audio(later))
    assert blocks[0].start_s == pytest.approx(0.0, abs=0.001)
    assert heard(blocks) == pytest.approx([2.5, 7.25], abs=0.005)


@pytest.mark.parametrize("name", ["seek.mp4", "seek.mkv"])
def test_a_later_start_gives_the_same_times(tmp_path: Path, name: str) -> None:
    blocks = list(audio(probe(clicks(tmp_path / name)), start_s=8.0, block_s=2.0))
    assert blocks[0].start_s == pytest.approx(8.0, abs=0.001)
    assert heard(blocks) == pytest.approx([9.25], abs=0.005)


def test_a_hole_begins_a_new_block_at_its_own_time(tmp_path: Path) -> None:
    blocks = list(audio(probe(clicks(tmp_path / "hole.mkv", hole=(5.0, 8.0)))))
    assert len(blocks) == 2
    assert blocks[0].end_s == pytest.approx(5.0, abs=0.05)
    assert blocks[1].start_s == pytest.approx(8.0, abs=0.05)
    assert heard(blocks) == pytest.approx(list(CLICKS_S), abs=0.005)


def test_a_file_without_sound_gives_no_block(drawing: Any, tmp_path: Path) -> None:
    silent = drawing.draw(tmp_path / "silent.mp4", drawing.even_times(10, 5))
    assert list(audio(probe(silent))) == []


def test_a_stream_that_is_not_there_is_refused(tmp_path: Path) -> None:
    known = probe(clicks(tmp_path / "one.mkv"))
    with pytest.raises(InvalidArgument, match=r"readable sound streams are 1\."):
        list(audio(known, stream_index=0))
    with pytest.raises(InvalidArgument, match="above 0"):
        list(audio(known, block_s=0.0))


def test_damage_is_told_and_the_rest_is_heard(tmp_path: Path) -> None:
    path = clicks(tmp_path / "hurt.mp4", seconds=12.0)
    known = probe(path)
    damage: list[Damage] = []
    whole = list(audio(known))
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(audio=0) if p.pos is not None and p.size]
    data = bytearray(path.read_bytes())
    for place, size in places[len(places) // 2 : len(places) // 2 + 40]:
        data[place : place + size] = b"\xff" * size
    path.write_bytes(bytes(data))
    blocks = list(audio(known, on_damage=damage.append))
    assert blocks[-1].end_s == pytest.approx(whole[-1].end_s, abs=0.1)
    assert heard(blocks)[-1] == pytest.approx(9.25, abs=0.01)
    assert all(5.0 < one.start_s < one.end_s < 8.0 for one in damage)


def test_real_files_have_sound_to_their_end(real_videos: Path) -> None:
    """Whatever the codec: blocks rise in time and end where the stream does."""
    tried = 0
    for path in sorted((real_videos / "dev").iterdir())[:40]:
        if path.suffix not in (".mp4", ".mkv", ".webm", ".mov"):
            continue
        known = probe(path)
        if not known.audio or (known.duration_s or 999) > 60:
            continue
        blocks = list(audio(known))
        tried += 1
        assert all(a.end_s <= b.start_s + 0.2 for a, b in itertools.pairwise(blocks)), path.name
        assert all(block.start_s >= -1e-6 for block in blocks), path.name
        if known.audio[0].duration_s and blocks:
            assert blocks[-1].end_s <= known.audio[0].duration_s + 1.0, path.name
    assert tried > 0


def written(path: Path, channels: np.ndarray) -> Path:
    """A WAV file of two channels (n, 2), 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes((channels * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    ("left", "right", "heard_of_tone"),
    [(0.5, 0.5, 0.707), (0.5, -0.5, 0.5), (0.5, -0.45, 0.5), (0.0, 0.5, 0.354), (0.5, 0.0, 0.354), (0.0, 0.0, 0.0)],
)
def test_channels_that_cancel_each_other_are_not_lost(
    tmp_path: Path, left: float, right: float, heard_of_tone: float
) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    path = written(tmp_path / "two.wav", np.stack([left * tone, right * tone], axis=1))
    found = np.concatenate([block.samples for block in audio(probe(path))])
    assert len(found) == pytest.approx(2 * RATE, abs=10)
    assert np.abs(found).max() == pytest.approx(heard_of_tone, abs=0.01)
