"""What a header says is believed as far as a file of that size can hold it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from agent_tools.errors import UnreadableVideo
from agent_tools.ingestion.job_file import ANY_S, describe
from agent_tools.media import probe
from agent_tools.store import Store
from tests.drawing import draw

VIDEO = "0123456789ab"


@pytest.mark.parametrize(("last_s", "believed"), [(3000.0, True), (30 * 86_400.0, False)])
def test_a_length_that_no_file_of_that_size_can_have_is_refused(tmp_path: Path, last_s: float, believed: bool) -> None:
    opened = probe(draw(tmp_path / "film.mkv", [0.0, 1.0, last_s], b_frames=0))
    with contextlib.closing(Store.open(tmp_path / "home")) as store:
        store.add_video(VIDEO, "film", opened.path.stat().st_size)
        if believed:
            assert describe(store, VIDEO, opened) == pytest.approx(last_s, abs=1.0)
            return
        with pytest.raises(UnreadableVideo, match=r"claims to last 720 h in .*: its time stamps are broken"):
            describe(store, VIDEO, opened)


def test_a_time_lapse_of_a_picture_a_minute_is_believed(tmp_path: Path) -> None:
    def black(_number: int, width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return np.zeros((height, width, 3), np.uint8)

    times_s = [60.0 * n for n in range(900)]
    film = draw(tmp_path / "sky.mkv", times_s, size=(64, 36), b_frames=0, key_every=900, picture=black)
    assert times_s[-1] > ANY_S + film.stat().st_size, "the size alone would not hold so many hours"
    with contextlib.closing(Store.open(tmp_path / "home")) as store:
        store.add_video(VIDEO, "sky", film.stat().st_size)
        assert describe(store, VIDEO, probe(film)) == pytest.approx(times_s[-1], abs=61)


def test_a_clock_that_starts_again_is_a_gap_of_every_channel(tmp_path: Path) -> None:
    one = draw(tmp_path / "one.ts", [n / 10 for n in range(100)])
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * 2)
    with contextlib.closing(Store.open(tmp_path / "home")) as store:
        store.add_video(VIDEO, "joined", joined.stat().st_size)
        for _ in range(2):  # a second ingest of the file adds nothing
            assert describe(store, VIDEO, probe(joined)) == pytest.approx(20, abs=0.5)
            (gap,) = store.gaps(VIDEO)
            assert (gap.channel, gap.start_s, gap.end_s) == ("", pytest.approx(10, abs=0.5), pytest.approx(20, abs=0.5))
