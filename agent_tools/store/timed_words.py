"""The words of an entry with their times, where the model that heard it gave them.

Pure functions of one entry. Word times are right to about half a second."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from agent_tools.store import speakers, spelling
from agent_tools.store.entries import Entry
from agent_tools.timeline import Span

WORDS = "words"  # in `extra`: [[start_s, end_s, word], ...] of the text's first time, where it is said several times
GRID_S = 0.5  # spans of words are widened to it: no word time is more exact
MORE = "…"


@dataclass(frozen=True)
class TimedWord:
    """One word; `begin` and `end` are its place in the entry's text."""

    start_s: float
    end_s: float
    begin: int
    end: int


def timed_words(entry: Entry) -> list[TimedWord]:
    """The words in order; [] where the entry has no word times, or a word is not in its text."""
    found: list[TimedWord] = []
    at = len(entry.text) - len(speakers.said(entry))
    for start_s, end_s, word in entry.extra.get(WORDS, ()):
        begin = entry.text.find(word, at)
        if not word or begin < 0:
            return []
        at = begin + len(word)
        found.append(TimedWord(float(start_s), float(end_s), begin, at))
    return found


def within(entry: Entry, span: Span) -> Entry | None:
    """The entry with only the words that are said in the span, "…" where words are left out; the whole entry where it
    has no word times or says its text several times; None where no word of it is said in the span."""
    words = timed_words(entry)
    if not words or entry.extra.get("repeats"):
        return entry
    said = [word for word in words if word.start_s < span.end_s and word.end_s > span.start_s]
    if len(said) == len(words):
        return entry
    if not said:
        return None
    before = MORE if said[0] is not words[0] else ""
    after = MORE if said[-1] is not words[-1] else ""
    text = f"{before}{entry.text[said[0].begin : said[-1].end]}{after}"
    return replace(entry, start_s=said[0].start_s, end_s=max(said[0].start_s, said[-1].end_s), text=text)


def span_of(entry: Entry, phrases: Collection[str]) -> Span | None:
    """From the first to the last word of the phrases, widened to GRID_S inside the entry.

    None where the entry has no word times, says its text several times, or holds no phrase as it is."""
    words = timed_words(entry)
    if not words or entry.extra.get("repeats"):
        return None
    tokens: list[str] = []
    word_of: list[int] = []  # the word that each token is a part of
    for number, word in enumerate(words):
        parts = spelling.words(entry.text[word.begin : word.end])
        tokens += parts
        word_of += [number] * len(parts)
    places = [place for phrase in phrases if (place := _place(tokens, spelling.words(phrase))) is not None]
    if not places:
        return None
    first = min(word_of[begin] for begin, _ in places)
    last = max(word_of[end - 1] for _, end in places)
    start_s = max(entry.start_s, math.floor(words[first].start_s / GRID_S) * GRID_S)
    end_s = min(entry.end_s, math.ceil(words[last].end_s / GRID_S) * GRID_S)
    return Span(start_s, end_s) if end_s > start_s else None


def _place(tokens: Sequence[str], wanted: Sequence[str]) -> tuple[int, int] | None:
    """[first, last) of the tokens that are the wanted ones, the first time they stand there."""
    size = len(wanted)
    places = range(len(tokens) - size + 1) if size else ()
    return next(((at, at + size) for at in places if tuple(tokens[at : at + size]) == tuple(wanted)), None)
