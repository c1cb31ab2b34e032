"""Finding entries by their words: BM25, and how much of the query each entry answers."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent_tools.store.entries import Entry, entry_of
from agent_tools.store.part import Part, json_list
from agent_tools.store.ranked_words import RankedWords
from agent_tools.store.sql import Clock, Database, Sql, Statement, Where
from agent_tools.store.words import Term, Tokenize, matches, parse, units

LARGE = 1_000  # entries from which on speed is bought with precision of what only weighs
COMMON = 1 / 8  # of a large library's entries: a term of more is not worth its posting list beside a rarer one
COUNTED = 2_000  # entries with a term that are counted one by one for a part of a large library
KEPT = 200  # a count so large is kept by the process until the library has grown by 2 %
_SEARCHED = """SELECT count(*) FROM entries WHERE (?1 IS NULL OR video_id IN (SELECT value FROM json_each(?1)))
    AND (?2 IS NULL OR channel IN (SELECT value FROM json_each(?2)))"""
EVERYWHERE = Where()
ALL_IDS = (0, 2**63 - 1)
NEAR = 8  # so few videos are bounded by their entries' ids, which the index can skip to


@dataclass(frozen=True)
class WordHit:
    """An entry found by words."""

    entry: Entry
    bm25: float  # bigger is better
    terms: tuple[str, ...]  # those of the query that it holds, as they stood there
    idf: float  # 0..1: their share of the whole query's inverse document frequency


@dataclass(frozen=True)
class _State:
    """Of the entries: when nobody has committed since, all counts are as they were."""

    version: int
    newest: int  # the greatest id


_Key = tuple[Where, tuple[tuple[str, str], ...] | None]
_Asked = tuple[Where, Term | None, Statement]  # what is counted, and how


class WordSearch(Part):
    """Entries by their words. Holds counts of what a large library contains, see `_counts`."""

    def __init__(self, db: Database, now: Clock) -> None:
        super().__init__(db, now)
        self._ranked = RankedWords(db, now)
        self._counted: dict[_Key, tuple[_State, int]] = {}

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
        where = Where(
            None if video_ids is None else json_list(video_ids),
            None if channels is None else json_list(channels),
            start_s,
            end_s,
        )
        version = self.db.data_version()  # before the rows are read
        with self.db.read() as c:
            tokenize = self.db.words.tokenizer(c)
            terms = parse(query, tokenize)
            newest, ids = self._bounds(video_ids)
            total, counts = self._frequencies(c, terms, where, ids, _State(version, newest))
            wanted = worth_reading(counts, total)
            if not wanted or limit < 1:
                return []
            asked = [terms[at] for at in wanted]
            rows = self._ranked.find(c, asked, where, limit, version) if ids == ALL_IDS else None
            if rows is None:
                rows = self.db.words.find(c, asked, where, ids, limit)
            shares = shares_of(terms, total, counts)
            hits = [_hit(row, terms, shares, tokenize) for row in rows]
        return sorted((hit for hit in hits if hit.terms), key=lambda hit: -hit.bm25)

    def _bounds(self, video_ids: Collection[str] | None) -> tuple[int, tuple[int, int]]:
        """The greatest id of an entry, and between which ids those of these videos lie."""
        newest = "SELECT coalesce(max(id), 0) FROM entries"
        if video_ids is None or len(video_ids) > NEAR:
            return int(self.db.ask(newest).get), ALL_IDS
        of_videos = "SELECT min(id), max(id) FROM entries WHERE video_id IN (SELECT value FROM json_each(?))"
        last, bounds = self.db.ask_all([(newest, ()), (of_videos, (json_list(video_ids),))])
        first, end = bounds.fetchall()[0]
        return int(last.get), (first or 0, end or 0)

    def _frequencies(
        self, c: Sql, terms: Sequence[Term], where: Where, ids: tuple[int, int], state: _State
    ) -> tuple[int, list[int]]:
        """How many entries are searched, and how many of them hold each term; of a large library, about how many."""
        there, of = Where(where.videos, where.channels), self.db.words.counting
        everywhere: list[_Asked] = [(EVERYWHERE, None, ("SELECT count(*) FROM entries", ()))]
        everywhere += [(EVERYWHERE, term, of(term, EVERYWHERE, ALL_IDS)) for term in terms]
        everywhere.append((there, None, (_SEARCHED, (there.videos, there.channels))))
        library, *whole, searched = self._counts(state, everywhere)
        about = [in_part(count, library, searched) for count in whole]
        near = [term for term, count in zip(terms, about, strict=True) if count is None]
        listed = [
            self._ranked.count(c, term, there, state.version) if ids == ALL_IDS and library >= LARGE else None
            for term in near
        ]
        unlisted = [term for term, count in zip(near, listed, strict=True) if count is None]
        counted = iter(self._counts(state, [(there, term, of(term, there, ids)) for term in unlisted]))
        exact = iter([next(counted) if count is None else count for count in listed])
        counts = [next(exact) if count is None else count for count in about]
        return searched, counts

    def _counts(self, state: _State, asked: Sequence[_Asked]) -> list[int]:
        """Counts, which may be as old as 2 % of the library where it is large; small ones are always true."""
        found: dict[_Key, int] = {}
        missing: dict[_Key, Statement] = {}
        for where, term, statement in asked:
            key = (where, None if term is None else term.phrases)
            before, count = self._counted.get(key, (_State(-1, 0), 0))
            grown = state.newest - before.newest
            near = state.newest >= LARGE and count >= KEPT and 0 <= grown <= state.newest / 50
            if before.version == state.version or near:
                found[key] = count
            else:
                missing.setdefault(key, statement)
        for key, rows in zip(missing, self.db.ask_all(list(missing.values())), strict=True):
            found[key] = count = int(rows.get)
            if key[0] == EVERYWHERE or count >= KEPT:
                if len(self._counted) > KEPT:
                    self._counted.clear()
                self._counted[key] = (state, count)
        return [found[(where, None if term is None else term.phrases)] for where, term, _ in asked]


def in_part(count: int, library: int, searched: int) -> int | None:
    """How many entries of a part of a library hold a term; of a large library, about how many. None: count them.

    Args:
        count: that hold it in the whole library, which has `library` entries.
        searched: entries of the part."""
    if not count or searched >= library:
        return count
    if library >= LARGE and (count > COUNTED or searched > library / 2):
        return math.ceil(count * searched / library)
    return None


def worth_reading(counts: Sequence[int], total: int) -> list[int]:
    """Numbers of the terms whose entries are looked at, the rarest first, by how many of `total` entries hold each."""
    present = sorted((count, at) for at, count in enumerate(counts) if count)
    if total >= LARGE:
        # BM25 gives common terms little weight (above a half none at all), and they cost the most.
        present = [found for found in present if found[0] <= COMMON * total] or present[:2]
    return [at for _, at in present]


def shares_of(terms: Sequence[Term], total: int, counts: Sequence[int]) -> list[float]:
    """The share of each term in the query's inverse document frequency, by its weight."""
    frequencies = [math.log1p((total - min(count, total) + 0.5) / (count + 0.5)) for count in counts]
    weights = [term.weight * frequency for term, frequency in zip(terms, frequencies, strict=True)]
    return [weight / sum(weights) for weight in weights]


def _hit(row: tuple[object, ...], terms: Sequence[Term], shares: Sequence[float], tokenize: Tokenize) -> WordHit:
    entry = entry_of(row[:8])
    held = units(entry.text, tokenize)
    there = set(held)
    found = [
        at for at, term in enumerate(terms) if (term.units[0] in there if len(term.units) == 1 else matches(term, held))
    ]
    share = sum([shares[at] for at in found])
    return WordHit(entry, -float(str(row[8])), tuple(terms[at].shown for at in found), min(1.0, share))
