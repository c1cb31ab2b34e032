"""What a timeline says of still pictures: how long each stands, and which earlier episode showed it already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from agent_tools.ingestion.episodes import keyframes
from agent_tools.ingestion.picture_vectors import frame_tokens
from agent_tools.service.list_episodes import list_episodes
from agent_tools.store import Episode, FrameRow
from agent_tools.timeline import Span
from tests.library import lite, opened

VIDEO = "00000000000b"
SPANS = [Span(0, 60), Span(60, 90), Span(90, 130), Span(130, 160)]  # two slides, the first again, motion


def test_each_picture_stands_once_with_how_long_and_one_that_comes_back_is_named(tmp_path: Path) -> None:
    vectors = np.eye(64, dtype=np.float32)[[*[0] * 60, *[1] * 30, *[0] * 40, *range(2, 32)]]
    times = [float(k) for k in range(160)]
    with opened(lite(tmp_path), by_hand=True) as library:
        store, producer = library.store, library.models.frame_producer
        store.add_video(VIDEO, "lecture", 1000)
        store.update_video(VIDEO, duration_s=160.0)
        store.set_channel(VIDEO, "frames", producer=producer, state="done")
        store.add_frames(VIDEO, [FrameRow(VIDEO, k, float(k), k, True) for k in range(160)], {})
        with frame_tokens(store.home, VIDEO, producer) as repository:
            repository.append(torch.from_numpy(vectors))
        keys = keyframes(SPANS, times, vectors)
        rows = [
            Episode(0, VIDEO, "scene", span.start_s, span.end_s, "a slide", "screen_text", key)
            for span, key in zip(SPANS, keys, strict=True)
        ]
        store.replace_episodes(VIDEO, "scene", rows)
        told = list_episodes(library, video_id=VIDEO, level="scene").episodes or []
    assert [one.stood_s for one in told] == [60.0, 30.0, 40.0, None]
    assert [one.same_picture_as for one in told] == [None, None, "0:00:00", None]
