"""Finding entries by their words: BM25 over FTS5, and how much of the query each entry answers.

Knows terms, weights and filters. Knows nothing of meaning, vectors or fusion."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from agent_tools.store.entries import Entry, entry_of
from agent_tools.store.part import Part, json_list
from agent_tools.store.words import Term, Tokenize, matches, parse, units

LARGE = 1_000  # from here on, terms of more than half of all entries are not worth their posting lists
COUNTED = 20_000  # postings counted one by one for a part of the library; above, the library's share is taken


@dataclass(frozen=True)
class WordHit:
    """An entry found by words."""

    entry: Entry
    bm25: float  # bigger is better
    terms: tuple[str, ...]  # those of the query that it holds, as they stood there
    idf: float  # 0..1: their share of the whole query's inverse document frequency


class Search(Part):
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
        with self.db.read() as c:
            tokenize = _tokenizer(c)
            terms = parse(query, tokenize)
            where = (
                None if video_ids is None else json_list(video_ids),
                None if channels is None else json_list(channels),
            )
            total, counts = _frequencies(c, terms, where)
            asked = [term for term, count in zip(terms, counts, strict=True) if count]
            if not asked or limit < 1:
                return []
            if total >= LARGE:
                # FTS5's BM25 gives a term of more than half of the entries no weight: without it the order is the same.
                rare = [term for term, count in zip(terms, counts, strict=True) if 0 < count <= total / 2]
                asked = rare or asked
            rows = c.execute(
                """SELECT e.id, e.video_id, e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra, bm25(words)
                   FROM words CROSS JOIN entries e ON e.id = words.rowid
                   WHERE words MATCH ?1 AND (?2 IS NULL OR e.video_id IN (SELECT value FROM json_each(?2)))
                   AND (?3 IS NULL OR e.channel IN (SELECT value FROM json_each(?3)))
                   AND (?4 IS NULL OR e.end_s > ?4 OR e.start_s >= ?4) AND (?5 IS NULL OR e.start_s < ?5)
                   ORDER BY rank LIMIT ?6""",
                (" OR ".join(term.match for term in asked), *where, start_s, end_s, limit),
            ).fetchall()
            weights = [math.log1p((total - count + 0.5) / (count + 0.5)) for count in counts]
            hits = [_hit(row, terms, weights, tokenize) for row in rows]
        return sorted((hit for hit in hits if hit.terms), key=lambda hit: -hit.bm25)


def _hit(row: tuple[object, ...], terms: Sequence[Term], weights: Sequence[float], tokenize: Tokenize) -> WordHit:
    entry = entry_of(row[:8])
    held = units(entry.text, tokenize)
    found = [at for at, term in enumerate(terms) if matches(term, held)]
    share = sum(weights[at] for at in found) / sum(weights)
    return WordHit(entry, -float(str(row[8])), tuple(terms[at].shown for at in found), min(1.0, share))


def _frequencies(
    c: apsw.Connection, terms: Sequence[Term], where: tuple[str | None, str | None]
) -> tuple[int, list[int]]:
    """How many entries are searched, and how many of them hold each term."""
    library = int(c.execute("SELECT count(*) FROM entries").get)
    searched = library
    if where != (None, None):
        searched = int(
            c.execute(
                """SELECT count(*) FROM entries WHERE (?1 IS NULL OR video_id IN (SELECT value FROM json_each(?1)))
                   AND (?2 IS NULL OR channel IN (SELECT value FROM json_each(?2)))""",
                where,
            ).get
        )
    counts = []
    for term in terms:
        count = int(c.execute("SELECT count(*) FROM words WHERE words MATCH ?", (term.match,)).get)
        if searched < library and count:
            if count <= COUNTED:
                count = int(
                    c.execute(
                        """SELECT count(*) FROM words CROSS JOIN entries e ON e.id = words.rowid WHERE words MATCH ?1
                           AND (?2 IS NULL OR e.video_id IN (SELECT value FROM json_each(?2)))
                           AND (?3 IS NULL OR e.channel IN (SELECT value FROM json_each(?3)))""",
                        (term.match, *where),
                    ).get
                )
            else:
                count = math.ceil(count * searched / library)
        counts.append(count)
    return searched, counts


def _tokenizer(c: apsw.Connection) -> Tokenize:
    tokenizer = c.fts5_tokenizer("porter", ["unicode61", "remove_diacritics", "2"])

    def tokenize(data: bytes) -> Sequence[tuple[int, int, str]]:
        found: Any = tokenizer(data, apsw.FTS5_TOKENIZE_DOCUMENT, None)
        return list(found)

    return tokenize
