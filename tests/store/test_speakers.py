"""A speaker's name and the text that it stands before."""

from __future__ import annotations

import pytest

from agent_tools.store import Entry, speakers, timed_words
from agent_tools.timeline import Span


def entry(text: str, **extra: object) -> Entry:
    return Entry(1, "a", "speech", "p", 0.0, 4.0, text, dict(extra))


@pytest.mark.parametrize(
    ("one", "said", "shown"),
    [
        (entry("I went."), "I went.", "I went."),
        (entry("I went.", speaker="speaker 2", voice=2), "I went.", "speaker 2: I went."),
        (entry("Ivo: I went.", speaker="Ivo", voice=2), "I went.", "Ivo: I went."),
        (entry("…went.", speaker="Ivo", voice=2), "…went.", "Ivo: …went."),  # cut by zoom to the words of its span
        (entry("Note: I went.", speaker=7), "Note: I went.", "Note: I went."),  # no name at all
    ],
)
def test_a_name_stands_once_before_what_is_said(one: Entry, said: str, shown: str) -> None:
    assert (speakers.said(one), speakers.shown(one)) == (said, shown)


def test_a_name_comes_and_goes_without_a_trace() -> None:
    one = entry("I went.", language="en")
    named = speakers.labelled(one, 2, "Ivo")
    assert (named.text, named.extra) == ("Ivo: I went.", {"language": "en", "voice": 2, "speaker": "Ivo"})
    again = speakers.labelled(entry(named.text, **named.extra), 2, "")
    assert (again.text, again.extra["speaker"]) == ("I went.", "speaker 2")


def test_a_word_is_never_found_in_the_name_before_the_text() -> None:
    one = entry("Ivo: I went home", speaker="Ivo", words=[[0, 1, "I"], [1, 2, "went"], [2, 4, "home"]])
    assert [one.text[word.begin : word.end] for word in timed_words.timed_words(one)] == ["I", "went", "home"]
    assert timed_words.timed_words(one)[0].begin == 5
    cut = timed_words.within(one, Span(0.0, 1.5))
    assert cut is not None
    assert speakers.shown(cut) == "Ivo: I went…"
