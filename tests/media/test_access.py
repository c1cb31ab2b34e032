from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from agent_tools.errors import InvalidArgument, SourceNotFound
from agent_tools.media import Opener, access, nearest_keys, pictures_at, probe, sample
from tests.drawing import draw, even_times


@pytest.mark.parametrize("name", ["steady", "uneven", "late"])
def test_picture_at_a_time_is_the_sampled_one_bit_for_bit(name: str, request: pytest.FixtureRequest) -> None:
    found = probe(request.getfixturevalue(name))
    sampled = {s.time_s: (s.pts_s, s.picture.rgb(96, 54)) for s in sample(found, fps=0.5)}
    times = sorted(sampled, key=lambda time_s: math.sin(time_s * 99))  # out of order
    for asked, got in zip(times, pictures_at(found, times), strict=True):
        assert got is not None
        pts_s, rgb = sampled[asked]
        assert (got.time_s, got.pts_s) == (asked, pts_s)
        assert np.array_equal(got.picture.rgb(96, 54), rgb), asked


def test_answers_stand_in_the_order_asked_with_repeats(steady: Path, drawing: ModuleType) -> None:
    times = [15.5, 0.0, 15.5, 3.99, 4.0]
    got = pictures_at(probe(steady), times)
    assert [drawing.number_in(s.picture.gray(120, 60)) for s in got if s] == [387, 0, 387, 99, 100]
    assert [s.k for s in got if s] == [0, 1, 2, 3, 4]


def test_nothing_is_shown_behind_the_last_picture(steady: Path) -> None:
    last, behind, far = pictures_at(probe(steady), [19.99, 20.01, 500.0])
    assert last is not None
    assert last.pts_s == pytest.approx(19.96)
    assert behind is None
    assert far is None


def test_opener_opens_a_file_once_until_it_changes(
    steady: Path, drawing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    real = access.Source

    def counted(found: Any, *rest: Any) -> Any:
        opened.append(found.path)
        return real(found, *rest)

    monkeypatch.setattr(access, "Source", counted)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(steady.read_bytes())
    found = probe(copy)
    with Opener(keep=2) as opener:
        for time_s in (12.0, 4.0, 19.96, 8.0):
            (got,) = pictures_at(found, [time_s], opener)
            assert got is not None
            assert drawing.number_in(got.picture.gray(120, 60)) == round(time_s * 25)
        assert len(opened) == 1
        copy.write_bytes(steady.read_bytes() + b"\0")
        assert pictures_at(found, [12.0], opener)[0] is not None
        assert len(opened) == 2


def test_file_that_went_away_is_named(steady: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(steady.read_bytes())
    found = probe(copy)
    copy.unlink()
    with pytest.raises(SourceNotFound, match=r"copy\.mp4"):
        pictures_at(found, [1.0])


@pytest.mark.parametrize("time_s", [-0.1, math.nan, math.inf])
def test_impossible_time_is_refused(time_s: float, steady: Path) -> None:
    with pytest.raises(InvalidArgument):
        pictures_at(probe(steady), [1.0, time_s])


def test_time_in_a_lost_span_has_no_picture_and_its_neighbours_have(
    steady: Path, drawing: ModuleType, tmp_path: Path
) -> None:
    broken = drawing.cut(tmp_path / "cut.mp4", steady, 0.5)
    got = pictures_at(probe(broken), [2.0, 18.0, 4.0])
    assert [s and drawing.number_in(s.picture.gray(120, 60)) for s in got] == [50, None, 100]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_times_move_to_the_key_frame_that_is_near_and_no_farther(tmp_path: Path, suffix: str) -> None:
    film = probe(draw(tmp_path / f"film.{suffix}", even_times(300, 10), key_every=50, options={"sc_threshold": "0"}))
    times = [4.1, 0.2, 6.0, 12.0, 29.5]  # Matroska's index is read with the first seek
    with Opener() as opener:
        moved = nearest_keys(film, times, 1.5, opener)
        assert moved == pytest.approx([5.0, 0.0, 5.0, 12.0, 29.5], abs=1e-6)
        assert nearest_keys(film, times, 0.05, opener) == times
        shown = pictures_at(film, moved[:3], opener)
        assert [round(one.pts_s, 3) for one in shown if one is not None] == [5.0, 0.0, 5.0]


def test_a_file_without_an_index_gives_the_times_back(tmp_path: Path) -> None:
    film = probe(draw(tmp_path / "film.ts", even_times(100, 10), key_every=50))
    assert nearest_keys(film, [4.1], 3.0) == [4.1]
