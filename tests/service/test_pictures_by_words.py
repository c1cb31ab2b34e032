"""Pictures by words through the flat index: the frames that a comparison with every stored vector finds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from agent_tools.ingestion.spaces import frame_space
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.search import pictures
from agent_tools.service.search.pictures import FLOOR, LEAST_DEVIATION, MOST, TO_DEVIATION, frames_matching
from agent_tools.store import FrameRow
from tests.library import OpenLibrary

FRAMES, DIM = 400, 64


@pytest.fixture
def shown(open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch) -> tuple[Library, np.ndarray, np.ndarray]:
    """A library of three videos, the vector of a query, and the vectors (3, n, D) of their frames."""
    draw = np.random.default_rng(4)
    query = draw.standard_normal(DIM).astype(np.float32)
    query /= np.linalg.norm(query)
    vectors = draw.standard_normal((3, FRAMES, DIM)).astype(np.float32)
    vectors[1, 100:200] += 1.5 * query  # more frames rise than are called found
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    monkeypatch.setattr(
        QueryModels, "picture_words", lambda self, wait_s=0.0: SimpleNamespace(encode_text=lambda texts: query[None])
    )
    library = open_library()
    space = frame_space(library.models.frame_producer)
    for number, of_video in enumerate(vectors):
        video = f"{number:012x}"
        library.store.add_video(video, f"film {number}", 1)
        library.store.update_video(video, duration_s=float(FRAMES), width=320, height=180)
        library.store.add_frames(video, [FrameRow(video, k, float(k), k, True) for k in range(FRAMES)], {})
        library.store.put_vectors(space, video, range(FRAMES), of_video)
    return library, query, vectors


def reference(cosines: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The frames of a video that are found, by the stored vectors themselves, and the heights of all."""
    median = np.median(cosines)
    deviation = max(LEAST_DEVIATION, TO_DEVIATION * np.median(np.abs(cosines - median)))
    heights = (cosines - median) / deviation
    return sorted(np.flatnonzero(heights >= FLOOR).tolist(), key=lambda k: -heights[k])[:MOST], heights


def test_found_are_the_frames_that_rise_in_their_own_video(shown: tuple[Library, np.ndarray, np.ndarray]) -> None:
    library, query, vectors = shown
    found = frames_matching(library, library.everything(), "a ship")
    for number, of_video in enumerate(vectors):
        cosines = of_video @ query
        own = {int(one.span.start_s): one.cosine for one in found if one.video_id == f"{number:012x}"}
        wanted, heights = reference(cosines)
        assert len(wanted) >= 20
        edge = heights[wanted[-1]] if len(wanted) == MOST else FLOOR
        assert all(heights[k] == pytest.approx(edge, abs=0.02) for k in set(own) ^ set(wanted))
        assert all(abs(cosine - cosines[k]) < 1e-6 for k, cosine in own.items())
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_a_named_video_has_what_it_has_among_all(shown: tuple[Library, np.ndarray, np.ndarray]) -> None:
    library, *_ = shown
    among_all = [one for one in frames_matching(library, library.everything(), "a ship") if one.video_id.endswith("1")]
    alone = frames_matching(library, library.chosen(["film 1"], None, None), "a ship")
    assert [(one.span, one.cosine) for one in alone] == [(one.span, one.cosine) for one in among_all]


def test_without_vectors_nothing_is_found(
    open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch, shown: tuple[Library, np.ndarray, np.ndarray]
) -> None:
    monkeypatch.setattr(pictures, "frame_space", lambda producer: "frames of nobody")
    assert frames_matching(shown[0], shown[0].everything(), "a ship") == []
