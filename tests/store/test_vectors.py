"""Vectors by space and video: kept exactly, replaced, searched in each of the three ways, never across spaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent_tools.errors import ShapeError
from agent_tools.store import EntryIn, FrameRow, IndexSettings, Store
from tests.store.conftest import TALK, WEEK, again, place
from tests.store.drawn import recall, scenes

TEXT, FRAME = "minilm@1/1|text", "pixels@1/1|frame"


def eye(count: int, dim: int = 16) -> np.ndarray:
    return np.eye(dim, dtype=np.float32)[:count]


def ids(hits: list[tuple[str, int, float]]) -> list[tuple[str, int]]:
    return [(video_id, number) for video_id, number, _ in hits]


def test_vectors_are_kept_bit_equal_and_given_by_id(store: Store) -> None:
    matrix = scenes(50, 37)
    order = np.random.default_rng(0).permutation(50)
    store.put_vectors(TEXT, WEEK, [int(n) for n in order], matrix[order])
    numbers, read = store.vectors(TEXT, WEEK)
    assert numbers.tolist() == list(range(50))
    assert numbers.dtype == np.int64
    assert np.array_equal(read, matrix)
    assert read.dtype == np.float32
    assert len(store.vectors(TEXT, TALK)[0]) == 0
    assert len(store.vectors("nobody@1/1|text", WEEK)[0]) == 0


def test_one_vector_is_read_by_its_id(store: Store) -> None:
    matrix = scenes(6, 37)
    store.put_vectors(TEXT, WEEK, [4, 8, 15, 16, 23, 42], matrix)
    found = store.vector(TEXT, WEEK, 16)
    assert found is not None
    assert np.array_equal(found, matrix[3])
    assert store.vector(TEXT, WEEK, 5) is None
    assert store.vector(TEXT, TALK, 16) is None
    assert store.vector("nobody@1/1|text", WEEK, 16) is None


def test_a_vector_put_again_takes_the_place_of_the_first(store: Store) -> None:
    store.put_vectors(TEXT, WEEK, [1, 2, 3], eye(3))
    store.put_vectors(TEXT, WEEK, [2, 9, 9], eye(6)[3:6])
    numbers, read = store.vectors(TEXT, WEEK)
    assert numbers.tolist() == [1, 2, 3, 9]
    assert np.array_equal(read, eye(6)[[0, 3, 2, 5]])
    for _ in range(2):  # once in vec0, once in memory
        assert ids(store.nearest(TEXT, eye(6)[1], limit=1)) != [(WEEK, 2)]
        assert ids(store.nearest(TEXT, eye(6)[3], limit=1)) == [(WEEK, 2)]


def test_an_id_belongs_to_its_video(store: Store) -> None:
    store.put_vectors(FRAME, WEEK, [0, 1], eye(2))
    store.put_vectors(FRAME, TALK, [0, 1], eye(2)[::-1])
    assert set(ids(store.nearest(FRAME, eye(1)[0], limit=2))) == {(WEEK, 0), (TALK, 1)}
    assert ids(store.nearest(FRAME, eye(1)[0], video_ids=[TALK]))[:1] == [(TALK, 1)]
    assert {video_id for video_id, _ in ids(store.nearest(FRAME, eye(1)[0]))} == {WEEK, TALK}


def test_a_query_never_meets_another_space(store: Store) -> None:
    store.put_vectors(TEXT, WEEK, [1], eye(1))
    store.put_vectors("other@1/1|text", WEEK, [2], eye(1))
    store.put_vectors(FRAME, WEEK, [3], eye(1, dim=5))
    assert ids(store.nearest(TEXT, eye(1)[0])) == [(WEEK, 1)]
    assert store.nearest("nobody@1/1|text", eye(1)[0]) == []
    assert store.spaces() == [TEXT, "other@1/1|text", FRAME]
    with pytest.raises(ShapeError, match="16"):
        store.nearest(TEXT, eye(1, dim=5)[0])
    store.drop_space("other@1/1|text")
    store.drop_space("nobody@1/1|text")
    assert store.spaces() == [TEXT, FRAME]
    assert store.integrity_check() == "ok"


@pytest.mark.parametrize(
    "bad",
    [
        ([1], np.ones((2, 16), np.float32)),
        ([1], np.ones(16, np.float32)),
        ([1], np.full((1, 16), np.nan, np.float32)),
        ([1], np.full((1, 16), np.inf, np.float32)),
        ([1], np.ones((1, 17), np.float32)),
        ([1], np.ones((1, 0), np.float32)),
    ],
)
def test_vectors_that_do_not_fit_are_refused(store: Store, bad: tuple[list[int], np.ndarray]) -> None:
    store.put_vectors(TEXT, WEEK, [7], eye(1))
    with pytest.raises(ShapeError):
        store.put_vectors(TEXT, WEEK, *bad)
    assert store.vectors(TEXT, WEEK)[0].tolist() == [7]


def test_a_space_without_a_kind_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="no space"):
        store.put_vectors("minilm", WEEK, [1], eye(1))
    assert store.spaces() == []


@pytest.mark.parametrize("way", ["vec0", "held"])
def test_cosines_are_cosines_and_the_best_come_first(store: Store, way: str) -> None:
    matrix = scenes(300, 48)
    store.put_vectors(TEXT, WEEK, range(300), matrix)
    query = scenes(1, 48, seed=3)[0] * 7
    if way == "held":
        store.nearest(TEXT, query)
    hits = store.nearest(TEXT, query, limit=20)
    truth = matrix @ (query / np.linalg.norm(query))
    assert [number for _, number, _ in hits] == np.argsort(-truth)[:20].tolist()
    assert [cosine for *_, cosine in hits] == pytest.approx(np.sort(truth)[::-1][:20].tolist(), abs=1e-5)


def test_a_vector_of_zeros_is_at_cosine_0_of_all(store: Store) -> None:
    store.put_vectors(TEXT, WEEK, [1, 2, 3], np.stack([eye(1)[0], np.zeros(16), -eye(1)[0]]))
    for _ in range(2):
        assert store.nearest(TEXT, eye(1)[0]) == [(WEEK, 1, 1.0), (WEEK, 2, 0.0), (WEEK, 3, -1.0)]
    assert store.nearest(TEXT, np.zeros(16, np.float32)) == []
    assert store.nearest(TEXT, np.full(16, np.nan, np.float32)) == []


def test_spans_narrow_the_search_by_the_times_of_entries_and_frames(store: Store) -> None:
    entries = store.add_entries(WEEK, "speech", "p", [EntryIn(10 * n, 10 * n + 10, f"{n}") for n in range(6)])
    store.put_vectors(TEXT, WEEK, entries, eye(6))
    store.add_frames(WEEK, [FrameRow(WEEK, k, float(k), k, True) for k in range(6)], {})
    store.put_vectors(FRAME, WEEK, range(6), eye(6))
    store.put_vectors(FRAME, TALK, range(6), eye(6))

    def positions(spans: list[tuple[float, float]]) -> list[int]:
        return sorted(entries.index(number) for _, number, _ in store.nearest(TEXT, eye(1)[0], within={WEEK: spans}))

    assert positions([(15, 25)]) == [1, 2]
    assert positions([(0, 10), (50, 99)]) == [0, 5]
    assert positions([]) == []
    assert ids(store.nearest(FRAME, eye(3)[2], within={WEEK: [(2, 4)]})) == [(WEEK, 2), (WEEK, 3)]


def test_a_change_by_another_process_is_seen(store: Store) -> None:
    other = again(place(store))
    store.put_vectors(TEXT, WEEK, [1, 2], eye(2))
    for reader in (store, other):
        for _ in range(2):
            assert ids(reader.nearest(TEXT, eye(2)[0], limit=1)) == [(WEEK, 1)]
    other.put_vectors(TEXT, WEEK, [3], eye(1))  # grown
    assert {number for _, number in ids(store.nearest(TEXT, eye(1)[0], limit=2))} == {1, 3}
    other.put_vectors(TEXT, WEEK, [1, 2], eye(4)[2:4])  # replaced
    assert ids(store.nearest(TEXT, eye(1)[0], limit=1)) == [(WEEK, 3)]
    other.delete_video(WEEK)
    assert store.nearest(TEXT, eye(1)[0]) == []
    other.add_video(WEEK, "again", 1)
    other.put_vectors(TEXT, WEEK, [8], eye(1))
    assert ids(store.nearest(TEXT, eye(1)[0])) == [(WEEK, 8)]
    other.close()


def test_what_is_held_stays_within_its_bytes(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home", index=IndexSettings(exact_bytes=4 * 16 * 100))
    for n in range(4):
        store.add_video(f"{n:012x}", str(n), n)
        store.put_vectors(TEXT, f"{n:012x}", range(60), scenes(60, 16, seed=n))
    for _ in range(3):
        for n in range(4):
            best = store.nearest(TEXT, scenes(60, 16, seed=n)[7], video_ids=[f"{n:012x}"], limit=1)
            assert ids(best) == [(f"{n:012x}", 7)]
    assert 0 < store.vector_search.held_bytes <= 4 * 16 * 100
    store.close()


SMALL = IndexSettings(exact_bytes=4 * 64 * 1000)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Store]:
    """Twelve videos of 400 vectors, too many to be held exactly."""
    opened = Store.open(tmp_path / "library", index=SMALL)
    for n in range(12):
        opened.add_video(f"{n:012x}", str(n), n)
        opened.put_vectors(FRAME, f"{n:012x}", range(400), part(n))
    yield opened
    opened.close()


def part(n: int) -> np.ndarray:
    return scenes(4800, 64)[400 * n : 400 * n + 400]


def check(store: Store, matrix: np.ndarray, names: list[tuple[str, int]]) -> None:
    place = {name: at for at, name in enumerate(names)}
    recalls = []
    for query in matrix[:: len(matrix) // 16]:
        hits = store.nearest(FRAME, query, limit=10)
        assert len(hits) == 10
        found = [place[name] for name in ids(hits)]
        scores = matrix @ query
        assert [cosine for *_, cosine in hits] == pytest.approx(scores[found].tolist(), abs=1e-5)
        recalls.append(recall(found, scores))
    assert np.mean(recalls) >= 0.98


NAMES = [(f"{n:012x}", k) for n in range(12) for k in range(400)]


def test_a_library_is_searched_by_codes_and_compared_exactly(library: Store) -> None:
    check(library, scenes(4800, 64), NAMES)
    assert library.vector_search.indexes
    assert not library.vector_search.held_bytes


def test_codes_are_written_at_the_end_of_a_job_and_read_by_others(library: Store) -> None:
    job = library.enqueue("0" * 12, ["frames"], "lite")
    library.claim("a", 1)
    library.finish(job.id, "a", "done")
    with library.db.read() as c:
        assert c.execute("SELECT count(*) FROM codes").get == 12
        assert c.execute("SELECT trained FROM codebooks").get == 4800
    other = again(place(library), index=SMALL)
    check(other, scenes(4800, 64), NAMES)
    (index,) = other.vector_search.indexes
    assert index.book.version == 1
    assert not other.vector_search.held_bytes
    other.close()


def test_codes_of_a_video_that_changed_since_are_not_used(library: Store) -> None:
    library.index_vectors()
    check(library, scenes(4800, 64), NAMES)
    fresh = scenes(4800, 64).copy()
    fresh[400:800] = scenes(400, 64, seed=99)
    writer = again(place(library), index=SMALL)
    writer.put_vectors(FRAME, f"{1:012x}", range(400), fresh[400:800])
    check(library, fresh, NAMES)
    more = np.concatenate([fresh, scenes(50, 64, seed=5)])
    writer.put_vectors(FRAME, f"{3:012x}", range(400, 450), more[4800:])
    check(library, more, NAMES + [(f"{3:012x}", k) for k in range(400, 450)])
    writer.index_vectors()
    reader = again(place(library), index=SMALL)
    check(reader, more, NAMES + [(f"{3:012x}", k) for k in range(400, 450)])
    writer.delete_video(f"{11:012x}")
    assert f"{11:012x}" not in {video for video, _ in ids(reader.nearest(FRAME, more[4500], limit=100))}
    with reader.db.read() as c:
        assert c.execute("SELECT count(*) FROM codes").get == 11
    for store in (writer, reader):
        store.close()


def test_a_library_that_grew_gets_a_new_codebook(library: Store) -> None:
    library.index_vectors()
    check(library, scenes(4800, 64), NAMES)
    worker = again(place(library), index=replace(SMALL, retrain=1))
    worker.index_vectors()
    worker.close()
    check(library, scenes(4800, 64), NAMES)
    (index,) = library.vector_search.indexes
    assert index.book.version == 2
    with library.db.read() as c:
        assert c.execute("SELECT DISTINCT codebook FROM codes").fetchall() == [(2,)]


def test_a_codebook_that_found_less_than_is_asked_now_is_made_again(library: Store) -> None:
    def version() -> int:
        library.index_vectors()
        with library.db.read() as c:
            return int(c.execute("SELECT version FROM codebooks").get)

    assert version() == 1
    with library.db.write() as c:
        c.execute("UPDATE codebooks SET recall=0.96, share=1/64.0")
    assert version() == 2
    assert version() == 2
    check(library, scenes(4800, 64), NAMES)


def test_some_of_a_librarys_videos_are_searched_exactly_or_by_codes(library: Store) -> None:
    two = [f"{n:012x}" for n in (2, 7)]
    ten = [f"{n:012x}" for n in range(1, 11)]
    for names in (two, ten):
        query = part(7)[100]
        hits = library.nearest(FRAME, query, video_ids=names, limit=5)
        assert ids(hits)[0] == (f"{7:012x}", 100)
        assert {video for video, _ in ids(hits)} <= set(names)


def test_a_job_that_is_running_has_no_codes_written(library: Store) -> None:
    library.enqueue("0" * 12, ["frames"], "lite")
    library.claim("a", 1)
    library.index_vectors()
    with library.db.read() as c:
        assert c.execute("SELECT count(*) FROM codes").get == 11
    check(library, scenes(4800, 64), NAMES)


def test_a_small_library_has_no_codes_at_all(store: Store) -> None:
    store.put_vectors(TEXT, WEEK, range(100), scenes(100, 64))
    store.index_vectors()
    with store.db.read() as c:
        assert c.execute("SELECT count(*) FROM codebooks").get == 0
