"""Which frames zoom shows: what lasts, not the fades between; and for words, where the words stand."""

from __future__ import annotations

import numpy as np
import pytest

from agent_tools.evals.films.demo_video import DemoTruth
from agent_tools.service.frames.frame_choice import representative
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment


def test_lasting_pictures_come_before_fades() -> None:
    lasting = np.eye(8, dtype=np.float32)[[0] * 10 + [1] * 12 + [2] * 9]
    fades = np.eye(8, dtype=np.float32)[[5, 6, 7]]
    features = np.concatenate([fades[:1], lasting[:10], fades[1:2], lasting[10:22], fades[2:], lasting[22:]])
    chosen = representative(features, range(len(features)), 3)
    assert {int(features[i].argmax()) for i in chosen} == {0, 1, 2}
    assert chosen == sorted(chosen)


@pytest.mark.parametrize("budget", [1, 2, 5, 50])
def test_no_more_than_asked_for_and_none_twice(budget: int) -> None:
    features = np.ones((40, 4), np.float32) / 2
    chosen = representative(features, range(0, 40, 2), budget)
    assert len(chosen) == len(set(chosen)) == min(budget, 20)


def test_before_the_encoder_is_loaded_words_choose_the_frames(
    library: Library, course: tuple[object, DemoTruth], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QueryModels, "text", lambda self, wait_s=0.0: None)
    hop = next(hop for hop in course[1].hops if hop.channel == "screen_text")
    found = zoom_segment(
        library, ZoomRequest(video_id=course[1].video_id, query=f'"{hop.text.split(".")[0]}"', max_frames=1)
    )
    assert hop.start_s - 1 <= found.facts["frames"][0]["at_s"] <= hop.end_s + 1
