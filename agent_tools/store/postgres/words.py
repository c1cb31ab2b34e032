"""The word index in PostgreSQL: a tsvector for each column of words.py, made of the very tokens that FTS5 would make.

So both engines find the same entries for any question. The order is FTS5's too: BM25 with its constants, computed here
over the best entries by the inverse document frequency of what they hold."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import apsw

from agent_tools.store.fts5 import tokenizer
from agent_tools.store.part import json_list
from agent_tools.store.sql import Statement, Where
from agent_tools.store.words import SPACED, UNSPACED_RUNS, Term, Tokenize, columns

if TYPE_CHECKING:
    from agent_tools.store.postgres.transaction import Transaction

K1, B = 1.2, 0.75  # of BM25, as in FTS5
LEAST_IDF = 1e-6  # of a word that more than half of the entries hold, as in FTS5
WEIGHED = 4  # entries weighed exactly, by the number that is asked for
SPARE = 100  # and so many more
LONGEST = 2_000  # bytes of a token; tsvector holds no longer ones

Phrase = tuple[str, tuple[str, ...]]  # column, tokens


class TsvectorWords:
    """See sql.WordIndex. Cuts words with FTS5's own tokenizer, in a SQLite without a file."""

    lists = None

    def __init__(self) -> None:
        self._local = threading.local()
        self._sizes: tuple[int, int, float] = 0, 0, 1.0  # newest entry, entries, tokens of an entry

    def put(self, c: Transaction, texts: Sequence[tuple[int, str]]) -> None:
        values: list[Any] = []
        for number, text in texts:
            spaced, unspaced = (self._tokens(column) for column in columns(text))
            values += number, _vector(spaced), _vector(unspaced), len(spaced) + len(unspaced)
        if texts:
            c.execute(
                f"""INSERT INTO words(number, spaced, unspaced, size)
                    VALUES {", ".join(["(?, ?::tsvector, ?::tsvector, ?)"] * len(texts))}
                    ON CONFLICT(number) DO UPDATE SET spaced=excluded.spaced, unspaced=excluded.unspaced,
                    size=excluded.size""",  # noqa: S608 - our marks
                values,
            )

    def remove(self, c: Transaction, numbers: Sequence[int]) -> None:
        c.execute("DELETE FROM words WHERE number IN (SELECT value FROM json_each(?))", (json_list(numbers),))

    def tokenizer(self, c: Transaction) -> Tokenize:
        return self._tokenizer()

    def _tokenizer(self) -> Tokenize:
        """This thread's own: a SQLite connection serves one thread."""
        if getattr(self._local, "tokenize", None) is None:
            self._local.connection = apsw.Connection(":memory:")
            self._local.tokenize = tokenizer(self._local.connection)
        made: Tokenize = self._local.tokenize
        return made

    def counting(self, term: Term, where: Where, ids: tuple[int, int]) -> Statement:
        asked = self._asked(term)
        if where == Where():
            return f"SELECT count(*) FROM words w WHERE {_holds(asked, 1)}", _queries(asked)  # noqa: S608 - ours
        return (
            f"""SELECT count(*) FROM words w JOIN entries e ON e.id = w.number
                WHERE (?1 IS NULL OR e.video_id IN (SELECT value FROM json_each(?1)))
                AND (?2 IS NULL OR e.channel IN (SELECT value FROM json_each(?2)))
                AND w.number BETWEEN ?3 AND ?4 AND {_holds(asked, 5)}""",  # noqa: S608 - ours
            (where.videos, where.channels, *ids, *_queries(asked)),
        )

    def find(self, c: Transaction, terms: Sequence[Term], where: Where, ids: tuple[int, int], limit: int) -> list[Any]:
        phrases = [phrase for term in terms for phrase in self._asked(term)]
        frequencies, length = self._frequencies(c, phrases)
        tests, values, at = [], [*_of(where), *ids, WEIGHED * limit + SPARE], 8
        for term in terms:
            asked = self._asked(term)
            tests.append(_holds(asked, at))
            values += _queries(asked)
            at += len(asked)
        weights = [sum(frequencies[phrases.index(phrase)] for phrase in self._asked(term)) for term in terms]
        order = " + ".join(
            f"CASE WHEN {test} THEN {weight!r} ELSE 0 END" for test, weight in zip(tests, weights, strict=True)
        )
        rows = c.execute(
            f"""SELECT e.id, e.video_id, e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra
                FROM words w JOIN entries e ON e.id = w.number
                WHERE (?1 IS NULL OR e.video_id IN (SELECT value FROM json_each(?1)))
                AND (?2 IS NULL OR e.channel IN (SELECT value FROM json_each(?2)))
                AND (?3 IS NULL OR e.end_s > ?3 OR e.start_s >= ?3) AND (?4 IS NULL OR e.start_s < ?4)
                AND w.number BETWEEN ?5 AND ?6 AND ({" OR ".join(tests)})
                ORDER BY {order} DESC, e.id LIMIT ?7""",  # noqa: S608 - our own columns and numbers
            values,
        ).fetchall()
        scored = [(*row, -self._bm25(row[6], phrases, frequencies, length)) for row in rows]
        return sorted(scored, key=lambda row: (row[8], row[0]))[:limit]

    def postings(self, c: Transaction, terms: Sequence[Term]) -> list[Sequence[tuple[int, float]]]:
        asked = [self._asked(term) for term in terms]
        frequencies, length = self._frequencies(c, [phrase for phrases in asked for phrase in phrases])
        statements = []
        for phrases in asked:
            counts, values = [], [*_queries(phrases)]
            for column, tokens in phrases:
                counts.append(_count_in_row(column, len(values) + 1, len(tokens)))
                values += tokens
            statements.append(
                (
                    f"SELECT w.number, w.size, {', '.join(counts)} FROM words w WHERE {_holds(phrases, 1)} "  # noqa: S608 - ours
                    "ORDER BY w.number",
                    values,
                )
            )
        found: list[Sequence[tuple[int, float]]] = []
        weights = iter(frequencies)
        for phrases, rows in zip(asked, c.execute_all(statements), strict=True):
            own = [next(weights) for _ in phrases]
            found.append([(row[0], -_score(row[2:], own, row[1], length)) for row in rows])
        return found

    def _bm25(self, text: str, phrases: Sequence[Phrase], frequencies: Sequence[float], length: float) -> float:
        held = dict(zip((SPACED, UNSPACED_RUNS), (self._tokens(column) for column in columns(text)), strict=True))
        times = [_times(tokens, held[column]) for column, tokens in phrases]
        return _score(times, frequencies, sum(map(len, held.values())), length)

    def _frequencies(self, c: Transaction, phrases: Sequence[Phrase]) -> tuple[list[float], float]:
        """The inverse document frequency of each phrase in the whole library, and the tokens of an entry on average.

        How many entries there are, and their tokens, are as old as 2 % of the library."""
        newest, *found = c.execute_all(
            [
                ("SELECT coalesce(max(number), 0) FROM words", ()),
                *((f"SELECT count(*) FROM words w WHERE {_holds([one], 1)}", _queries([one])) for one in phrases),  # noqa: S608 - ours
            ]
        )
        last = int(newest.get)
        seen, total, length = self._sizes
        if not total or not 0 <= last - seen <= seen / 50:
            total, length = c.execute("SELECT count(*), coalesce(avg(size), 1)::float8 FROM words").fetchone()
            self._sizes = last, total, length
        counts = [int(rows.get) for rows in found]
        return [_inverse(total, count) for count in counts], max(length, 1e-9)

    def _asked(self, term: Term) -> list[Phrase]:
        return [(column, tuple(self._tokens(text))) for column, text in term.phrases]

    def _tokens(self, text: str) -> list[str]:
        cut = self._tokenizer()(text.encode()) if text else ()
        return [token.encode()[:LONGEST].decode(errors="ignore") for _, _, token in cut]


def _score(times: Sequence[int], frequencies: Sequence[float], size: int, length: float) -> float:
    """BM25 of an entry of `size` tokens, by how often it holds each phrase; `length` is the tokens of an entry on
    average."""
    long = K1 * (1 - B + B * size / length)
    return sum(
        frequency * count * (K1 + 1) / (count + long)
        for count, frequency in zip(times, frequencies, strict=True)
        if count
    )


def _count_in_row(column: str, first: int, size: int) -> str:
    """SQL that counts a phrase of `size` tokens in a column of a row `w`. Args: first: number of the first token."""
    places = [f"(SELECT positions FROM unnest(w.{column}) WHERE lexeme = ?{first + at})" for at in range(size)]  # noqa: S608 - ours
    if size == 1:
        return f"coalesce(cardinality({places[0]}), 0)"
    after = " AND ".join(f"p + {at} = ANY(coalesce({place}, '{{}}'))" for at, place in enumerate(places[1:], 1))
    return f"(SELECT count(*) FROM unnest({places[0]}) p WHERE {after})"  # noqa: S608 - our own columns and numbers


def _inverse(total: int, count: int) -> float:
    return max(LEAST_IDF, math.log((total - count + 0.5) / (count + 0.5))) if total > count else LEAST_IDF


def _vector(tokens: Sequence[str]) -> str:
    return " ".join(f"{_quoted(token)}:{min(at, 16_383)}" for at, token in enumerate(tokens, 1))


def _quoted(token: str) -> str:
    return "'" + token.replace("\\", "\\\\").replace("'", "''") + "'"


def _holds(asked: Sequence[Phrase], first: int) -> str:
    """A test of a row of `words`, whose queries are the values from number `first` on."""
    return "(" + " AND ".join(f"w.{column} @@ ?{at}::tsquery" for at, (column, _) in enumerate(asked, first)) + ")"


def _queries(asked: Sequence[Phrase]) -> list[str]:
    return [" <-> ".join(map(_quoted, tokens)) for _, tokens in asked]


def _of(where: Where) -> tuple[Any, ...]:
    return where.videos, where.channels, where.start_s, where.end_s


def _times(phrase: Sequence[str], tokens: Sequence[str]) -> int:
    size = len(phrase)
    return sum(tuple(tokens[at : at + size]) == tuple(phrase) for at in range(len(tokens) - size + 1))
