"""How much of a query the entries of many videos hold: what `search_words` says of each video, read once for all.

BM25 weighs a word by all entries that hold it, so a search of each video by itself would read the postings of the whole
library every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_tools.store.part import Part
from agent_tools.store.search import in_part, shares_of, worth_reading
from agent_tools.store.sql import Clock, Database, Sql
from agent_tools.store.words import Term, parse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class _Entries:
    """Where every entry of the store is, by id."""

    version: int  # of the data
    ids: NDArray[np.int64]  # (n,), increasing
    videos: NDArray[np.int64]  # (n,), the number of its video
    channels: NDArray[np.int64]  # (n,), the number of its channel
    spans: NDArray[np.float64]  # (n, 2), start and end
    video_numbers: Mapping[str, int]
    channel_numbers: Mapping[str, int]

    @classmethod
    def empty(cls) -> _Entries:
        import numpy as np

        none = np.empty(0, np.int64)
        return cls(-1, none, none, none, np.empty((0, 2), np.float64), {}, {})

    def grown(self, version: int, rows: Sequence[tuple[int, str, str, float, float]]) -> _Entries:
        """These and others, as (id, video, channel, start, end) by increasing id."""
        import numpy as np

        videos, channels = dict(self.video_numbers), dict(self.channel_numbers)
        of_video = [videos.setdefault(row[1], len(videos)) for row in rows]
        of_channel = [channels.setdefault(row[2], len(channels)) for row in rows]
        spans = np.array([row[3:] for row in rows], np.float64).reshape(-1, 2)
        return _Entries(
            version,
            np.concatenate([self.ids, np.array([row[0] for row in rows], np.int64)]),
            np.concatenate([self.videos, np.array(of_video, np.int64)]),
            np.concatenate([self.channels, np.array(of_channel, np.int64)]),
            np.concatenate([self.spans, spans]),
            videos,
            channels,
        )


@dataclass(frozen=True)
class _Held:
    """Which of a query's terms some entries hold, and what each term adds to their BM25."""

    rows: NDArray[np.int64]  # (m,), of _Entries, by video and id
    terms: NDArray[np.bool_]  # (t, m)
    bm25: NDArray[np.float64]  # (t, m), negative


class WordShares(Part):
    """Shares of a query by video."""

    def __init__(self, db: Database, now: Clock) -> None:
        super().__init__(db, now)
        self._entries: _Entries | None = None

    def word_shares(
        self, query: str, spans: Mapping[str, tuple[float, float]], channels: Sequence[str], limit: int
    ) -> dict[str, dict[int, float]] | None:
        """By video and entry the `idf` of the hits that `search_words` finds in the video's span.

        Args:
            spans: start and end of what is searched, by video.
        Returns: None where each video has to be asked by itself: for quotations."""
        import numpy as np

        version = self.db.data_version()  # before the rows are read
        with self.db.read() as c:
            terms = parse(query, self.db.words.tokenizer(c))
            if any(term.shown.startswith('"') for term in terms):
                return None
            postings = self.db.words.postings(c, terms)
            there = self._read(c, version)
        found = [_here(there, np.array(one, np.float64).reshape(-1, 2)) for one in postings]
        bounds = np.full((len(there.video_numbers), 2), (np.inf, -np.inf))
        for name, span in spans.items():
            if name in there.video_numbers:
                bounds[there.video_numbers[name]] = span
        starts, ends = there.spans.T
        first, last = bounds[there.videos].T
        asked = np.isin(there.channels, [at for name, at in there.channel_numbers.items() if name in channels])
        totals = np.bincount(there.videos[asked], minlength=len(bounds))
        held = _held(there, asked, found)
        counts = [np.bincount(there.videos[held.rows[own]], minlength=len(bounds)) for own in held.terms]
        inside = (starts < last) & ((ends > first) | (starts >= first))
        borders = np.searchsorted(there.videos[held.rows], np.arange(len(bounds) + 1))
        shares = {}
        for name in spans:
            number = there.video_numbers.get(name)
            if number is not None and totals[number]:
                own, total = slice(borders[number], borders[number + 1]), int(totals[number])
                some = own.start + np.flatnonzero(inside[held.rows[own]])
                about = [in_part(len(everywhere), len(there.ids), total) for everywhere in found]
                frequencies = [
                    int(count[number]) if rough is None else rough for rough, count in zip(about, counts, strict=True)
                ]
                shares[name] = _best(there, held, some, terms, frequencies, total, limit)
        return shares

    def videos_with(self, query: str) -> frozenset[str]:
        """The videos with an entry that holds any term of a query: a word, or a quotation as a phrase."""
        import numpy as np

        version = self.db.data_version()
        with self.db.read() as c:
            postings = self.db.words.postings(c, parse(query, self.db.words.tokenizer(c)))
            there = self._read(c, version)
        ids = np.array([number for one in postings for number, _ in one], np.int64)
        numbers = np.unique(there.videos[np.isin(there.ids, ids)])
        names = list(there.video_numbers)
        return frozenset(names[number] for number in numbers.tolist())

    def _read(self, c: Sql, version: int) -> _Entries:
        """As they are now; what came since the last time is read alone where nothing was removed: ids only grow."""
        held = self._entries
        if held is not None and held.version == version:
            return held
        read = "SELECT id, video_id, channel, start_s, end_s FROM entries WHERE id > ? ORDER BY id"
        last = int(held.ids[-1]) if held is not None and len(held.ids) else 0
        rows: list[Any] = c.execute(read, (last,)).fetchall()
        total = int(c.execute("SELECT count(*) FROM entries").get)
        if held is None or len(held.ids) + len(rows) != total:
            held = _Entries.empty()
            rows = c.execute(read, (0,)).fetchall() if last else rows
        self._entries = held = held.grown(version, rows)
        return held


def _here(there: _Entries, found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those that were there already when `there` was read."""
    import numpy as np

    kept: NDArray[np.float64] = found[np.isin(found[:, 0], there.ids, assume_unique=True)]
    return kept


def _held(there: _Entries, asked: NDArray[np.bool_], found: Sequence[NDArray[np.float64]]) -> _Held:
    """Args: asked: (n,), the entries of the channels; found: of each term (id, BM25) of the entries that hold it."""
    import numpy as np

    places = [np.searchsorted(there.ids, one[:, 0]) for one in found]
    any_of = np.zeros(len(there.ids), bool)
    for rows in places:
        any_of[rows] = True
    kept = np.flatnonzero(any_of & asked)
    kept = kept[np.argsort(there.videos[kept], kind="stable")]
    at = np.full(len(there.ids), -1)
    at[kept] = np.arange(len(kept))
    terms, bm25 = np.zeros((len(found), len(kept)), bool), np.zeros((len(found), len(kept)))
    for number, (rows, one) in enumerate(zip(places, found, strict=True)):
        own = at[rows] >= 0
        terms[number, at[rows[own]]] = True
        bm25[number, at[rows[own]]] = one[own, 1]
    return _Held(kept, terms, bm25)


def _best(
    there: _Entries,
    held: _Held,
    some: NDArray[np.int64],
    terms: Sequence[Term],
    counts: Sequence[int],
    total: int,
    limit: int,
) -> dict[int, float]:
    """By id the shares of a video's best entries.

    Args:
        some: the columns of `held` that are searched.
        counts: how many of the video's `total` entries hold each term."""
    import numpy as np

    wanted = worth_reading(counts, total)
    if not wanted:
        return {}
    some = some[held.terms[wanted][:, some].any(axis=0)]
    if len(some) > limit:
        bm25 = np.zeros(len(some))
        for at in wanted:  # in the order in which the index adds them
            bm25 += held.bm25[at, some]
        some = some[np.argsort(bm25, kind="stable")[:limit]]
    shares = np.zeros(len(some))
    for at, share in enumerate(shares_of(terms, total, counts)):
        shares[held.terms[at, some]] += share
    return dict(zip(there.ids[held.rows[some]].tolist(), np.minimum(1.0, shares).tolist(), strict=True))
