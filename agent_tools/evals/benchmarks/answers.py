"""Reads from a model's answer which option it chose, or its words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)|^.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_MARKS = re.compile(r"[*_`$]+")
_WRAPPED = re.compile(r"\\(?:boxed|text|mathrm|mathbf)\s*\{\s*([^{}]*)\s*\}|</?(?:answer|final)>", re.IGNORECASE)
# "answer: B", "the correct option is (B)", '"answer": "B"', "I choose B": a word of choice, little else, a letter.
_CHOSEN = re.compile(
    r"\b(?i:answer|option|choice|choose|pick|select|go with)\b"
    r"(?i:\s+(?:is|would be|should be|must be|for me|option|letter|choice|answer))*"
    r"[\s\"':=(\[]*(?P<letter>[A-J](?![\w'])(?!\s+(?:[a-z]+\s){2})|[a-j](?=[\s\"'.)\]}]*$))"
)
_WHOLE = re.compile(r"[\s\"'(\[]*([A-Ja-j])[\s\"')\].:,!]*")
_LEADING = re.compile(r"[\s\"'(\[]*([A-J])(?:[).:\]]|\s+[-\u2013\u2014])\s*\S")
_BARE = re.compile(r"(?<![\w'.])\(?([A-J])\)?(?![\w'])")


def chosen_letter(text: str, options: Sequence[str], letters: str) -> str:
    """The letter of the option that a text decides for, "" where it does not decide.

    The last decision counts: a line that is only a letter, or words of choice with a letter. After these come a letter
    at the beginning of the text, an option's own words, and a single capital letter, if it is the only one. A letter
    beyond the options does not count, nor does "A" as an article.

    Args:
        letters: those of the options, "ABCD".
    """
    plain = _WRAPPED.sub(lambda match: f" {match[1] or ''} ", _THINKING.sub(" ", unicodedata.normalize("NFKC", text)))
    plain = _MARKS.sub("", plain).strip()
    lines = [line for line in plain.splitlines() if line.strip()]
    for line in reversed(lines):
        if (match := _WHOLE.fullmatch(line)) is not None:
            return _held(match[1], letters)
        if found := list(_CHOSEN.finditer(line)):
            return "" if _undecided(line, found[-1].end()) else _held(found[-1]["letter"], letters)
    if (match := _LEADING.match(plain)) is not None:
        return _held(match[1], letters)
    said = {
        letters[place] for place, option in enumerate(options) if _plain(option) and _plain(option) == _plain(plain)
    }
    if len(said) == 1:
        return said.pop()
    bare = {match[1] for match in _BARE.finditer(plain) if not _article(plain, match)}
    return _held(bare.pop(), letters) if len(bare) == 1 else ""


def given_words(text: str) -> str:
    """What stands behind the last "Answer:" of a text, "" where there is none."""
    plain = _MARKS.sub("", _THINKING.sub(" ", unicodedata.normalize("NFKC", text)))
    found = re.split(r"(?im)^\W*(?:final )?answer\s*:", plain)
    return " ".join(found[-1].split()) if len(found) > 1 else ""


def _held(letter: str, letters: str) -> str:
    return letter.upper() if letter.upper() in letters else ""


def _undecided(line: str, end: int) -> bool:
    """Whether "or B" follows the letter."""
    return re.match(r"\W*(?:or|and|/)\W*[A-J]\b", line[end:], re.IGNORECASE) is not None


def _article(text: str, match: re.Match[str]) -> bool:
    """Whether the capital is a word of the sentence: "A dog", "I"."""
    return match[0] in ("A", "I") and re.match(r"\s+[a-z]", text[match.end() :]) is not None


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()
