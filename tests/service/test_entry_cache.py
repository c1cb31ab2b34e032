"""Entries held in memory: as the store has them, read again exactly when something of their video changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent_tools.ingestion.spaces import text_space
from agent_tools.service.library.entry_cache import EntryCache, has_enough_letters
from agent_tools.store import EntryIn, Store
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
    chunked = [held.at(c.chunk.first_index + i).id for c in held.chunks for i in range(len(c.chunk.frames))]
    assert sorted(chunked) == sorted(ids.tolist())
    assert all(np.shares_memory(c.chunk.frames.numpy(), held.matrix) for c in held.chunks)


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


def test_the_chunks_asked_for_last_are_kept_side_by_side(store: Store) -> None:
    cache = EntryCache()
    held, other = (cache.get(store, video_id, Toy) for video_id in (VIDEO, OTHER))
    asked = ((held, Span(0, 600)), (other, Span(0, 600)))
    bank = cache.bank(asked, ("subtitles", "screen_text"))
    assert cache.bank(asked, ("subtitles", "screen_text")) is bank
    assert len(bank.chunks) == len(held.chunks) + len(other.chunks)
    narrow = cache.bank(((held, Span(0, 50)),), ("subtitles",))
    assert [chunk.first_index for chunk in narrow.chunks] == [held.base]


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
    assert has_enough_letters(text) is says
