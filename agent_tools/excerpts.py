"""Excerpts of a long text: the part that holds the words of a query, with "…" where text is left out."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache

# Words in the quotation marks of many languages; an apostrophe inside single marks does not end them.
QUOTATION = re.compile(
    r"""(?<!\w)(?:"[^"]+"|“[^”]+”|„[^“”]+[“”]|«[^»]+»|‘[^’]+’|「[^」]+」|『[^』]+』|`[^`]+`|'[^']+(?:'(?=\w)[^']+)*')(?!\w)"""
)
WHOLE_UP_TO = 2  # letters: "of" and "9" match whole words only, longer words also inside others
MAX_TERMS, MAX_PLACES = 64, 200  # of one search; later ones are ignored
# Hangul, Kana and Han are written without spaces, so a run of them is also searched by its pairs.
_RUN = re.compile(
    r"[\u1100-\u11ff\u3005-\u3007\u3041-\u30ff\u3131-\u318e\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f]+"
)
_WORD = re.compile(rf"{_RUN.pattern}|(?:(?!{_RUN.pattern})[\w\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff])+")
_JOINER = "\u200d"


def excerpt(text: str, query: str, length: int, keep: tuple[int, int] | None = None) -> str:
    """At most `length` characters of the text (never fewer than 3), from the first place with the most query words.

    Args:
        query: a question or an event. A place with its quoted words comes before any other place; longer words count
            more.
        keep: (start, end) of a part that is always shown; if it is too long, the excerpt is a piece of it.
    """
    if len(text) <= length:
        return text
    room = max(1, length - 2)
    lead, latest = room // 3, len(text) - room
    first, last = sorted((keep[0], keep[1] - room)) if keep else (0, latest)
    first, last = (max(0, min(at, latest)) for at in (first, last))
    wished = max(first, min(keep[0] - lead, last)) if keep else 0
    lowered = _lower(text)
    quoted, words = ([(at, len(term)) for term in terms if (at := _places(term, lowered))] for terms in _terms(query))
    places = sorted(at for found, _ in quoted or words for at in found)[:MAX_PLACES]
    starts = {wished, *(max(first, min(at - lead, last)) for at in places)}

    def weight(start: int, terms: list[tuple[list[int], int]]) -> int:
        """Characters of the different terms that fit completely into the room from `start`."""
        return sum(
            size
            for found, size in terms
            if (at := bisect_left(found, start)) < len(found) and found[at] + size <= start + room
        )

    start = max(starts, key=lambda at: (weight(at, quoted), weight(at, words), -abs(at - wished)))
    if start:
        before = text.find(" ", start - 1, min(start + lead, keep[0] if keep else len(text)))
        start = _whole(text, before + 1 if before >= 0 else start, 1)
    end = start + room if start + room < len(text) - 1 else len(text)
    end = _whole(text, end, -1)
    return ("…" if start else "") + text[start:end].strip() + ("…" if end < len(text) else "")


@lru_cache(maxsize=64)
def _terms(query: str) -> tuple[list[str], list[str]]:
    """(quoted phrases, words), each once; text without spaces also gives its pairs of characters."""
    quoted = (phrase for marked in QUOTATION.findall(query) if (phrase := marked[1:-1].strip()))
    return _first(quoted), _first(_words(query))


def _first(terms: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(_lower, terms)))[:MAX_TERMS]


def _words(query: str) -> Iterator[str]:
    for word in _WORD.findall(query):
        yield word
        if len(word) > 2 and _RUN.fullmatch(word):
            yield from (word[at : at + 2] for at in range(len(word) - 1))


def _places(term: str, lowered: str) -> list[int]:
    """Where the term begins; a short term counts only as a whole word."""
    alone = len(term) <= WHOLE_UP_TO and not _RUN.fullmatch(term)
    found, at = [], lowered.find(term)
    while at >= 0:
        end = at + len(term)
        if not (alone and (_joins_words(lowered[max(0, at - 1) : at]) or _joins_words(lowered[end : end + 1]))):
            found.append(at)
        at = lowered.find(term, end)
    return found


def _joins_words(letter: str) -> bool:
    """Whether a word next to this letter is part of a longer word."""
    return letter.isalnum() and not _RUN.fullmatch(letter)


def _lower(text: str) -> str:
    """In lower case, with the same length: a letter that would become two letters stays."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _whole(text: str, at: int, step: int) -> int:
    """The nearest place in that direction that cuts no letter from its accents and splits no joined emoji."""
    while 0 < at < len(text) and (unicodedata.combining(text[at]) or _JOINER in text[at - 1 : at + 1]):
        at += step
    return at
