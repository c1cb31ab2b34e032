"""Search by `like` over pictures that stand still for minutes: the one that is shown then asks, and answers whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agent_tools.ingestion.spaces import frame_space
from agent_tools.service.search.likeness import similar_moments
from agent_tools.store import FrameRow
from agent_tools.timeline import video_uri
from tests.library import lite, opened

VIDEO = "00000000000a"
SLIDES_S = (0, 100, 200, 300)  # the first slide comes back after the second


def test_a_slide_asks_with_itself_and_is_found_as_long_as_it_stands(tmp_path: Path) -> None:
    with opened(lite(tmp_path), by_hand=True) as library:
        store, space = library.store, frame_space(library.models.frame_producer)
        store.add_video(VIDEO, "lecture", 1000)
        store.update_video(VIDEO, duration_s=300.0)
        begun = [max(start for start in SLIDES_S if start <= k) for k in range(300)]
        store.add_frames(VIDEO, [FrameRow(VIDEO, k, float(k), begun[k], begun[k] == k) for k in range(300)], {})
        one, other = np.eye(8, dtype=np.float32)[:2]
        store.put_vectors(space, VIDEO, [0, 100, 200], np.stack([one, other, one]))
        late = video_uri(VIDEO, 80, 82)  # nearer to the kept frame of the second slide than to its own
        (moment,) = similar_moments(library, [library.video_span(VIDEO)], late)
    assert (moment.span.start_s, moment.span.end_s) == (200.0, 300.0)
