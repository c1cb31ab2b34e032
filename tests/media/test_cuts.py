"""A clip of any length: copied where it can be, else encoded, and in either case the right pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import av
import pytest

from agent_tools.errors import DecodeError, InvalidArgument
from agent_tools.media import cut, probe, sample

KEY_S = 48 / 25  # between two key frames of `steady`


def pictures(path: Path) -> Iterator[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.time, frame.to_ndarray().tobytes()


def test_a_span_between_key_frames_is_copied_bit_by_bit(steady: Path, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    made = cut(probe(steady), KEY_S, 3 * KEY_S, out)
    assert made.why_encoded == ""
    assert made.size_bytes == out.stat().st_size
    source, clip = list(pictures(steady)), list(pictures(out))
    assert [picture for _, picture in clip] == [picture for _, picture in source[48:144]]
    assert [round(time_s, 3) for time_s, _ in clip[:3]] == [0.0, 0.04, 0.08]
    found = probe(out)
    assert [audio.codec for audio in found.audio] == ["aac"]
    assert found.duration_s == pytest.approx(2 * KEY_S, abs=0.06)


def test_a_copy_from_the_start_to_the_end_is_the_whole_film(steady: Path, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    assert cut(probe(steady), 0.0, 20.0, out).why_encoded == ""
    assert [p for _, p in pictures(out)] == [p for _, p in pictures(steady)]


@pytest.mark.parametrize(
    ("start_s", "end_s", "why"), [(3.0, 5.0, "not a key frame"), (KEY_S, KEY_S + 1.08, "depend on")]
)
def test_a_cut_inside_a_group_is_encoded_and_exact(
    start_s: float, end_s: float, why: str, steady: Path, drawing: ModuleType, tmp_path: Path
) -> None:
    out = tmp_path / "clip.mp4"
    shares: list[float] = []
    made = cut(probe(steady), start_s, end_s, out, shares.append)
    assert why in made.why_encoded
    assert shares == sorted(shares)
    numbers = [drawing.number_in(s.picture.rgb(320, 180)) for s in sample(probe(out), fps=25.0)]
    assert numbers == list(range(round(start_s * 25), round(end_s * 25)))


def test_a_late_start_and_a_turned_picture_are_copied(late: Path, turned: Path, tmp_path: Path) -> None:
    out = tmp_path / "late.mp4"
    assert cut(probe(late), KEY_S, 2 * KEY_S, out).why_encoded == ""
    assert [p for _, p in pictures(out)] == [p for _, p in pictures(late)][48:96]
    assert cut(probe(turned), 0.0, 2.0, tmp_path / "turned.mp4").why_encoded == ""
    found = probe(tmp_path / "turned.mp4").video
    assert found is not None
    assert (found.width, found.height, abs(found.rotation)) == (180, 320, 90)


def test_av1_is_copied_without_an_encoder_of_that_name(drawing: ModuleType, tmp_path: Path) -> None:
    options = {"preset": "12", "crf": "45"}
    film = drawing.draw(tmp_path / "av1.mkv", drawing.even_times(40, 10), codec="libsvtav1", options=options)
    out = tmp_path / "clip.mp4"
    assert cut(probe(film), 0.0, 4.0, out).why_encoded == ""
    assert [p for _, p in pictures(out)] == [p for _, p in pictures(film)]


def test_a_copy_that_does_not_play_is_encoded_instead(
    steady: Path, drawing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_tools.media.cuts._plays", lambda _part: False)
    out = tmp_path / "clip.mp4"
    assert "cannot be read out of .mp4" in cut(probe(steady), 0.0, KEY_S, out).why_encoded
    assert [drawing.number_in(s.picture.rgb(320, 180)) for s in sample(probe(out), fps=5.0)] == list(range(0, 48, 5))


def test_a_long_clip_needs_no_limit(drawing: ModuleType, tmp_path: Path) -> None:
    film = drawing.draw(
        tmp_path / "long.mkv", drawing.even_times(400, 2), key_every=20, options={"x264-params": "scenecut=0"}
    )
    out = tmp_path / "clip.mp4"
    assert cut(probe(film), 10.0, 190.0, out).why_encoded == ""
    assert [p for _, p in pictures(out)] == [p for _, p in pictures(film)][20:380]
    assert cut(probe(film), 0.0, 190.0, out).why_encoded == ""  # Matroska: the first packets lack a decoding time
    assert [p for _, p in pictures(out)] == [p for _, p in pictures(film)][:380]


def test_an_empty_span_is_refused_and_one_behind_the_end_holds_nothing(steady: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="after the start"):
        cut(probe(steady), 5.0, 5.0, tmp_path / "x.mp4")
    with pytest.raises(DecodeError, match="nothing"):
        cut(probe(steady), 30.0, 40.0, tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []
