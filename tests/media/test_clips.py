from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from agent_tools.errors import DecodeError, InvalidArgument, LimitReached
from agent_tools.media import clip, probe, sample


def test_clip_holds_the_pictures_of_its_span_and_the_sound(steady: Path, drawing: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    size = clip(probe(steady), 7.0, 10.0, out)
    assert size == out.stat().st_size
    made = probe(out)
    assert made.duration_s == pytest.approx(3.0, abs=0.1)
    assert [audio.codec for audio in made.audio] == ["aac"]
    numbers = [drawing.number_in(s.picture.rgb(320, 180)) for s in sample(made, fps=1.0)]
    assert numbers == [175, 200, 225]


def test_clip_of_a_turned_video_is_upright(turned: Path, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    clip(probe(turned), 0.0, 1.0, out)
    made = probe(out).video
    assert made is not None
    assert (made.width, made.height, made.rotation) == (180, 320, 0)


def test_clip_shrinks_until_it_fits(steady: Path, tmp_path: Path) -> None:
    found = probe(steady)
    free = clip(found, 0.0, 4.0, tmp_path / "free.mp4")
    assert clip(found, 0.0, 4.0, tmp_path / "small.mp4", free * 2 // 3) <= free * 2 // 3


def test_clip_that_cannot_fit_is_refused_and_leaves_no_file(steady: Path, tmp_path: Path) -> None:
    with pytest.raises(LimitReached, match="shorter"):
        clip(probe(steady), 0.0, 2.0, tmp_path / "none.mp4", 5_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("start_s", "end_s"), [(5.0, 5.0), (5.0, 4.0), (-1.0, 2.0), (0.0, 60.5)])
def test_span_that_makes_no_clip_is_refused(start_s: float, end_s: float, steady: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="clip"):
        clip(probe(steady), start_s, end_s, tmp_path / "x.mp4")


def test_span_behind_the_end_holds_nothing(steady: Path, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="nothing"):
        clip(probe(steady), 30.0, 40.0, tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_clip_of_a_moment_is_one_picture(steady: Path, drawing: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    clip(probe(steady), 7.0, 7.02, out)
    assert next(drawing.number_in(s.picture.rgb(320, 180)) for s in sample(probe(out), fps=25.0)) == 175
