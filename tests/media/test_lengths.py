"""A film is as long as its packets say, and what cannot be read of it is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from agent_tools.media import probe
from agent_tools.media.lengths import measured, pictures


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("name", ["steady", "uneven", "late"])
def test_a_whole_file_is_as_long_as_its_header_says(name: str, request: pytest.FixtureRequest) -> None:
    opened = probe(request.getfixturevalue(name))
    found = measured(opened)
    assert found.duration_s == pytest.approx(opened.duration_s, abs=1.0)
    assert found.unread == ()


@pytest.mark.parametrize("name", ["steady", "uneven"])
def test_a_header_that_ends_early_does_not_end_the_film(name: str, request: pytest.FixtureRequest) -> None:
    opened = probe(request.getfixturevalue(name))
    assert opened.duration_s is not None
    early = replace(opened, duration_s=opened.duration_s / 3)
    assert measured(early).duration_s == pytest.approx(opened.duration_s, abs=0.2)


def test_a_header_without_a_length_gives_the_packets_length(steady: Path) -> None:
    assert measured(replace(probe(steady), duration_s=None)).duration_s == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize("times", [2, 3])
def test_recordings_joined_in_one_stream_are_as_long_as_all_of_them(
    tmp_path: Path, drawing: ModuleType, times: int
) -> None:
    one = drawing.draw(tmp_path / "one.ts", drawing.even_times(100, 10))
    found = measured(probe(joined(tmp_path / "all.ts", *[one] * times)))
    assert found.duration_s == pytest.approx(10.0 * times, abs=0.5)
    (part,) = found.unread
    assert (part.start_s, part.end_s) == pytest.approx((10.0, 10.0 * times), abs=0.5)
    assert "clock starts again" in part.why


def test_pictures_out_of_order_behind_a_seek_are_no_new_clock(tmp_path: Path, drawing: ModuleType) -> None:
    """Two pictures a second: FFmpeg tells no decoding time of the first ones behind a seek in Matroska."""
    film = drawing.draw(tmp_path / "slow.mkv", drawing.even_times(200, 2), b_frames=3, key_every=250)
    found = measured(probe(film))
    assert found.unread == ()
    assert found.duration_s == pytest.approx(100.0, abs=1.0)


def test_a_clock_that_jumps_forward_is_no_new_clock(tmp_path: Path, drawing: ModuleType) -> None:
    film = drawing.draw(tmp_path / "jump.ts", [*drawing.even_times(50, 10), *drawing.even_times(50, 10, start_s=500)])
    found = measured(probe(film))
    assert found.unread == ()
    assert found.duration_s == pytest.approx(505.0, abs=1.0)


def test_pictures_are_counted_without_decoding(steady: Path) -> None:
    assert pictures(probe(steady)) == 500
