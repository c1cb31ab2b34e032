"""The words of a query in many videos at once are what search_words says of each of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.store import EntryIn, Store, search
from tests.store.conftest import again

WORDS = "the of a river boat night money sister walk lamp 1,200 Zürich 水の音 letters lettering".split()
QUERIES = (
    "the walk of a sister",
    "money",
    "of the",
    "letters from Zürich about 1,200 boats",
    "夜の水",
    "nothing here",
    "",
)
CHANNELS = ("subtitles", "screen_text")
SPAN = (0.0, 100.0)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    where = request.getfixturevalue("database_url") if request.param == "postgres" else str(tmp_path)
    opened, rng = again(where), random.Random(5)
    for video, count in {"a" * 12: 40, "b" * 12: 3, "c" * 12: 90, "d" * 12: 0}.items():
        opened.add_video(video, video, 1)
        for channel in CHANNELS:
            texts = [" ".join(rng.choices(WORDS, range(len(WORDS), 0, -1), k=6)) for _ in range(count)]
            extra = {"unsure": True} if channel == "screen_text" else {}
            opened.add_entries(
                video, channel, "toy", [EntryIn(1.5 * i, 1.5 * i + 1, text, extra) for i, text in enumerate(texts)]
            )
    yield opened
    opened.close()


@pytest.mark.parametrize("large", [1_000, 100])
@pytest.mark.parametrize("limit", [5, 80])
@pytest.mark.parametrize("channels", [CHANNELS, CHANNELS[:1]])
def test_shares_are_those_of_each_video_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, large: int, limit: int, channels: tuple[str, ...]
) -> None:
    """Also where counts are rounded and common words are not read, as in a large library."""
    monkeypatch.setattr(search, "LARGE", large)
    monkeypatch.setattr(search, "COUNTED", 60)
    videos = [video.id for video in store.videos()]
    found = 0
    for query in QUERIES:
        shares = store.word_shares(query, dict.fromkeys(videos, SPAN), channels, limit)
        assert shares is not None
        for video in videos:
            hits = store.search_words(
                query, video_ids=[video], channels=channels, start_s=SPAN[0], end_s=SPAN[1], limit=limit
            )
            assert shares.get(video, {}) == {hit.entry.id: hit.idf for hit in hits}, (query, video)
            found += len(hits)
    assert found > 20


def test_what_was_written_since_is_seen(store: Store) -> None:
    spans = {"d" * 12: SPAN}
    assert store.word_shares("zeppelin", spans, CHANNELS, 80) == {}
    (number,) = store.add_entries("d" * 12, "subtitles", "toy", [EntryIn(1, 2, "a zeppelin")])
    assert store.word_shares("zeppelin", spans, CHANNELS, 80) == {"d" * 12: {number: 1.0}}


def test_what_was_added_and_what_was_removed_is_followed(store: Store) -> None:
    spans = dict.fromkeys((video.id for video in store.videos()), SPAN)

    def shares() -> object:
        return store.word_shares("letters from a sister", spans, CHANNELS, 80)

    before = shares()
    store.add_entries("a" * 12, "subtitles", "toy", [EntryIn(80.0, 81.0, "letters from my sister")])
    grown = shares()
    assert grown != before
    store.delete_entries("c" * 12, "subtitles")
    store.add_entries("b" * 12, "subtitles", "toy", [EntryIn(80.0 + i, 81.0 + i, "letters") for i in range(90)])
    known = shares()
    assert known != grown
    store._shares._entries = None  # read from the beginning
    assert shares() == known


def test_a_phrase_is_found_in_the_videos_that_hold_it(store: Store) -> None:
    assert store.videos_with('"a flying zeppelin"') == frozenset()
    store.add_entries("d" * 12, "subtitles", "toy", [EntryIn(1, 2, "a flying zeppelin"), EntryIn(3, 4, "zeppelin")])
    store.add_entries("b" * 12, "subtitles", "toy", [EntryIn(90, 91, "zeppelin, flying a")])
    assert store.videos_with('"a flying zeppelin"') == {"d" * 12}
    assert store.videos_with("zeppelin") == {"b" * 12, "d" * 12}
    store.delete_entries("d" * 12, "subtitles")
    assert store.videos_with('"flying zeppelin"') == frozenset()


def test_quotations_are_left_to_search_words(store: Store) -> None:
    assert store.word_shares('"river boat" at night', {"a" * 12: SPAN}, CHANNELS, 80) is None
