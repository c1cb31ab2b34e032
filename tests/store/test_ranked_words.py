"""Posting lists as arrays rank as the index itself does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.store import EntryIn, Store
from agent_tools.store.part import json_list
from agent_tools.store.ranked_words import LEAST_ENTRIES, RankedWords
from agent_tools.store.search import ALL_IDS
from agent_tools.store.sql import Where
from agent_tools.store.words import parse

VIDEOS = [f"{number:012x}" for number in range(12)]
WORDS = "river stone lamp winter garden letter engine bridge copper 1815 Bingley dances".split()
QUERIES = ("river", "the letter about Bingley", "winter gardens of 1815", "copper dance", "nobody says this", "stone")


def texts(rng: random.Random, count: int) -> list[EntryIn]:
    """Words of very different frequency, some several times in a text."""
    weights = [2.0**-at for at in range(len(WORDS))]
    return [
        EntryIn(4.0 * i, 4.0 * i + 3.0, " ".join(rng.choices(WORDS, weights, k=rng.choice((1, 3, 9, 30)))))
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    rng = random.Random(7)
    with_many = Store.open(tmp_path_factory.mktemp("many"))
    for name in VIDEOS:
        with_many.add_video(name, name, 1)
        with_many.add_entries(name, "subtitles", "toy", texts(rng, LEAST_ENTRIES // 10))
        with_many.add_entries(name, "speech", "toy", [*texts(rng, 8), EntryIn(0.0, 9.0, "stone and letter " * 80)])
    yield with_many
    with_many.close()


def assert_as_the_index_ranks(store: Store, ranked: RankedWords, where: Where, limit: int) -> None:
    version = store.db.data_version()
    with store.db.read() as c:
        for query in QUERIES:
            terms = parse(query, store.db.words.tokenizer(c))
            own = ranked.find(c, terms, where, limit, version)
            wanted = store.db.words.find(c, terms, where, ALL_IDS, limit)
            assert own == wanted, (query, where)
            for term in terms:
                there = Where(where.videos, where.channels)
                assert (
                    ranked.count(c, term, there, version)
                    == c.execute(*store.db.words.counting(term, there, ALL_IDS)).get
                )


@pytest.mark.parametrize(
    "where",
    [
        Where(),
        Where(json_list(VIDEOS[3:])),
        Where(json_list([VIDEOS[2]]), json_list(["speech"])),
        Where(None, json_list(["subtitles", "notes"]), 100.0, 180.0),
        Where(json_list(["no such video"])),
    ],
)
@pytest.mark.parametrize("limit", [1, 20, 5_000])
def test_entries_scores_and_order_are_those_of_the_index(store: Store, where: Where, limit: int) -> None:
    assert_as_the_index_ranks(store, RankedWords(store.db, store.now), where, limit)


def test_what_is_added_and_removed_is_seen(tmp_path: Path) -> None:
    store, rng = Store.open(tmp_path), random.Random(3)
    ranked = RankedWords(store.db, store.now)
    for name in VIDEOS[:4]:
        store.add_video(name, name, 1)
        store.add_entries(name, "subtitles", "toy", texts(rng, 400))
    assert_as_the_index_ranks(store, ranked, Where(), 50)
    store.add_entries(VIDEOS[1], "notes", "toy", texts(rng, 30))  # the new ones alone are read
    assert_as_the_index_ranks(store, ranked, Where(json_list(VIDEOS[:2])), 50)
    store.delete_entries(VIDEOS[0], "subtitles")
    assert_as_the_index_ranks(store, ranked, Where(), 50)
    store.delete_entries(VIDEOS[1], "subtitles")
    store.add_entries(VIDEOS[1], "subtitles", "toy", texts(rng, 400))  # as many as were removed
    assert_as_the_index_ranks(store, ranked, Where(json_list([VIDEOS[1], VIDEOS[2]])), 50)
    store.close()


def test_phrases_and_scripts_without_spaces_are_left_to_the_index(store: Store) -> None:
    ranked, version = RankedWords(store.db, store.now), store.db.data_version()
    with store.db.read() as c:
        for query in ('"river stone"', "会议", "river 会"):
            terms = parse(query, store.db.words.tokenizer(c))
            assert ranked.find(c, terms, Where(), 5, version) is None


def test_a_small_library_is_left_to_the_index(tmp_path: Path) -> None:
    small = Store.open(tmp_path)
    small.add_video(VIDEOS[0], "small", 1)
    small.add_entries(VIDEOS[0], "subtitles", "toy", texts(random.Random(1), 40))
    version = small.db.data_version()
    with small.db.read() as c:
        terms = parse("river", small.db.words.tokenizer(c))
        assert RankedWords(small.db, small.now).find(c, terms, Where(), 5, version) is None
    small.close()
