"""Pieces that browsers play: copied from a key frame where browsers know the codec, else encoded at the very time."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import av
import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.media import clip, probe, sample
from agent_tools.media.browser_clips import Playable, playable
from agent_tools.media.plain_file import Plain

pytestmark = pytest.mark.slow

FPS, SECONDS, KEY_EVERY = 8, 14, 16  # a key frame each two seconds
CODECS = {
    "x264.mkv": ("libx264", "aac", "video/mp4", "aac"),
    "x264.ts": ("libx264", "aac", "video/mp4", "aac"),
    "x264.avi": ("libx264", "libmp3lame", "video/mp4", "mp3"),
    "x264.flv": ("libx264", "aac", "video/mp4", "aac"),
    "x264 and ac3.mkv": ("libx264", "ac3", "video/mp4", "aac"),  # its sound alone is encoded
    "x265.mkv": ("libx265", "aac", "video/mp4", "aac"),
    "vp9.mkv": ("libvpx-vp9", "libopus", "video/mp4", "opus"),
    "av1.mkv": ("libsvtav1", "libopus", "video/mp4", "opus"),
    "vp8.mkv": ("libvpx", "libopus", "video/webm", "opus"),
    "vp8 and ac3.mkv": ("libvpx", "ac3", "video/webm", "opus"),
}
OPTIONS = {
    "libx264": {"x264-params": "scenecut=0"},
    "libx265": {"x265-params": f"scenecut=0:min-keyint={KEY_EVERY}:log-level=none", "preset": "ultrafast"},
    "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime"},
    "libvpx": {"cpu-used": "8", "deadline": "realtime", "b": "800k"},
    "libsvtav1": {"preset": "11", "crf": "20"},
}


@pytest.fixture(scope="module")
def film(drawing: ModuleType, drawn: Path):  # type: ignore[no-untyped-def]  # a function
    """film(name): a drawn file of that name, made once."""

    def made(name: str) -> Path:
        path = drawn / name
        if not path.exists():
            codec, sound, _, _ = CODECS[name]
            drawing.draw(
                path,
                drawing.even_times(SECONDS * FPS, FPS),
                codec=codec,
                sound=sound,
                key_every=KEY_EVERY,
                tone=True,
                interleaved=True,
                options=OPTIONS[codec],
            )
        return path

    return made


@pytest.fixture(scope="module")
def large(drawing: ModuleType, drawn: Path) -> Path:
    """40 s of pictures that are hardly compressed."""
    options = {"crf": "1", "preset": "ultrafast"}
    return Path(
        drawing.draw(drawn / "large.mkv", drawing.even_times(40 * FPS, FPS), key_every=KEY_EVERY, options=options)
    )


def numbers(path: Path, drawing: ModuleType) -> list[int]:
    return [drawing.number_in(one.picture.rgb(320, 180)) for one in sample(probe(path), FPS)]


def heard(path: Path) -> tuple[float, float]:
    """When the first sound of a file begins and the last one ends, by its own clock."""
    with av.open(str(path)) as made:
        packets = [one for one in made.demux(made.streams.audio[0]) if one.pts is not None and one.size]
        first, last = packets[0], packets[-1]
        return float(first.pts * first.time_base), float((last.pts + (last.duration or 0)) * last.time_base)


@pytest.mark.parametrize("name", CODECS)
def test_what_browsers_know_is_copied_from_the_key_frame_before(
    name: str,
    film,
    drawing: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    found, out = probe(film(name)), tmp_path / "piece"
    monkeypatch.delattr("agent_tools.media.browser_clips.clip")  # nothing is encoded
    made = playable(found, 5.3, 9.0, out)
    _, _, mime_type, sound = CODECS[name]
    assert (made.start_s, made.mime_type, made.why_encoded) == (4.0, mime_type, "")
    assert 9.0 <= made.end_s <= 10.0 + 1e-6
    seen = numbers(out, drawing)
    source = numbers(film(name), drawing)[4 * FPS : round(made.end_s * FPS)]
    assert seen[: len(source)] == source  # what the codec lost, it lost in the source
    assert [audio.codec for audio in probe(out).audio] == [sound]
    begins, ends = heard(out)
    assert begins == pytest.approx(0.0, abs=0.08)
    assert ends == pytest.approx(made.end_s - made.start_s, abs=0.15)


def test_pieces_follow_each_other_without_a_gap_or_a_picture_twice(
    film,
    drawing: ModuleType,
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    found, at_s, seen = probe(film("x264.mkv")), 0.0, []
    for turn in range(9):
        out = tmp_path / f"{turn}.mp4"
        made = playable(found, at_s, min(at_s + 3.0, SECONDS), out)
        assert (made.start_s, made.why_encoded) == (at_s, "")
        seen += numbers(out, drawing)
        at_s = made.end_s
        if at_s >= SECONDS:
            break
    assert seen == list(range(SECONDS * FPS))


def test_only_the_part_that_is_asked_for_is_read(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = probe(large)
    read: list[int] = []
    plain = Plain.read
    monkeypatch.setattr(Plain, "read", lambda self, count: read.append(len(data := plain(self, count))) or data)
    assert playable(found, 10.0, 11.0, tmp_path / "piece").why_encoded == ""
    assert sum(read) < large.stat().st_size / 4


def test_pictures_shown_before_the_next_key_frame_may_depend_on_it(drawing: ModuleType, tmp_path: Path) -> None:
    options = {"x264-params": "scenecut=0:open-gop=1:bframes=3:b-adapt=0"}
    path = drawing.draw(
        tmp_path / "open.mkv", drawing.even_times(96, FPS), key_every=KEY_EVERY, b_frames=3, options=options
    )
    made = playable(probe(path), 3.0, 5.0, tmp_path / "piece")
    assert made.why_encoded == ""
    count = round((made.end_s - made.start_s) * FPS)
    first = round(made.start_s * FPS)
    assert numbers(tmp_path / "piece", drawing)[:count] == list(range(first, first + count))


@pytest.mark.parametrize("start_s", [63.2, 5.0])
def test_the_clock_of_a_piece_counts_from_the_first_picture(
    start_s: float, drawing: ModuleType, tmp_path: Path
) -> None:
    times = drawing.even_times(SECONDS * FPS, FPS, start_s=start_s)
    path = drawing.draw(tmp_path / "late.ts", times, key_every=KEY_EVERY, options=OPTIONS["libx264"])
    made = playable(probe(path), 8.5, 9.0, tmp_path / "piece")
    assert (made.start_s, made.why_encoded) == (pytest.approx(8.0, abs=1e-4), "")
    assert numbers(tmp_path / "piece", drawing)[:4] == [64, 65, 66, 67]


@pytest.mark.parametrize("encoded", [False, True])
def test_sound_that_begins_late_is_heard_when_it_begins(encoded: bool, drawing: ModuleType, tmp_path: Path) -> None:
    path = drawing.draw(
        tmp_path / "late.mkv",
        drawing.even_times(SECONDS * FPS, FPS),
        key_every=KEY_EVERY,
        tone=True,
        sound_from_s=3.0,
        interleaved=True,
    )
    out = tmp_path / "piece"
    if encoded:
        clip(probe(path), 0.0, 6.0, out)
    else:
        assert playable(probe(path), 0.0, 6.0, out).why_encoded == ""
    with av.open(str(out)) as piece:
        loud = [
            float(frame.pts * frame.time_base)
            for frame in piece.decode(audio=0)
            if abs(frame.to_ndarray()).max() > 0.05
        ]
    assert loud[0] == pytest.approx(3.0, abs=0.06)


def test_a_copy_ends_where_it_would_be_too_large(film, drawing: ModuleType, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found, whole = probe(film("vp8.mkv")), tmp_path / "whole"
    assert playable(found, 0.0, 12.0, whole).end_s == pytest.approx(12.0, abs=0.01)
    half = playable(found, 0.0, 12.0, tmp_path / "half", whole.stat().st_size // 2)
    assert (half.start_s, half.why_encoded) == (0.0, "")
    assert 2.0 <= half.end_s < 10.0
    assert len(numbers(tmp_path / "half", drawing)) == round(half.end_s * FPS)


def test_a_copy_far_too_large_is_encoded_smaller(large: Path, tmp_path: Path) -> None:
    most = large.stat().st_size // 40
    made = playable(probe(large), 0.0, 6.0, tmp_path / "piece", most)
    assert (made.start_s, made.end_s, made.mime_type) == (0.0, 6.0, "video/mp4")
    assert "stop" in made.why_encoded
    assert (tmp_path / "piece").stat().st_size <= most


def test_a_copy_keeps_the_turn_of_the_picture(turned: Path, tmp_path: Path) -> None:
    made = playable(probe(turned), 0.0, 1.0, tmp_path / "piece")
    shown = probe(tmp_path / "piece").video
    assert (made.why_encoded, shown.width if shown else 0, shown.height if shown else 0) == ("", 180, 320)


@pytest.mark.parametrize(
    ("codec", "pixels", "key_every", "start_s", "why"),
    [
        ("mjpeg", "yuvj420p", 16, 5.5, "browsers do not play mjpeg"),
        ("ffv1", "yuv420p", 16, 5.5, "browsers do not play ffv1"),
        ("libx264", "yuv420p", 1000, 20.0, "no key frame is within 12 s before 20 s"),
        ("libx264", "yuv422p", 16, 5.5, "browsers do not play h264 as yuv422p"),
    ],
)
def test_all_else_is_encoded_from_the_very_time(
    codec: str, pixels: str, key_every: int, start_s: float, why: str, drawing: ModuleType, tmp_path: Path
) -> None:
    path = drawing.draw(
        tmp_path / "film.mkv", drawing.even_times(22 * FPS, FPS), codec=codec, key_every=key_every, pixels=pixels
    )
    made = playable(probe(path), start_s, start_s + 1, tmp_path / "piece")
    assert made == Playable(start_s, start_s + 1, "video/mp4", why)
    assert numbers(tmp_path / "piece", drawing)[0] == round(start_s * FPS)


@pytest.mark.parametrize(("start_s", "end_s"), [(5.0, 5.0), (-1.0, 2.0), (0.0, 61.0)])
def test_span_that_makes_no_piece_is_refused(start_s: float, end_s: float, steady: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="piece"):
        playable(probe(steady), start_s, end_s, tmp_path / "x")
