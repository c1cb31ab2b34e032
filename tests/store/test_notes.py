"""Notes: kept, found, replaced, never lost."""

from __future__ import annotations

import pytest

from agent_tools.errors import NoteNotFound
from agent_tools.store import Store
from tests.store.conftest import TALK, WEEK, Clock


def test_a_note_says_who_when_and_whether_the_span_was_looked_at(store: Store, clock: Clock) -> None:
    note, same = store.add_note(WEEK, 12.5, 20.0, "The KV cache appears", "claude", True)
    assert same is False
    assert (note.number, note.start_s, note.end_s, note.author) == (1, 12.5, 20.0, "claude")
    assert (note.created_at, note.looked_at, note.replaced_by) == (clock.time_s, True, None)
    assert store.note(WEEK, 1) == note
    assert store.add_note(WEEK, 0, 1, "x", "claude", None)[0].looked_at is None
    assert store.add_note(WEEK, 0, 1, "y", "claude", False)[0].looked_at is False


def test_the_same_authors_same_text_on_the_same_span_is_one_note(store: Store) -> None:
    first, _ = store.add_note(WEEK, 12.5, 20.0, "same", "claude", True)
    again, same = store.add_note(WEEK, 12.5, 20.0, "same", "claude", False)
    assert (again, same) == (first, True)
    for span, text, author in (
        ((12.5, 21.0), "same", "claude"),
        ((12.5, 20.0), "other", "claude"),
        ((12.5, 20.0), "same", "cursor"),
    ):
        assert store.add_note(WEEK, *span, text, author, None)[1] is False
    assert store.add_note(TALK, 12.5, 20.0, "same", "claude", None)[0].number == 1
    assert store.count_notes(WEEK) == 4


def test_two_authors_same_words_are_two_notes_and_both_are_found(store: Store) -> None:
    store.add_note(WEEK, 0, 1, "a wolf", "claude", None)
    store.add_note(WEEK, 0, 1, "a wolf", "cursor", None)
    assert sorted(hit.entry.extra["note"] for hit in store.search_words("wolf")) == [1, 2]
    store.add_note(WEEK, 0, 1, "a fox", "claude", None, replaces=1)
    assert [hit.entry.extra["note"] for hit in store.search_words("wolf")] == [2]


def test_a_note_is_an_entry_of_its_channel(store: Store) -> None:
    store.add_note(WEEK, 12.5, 20.0, "The KV cache appears", "claude", True)
    (hit,) = store.search_words("cache", channels=["notes"])
    assert (hit.entry.channel, hit.entry.producer, hit.entry.start_s) == ("notes", "notes", 12.5)
    assert hit.entry.extra["note"] == 1


def test_a_replaced_note_is_kept_and_no_longer_found(store: Store) -> None:
    old, _ = store.add_note(WEEK, 0, 1, "the cat is black", "claude", None)
    store.put_vectors("m@1/1|text", WEEK, [entry.id for entry in store.pending_text(WEEK, "m@1/1|text")], [[1.0, 0.0]])  # type: ignore[arg-type]  # a list is read as rows
    new, same = store.add_note(WEEK, 0, 1, "the cat is grey", "claude", True, replaces=old.number)
    assert (new.number, same) == (2, False)
    kept = store.note(WEEK, old.number)
    assert kept is not None
    assert (kept.text, kept.replaced_by) == ("the cat is black", 2)
    assert store.search_words("black") == []
    assert store.nearest("m@1/1|text", [1.0, 0.0]) == []  # type: ignore[arg-type]  # as above
    assert store.notes(WEEK) == [new]
    assert [note.number for note in store.notes(WEEK, current_only=False)] == [1, 2]
    assert store.count_notes(WEEK) == 2


def test_what_was_replaced_may_be_written_again(store: Store) -> None:
    store.add_note(WEEK, 0, 1, "black", "claude", None)
    store.add_note(WEEK, 0, 1, "grey", "claude", None, replaces=1)
    again, same = store.add_note(WEEK, 0, 1, "black", "claude", None, replaces=2)
    assert (again.number, same) == (3, False)
    assert [hit.entry.extra["note"] for hit in store.search_words("black")] == [3]
    assert store.search_words("grey") == []


def test_replacing_by_a_note_that_is_there_keeps_that_one(store: Store) -> None:
    store.add_note(WEEK, 0, 1, "grey", "claude", None)
    store.add_note(WEEK, 0, 1, "black", "claude", None)
    note, same = store.add_note(WEEK, 0, 1, "grey", "claude", None, replaces=2)
    assert (note.number, same) == (1, True)
    assert store.notes(WEEK) == [note]
    itself, same = store.add_note(WEEK, 0, 1, "grey", "claude", None, replaces=1)
    assert (itself.replaced_by, same) == (None, True)
    assert len(store.search_words("grey")) == 1


def test_replacing_what_is_not_there_is_refused_and_nothing_kept(store: Store) -> None:
    with pytest.raises(NoteNotFound, match="no note 7"):
        store.add_note(WEEK, 0, 1, "x", "claude", None, replaces=7)
    assert store.count_notes(WEEK) == 0


def test_reindexing_every_channel_loses_no_note(store: Store) -> None:
    store.add_note(WEEK, 0, 1, "a wolf", "claude", None)
    with pytest.raises(ValueError, match="unfindable"):
        store.delete_entries(WEEK, "notes")
    assert [note.text for note in store.notes(WEEK)] == ["a wolf"]
    store.delete_entries(WEEK, "speech")
    store.replace_episodes(WEEK, "chunk", [])
    assert [hit.entry.extra["note"] for hit in store.search_words("wolf")] == [1]
