"""Compact codes: what they keep, what they find, what changes and what they weigh."""

from __future__ import annotations

import numpy as np
import pytest

from agent_tools.store.index import GOAL, Index, train
from tests.store.drawn import recall, scenes


@pytest.mark.parametrize(("dim", "power"), [(384, 0.5), (100, 0.15), (64, 0.0)])
def test_the_nearest_are_found_whatever_the_spectrum(dim: int, power: float) -> None:
    matrix = scenes(12_000, dim, power=power)
    book = train(matrix[::3], 1, len(matrix))
    index = Index(book, len(matrix))
    for video, part in enumerate(np.split(np.arange(len(matrix)), 12)):
        index.add(str(video), 1, part, *book.encode(matrix[part]))
    queries = scenes(20, dim, seed=7, power=power) + matrix[::600]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    recalls = []
    for query in queries.astype(np.float32):
        scores = matrix @ query
        rows = index.search(book.question(query), 64)
        assert len(rows) == 64
        recalls.append(recall(rows[np.argsort(-scores[rows])].tolist(), scores))
    assert np.mean(recalls) >= 0.98


def test_the_share_left_is_chosen_by_measured_recall() -> None:
    easy, hard = train(scenes(4000, 512), 1, 4000), train(scenes(4000, 64), 1, 4000)
    assert easy.recall >= GOAL
    assert easy.share < hard.share


def test_a_codebook_is_the_same_for_the_same_sample() -> None:
    matrix = scenes(500, 70)
    a, b = train(matrix, 1, 500), train(matrix, 1, 500)
    assert np.array_equal(a.rotation, b.rotation)
    assert (a.scale, a.share, a.recall) == (b.scale, b.share, b.recall)
    assert a.rotation.shape == (128, 70)
    assert np.allclose(a.rotation.T @ a.rotation, np.eye(70), atol=1e-5)


def test_768_numbers_take_488_bytes() -> None:
    matrix = scenes(300, 768)
    book = train(matrix, 1, 300)
    signs, codes = book.encode(matrix)
    assert (signs.nbytes + codes.nbytes) / 300 == 480
    assert Index(book, 1000).nbytes == 488_000


@pytest.fixture
def index() -> Index:
    matrix = scenes(600, 64)
    index = Index(train(matrix, 1, 600), 200)
    for video in range(3):
        rows = np.arange(200 * video, 200 * video + 200)
        index.add(str(video), 1, rows, *index.book.encode(matrix[rows]))
    return index


def found(index: Index, row: int, videos: list[str] | None = None, keep: int = 5) -> list[int]:
    query = scenes(600, 64)[row]
    return [int(at) for at in index.search(index.book.question(query), keep, videos)]


def test_an_index_grows_beyond_its_capacity(index: Index) -> None:
    assert len(index) == 600
    for row in (0, 250, 599):
        assert row in found(index, row)


def test_some_videos_alone_are_searched(index: Index) -> None:
    assert 250 in found(index, 250, ["1"])
    assert all(200 <= row < 400 for row in found(index, 10, ["1"]))
    assert all(row < 200 or row >= 400 for row in found(index, 250, ["0", "2"]))
    assert found(index, 10, []) == []
    assert found(index, 10, ["nope"]) == []


def test_more_than_there_are_gives_all(index: Index) -> None:
    assert sorted(found(index, 0, keep=10_000)) == list(range(600))


def test_a_dropped_video_is_found_no_more_and_its_room_is_used_again(index: Index) -> None:
    index.drop("1")
    assert len(index) == 400
    assert sorted(found(index, 250, keep=1000)) == [*range(200), *range(400, 600)]
    size = index.nbytes
    for version in range(20):
        index.drop("1")
        rows = np.arange(1000, 1200)
        index.add("1", version, rows, *index.book.encode(scenes(600, 64)[200:400]))
    assert index.nbytes <= size * 1.3
    assert sorted(found(index, 250, keep=1000)) == [*range(200), *range(400, 600), *range(1000, 1200)]
    assert index.versions["1"] == 19


def test_a_growing_video_is_added_to(index: Index) -> None:
    matrix = scenes(600, 64)
    index.add("0", 2, np.arange(900, 950), *index.book.encode(matrix[:50]))
    assert index.held("0") == (250, 949)
    assert index.versions["0"] == 2
    assert {0, 900} <= set(found(index, 0, ["0"]))
