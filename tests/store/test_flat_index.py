"""The flat index: what codes give is what vectors give, and a search never sees a half of a change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent_tools.store import EntryIn, IndexSettings, Store, flat_index, flat_search
from agent_tools.store.flat_index import Asked, Coded, FlatIndex, View, encode
from agent_tools.store.flat_search import FlatSearch

DIM, SPACE = 48, "toy@1/1|text"
A, B, C = "9f6cbced0247", "0123456789ab", "ba9876543210"


def vectors(count: int, seed: int = 0, dim: int = DIM) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def coded(matrix: NDArray[np.float32], first: int = 0) -> Coded:
    numbers = np.arange(first, first + len(matrix))
    return Coded(*encode(matrix), numbers, numbers + 1000, np.stack([numbers, numbers + 1.0], axis=1))


def test_products_of_codes_are_those_of_vectors_within_a_thousandth() -> None:
    matrix, query = vectors(5000, dim=384), vectors(1, 1, dim=384)[0]
    matrix[7] = 0
    index = FlatIndex(384, 1 << 30)
    index.put(A, 1, coded(matrix), [("subtitles", 5000)])
    found = index.view().select([A], ["subtitles"]).compare(Asked.of(query))
    assert np.abs(found - matrix @ query).max() < 2e-3
    assert found[7] == 0
    assert not index.view().select([A], ["subtitles"]).compare(Asked.of(np.zeros(384, np.float32))).any()


def test_a_selection_holds_the_runs_asked_for_video_by_video() -> None:
    index = FlatIndex(DIM, 1 << 30)
    parts = {A: vectors(30, 1), B: vectors(20, 2), C: vectors(10, 3)}
    for number, (name, matrix) in enumerate(parts.items()):
        index.put(name, 1, coded(matrix, 100 * number), [("subtitles", 8), ("notes", len(matrix) - 8)])
    query = vectors(1, 9)[0]
    chosen = index.view().select([C, "no such video", A], ["notes"])
    wanted = np.concatenate([parts[C][8:], parts[A][8:]])
    assert np.allclose(chosen.compare(Asked.of(query)), wanted @ query, atol=0.01)
    assert chosen.coded.ids[chosen.places].tolist() == [*range(208, 210), *range(8, 30)]
    assert chosen.owners.tolist() == [0] * 2 + [2] * 22
    assert chosen.of_video(A) == slice(2, 24)
    assert chosen.position(A, "notes", 12) == 2 + 12 - 8
    assert chosen.position(A, "subtitles", 3) is None
    assert chosen.position(B, "notes", 110) is None
    assert chosen.follows(np.array([0, 1, 2, 3])).tolist() == [False, True, False, True]


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(0, 40)), min_size=1, max_size=12))
def test_after_any_changes_each_video_has_what_was_put_last(changes: list[tuple[str, int]]) -> None:
    """Among them changes that leave so many dead rows that the arrays are made again. A count of 0 drops the video."""
    index = FlatIndex(DIM, 1 << 30)
    held: dict[str, NDArray[np.float32]] = {}
    views = []
    for number, (name, count) in enumerate(changes):
        if count:
            held[name] = vectors(count, number)
            index.put(name, number, coded(held[name]), [("subtitles", count)])
        else:
            held.pop(name, None)
            index.drop(name)
        views.append((index.view(), dict(held)))
    query = vectors(1, 99)[0]
    for view, wanted in views:  # also those of before: a search that goes on is not disturbed
        assert set(view.videos) == set(wanted)
        for name, matrix in wanted.items():
            assert np.allclose(view.select([name], ["subtitles"]).compare(Asked.of(query)), matrix @ query, atol=0.01)


def test_codes_that_do_not_fit_the_memory_given_lie_in_a_file(tmp_path: Path) -> None:
    matrix, query = vectors(400), vectors(1, 1)[0]
    index = FlatIndex(DIM, 100 * DIM, tmp_path)
    for number, name in enumerate((A, B)):
        index.put(name, 1, coded(matrix[200 * number : 200 * number + 200]), [("subtitles", 200)])
    assert np.allclose(index.view().select([A, B], ["subtitles"]).compare(Asked.of(query)), matrix @ query, atol=0.01)
    assert list(tmp_path.iterdir()) == []  # it has no name, so nobody has to remove it


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    for number, name in enumerate((A, B)):
        opened.add_video(name, name, 1)
        opened.update_video(name, duration_s=600.0)
        add(opened, name, "subtitles", 30, number)
        add(opened, name, "screen_text", 9, 10 + number)
    yield opened
    opened.close()


def add(store: Store, video_id: str, channel: str, count: int, seed: int) -> None:
    cues = [EntryIn(7.0 * i, 7.0 * i + 5, f"{channel} {i} of {seed}") for i in reversed(range(count))]
    ids = store.add_entries(video_id, channel, "toy", cues)
    store.put_vectors(SPACE, video_id, ids, vectors(count, seed))


def held(store: Store, videos: list[str] | None = None) -> dict[int, tuple[str, float]]:
    """By entry id its video and its product with a query, as the flat index has them."""
    view = store.flat_view(SPACE, videos)
    assert view is not None
    names = videos or list(view.videos)
    chosen = view.select(names, ["subtitles", "speech", "screen_text", "notes"])
    products = chosen.compare(Asked.of(QUERY))
    ids = chosen.coded.ids[chosen.places].tolist()
    return {i: (names[o], p) for i, o, p in zip(ids, chosen.owners.tolist(), products.tolist(), strict=True)}


QUERY = vectors(1, 77)[0]


def stored(store: Store, videos: tuple[str, ...] = (A, B)) -> dict[int, tuple[str, float]]:
    found = {}
    for name in videos:
        ids, matrix = store.vectors(SPACE, name)
        found |= {int(i): (name, float(p)) for i, p in zip(ids, matrix @ QUERY, strict=True)}
    return found


def test_it_holds_every_vector_of_the_videos_asked_for_from_rows_of_codes_or_without(store: Store) -> None:
    assert store.flat_view("nobody@1|text") is None
    before = held(store, [A])
    assert before == {i: (v, pytest.approx(p, abs=0.01)) for i, (v, p) in stored(store, (A,)).items()}
    store.index_vectors()
    again = Store.open(store.home)
    with store.db.read() as c:
        assert c.execute("SELECT count(*) FROM flat_codes").get == 2
    assert held(again) == held(store)
    assert held(again) == {i: (v, pytest.approx(p, abs=0.01)) for i, (v, p) in stored(store).items()}
    again.close()


def test_each_channel_stands_in_time_order_without_what_says_too_little(store: Store) -> None:
    short = store.add_entries(A, "subtitles", "toy", [EntryIn(3.0, 4.0, "7")])
    store.put_vectors(SPACE, A, short, vectors(1, 5))
    store.add_entries(A, "notes", "notes", [EntryIn(3.0, 4.0, "no vector yet")])
    view = store.flat_view(SPACE, [A])
    assert view is not None
    for channel, count in (("subtitles", 30), ("screen_text", 9)):
        chosen = view.select([A], [channel])
        ids = chosen.coded.ids[chosen.places].tolist()
        assert len(ids) == count
        assert ids == [entry.id for entry in store.entries(A, channels=(channel,)) if entry.id not in short]
        spans = [tuple(span) for span in chosen.coded.spans[chosen.places].tolist()]
        assert spans == [(e.start_s, e.end_s) for e in store.entries_by_id(ids)]


def test_what_another_process_changes_is_seen_by_the_next_search_and_not_by_the_one_that_runs(store: Store) -> None:
    first = store.flat_view(SPACE)
    assert store.flat_view(SPACE) is first
    assert store.flat_view(SPACE, [A]) is first
    other = Store.open(store.home)
    add(other, A, "speech", 6, 20)
    other.add_video(C, C, 1)
    add(other, C, "subtitles", 4, 21)
    assert len(held(store)) == 2 * 39 + 10
    assert held(store) == {i: (v, pytest.approx(p, abs=0.01)) for i, (v, p) in stored(store, (A, B, C)).items()}
    other.delete_video(B)
    assert {name for name, _ in held(store).values()} == {A, C}
    other.close()
    assert first is not None
    assert len(first.select([A, B], ["subtitles", "screen_text"])) == 2 * 39


def test_codes_that_are_out_of_date_are_not_read(store: Store) -> None:
    store.index_vectors()
    number = store.entries(A)[0].id
    store.put_vectors(SPACE, A, [number], -vectors(1, 50))
    again = Store.open(store.home)
    assert held(again)[number][1] == pytest.approx(float(-vectors(1, 50)[0] @ QUERY), abs=0.01)
    again.close()


def test_a_search_that_is_ended_while_it_loads_leaves_what_is_loaded(store: Store) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        store.flat_view(SPACE, None, stop)
    told: list[tuple[int, int]] = []
    store.flat_view(SPACE, None, lambda done, total: told.append((done, total)))
    assert told == [(0, 1)]
    assert len(held(store)) == 2 * 39


def test_exact_products_are_those_of_the_stored_vectors(store: Store) -> None:
    view = store.flat_view(SPACE)
    assert view is not None
    chosen = view.select([A, B], ["subtitles"])
    rows = chosen.coded.rows[chosen.places].tolist()
    exact = store.exact_products(SPACE, [*rows, 10**9], QUERY)
    assert set(exact) == set(rows)
    wanted = stored(store)
    for row, number in zip(rows, chosen.coded.ids[chosen.places].tolist(), strict=True):
        assert exact[row] == pytest.approx(wanted[number][1], abs=1e-6)
    assert store.exact_products("nobody@1|text", rows, QUERY) == {}


def test_a_querys_first_code_and_the_mean_of_the_rows_are_nearly_both_codes() -> None:
    """Products by the first code alone are all shifted alike, which would move what is usual among them."""
    matrix, query = vectors(3000, dim=384) + 0.1, vectors(1, 1, dim=384)[0]
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    index = FlatIndex(384, 1 << 30)
    index.put(A, 1, coded(matrix), [("subtitles", 3000)])
    chosen, asked = index.view().select([A], ["subtitles"]), Asked.of(query)
    first, both = chosen.compare(asked, first=True), chosen.compare(asked)
    assert abs(np.median(both - first)) > 3e-5
    assert abs(np.median(both - first) - chosen.second_part(asked)) < 1e-5
    assert np.abs(both - first - chosen.second_part(asked)).max() < 2e-3


def exact(store: Store, view: View, name: str) -> dict[int, float] | None:
    """By entry id a video's products with a query, by codes and what they leave over."""
    rests = store.rests(SPACE, view, [name])
    if name not in rests:
        return None
    chosen, asked = view.select([name], ["subtitles", "screen_text"]), Asked.of(QUERY)
    coded, inside = view.coded, chosen.places - view.videos[name].start
    rest = rests[name][0][inside], rests[name][1][inside]
    own = coded.codes[chosen.places], coded.scales[chosen.places]
    found = asked.exact_products(*own, rest, chosen.compare(asked, first=True))
    return dict(zip(coded.ids[chosen.places].tolist(), found.tolist(), strict=True))


@pytest.mark.parametrize("written", [True, False])
def test_what_codes_leave_over_makes_their_products_exact(store: Store, *, written: bool) -> None:
    if written:
        store.index_vectors()
    view = store.flat_view(SPACE)
    assert view is not None
    for name in (A, B):
        wanted = {number: product for number, (_, product) in stored(store, (name,)).items()}
        assert exact(store, view, name) == pytest.approx(wanted, abs=2e-5)
    store.put_vectors(SPACE, A, [store.entries(A)[0].id], vectors(1, 3))
    another = Store.open(store.home)  # it holds nothing yet
    there = {name for name in (A, B) if exact(another, view, name) is not None}
    another.close()
    assert there == ({A, B} if written else {B})  # the rows of codes still hold what the view was made of
    assert store.rests("nobody@1|text", view, [A, B]) == {}


def test_a_library_over_its_bytes_of_memory_is_searched_all_the_same(tmp_path: Path) -> None:
    small = Store.open(tmp_path, index=IndexSettings(flat_bytes=100))
    small.add_video(A, A, 1)
    add(small, A, "subtitles", 30, 1)
    assert held(small) == {i: (v, pytest.approx(p, abs=0.01)) for i, (v, p) in stored(small, (A,)).items()}
    small.close()


def test_what_codes_leave_over_is_held_where_it_has_room_and_read_again_after_a_change(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = store.flat_view(SPACE)
    assert view is not None
    names = list(view.videos)
    first = store.rests(SPACE, view, names)
    monkeypatch.setattr(store._flat, "_rest", None)
    assert all(store.rests(SPACE, view, names)[name] is first[name] for name in names)  # from memory
    monkeypatch.undo()
    store.put_vectors(SPACE, A, [store.entries(A)[0].id], vectors(1, 3))
    newer = store.flat_view(SPACE)
    assert newer is not None
    wanted = {number: product for number, (_, product) in stored(store, (A,)).items()}
    assert exact(store, newer, A) == pytest.approx(wanted, abs=2e-5)
    monkeypatch.setattr(flat_search, "REST_BYTES", 10)
    small = FlatSearch(store.db, store.now, 0, tmp_path)
    assert set(small.rests(SPACE, newer, [A])) == {A}
    assert not small._rests


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ({}, []),
        ({"a": 5}, [["a"]]),
        ({"a": 4, "b": 4, "c": 4}, [["a", "b"], ["c"]]),
        ({"a": 40, "b": 1, "c": 40}, [["a"], ["b"], ["c"]]),
    ],
)
def test_names_come_in_order_as_many_at_once_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int], wanted: list[list[str]]
) -> None:
    monkeypatch.setattr(flat_index, "AT_ONCE", 9)
    assert list(flat_index.batches(sizes)) == wanted


def test_an_index_that_is_read_in_many_batches_is_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.index_vectors()
    whole = held(store)
    monkeypatch.setattr(flat_index, "AT_ONCE", 1)
    another = Store.open(store.home)
    assert held(another) == whole
    another.close()
