"""Which frames zoom shows: no picture twice, with how long it stood; and for words, where the words stand."""

from __future__ import annotations

import numpy as np
import pytest

from agent_tools.compression import look_alike
from agent_tools.evals.films.demo_video import DemoTruth
from agent_tools.ingestion.picture_vectors import sequence
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment


def test_a_card_that_stands_still_is_shown_once_with_how_long_it_stood(
    library: Library, course: tuple[object, DemoTruth]
) -> None:
    video_id = course[1].video_id
    whole = zoom_segment(library, ZoomRequest(video_id=video_id, max_frames=16)).facts
    row = max(whole["frames"], key=lambda row: row.get("stood_s", 0.0))
    assert row["stood_s"] > 2.0
    found = zoom_segment(
        library, ZoomRequest(video_id=video_id, start_s=row["at_s"] - 1, end_s=row["at_s"] + 1, max_frames=6)
    ).facts
    assert len(found["frames"]) < 6
    assert f"{len(found['frames'])} different picture" in found["hints"][0]
    assert "up to 6 could be shown" in found["hints"][0]


@pytest.mark.parametrize("query", ["", "bread", '"bread"'])
def test_no_two_frames_of_a_look_are_alike(library: Library, course: tuple[object, DemoTruth], query: str) -> None:
    video_id = course[1].video_id
    times, features = sequence(library.store, video_id, library.models.frame_producer)
    found = zoom_segment(library, ZoomRequest(video_id=video_id, query=query, max_frames=12))
    rows = [int(np.abs(np.array(times) - frame["at_s"]).argmin()) for frame in found.facts["frames"]]
    assert len(rows) > 1
    assert not any(look_alike(features, row, rows[:place]) for place, row in enumerate(rows))


def test_before_the_encoder_is_loaded_words_choose_the_frames(
    library: Library, course: tuple[object, DemoTruth], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QueryModels, "text", lambda self, wait_s=0.0: None)
    hop = next(hop for hop in course[1].hops if hop.channel == "screen_text")
    found = zoom_segment(
        library, ZoomRequest(video_id=course[1].video_id, query=f'"{hop.text.split(".")[0]}"', max_frames=1)
    )
    assert hop.start_s - 1 <= found.facts["frames"][0]["at_s"] <= hop.end_s + 1
