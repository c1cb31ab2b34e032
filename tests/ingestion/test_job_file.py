"""What a header says is believed as far as a file of that size can hold it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from agent_tools.errors import UnreadableVideo
from agent_tools.ingestion.job_file import describe
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
