"""Finding entries by their words: BM25 over FTS5, and how much of the query each entry answers."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from agent_tools.store.database import Clock, Database
from agent_tools.store.entries import Entry, entry_of
from agent_tools.store.part import Part, json_list
from agent_tools.store.words import TOKENIZER, Term, Tokenize, matches, parse, units

LARGE = 1_000  # entries from which on speed is bought with precision of what only weighs
COMMON = 1 / 8  # of a large library's entries: a term of more is not worth its posting list beside a rarer one
COUNTED = 2_000  # entries with a term that are counted one by one for a part of a large library
KEPT = 200  # a count so large is kept by the process until the library has grown by 2 %
NEAR = 8  # so few videos are bounded by their entries' ids, which FTS5 can skip to


@dataclass(frozen=True)
class WordHit:
    """An entry found by words."""

    entry: Entry
    bm25: float  # bigger is better
    terms: tuple[str, ...]  # those of the query that it holds, as they stood there
    idf: float  # 0..1: their share of the whole query's inverse document frequency


class WordSearch(Part):
    """Entries by their words. Holds counts of what a large library contains, see `_count`."""

    def __init__(self, db: Database, now: Clock) -> None:
        super().__init__(db, now)
        self._counts: dict[tuple[str | None, ...], tuple[int, int]] = {}

    def search_words(
        self,
        query: str,
        *,
        video_ids: Collection[str] | None = None,
        channels: Collection[str] | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        limit: int = 100,
    ) -> list[WordHit]:
        """The entries that hold any of the query's words, best first.

        Any text is a legal query: FTS5's operators mean nothing here. `"Quoted words"` count as a phrase only. The
        inverse document frequency is that of the searched videos and channels; a word nobody says weighs most, so
        `idf` is low for an entry that only holds the common part of a query."""
        where = (None if video_ids is None else json_list(video_ids), None if channels is None else json_list(channels))
        with self.db.read() as c:
            tokenize = _tokenizer(c)
            terms = parse(query, tokenize)
            total, counts = self._frequencies(c, terms, where)
            present = sorted((count, at) for at, count in enumerate(counts) if count)
            if not present or limit < 1:
                return []
            if total >= LARGE:
                # BM25 gives common terms little weight (above a half none at all), and they cost the most.
                present = [found for found in present if found[0] <= COMMON * total] or present[:2]
            first, last = _bounds(c, video_ids)
            rows = c.execute(
                """SELECT e.id, e.video_id, e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra, bm25(words)
                   FROM words CROSS JOIN entries e ON e.id = words.rowid
                   WHERE words MATCH ?1 AND words.rowid BETWEEN ?7 AND ?8
                   AND (?2 IS NULL OR e.video_id IN (SELECT value FROM json_each(?2)))
                   AND (?3 IS NULL OR e.channel IN (SELECT value FROM json_each(?3)))
                   AND (?4 IS NULL OR e.end_s > ?4 OR e.start_s >= ?4) AND (?5 IS NULL OR e.start_s < ?5)
                   ORDER BY rank LIMIT ?6""",
                (" OR ".join(terms[at].match for _, at in present), *where, start_s, end_s, limit, first, last),
            ).fetchall()
            shares = _shares(terms, total, counts)
            hits = [_hit(row, terms, shares, tokenize) for row in rows]
        return sorted((hit for hit in hits if hit.terms), key=lambda hit: -hit.bm25)

    def _frequencies(
        self, c: apsw.Connection, terms: Sequence[Term], where: tuple[str | None, str | None]
    ) -> tuple[int, list[int]]:
        """How many entries are searched, and how many of them hold each term; of a large library, about how many."""
        newest = int(c.execute("SELECT coalesce(max(id), 0) FROM entries").get)
        library = self._count(c, newest, "SELECT count(*) FROM entries")
        searched = library
        if where != (None, None):
            searched = self._count(
                c,
                newest,
                """SELECT count(*) FROM entries WHERE (?1 IS NULL OR video_id IN (SELECT value FROM json_each(?1)))
                   AND (?2 IS NULL OR channel IN (SELECT value FROM json_each(?2)))""",
                *where,
            )
        counts = []
        for term in terms:
            count = self._count(c, newest, "SELECT count(*) FROM words WHERE words MATCH ?", term.match)
            if count and searched < library:
                if library >= LARGE and (count > COUNTED or searched > library / 2):
                    count = math.ceil(count * searched / library)
                else:
                    count = self._count(
                        c,
                        newest,
                        """SELECT count(*) FROM words CROSS JOIN entries e ON e.id = words.rowid WHERE words MATCH ?1
                           AND (?2 IS NULL OR e.video_id IN (SELECT value FROM json_each(?2)))
                           AND (?3 IS NULL OR e.channel IN (SELECT value FROM json_each(?3)))""",
                        term.match,
                        *where,
                    )
            counts.append(count)
        return searched, counts

    def _count(self, c: apsw.Connection, newest: int, statement: str, *values: str | None) -> int:
        """A count, which may be as old as 2 % of the library where it is large; small ones are always true."""
        key = (statement, *values)
        counted_at, count = self._counts.get(key, (0, 0))
        if newest < LARGE or count < KEPT or not 0 <= newest - counted_at <= newest / 50:
            count = int(c.execute(statement, values).get)
            if len(self._counts) > KEPT:
                self._counts.clear()
            self._counts[key] = (newest, count)
        return count


def _shares(terms: Sequence[Term], total: int, counts: Sequence[int]) -> list[float]:
    """The share of each term in the query's inverse document frequency, by its weight."""
    frequencies = [math.log1p((total - min(count, total) + 0.5) / (count + 0.5)) for count in counts]
    weights = [term.weight * frequency for term, frequency in zip(terms, frequencies, strict=True)]
    return [weight / sum(weights) for weight in weights]


def _bounds(c: apsw.Connection, video_ids: Collection[str] | None) -> tuple[int, int]:
    """Between which ids the entries of these videos lie."""
    if video_ids is None or len(video_ids) > NEAR:
        return 0, 2**63 - 1
    row: Any = c.execute(
        "SELECT min(id), max(id) FROM entries WHERE video_id IN (SELECT value FROM json_each(?))",
        (json_list(video_ids),),
    ).fetchone()
    return row[0] or 0, row[1] or 0


def _hit(row: tuple[object, ...], terms: Sequence[Term], shares: Sequence[float], tokenize: Tokenize) -> WordHit:
    entry = entry_of(row[:8])
    held = units(entry.text, tokenize)
    found = [at for at, term in enumerate(terms) if matches(term, held)]
    share = sum([shares[at] for at in found])
    return WordHit(entry, -float(str(row[8])), tuple(terms[at].shown for at in found), min(1.0, share))


def _tokenizer(c: apsw.Connection) -> Tokenize:
    tokenizer = c.fts5_tokenizer(*TOKENIZER)

    def tokenize(data: bytes) -> Sequence[tuple[int, int, str]]:
        found: Any = tokenizer(data, apsw.FTS5_TOKENIZE_DOCUMENT, None)
        return list(found)

    return tokenize
