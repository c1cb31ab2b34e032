"""Entries held in memory: as the store has them, read again exactly when something of their video changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent_tools.ingestion.spaces import text_space
from agent_tools.service.library.entry_cache import EntryCache
from agent_tools.store import EntryIn, Store, spelling
from agent_tools.timeline import Span

VIDEO, OTHER = "9f6cbced0247", "0123456789ab"


class Toy:
    """An encoder of eight-dimensional vectors; only its names are asked for here."""

    producer, dim, languages = "toy@1/1", 8, "many"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    for video_id in (VIDEO, OTHER):
        opened.add_video(video_id, video_id, 1)
        opened.update_video(video_id, duration_s=600.0)
        for channel in ("subtitles", "screen_text"):
            add(opened, video_id, channel, 30)
    yield opened
    opened.close()


def add(store: Store, video_id: str, channel: str, count: int, first_s: float = 0.0) -> None:
    cues = [
        EntryIn(first_s + 7.0 * i, first_s + 7.0 * i + (15.0 if i % 9 == 0 else 5.0), f"{channel} {i} of {first_s:g}")
        for i in range(count)
    ]
    ids = store.add_entries(video_id, channel, "toy", cues)
    vectors = np.random.default_rng(count).standard_normal((count, 8)).astype(np.float32)
    store.put_vectors(text_space(Toy.producer), video_id, ids, vectors)
    store.set_channel(video_id, channel, state="running", entries=count)


def test_a_vector_that_comes_after_a_search_is_seen_by_the_next(store: Store) -> None:
    """As of a note written while the encoder loads: nothing of its video changes then but this vector."""
    store.add_note(VIDEO, 3.0, 4.0, "the kettle is blue", author="me", looked_at=None)
    space = text_space(Toy.producer)
    cache = EntryCache()
    before = cache.get(store, VIDEO, Toy)
    (note,) = store.pending_text(VIDEO, space, only="notes")
    assert note.id not in before.row_of
    store.put_vectors(space, VIDEO, [note.id], np.ones((1, 8), np.float32))
    after = cache.get(store, VIDEO, Toy)
    assert after.matrix[after.row_of[note.id]].any()
    assert cache.get(store, VIDEO, Toy) is after


def test_it_holds_each_entry_once_with_its_vector(store: Store) -> None:
    store.add_entries(VIDEO, "notes", "notes", [EntryIn(3.0, 4.0, "no vector yet")])
    held = EntryCache().get(store, VIDEO, Toy)
    ids, vectors = store.vectors(text_space(Toy.producer), VIDEO)
    assert sorted(entry.id for entry in held.entries) == sorted(entry.id for entry in store.entries(VIDEO))
    for number, vector in zip(ids.tolist(), vectors, strict=True):
        assert np.array_equal(held.matrix[held.row_of[number]], vector)
    assert not held.matrix[len(ids) :].any()


@pytest.mark.parametrize("span", [Span(0, 600), Span(62, 70), Span(63, 63.5), Span(400, 500), Span(0, 0.5)])
def test_what_overlaps_a_span_is_what_the_store_says(store: Store, span: Span) -> None:
    add(store, VIDEO, "speech", 10, 60.0)
    held = EntryCache().get(store, VIDEO, Toy)
    assert held.overlapping(span) == store.entries(VIDEO, start_s=span.start_s, end_s=span.end_s)


def test_a_video_is_read_again_when_something_of_it_changed_and_only_then(store: Store) -> None:
    cache = EntryCache()
    first = cache.get(store, VIDEO, Toy)
    assert cache.get(store, VIDEO, Toy) is first
    add(store, OTHER, "speech", 5)
    store.set_channel(VIDEO, "frames", state="running", done_to_s=50.0)  # no entry comes of that
    assert cache.get(store, VIDEO, Toy) is first
    add(store, VIDEO, "speech", 5)
    second = cache.get(store, VIDEO, Toy)
    assert len(second.entries) == len(first.entries) + 5
    store.add_note(VIDEO, 1.0, 2.0, "a note", "me", None, None)
    assert len(cache.get(store, VIDEO, Toy).entries) == len(second.entries) + 1


def test_the_videos_that_are_held_are_bounded_by_their_bytes(store: Store) -> None:
    one = EntryCache().get(store, VIDEO, Toy).nbytes
    roomy, narrow = EntryCache(2 * one), EntryCache(one)
    for cache, kept in ((roomy, True), (narrow, False)):
        first = cache.get(store, VIDEO, Toy)
        last = cache.get(store, OTHER, Toy)
        assert cache.get(store, OTHER, Toy) is last
        assert (cache.get(store, VIDEO, Toy) is first) is kept


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1", False),
        ("3.14 €", False),
        ("a", False),
        ("x2", False),
        ("ab", True),
        ("水", True),
        ("키", True),
        ("", False),
    ],
)
def test_a_text_without_words_means_nothing(text: str, says: bool) -> None:
    assert spelling.has_enough_letters(text) is says
