"""What zoom shows of whole clips: counted against even distances, through the real server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent_tools.evals.compression.zoom import markdown, run_close_up
from tests.drawing import Pixels, draw, even_times


def flash(number: int, width: int, height: int) -> Pixels:
    """Grey for 24 s at 2 fps, but for two seconds of another picture."""
    if 20 <= number < 24:
        coarse = np.random.default_rng(1).integers(0, 255, (9, 16, 3)).astype(np.uint8)
        return np.kron(coarse, np.ones((height // 9, width // 16, 1), np.uint8))
    return np.full((height, width, 3), 90, np.uint8)


@pytest.mark.slow
def test_zoom_shows_a_picture_that_even_distances_miss(tmp_path: Path) -> None:
    draw(tmp_path / "flash.mp4", even_times(48, 2.0), picture=flash)
    draw(tmp_path / "short.mp4", even_times(8, 2.0), picture=flash)
    events = [{"start_s": 10.0, "end_s": 12.0, "text": "a flash"}]
    rows = [{"name": name, "width": 320, "events": events} for name in ("flash.mp4", "short.mp4")]
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"files": rows}))
    report = run_close_up(tmp_path, frames=[2])
    assert report["clips"] == 1
    plain, asked = report["rows"]
    assert (plain["of"], plain["even"], plain["zoom"], plain["only_even"], plain["only_zoom"]) == (1, 0, 1, 0, 1)
    assert asked["asked"] == "events, by words"
    assert "| events, no query | 2 | 1 | 0.0% (0% to 79%) | 100.0% (21% to 100%) | 0 | 1 |" in markdown(report)
