"""Words to entries: where they are cut, and which repeats were said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.models.whisper.decoder import SpokenWord
from agent_tools.models.whisper.entries import LONGEST_S, runs


def said(text: str, start_s: float = 0.0, each_s: float = 0.3) -> tuple[SpokenWord, ...]:
    return tuple(
        SpokenWord(start_s + each_s * n, start_s + each_s * (n + 1), f" {word}", 0.9)
        for n, word in enumerate(text.split())
    )


def texts(*words: SpokenWord) -> list[str]:
    return [one.text for one in runs(words)[0]]


def test_a_pause_ends_an_entry() -> None:
    assert texts(*said("one two"), *said("three four", 1.3)) == ["one two", "three four"]
    assert texts(*said("one two"), *said("three four", 1.1)) == ["one two three four"]


def test_a_sentence_end_ends_an_entry_that_lasts_two_seconds() -> None:
    long = said("This is a sentence of eight words. And another one.")
    assert texts(*long) == ["This is a sentence of eight words.", "And another one."]
    assert texts(*said("Yes. No. Maybe.")) == ["Yes. No. Maybe."]


def test_a_long_sentence_is_cut_behind_a_comma() -> None:
    words = said("a b c d e f g h i j k l m n o, p q r s t u v w x y z aa bb cc")
    first, second = runs(words)[0]
    assert first.text.endswith("o,")
    assert second.start_s == first.end_s


@given(st.lists(st.tuples(st.text("ab,.", min_size=1, max_size=4), st.floats(0.05, 3), st.floats(0, 2)), max_size=60))
def test_no_entry_is_longer_than_eight_seconds_or_out_of_order(parts: list[tuple[str, float, float]]) -> None:
    words, at_s = [], 0.0
    for number, (text, lasts, pause) in enumerate(parts):
        words.append(SpokenWord(at_s, at_s + lasts, f" {text}{number}", 0.9))  # no two alike: nothing repeats
        at_s += lasts + pause
    entries, loop_s = runs(words)
    assert loop_s is None
    assert [word for one in entries for word in one.words] == words
    assert all(one.end_s - one.start_s <= LONGEST_S + 1e-6 for one in entries)


def test_a_loop_that_the_token_limit_cut_short_leaves_no_rest() -> None:
    phrase, rest = said(" ".join(["a force of four"] * 6)), said("a force", 7.2, each_s=0.005)
    (repeated,), loop_s = runs((*phrase, *rest))
    assert (repeated.repeats, loop_s) == (6, 7.2)
    entries, loop_s = runs((*phrase, *said("a force", 7.2)))  # said at the speed of a voice, so it was said
    assert ([one.text for one in entries], loop_s) == (["a force of four (×6)", "a force"], None)


def test_an_echo_at_the_end_that_took_no_time_is_left_out() -> None:
    spoken = said("Somebody must have stolen the crown jewel.")
    (entry,), loop_s = runs((*spoken, *said("somebody must have stolen the crown jewel", 2.1, each_s=0.005)))
    assert (entry.text, loop_s) == ("Somebody must have stolen the crown jewel.", 2.1)
    again = runs((*spoken, *said("Somebody must have stolen the crown jewel.", 2.5)))  # as slow as a voice
    assert (len(again[0]), again[1]) == (2, None)


@pytest.mark.parametrize(
    ("text", "stutters"),
    [("e, e, e, e, e, e", True), ("a xxxxxxxxxxxxxxxx", True), ("no no no no", True), ("stop stop stop stop", False)],
)
def test_letters_said_again_and_again_are_a_stutter(text: str, stutters: bool) -> None:
    (entry,), _ = runs(said(text))
    assert entry.stutters is stutters


@pytest.mark.parametrize("times", [3, 5, 9])
def test_a_phrase_said_again_and_again_is_one_entry_with_its_count(times: int) -> None:
    words = (*said("Well then."), *said(" ".join(["the door is open"] * times), 2.0), *said("Goodbye now.", 60.0))
    first, repeated, last = runs(words)[0]
    assert (first.text, last.text) == ("Well then.", "Goodbye now.")
    assert (repeated.text, repeated.repeats) == (f"the door is open (×{times})", times)
    assert repeated.end_s == pytest.approx(2.0 + 0.3 * 4 * times)


@pytest.mark.parametrize("text", ["no no no", "the door is open the door is open", "very very very good"])
def test_what_people_say_twice_stays_as_it_is(text: str) -> None:
    assert texts(*said(text)) == [text]


def test_one_word_four_times_is_a_repeat() -> None:
    assert texts(*said("no no no no")) == ["no (×4)"]


def test_repeats_faster_than_any_voice_and_the_words_after_them_are_left_out() -> None:
    words = (*said("the door is open", each_s=0.3), *said(" ".join(["the door is open"] * 30), 1.2, each_s=0.01))
    entries, loop_s = runs(words)
    assert [one.text for one in entries] == ["the door is open"]
    assert loop_s == pytest.approx(1.2)


def test_characters_without_spaces_are_joined_without_them() -> None:
    words = tuple(SpokenWord(0.2 * n, 0.2 * n + 0.2, letter, 0.9) for n, letter in enumerate("赤い車です。"))
    assert texts(*words) == ["赤い車です。"]


def test_no_words_are_no_entries() -> None:
    assert runs(()) == ([], None)
