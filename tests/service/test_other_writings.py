"""Words that a comparison of letters does not find, though people take them for words that stand there."""

from __future__ import annotations

import pytest

from agent_tools.service.verdicts.other_writings import written_otherwise


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
