"""Which frames zoom shows: no picture twice, with how long it stood; and for words, where the words stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent_tools.compression import look_alike
from agent_tools.evals.films.demo_video import DemoTruth
from agent_tools.ingestion.picture_vectors import sequence
from agent_tools.service import zoom_segment as zoom
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.library.looker_client import Looker
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.store import Entry


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


def test_words_that_no_text_answers_change_nothing(library: Library, course: tuple[object, DemoTruth]) -> None:
    def shown(query: str) -> list[float]:
        found = zoom_segment(library, ZoomRequest(video_id=course[1].video_id, query=query, max_frames=4)).facts
        assert ("no text in it matches" in found["summary"]) == bool(query)
        return [frame["at_s"] for frame in found["frames"]]

    assert shown("a sea lion balances a striped umbrella") == shown("")


def test_frames_at_even_distances_move_to_key_frames_in_a_wide_span_only(
    library: Library, course: tuple[object, DemoTruth], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def nearest(self: Looker, path: Path, times_s: Sequence[float], within_s: float) -> list[float]:
        asked.append(within_s)
        return [time_s + 0.5 for time_s in times_s]

    monkeypatch.setattr(Looker, "nearest_keys", nearest)
    video_id = course[1].video_id
    length_s = library.store.video(video_id).duration_s or 0.0  # type: ignore[union-attr]
    zoom_segment(library, ZoomRequest(video_id=video_id, max_frames=2))
    assert asked == [pytest.approx(length_s / 2 / 16)]
    zoom_segment(library, ZoomRequest(video_id=video_id, start_s=10.0, end_s=30.0, max_frames=2))
    zoom_segment(library, ZoomRequest(video_id=video_id, query="bread", max_frames=2))
    assert len(asked) == 1, "a close look and one with a query are exact"


def test_long_texts_leave_pictures_half_of_the_room(
    library: Library, course: tuple[object, DemoTruth], monkeypatch: pytest.MonkeyPatch
) -> None:
    hop = next(hop for hop in course[1].hops if hop.channel == "screen_text")
    short = zoom._texts

    def one_is_long(library: Library, scope: VideoSpan) -> list[Entry]:
        return [
            replace(entry, text=entry.text + " and so on" * 400)
            if entry.start_s <= hop.start_s < entry.end_s
            else entry
            for entry in short(library, scope)
        ]

    monkeypatch.setattr(zoom, "_texts", one_is_long)
    query = f'"{hop.text.split(".")[0]}"'
    for max_tokens in (1400, 1600, 1800, 2000, 2200):
        asked = ZoomRequest(video_id=course[1].video_id, query=query, max_frames=6, max_tokens=max_tokens)
        found = zoom_segment(library, asked).facts
        assert len(found["frames"]) >= 3, max_tokens
        assert found["tokens"] <= max_tokens
