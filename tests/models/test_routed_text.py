from __future__ import annotations

import numpy as np
import pytest

from agent_tools.models.minilm import MiniLM
from agent_tools.models.routed_text import RoutedText, encode_known, reach_of, sides_of

ENGLISH, GERMAN = "The dog chews a bone.", "Der Hund kaut an einem Knochen."


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> RoutedText:
    return RoutedText(tmp_path_factory.mktemp("weights") / "use")


def test_english_has_both_parts_and_other_languages_one(routed: RoutedText, minilm: MiniLM) -> None:
    english, german, undecided = routed.encode([ENGLISH, GERMAN, "Mitigation"])
    half = np.float32(0.5**0.5)
    assert np.allclose(english[:384], half * minilm.encode([ENGLISH])[0], atol=1e-6)
    assert np.linalg.norm(english[384:]) == pytest.approx(half, abs=1e-5)
    assert not german[:384].any()
    assert np.linalg.norm(german[384:]) == pytest.approx(1, abs=1e-5)
    assert undecided[:384].any()
    for vector in (english, german, undecided):
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_two_english_texts_are_compared_by_both_encoders(routed: RoutedText, minilm: MiniLM) -> None:
    texts = [ENGLISH, "A puppy gnaws on something hard."]
    one, other = routed.encode(texts)
    by_minilm = float(np.dot(*minilm.encode(texts)))
    by_use = float(np.dot(one[384:], other[384:]) * 2)
    assert float(one @ other) == pytest.approx((by_minilm + by_use) / 2, abs=1e-5)


LANGUAGES = [(ENGLISH, "de", False), (GERMAN, "en-GB", True), (ENGLISH, None, True), (GERMAN, "und", False)]


@pytest.mark.parametrize(("text", "language", "english"), LANGUAGES)
def test_a_language_that_is_known_is_not_guessed(
    routed: RoutedText, text: str, language: str | None, english: bool
) -> None:
    (vector,) = routed.encode([text], languages=[language])
    assert vector[:384].any() == english
    assert np.array_equal(encode_known(routed, [text], [language])[0], vector)


def test_an_encoder_that_does_not_ask_is_not_given_languages(minilm: MiniLM) -> None:
    assert np.array_equal(encode_known(minilm, [GERMAN], ["de"]), minilm.encode([GERMAN]))


def test_no_texts_give_no_vectors(routed: RoutedText) -> None:
    assert routed.encode([]).shape == (0, routed.dim) == (0, 896)


def test_the_producer_names_both_models_and_the_routing(routed: RoutedText) -> None:
    assert routed.producer == "minilm-l6-v2@53aa5117+use-multilingual-v3@0db566fd/routed-1"


def test_texts_are_compared_by_the_parts_that_both_have(routed: RoutedText, minilm: MiniLM) -> None:
    texts = [ENGLISH, GERMAN]
    matrix = routed.encode(texts)
    sides = sides_of(routed, reach_of(matrix))
    assert sides is not None
    many = routed._many.encode(texts)
    for query in matrix:  # texts as queries, so that nothing is taken out of a question
        cosines = sides.cosines(matrix @ query, query)
        by_many = many @ query[384:] / np.linalg.norm(query[384:])
        both_english = sides.english & bool(query[:384].any())
        english = (minilm.encode([ENGLISH]) @ minilm.encode([ENGLISH])[0])[0]
        assert np.allclose(cosines, np.where(both_english, (by_many + english) / 2, by_many), atol=1e-5)
    assert sides_of(minilm, reach_of(matrix)) is None


def test_the_older_encoder_asks_the_older_vectors(routed: RoutedText, minilm: MiniLM) -> None:
    (older,) = routed.older
    assert older.producer == minilm.producer
    assert np.allclose(older.encode([ENGLISH]), minilm.encode([ENGLISH]))


def test_words_are_remembered_and_the_same_again(routed: RoutedText) -> None:
    once = routed.encode_words(["museum", "Brücke", "museum"])
    assert once.shape == (3, 512)
    assert (once[0] == once[2]).all()
    assert not np.allclose(once[0], once[1])
    again = routed.encode_words(["tower", "museum"])
    assert (again[1] == once[0]).all()
    assert routed.encode_words([]).shape == (0, 512)
