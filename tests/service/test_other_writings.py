"""Words that a comparison of letters does not find, though people take them for words that stand there."""

from __future__ import annotations

import pytest
from babel import Locale

from agent_tools.service.verdicts.other_writings import written_otherwise
from agent_tools.service.verdicts.transliteration import sounds_like


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("email", "Send an e-mail now"),
        ("e-mail", "Send an email now"),
        ("USA", "the U.S.A. team"),
        ("cooperation", "the co-\noperation now"),
        ("1000", "costs 1,000 dollars"),
        ("1000", "kostet 1.000 Euro"),
        ("1000", "coûte 1\u202f000 euros"),
        ("09:30", "at 9:30 sharp"),
        ("9:30", "at 09:30 sharp"),
        ("color", "the colour of it"),
        ("centre", "the center of it"),
        ("Mueller", "Müller kommt"),
        ("Müller", "Mueller kommt"),
        ("Koebenhavn", "Vi kører til København"),
        ("Aase", "Han heter Åse"),
        ("Djordje", "Đorđe dolazi"),
        ("预算", "明年的預算"),
        ("預算", "明年的预算"),
        ("スシ", "すしを食べる"),
        ("人人", "人々が集まる"),
        ("می خواهم", "می\u200cخواهم بروم"),
        ("שולחן", "הַסֵּפֶר עַל הַשֻּׁלְחָן"),
        ("обʼєктів", "п'ять об’єктів"),
        ("Hawai'i", "Hawaiʻi"),
        ("\u0e19\u0e4d\u0e49\u0e32", "\u0e19\u0e49\u0e33"),
    ],
)
def test_another_writing_of_the_words_is_named(words: str, text: str) -> None:
    for spoken in (True, False):
        assert f"{words!r} may stand there as" in written_otherwise(words, ["what else", text], spoken=spoken)


@pytest.mark.parametrize(
    ("words", "text", "why"),
    [
        ("50%", "fifty percent", "may be written in words"),
        ("とうきょう", "東京タワー", "may be written in Han characters"),
        ("Beograd", "Београд је велики град", "may be written in Cyrillic letters"),
        ("Москва", "we fly to Moscow", "may be written in Latin letters"),
    ],
)
def test_what_is_said_may_be_written_down_in_other_signs(words: str, text: str, why: str) -> None:
    assert why in written_otherwise(words, [text], spoken=True)
    assert written_otherwise(words, [text], spoken=False) == ""


LATIN = ["Dobro došli u naš grad, ovo je dugačak film."] * 3


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("Beograd", "Идемо у Београд сутра"),
        ("Đoković", "Ђоковић сервира"),
        ("Novi Sad", "у Нови Сад"),
        ("Tchaikovsky", "музыка Чайковского и Чайковский"),
        ("Hong Kong", "рейс в Гонконг"),
        ("Moscow", "Москва"),
        ("Athina", "στην Αθήνα"),
        ("Tbilisi", "თბილისი"),
        ("Yerevan", "Երևան"),
    ],
)
def test_a_word_of_a_line_in_another_script_may_be_the_one_that_is_asked_for(words: str, text: str) -> None:
    """Most lines are in the script of the question, so only the word's sounds tell."""
    assert f"{words!r} may stand there as" in written_otherwise(words, [*LATIN, text], spoken=True)
    assert written_otherwise(words, [*LATIN, text], spoken=False) == ""


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("айфон", ["Я купил новый телефон, и он мне нравится.", "iPhone 15"]),
        ("アイフォン", ["新しい電話を買いました。とても気に入っています。", "the iPhone"]),
    ],
)
def test_a_foreign_name_may_stand_in_its_own_letters(words: str, texts: list[str]) -> None:
    assert "may stand there as 'iPhone'" in written_otherwise(words, texts, spoken=True)


def test_a_line_in_a_script_that_does_not_write_sounds_may_hold_any_word() -> None:
    for line in ("明日は東京へ行きます", "غدا إلى القاهرة", "พรุ่งนี้ไปกรุงเทพ"):
        assert "letters, as" in written_otherwise("Cairo", [*LATIN, line], spoken=True)
    assert written_otherwise("Cairo", [*LATIN, "Dobro došli u 東京"], spoken=True) == ""  # the line is Latin


def test_a_whole_track_in_the_script_of_the_words_is_proof_beside_a_translation() -> None:
    """Else no film with subtitles in many languages could be said not to hold a word."""
    arabic = ["غدا إلى القاهرة"] * len(LATIN)
    both = [*LATIN, *arabic]
    assert written_otherwise("Cairo", both, spoken=True, tracks=[LATIN, arabic]) == ""
    assert "Arabic letters" in written_otherwise("Cairo", [*LATIN, *LATIN, *arabic], spoken=True)
    few = LATIN[:1]
    assert "letters" in written_otherwise("Cairo", [*few, *arabic], spoken=True, tracks=[few, arabic])
    cyrillic = ["Идемо у Београд сутра"]
    assert "Београд" in written_otherwise("Beograd", [*LATIN, *cyrillic], spoken=True, tracks=[LATIN, cyrillic])


def test_all_names_of_a_language_with_two_alphabets_are_recognised_in_the_other_one() -> None:
    latin, cyrillic = Locale("sr", script="Latn"), Locale("sr", script="Cyrl")
    tables = ((latin.territories, cyrillic.territories), (latin.languages, cyrillic.languages))
    pairs = [
        (one[key].split(), other[key].split()) for one, other in tables for key in one if key in other and len(key) == 2
    ]
    assert len(pairs) > 400
    assert [pair for pair in pairs if not sounds_like(*pair)] == []
    shift = [(one, pairs[place - 7][1]) for place, (one, _) in enumerate(pairs)]
    assert sum(bool(sounds_like(*pair)) for pair in shift) < 0.1 * len(pairs)


def test_words_in_another_script_that_sound_otherwise_leave_the_verdict_as_it_is() -> None:
    lines = [*LATIN, "Идемо у Београд сутра", "видимо се на станици"]
    for words in ("Zagreb", "umbrella", "kišobran", "mountain", "Ljubljana"):
        assert written_otherwise(words, lines, spoken=True) == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("zebra", "the horse eats"),
        ("cat", "they concatenate"),
        ("ship", "a sheep"),
        ("art", "start"),
        ("预算", "计算机"),
        ("すし", "かばん"),
        ("Brücken", "die Straßen der Stadt"),
        ("Hund", ""),
        ("...", "anything"),
    ],
)
def test_other_words_are_no_other_writing(words: str, text: str) -> None:
    assert written_otherwise(words, [text], spoken=True) == ""
