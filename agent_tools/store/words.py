"""What counts as a word: of spaced scripts, and of Hangul, Han and Kana, which FTS5's own tokenizers cannot find.

Spaced scripts are left to FTS5 (unicode61 without diacritics, porter stems). A run of Hangul, Han or Kana is indexed as
its characters and overlapping pairs, "abc" as "a ab b bc c", and asked for as a phrase of the same form, so that words
of one, two, three or more characters are found and a pair across a space is not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_tools.store.part import storable

# Hangul (jamo and syllables), Kana (no marks, no middle dot), Han with its extensions and iteration marks.
_CJK = (
    "\u1100-\u11ff\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3131-\u318e\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uf900-\ufaff\U00020000-\U000323af"
)
_RUN = re.compile(f"[{_CJK}]+")
_PIECES = re.compile(f"([{_CJK}]+)")
_QUOTED = re.compile(r'"([^"]*)"')
_QUOTES = str.maketrans("“”„‟«»＂", '"' * 7)

MAX_QUERY = 2_000  # characters read of a query
MAX_TERMS = 64
WHOLE_RUN = 3  # a longer unquoted run is a sentence without spaces: its pairs count one by one

Tokenize = Callable[[bytes], Sequence[tuple[int, int, str]]]  # utf-8 -> (first byte, last byte + 1, token)

APART = ""  # stands between two runs that do not touch, in a list of units


@dataclass(frozen=True)
class Term:
    """One thing a query asks for."""

    shown: str  # as it stood in the query, lower case
    match: str  # as FTS5 must be asked
    units: tuple[str, ...]  # tokens and single characters, in order; see units()


def folded(text: str) -> str:
    """One form for full and half width, ligatures and composed letters, of texts and queries alike."""
    return unicodedata.normalize("NFKC", storable(text))


def columns(text: str) -> tuple[str, str]:
    """The two columns FTS5 indexes of a text: spaced scripts, and characters and pairs of the others."""
    text = folded(text)
    return _RUN.sub(" ", text), " ".join(_grams(run) for run in _RUN.findall(text))


def units(text: str, tokenize: Tokenize) -> list[str]:
    """A text as tokens of spaced scripts and single characters of the others, in order."""
    found: list[str] = []
    last_was_run = False
    for piece in _PIECES.split(folded(text)):
        if _RUN.match(piece):
            found += [APART, *piece] if last_was_run else piece
            last_was_run = True
        elif tokens := [token for _, _, token in tokenize(piece.encode())]:
            found += tokens
            last_was_run = False
    return found


def parse(query: str, tokenize: Tokenize) -> list[Term]:
    """The terms of any text whatever; "quoted" words are one term that matches as a phrase only."""
    query = folded(query[:MAX_QUERY]).translate(_QUOTES)
    terms: list[Term] = []
    for position, part in enumerate(_QUOTED.split(query)):
        if position % 2:
            terms += _phrase(part, tokenize)
        else:
            terms += _loose(part, tokenize)
    unique = {term.units: term for term in reversed(terms)}
    return [term for term in terms if unique.pop(term.units, None)][:MAX_TERMS]


def matches(term: Term, text_units: Sequence[str]) -> bool:
    """True where the term's units stand in a row in a text's units."""
    size = len(term.units)
    if size == 1:
        return term.units[0] in text_units
    return any(tuple(text_units[at : at + size]) == term.units for at in range(len(text_units) - size + 1))


def _loose(text: str, tokenize: Tokenize) -> list[Term]:
    terms = []
    for piece in _PIECES.split(text):
        if _RUN.match(piece):
            size = len(piece) if len(piece) <= WHOLE_RUN else 2
            terms += [_run_term(piece[at : at + size]) for at in range(len(piece) - size + 1)]
        else:
            data = piece.encode()
            for start, end, token in tokenize(data):
                word = data[start:end].decode()
                terms.append(Term(word.casefold(), f'spaced : "{word}"', (token,)))
    return terms


def _phrase(text: str, tokenize: Tokenize) -> list[Term]:
    wanted = units(text, tokenize)
    if not wanted:
        return []
    matches = []
    for piece in _PIECES.split(text):
        if _RUN.match(piece):
            matches.append(f'cjk : "{_grams(piece)}"')
        else:
            data = piece.encode()
            if words := [data[start:end].decode() for start, end, _ in tokenize(data)]:
                matches.append(f'spaced : "{" ".join(words)}"')
    return [Term(f'"{text.strip().casefold()}"', f"({' AND '.join(matches)})", tuple(wanted))]


def _run_term(run: str) -> Term:
    return Term(run, f'cjk : "{_grams(run, query=True)}"', tuple(run))


def _grams(run: str, *, query: bool = False) -> str:
    """The characters and pairs of a run; a query leaves out its outer characters, which its pairs hold."""
    grams = [gram for at in range(len(run)) for gram in (run[at], run[at : at + 2])][: 2 * len(run) - 1]
    return " ".join(grams[1:-1] if query and len(run) > 1 else grams)
