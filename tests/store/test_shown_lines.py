"""The lines of an on-screen text: what belongs together is one line, and each has its place and its box."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent_tools.ingestion.spaces import line_space, text_space
from agent_tools.ingestion.text_index import EntryIndex, index_entries, index_lines
from agent_tools.store import Entry, EntryIn, Store, keep_text_vectors, line_id, line_with, shown_lines
from agent_tools.store.shown_lines import MOST
from tests.ingestion.toys import Words
from tests.store.conftest import WEEK

HEIGHT = 0.05


def slide(*lines: tuple[str, float, float], height: float = HEIGHT, boxes: bool = True) -> Entry:
    """An entry whose lines stand at (x, y)."""
    text = " / ".join(words for words, _, _ in lines)
    held = [[x, y, x + 0.012 * len(words), y + height] for words, x, y in lines]
    return Entry(7, WEEK, "screen_text", "eyes", 0.0, 5.0, text, {"boxes": held} if boxes else {})


def texts(entry: Entry) -> list[str]:
    return [line.text for line in shown_lines(entry)]


DASHBOARD = slide(
    ("Ship Velocity", 0.1, 0.2),
    ("Cups of Tea", 0.5, 0.2),
    ("12 km/s", 0.1, 0.26),
    ("1,042 Generated", 0.5, 0.26),
    ("Crew Manifest", 0.1, 0.6),
)


@pytest.mark.parametrize(
    ("entry", "lines"),
    [
        (DASHBOARD, ["Ship Velocity 12 km/s", "Cups of Tea 1,042 Generated", "Crew Manifest"]),
        (
            slide(("Key players on the", 0.1, 0.1), ("Climate Scene", 0.1, 0.16), ("Prof. Ada Byron", 0.1, 0.4)),
            ["Key players on the Climate Scene", "Prof. Ada Byron"],
        ),
        (
            slide(("Eliminate duplicates", 0.1, 0.1), ("5. Sort the rest", 0.1, 0.16)),
            ["Eliminate duplicates", "5. Sort the rest"],  # an item of a list is no value
        ),
        (
            slide(("Elfatih Eltahir, MIT", 0.1, 0.1), ("Pedro Viterbo", 0.1, 0.16)),
            ["Elfatih Eltahir, MIT", "Pedro Viterbo"],  # MIT is a word of grammar in German only
        ),
        (slide(("Occupants", 0.1, 0.1), ("42", 0.24, 0.1), ("OK", 0.7, 0.7)), ["Occupants 42"]),
        (
            slide(("Open File", 0.1, 0.1), ("Key players on the", 0.1, 0.5), boxes=False),
            ["Open File", "Key players on the"],
        ),
        (slide(("One line alone", 0.1, 0.1)), []),
    ],
)
def test_what_belongs_together_is_one_line(entry: Entry, lines: list[str]) -> None:
    assert texts(entry) == lines


def test_a_line_says_where_it_stands_in_the_text_and_in_the_picture() -> None:
    tea = shown_lines(DASHBOARD)[1]
    assert DASHBOARD.text[tea.start : tea.end] == "Cups of Tea"
    assert tea.region == pytest.approx((0.5, 0.2, 0.012 * len("1,042 Generated"), 0.11))


def test_boxes_that_do_not_fit_the_lines_are_left_out() -> None:
    entry = slide(("Left / right", 0.1, 0.1), ("Second line here", 0.1, 0.3))
    assert [line.box for line in shown_lines(entry)] == [None, None]


def test_a_full_screen_keeps_the_lines_that_say_most() -> None:
    lines = [(f"word {'x' * number} more", 0.1, 0.02 * number) for number in range(2 * MOST)]
    kept = texts(slide(*lines, height=0.01))
    assert kept == [text for text, _, _ in lines[MOST:]]


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("How many cups of tea were generated?", "Cups of Tea 1,042 Generated"),
        ("Where is the manifest?", "Crew Manifest"),
        ("Who sings?", None),
        ("crew and tea", None),  # two lines hold one word each
    ],
)
def test_the_line_with_most_of_the_words(query: str, line: str | None) -> None:
    found = line_with(DASHBOARD, query)
    assert (found and found.text) == line


# -- vectors of lines


def shown(store: Store, *slides: Entry) -> list[int]:
    entries: list[EntryIn] = [EntryIn(10.0 * i, 10.0 * i + 5, one.text, one.extra) for i, one in enumerate(slides)]
    return store.add_entries(WEEK, "screen_text", "eyes", entries)


def held(store: Store, encoder: Words) -> list[int]:
    return store.vectors(line_space(encoder.producer), WEEK)[0].tolist()


def test_a_line_that_stands_on_two_slides_has_one_vector(store: Store) -> None:
    encoder = Words("words@1/1")
    other = slide(("Crew Manifest", 0.1, 0.1), ("Arthur Dent, human", 0.1, 0.5))
    first, second = shown(store, DASHBOARD, other)
    index_entries(store, WEEK, encoder, lambda _written: None)
    expected = [line_id(entry_of(store, first), place) for place in range(3)] + [line_id(entry_of(store, second), 1)]
    assert held(store, encoder) == expected
    matrix = store.vectors(line_space(encoder.producer), WEEK)[1]
    assert np.allclose(matrix[3], encoder.encode(["Arthur Dent, human"])[0])


def test_lines_of_texts_that_were_indexed_without_them_are_made_later(store: Store) -> None:
    encoder = Words("words@1/1")
    ids = shown(store, DASHBOARD)
    store.put_vectors(text_space(encoder.producer), WEEK, ids, encoder.encode([DASHBOARD.text]))
    assert index_lines(store, WEEK, encoder) == 3
    assert index_lines(store, WEEK, encoder) == 0


def test_texts_that_come_later_are_indexed_without_reading_the_earlier_ones_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a screen recording of hours takes time that grows with its square."""
    encoder, other = Words("words@1/1"), slide(("Crew Manifest", 0.1, 0.1), ("Arthur Dent, human", 0.1, 0.5))
    index = EntryIndex(store, WEEK, encoder)
    shown(store, DASHBOARD)
    assert index.write() == 1

    def read(*_: object, **__: object) -> None:
        raise AssertionError("all entries were read again")

    monkeypatch.setattr(store, "entries", read)
    (second,) = store.add_entries(WEEK, "screen_text", "eyes", [EntryIn(50.0, 55.0, other.text, other.extra)])
    assert index.write() == 1
    assert held(store, encoder)[-1] == line_id(entry_of(store, second), 1)
    assert len(held(store, encoder)) == 4
    assert index.write() == 0


def test_a_line_whose_first_slide_went_meanwhile_gets_another_vector(store: Store) -> None:
    encoder, other = Words("words@1/1"), slide(("Crew Manifest", 0.1, 0.1), ("Arthur Dent, human", 0.1, 0.5))
    index = EntryIndex(store, WEEK, encoder)
    shown(store, DASHBOARD)
    index.write()
    store.delete_entries(WEEK, "screen_text")
    (second,) = shown(store, other)
    index.write()
    assert held(store, encoder) == [line_id(entry_of(store, second), place) for place in range(2)]


def test_lines_go_with_their_text_and_with_their_encoder(store: Store) -> None:
    old, new = Words("old@1/1"), Words("new@1/1")
    shown(store, DASHBOARD)
    for encoder in (old, new):
        index_entries(store, WEEK, encoder, lambda _written: None)
    assert keep_text_vectors(store, WEEK, new.producer)
    assert (len(held(store, old)), len(held(store, new))) == (0, 3)
    store.delete_entries(WEEK, "screen_text")
    assert held(store, new) == []


def entry_of(store: Store, number: int) -> Any:
    return store.entries_by_id([number])[0]
