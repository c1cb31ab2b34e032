"""Words of grammar carry no weight in a search by words; numbers and names carry more."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.store import EntryIn, Store

VIDEO = "0123456789ab"
QUESTIONS = [
    ("en", "How many cups of tea were generated?"),
    ("de", "Wie viele cups of tea wurden generated?"),
    ("fr", "Combien de cups tea ont été generated ?"),
    ("es", "¿Cuántas cups tea se generated?"),
    ("tr", "Kaç cups tea generated?"),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path)
    store.add_video(VIDEO, "a dashboard", 1)
    texts = ("Cups of Tea / 1,042 Generated", "we were there and how", "a war is over", "Mara met Anna in 1984")
    store.add_entries(VIDEO, "screen_text", "x", [EntryIn(i, i + 1, text) for i, text in enumerate(texts)])
    return store


@pytest.mark.parametrize(("language", "question"), QUESTIONS, ids=[language for language, _ in QUESTIONS])
def test_an_entry_with_all_but_the_words_of_grammar_answers_the_whole_question(
    store: Store, language: str, question: str
) -> None:
    best = max(store.search_words(question), key=lambda hit: hit.idf)
    assert best.entry.text.startswith("Cups of Tea")
    assert best.idf > 0.95


def test_a_question_of_grammar_alone_is_still_searched(store: Store) -> None:
    hits = store.search_words("how were we")
    assert hits[0].entry.text == "we were there and how"
    assert hits[0].idf == pytest.approx(1.0)


def test_a_noun_that_is_grammar_in_another_language_keeps_its_weight(store: Store) -> None:
    (hit,) = [hit for hit in store.search_words("When was the war over?") if "war" in hit.entry.text]
    assert hit.idf > 0.9


def test_a_name_or_a_number_weighs_more_than_another_word_as_rare(store: Store) -> None:
    def share(query: str) -> float:
        return max(hit.idf for hit in store.search_words(query))

    assert share("zebra Mara") > share("zebra mara")
    assert share("zebra 1984") > share("zebra met")
