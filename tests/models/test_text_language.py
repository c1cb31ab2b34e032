"""Each of the sixteen languages by a question of daily life; what tells nothing stays undecided."""

from __future__ import annotations

import pytest

from agent_tools.models.text_language import LANGUAGES, language_of

QUESTIONS = {
    "en": "Where is the red car?",
    "de": "Wo steht das rote Auto?",
    "es": "¿Dónde está el coche rojo?",
    "fr": "Où est la voiture rouge ?",
    "it": "Perché non sono andati alla stazione?",
    "nl": "Waar staat de rode auto?",
    "pl": "Gdzie jest czerwony samochód?",
    "pt": "Onde está o carro vermelho?",
    "tr": "Kırmızı araba nerede?",
    "ru": "Где красная машина?",
    "ko": "빨간 차가 어디에 있나요?",
    "ja": "赤い車はどこですか",
    "zh": "红色的汽车在哪里",
    "th": "รถสีแดงอยู่ที่ไหน",
    "ar": "أين السيارة الحمراء؟",
}
NEIGHBOURS = {
    "sv": "Var är den röda bilen och varför kan jag inte se den?",
    "uk": "Де мій червоний автомобіль і чому його немає?",
    "fa": "چرا این ماشین قرمز است؟ پدر می‌گوید",
    "el": "Πού είναι το κόκκινο αυτοκίνητο;",
    "he": "איפה המכונית האדומה?",
    "hi": "लाल कार कहाँ है?",
    "vi": "tàu khởi hành lúc nào",
    "fi": "Kuka maksaa uuden sillan?",
    "cs": "Kdo zaplatí nový most?",
}


def test_every_language_that_lite_understands_has_a_question() -> None:
    assert set(QUESTIONS) == set(LANGUAGES)


@pytest.mark.parametrize(("language", "text"), [*QUESTIONS.items(), *NEIGHBOURS.items()])
def test_a_question_tells_its_language(language: str, text: str) -> None:
    found = language_of(text)
    assert found.language == language
    assert found.confidence >= 0.5
    assert found.maybe_english is (language == "en")


def test_traditional_chinese_is_chinese() -> None:
    assert language_of("紅色的汽車在哪裡").language == "zh"


@pytest.mark.parametrize(
    "text", ["", "Mitigation", "KV cache", "4096", "Angela Merkel", "red car", "ai models", "OK!", "🙂"]
)
def test_what_tells_nothing_is_undecided_and_may_be_english(text: str) -> None:
    found = language_of(text)
    assert found.undecided
    assert found.confidence == 0
    assert found.maybe_english


@pytest.mark.parametrize(
    "text",
    [
        "a man rides a white horse along a beach",
        "runners run down a street under a blue arch",
        "a cat sleeps under a table",
        "children come home",
        "two men in hats push a cart",
        "a man drinks coffee",
        "someone wears a hat",
    ],
)
def test_a_sight_in_english_may_be_english(text: str) -> None:
    found = language_of(text)
    assert found.language in ("en", "")
    assert found.maybe_english


@pytest.mark.parametrize("text", ["para los ojos", "que la vida no es un sueño", "una casa de la costa"])
def test_a_text_of_one_of_two_close_languages_is_not_english(text: str) -> None:
    assert not language_of(text).maybe_english


@pytest.mark.parametrize(
    ("text", "language"), [("これは GPU memory bandwidth の問題です", "ja"), ("The word 猫 means cat.", "en")]
)
def test_a_foreign_word_inside_a_sentence_changes_nothing(text: str, language: str) -> None:
    assert language_of(text).language == language


def test_a_novel_in_english_is_english_line_by_line(filler: list[str]) -> None:
    found = [language_of(line) for line in filler]
    assert sum(one.maybe_english for one in found) >= 0.99 * len(found)
    assert sum(one.language == "en" for one in found) >= 0.9 * len(found)


@pytest.fixture(scope="module")
def filler(real_videos: object) -> list[str]:
    from pathlib import Path

    assert isinstance(real_videos, Path)
    return (real_videos / "filler.txt").read_text("utf-8").splitlines()
