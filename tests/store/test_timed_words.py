"""Words with their times inside an entry: spans of phrases, and the part of an entry that a span holds."""

from __future__ import annotations

from typing import Any

import pytest

from agent_tools.store import Entry
from agent_tools.store.timed_words import span_of, timed_words, within
from agent_tools.timeline import Span

ASK = [
    [2.1, 2.4, "Ask"],
    [2.4, 2.7, "not,"],
    [2.7, 3.4, "what"],
    [3.4, 4.0, "your"],
    [4.0, 5.2, "country's"],
    [5.9, 6.6, "doing."],
]
CJK = [[1.0, 1.4, "今日"], [1.4, 1.6, "は"], [1.6, 2.6, "晴れ"]]


def entry(text: str, words: list[list[Any]], **extra: Any) -> Entry:
    start_s, end_s = (words[0][0], words[-1][1]) if words else (0.0, 9.0)
    return Entry(1, "v", "speech", "asr", start_s, end_s, text, {"words": words, **extra})


HEARD = entry("Ask not, what your country's doing.", ASK)


@pytest.mark.parametrize(
    ("phrases", "span"),
    [
        (["ask not what"], (2.1, 3.5)),
        (["Your countrys"], (3.0, 5.5)),
        (["not", "doing"], (2.1, 6.6)),
        (["not", "never said"], (2.1, 3.0)),  # any of them
        (["never said"], None),
        ([""], None),
        ([], None),
    ],
)
def test_a_phrase_has_the_span_of_its_words_to_half_a_second(
    phrases: list[str], span: tuple[float, float] | None
) -> None:
    found = span_of(HEARD, phrases)
    assert (found and (found.start_s, found.end_s)) == span


def test_scripts_without_spaces_have_spans_too() -> None:
    assert span_of(entry("今日は晴れ", CJK), ["晴れ"]) == Span(1.5, 2.6)
    shown = within(entry("今日は晴れ", CJK), Span(1.5, 9.0))
    assert shown is not None
    assert (shown.text, shown.start_s) == ("…は晴れ", 1.4)


@pytest.mark.parametrize(
    ("span", "text", "start_s", "end_s"),
    [
        (Span(0.0, 9.0), "Ask not, what your country's doing.", 2.1, 6.6),
        (Span(2.5, 4.5), "…not, what your country's…", 2.4, 5.2),
        (Span(5.0, 9.0), "…country's doing.", 4.0, 6.6),
    ],
)
def test_a_span_shows_only_the_words_that_are_said_in_it(span: Span, text: str, start_s: float, end_s: float) -> None:
    shown = within(HEARD, span)
    assert shown is not None
    assert (shown.text, shown.start_s, shown.end_s) == (text, start_s, end_s)


def test_a_pause_shows_nothing() -> None:
    assert within(HEARD, Span(5.3, 5.8)) is None


@pytest.mark.parametrize(
    "whole",
    [
        Entry(1, "v", "subtitles", "srt", 0.0, 9.0, "no word times", {}),
        entry("the door (×9)", [[1.0, 1.2, "the"], [1.2, 1.5, "door"]], repeats=9),
        entry("other text", ASK),
    ],
)
def test_an_entry_without_usable_word_times_stays_whole(whole: Entry) -> None:
    assert within(whole, Span(1.3, 1.4)) == whole
    assert span_of(whole, ["door"]) is None


def test_each_word_has_its_place_in_the_text() -> None:
    places = [HEARD.text[word.begin : word.end] for word in timed_words(HEARD)]
    assert places == [word for _, _, word in ASK]
