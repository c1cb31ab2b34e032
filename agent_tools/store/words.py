"""What counts as a word in the index, for texts and for questions alike.

Words of spaced scripts are left to FTS5's tokenizer (porter stems), once they are folded (see spelling.py). A run of a
script without spaces (Han, Kana, Hangul, Thai, Lao, Khmer, Myanmar) is indexed as its characters and overlapping pairs,
"abc" as "a ab b bc c", and asked for as a phrase of the same form. So words of one, two, three or more characters are
found, and a pair across a space is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import regex

from agent_tools.store.function_words import grammar
from agent_tools.store.spelling import UNSPACED, letters, searchable

_PIECES = regex.compile(f"({UNSPACED.pattern})")
_QUOTED = re.compile(r'"([^"]*)"')
_QUOTES = str.maketrans("“”„‟«»＂", '"' * 7)

MAX_QUERY = 2_000  # characters read of a query
MAX_TERMS = 64
WHOLE_RUN = 3  # a longer unquoted run is a sentence without spaces: its pairs count one by one

Tokenize = Callable[[bytes], Sequence[tuple[int, int, str]]]  # utf-8 -> (first byte, last byte + 1, token)

TELLING_WEIGHT = 1.5  # of numbers and names
GRAMMAR_WEIGHT = 0.01  # of words of grammar: they decide only where a query has no others ("to be or not to be")

SPACED, UNSPACED_RUNS = "spaced", "unspaced"  # the columns of the index; see columns()
APART = ""  # stands between two runs that do not touch, in a list of units


@dataclass(frozen=True)
class Term:
    """One thing a query asks for."""

    shown: str  # as it stood in the query, folded
    phrases: tuple[tuple[str, str], ...]  # (column, words): all of them must stand there, each as a phrase
    units: tuple[str, ...]  # tokens and single characters, in order; see units()
    weight: float = 1.0  # what its inverse document frequency is multiplied with


def columns(text: str) -> tuple[str, str]:
    """The two columns that are indexed of a text: spaced scripts, and characters and pairs of the others."""
    text = searchable(text)
    if text.isascii():
        return text, ""
    return UNSPACED.sub(" ", text), " ".join(_grams(letters(run)) for run in UNSPACED.findall(text))


def units(text: str, tokenize: Tokenize) -> list[str]:
    """A text as tokens of spaced scripts and single characters of the others, in order."""
    text = searchable(text)
    if text.isascii():
        return [token for _, _, token in tokenize(text.encode())]
    found: list[str] = []
    last_was_run = False
    for piece in _PIECES.split(text):
        if UNSPACED.match(piece):
            found += [APART, *letters(piece)] if last_was_run else letters(piece)
            last_was_run = True
        elif tokens := [token for _, _, token in tokenize(piece.encode())]:
            found += tokens
            last_was_run = False
    return found


def parse(query: str, tokenize: Tokenize) -> list[Term]:
    """The terms of any text whatever; "quoted" words are one term that matches as a phrase only."""
    names = _names(query[:MAX_QUERY])
    query = searchable(query[:MAX_QUERY].translate(_QUOTES))
    terms: list[Term] = []
    for position, part in enumerate(_QUOTED.split(query)):
        if position % 2:
            terms += _phrase(part, tokenize)
        else:
            terms += _loose(part, tokenize)
    unique = {term.units: term for term in reversed(terms)}
    kept = [term for term in terms if unique.pop(term.units, None)][:MAX_TERMS]
    of_grammar = grammar([term.shown for term in kept])
    return [replace(term, weight=_weight(term, names, of_grammar)) for term in kept]


def _weight(term: Term, names: frozenset[str], of_grammar: frozenset[str]) -> float:
    """Next to nothing for a word of grammar; more for a number or a name."""
    if term.shown in of_grammar:
        return GRAMMAR_WEIGHT
    return TELLING_WEIGHT if term.shown in names or any(map(str.isdigit, term.shown)) else 1.0


def matches(term: Term, text_units: Sequence[str]) -> bool:
    """True where the term's units stand in a row in a text's units."""
    size = len(term.units)
    if size == 1:
        return term.units[0] in text_units
    return any(tuple(text_units[at : at + size]) == term.units for at in range(len(text_units) - size + 1))


def _loose(text: str, tokenize: Tokenize) -> list[Term]:
    terms = []
    for piece in _PIECES.split(text):
        if UNSPACED.match(piece):
            run = letters(piece)
            size = len(run) if len(run) <= WHOLE_RUN else 2
            terms += [_run_term(run[at : at + size]) for at in range(len(run) - size + 1)]
        else:
            data = piece.encode()
            for start, end, token in tokenize(data):
                word = data[start:end].decode()
                terms.append(Term(word.casefold(), ((SPACED, word),), (token,)))
    return terms


def _phrase(text: str, tokenize: Tokenize) -> list[Term]:
    wanted = units(text, tokenize)
    if not wanted:
        return []
    phrases = []
    for piece in _PIECES.split(text):
        if UNSPACED.match(piece):
            phrases.append((UNSPACED_RUNS, _grams(letters(piece))))
        else:
            data = piece.encode()
            if words := [data[start:end].decode() for start, end, _ in tokenize(data)]:
                phrases.append((SPACED, " ".join(words)))
    return [Term(f'"{text.strip().casefold()}"', tuple(phrases), tuple(wanted))]


def _run_term(run: Sequence[str]) -> Term:
    return Term("".join(run), ((UNSPACED_RUNS, _grams(run, query=True)),), tuple(run))


def _names(query: str) -> frozenset[str]:
    """The folded words of a query that a capital letter shows as names: all such words but the first of the query."""
    words = regex.findall(r"[\p{L}\p{M}\p{N}]+", query)
    return frozenset(searchable(word) for word in words[1:] if word[:1].isupper())


def _grams(run: Sequence[str], *, query: bool = False) -> str:
    """The characters and pairs of a run; a query leaves out its outer characters, which its pairs hold."""
    grams = [gram for at in range(len(run)) for gram in (run[at], "".join(run[at : at + 2]))][: 2 * len(run) - 1]
    return " ".join(grams[1:-1] if query and len(run) > 1 else grams)
