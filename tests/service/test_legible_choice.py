"""Without a query zoom shows a text that even distances miss, and leaves no scene for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from agent_tools.ingestion.picture_vectors import frame_tokens
from agent_tools.service.frames.frame_choice import chosen_frames
from agent_tools.store import Entry, FrameRow
from tests.library import lite, opened

VIDEO = "00000000000c"


def test_a_picture_moves_to_a_text_within_its_scene_and_to_none_in_another(tmp_path: Path) -> None:
    """Two scenes of 40 s, each in slow motion: their pictures are alike, but none is the same as another."""
    draw = np.random.default_rng(0)
    scene = np.repeat(np.eye(64, dtype=np.float32)[:2], 40, axis=0)
    vectors = scene + 0.1 * draw.normal(size=(80, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with opened(lite(tmp_path), by_hand=True) as library:
        store, producer = library.store, library.models.frame_producer
        store.add_video(VIDEO, "talk", 1000)
        store.update_video(VIDEO, duration_s=80.0)
        store.set_channel(VIDEO, "frames", producer=producer, state="done")
        store.add_frames(VIDEO, [FrameRow(VIDEO, k, float(k), k, True) for k in range(80)], {})
        with frame_tokens(store.home, VIDEO, producer) as repository:
            repository.append(torch.from_numpy(vectors))

        def times(end_s: float, frames: int, *texts: tuple[float, float]) -> tuple[float, ...]:
            entries = [Entry(1, VIDEO, "screen_text", "drawn", a, b, "words", {}) for a, b in texts]
            return chosen_frames(library, library.video_span(VIDEO, 0.0, end_s), frames, "", (), entries).times_s

        assert times(80.0, 2) == (20.0, 60.0)
        assert times(80.0, 2, (2.0, 8.0)) == (7.5, 60.0)
        assert times(80.0, 2, (10.0, 30.0)) == (20.0, 60.0)
        assert times(78.0, 1, (60.0, 70.0)) == (39.0,)  # one picture for both scenes; the text stands in the other one
