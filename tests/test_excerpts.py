"""What of a long text is shown: where most of what was asked for stands, whatever marks the question puts around it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.excerpts import excerpt

LONG = (
    "ETH / Conditional expressions / " + "if this then that else " * 12 + "/ ETH / Path Expressions / " + "x y z " * 30
)
NOTES = " / ".join(f"note {n} of server {n % 2}" for n in range(40))


@pytest.mark.parametrize("asked", ["path expressions", '"Path Expressions"', "the path expressions, please"])
def test_a_text_is_cut_where_most_of_the_words_stand(asked: str) -> None:
    shown = excerpt(LONG, asked, 120)
    assert "Path Expressions" in shown
    assert len(shown) <= 120


def test_of_equal_places_the_first_is_shown() -> None:
    assert excerpt("alpha " + "x " * 200 + "alpha", "alpha", 60).startswith("alpha")


def test_without_any_of_the_words_the_beginning_is_shown() -> None:
    assert excerpt("beginning " + "x " * 200, "nothing", 40).startswith("beginning")
    assert excerpt("short", '"!"', 40) == "short"


@pytest.mark.parametrize("asked", ['"{}"', "'{}'", "“{}” on a slide", "a slide that says '{}'"])
@pytest.mark.parametrize("words", ["note 31 of server 1", "note 8 of server 0", "server 0 / note 17"])
def test_quoted_words_are_shown_as_quoted(asked: str, words: str) -> None:
    assert words in excerpt(NOTES, asked.format(words), 90)


@pytest.mark.parametrize("word", ["Q4", "tax", "bias", "9"])
@pytest.mark.parametrize("asked", ["a slide with '{}'", "the speaker says '{}'", "'{}' on a slide", '"{}"'])
def test_what_is_quoted_goes_before_the_words_around_it(asked: str, word: str) -> None:
    text = "the speaker says on this slide with some words that " * 6 + f"at last {word} is named, " + "so on " * 40
    assert word in excerpt(text, asked.format(word), 90)


@pytest.mark.parametrize("asked", ['" "', 'a " " b', '27" "curved" monitor', "''", '"', "' '", "“ ”"])
def test_empty_quotations_are_none(asked: str) -> None:
    assert len(excerpt("some words " * 30, asked, 40)) <= 40


def test_an_apostrophe_does_not_end_a_quotation() -> None:
    text = "I can't say. " * 20 + "Well, I don't know what to do. " + "It is what it is. " * 20
    assert "I don't know" in excerpt(text, "somebody says 'I don't know'", 60)


def test_words_are_found_where_scripts_meet() -> None:
    assert "Q4" in excerpt("然后" * 60 + "Q4报告" + "以后" * 60, "Q4报告是什么", 40)
    assert "佐々木" in excerpt("そして" * 60 + "佐々木さん" + "です" * 60, "佐々木", 40)
    assert "मीटिंग" in excerpt("और फिर " * 30 + "मीटिंग " + "और फिर " * 30, "मीटिंग", 40)


def test_no_letter_is_parted_from_its_accents() -> None:
    for length in range(10, 30):
        shown = excerpt("e\u0301" * 40, "x", length)
        assert shown.strip("…").count("e") == shown.count("\u0301")


@pytest.mark.parametrize("word", ["Q4", "9", "神经网络", "회의록"])
def test_short_words_and_those_of_scripts_without_spaces_are_found(word: str) -> None:
    text = "plan 19 for Q40 and " * 20 + f" then {word}, " + "and so on " * 20
    assert word in excerpt(text, f"{word}是什么" if ord(word[0]) > 255 else word, 60)


def test_places_are_right_where_lower_case_is_longer() -> None:
    text = "İstanbul " * 30 + "the needle " + "and hay " * 30
    assert "the needle" in excerpt(text, "needle", 60)


def test_what_must_be_shown_is_shown_though_the_words_stand_elsewhere() -> None:
    text = "the words asked for / " + "x " * 200 + "the best entry" + " y" * 100
    at = text.index("the best entry")
    assert "the best entry" in excerpt(text, "words asked for", 80, (at, at + 14))


def test_what_must_be_shown_and_is_too_long_is_chosen_from() -> None:
    best = "a " * 100 + "needle " + "b " * 100
    text = "needle " * 20 + best + "needle " * 20
    shown = excerpt(text, "needle", 60, (140, 140 + len(best)))
    assert "needle" in shown
    assert "a a" in shown
    assert "b b" in shown


LETTERS = st.characters() | st.sampled_from("ab \"'“”“神经")


@given(st.text(LETTERS, max_size=300), st.text(LETTERS, max_size=40), st.integers(3, 200), st.data())
def test_an_excerpt_is_never_longer_and_always_of_the_text(
    text: str, asked: str, length: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(text)))
    keep = data.draw(st.none() | st.integers(first, len(text)).map(lambda last: (first, last)))
    shown = excerpt(text, asked, length, keep)
    assert len(shown) <= length
    assert any(part in text for part in (shown, shown[1:], shown[:-1], shown[1:-1]))  # less the marks of what is not
    marks = any(unicodedata.combining(c) or c == "\u200d" for c in text)
    if keep and len(text) > length and keep[1] - keep[0] <= length - 2 and not marks:
        assert text[keep[0] : keep[1]].strip() in shown
