"""The best entries for some words by BM25, over posting lists as arrays.

FTS5's own bm25() takes a microsecond for each entry that holds any of the words, and a common word is in thousands.
Here the lists of all words come as one text each, and the scores, equal to those of FTS5, are computed at once. Which
video and channel an entry is of, and how long it is, lies in memory: 20 bytes an entry."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agent_tools.store.part import Part, json_list
from agent_tools.store.sql import Clock, Database, Sql, Where, WordLists

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.store.words import Term

LEAST_ENTRIES = 1_000  # a smaller library is ranked by the index itself
K1, B, LEAST_IDF = 1.2, 0.75, 1e-6  # of FTS5's bm25()
MORE = 4  # times as many entries are read where too few of the best lie in the asked span


@dataclass(frozen=True)
class _Entries:
    """The entries whose words are indexed."""

    version: int  # of the data
    ids: NDArray[np.int64]  # (n,), increasing
    sizes: NDArray[np.float64]  # (n,), tokens
    groups: NDArray[np.int32]  # (n,), the number of its video and channel; the last number is of no entry's
    numbers: Mapping[tuple[str, str], int]

    def inside(self, where: Where) -> NDArray[np.bool_] | None:
        """By group, whether its entries are asked for; None where all are."""
        import numpy as np

        if where.videos is None and where.channels is None:
            return None
        videos = None if where.videos is None else set(json.loads(where.videos))
        channels = None if where.channels is None else set(json.loads(where.channels))
        asked = [
            (videos is None or video in videos) and (channels is None or channel in channels)
            for video, channel in self.numbers
        ]
        return np.array([*asked, False])


class RankedWords(Part):
    """Needs an index that gives its lists; `find` and `count` give None where it does not, or for a phrase."""

    def __init__(self, db: Database, now: Clock) -> None:
        super().__init__(db, now)
        self._entries: _Entries | None = None
        self._lock = threading.Lock()

    def find(self, c: Sql, terms: Sequence[Term], where: Where, limit: int, version: int) -> list[Any] | None:
        """As sql.WordIndex.find. Args: version: of the data, from before the transaction."""
        index = self.db.words.lists
        total, tokens = (0, 0) if index is None else index.totals(c)
        if index is None or total < LEAST_ENTRIES or (lists := _lists(c, index, terms)) is None:
            return None
        import numpy as np

        there = self._read(c, index, version)
        scores, any_of = np.zeros(len(there.ids)), np.zeros(len(there.ids), bool)
        for found in lists:
            ids, times = _counted(found)
            frequency = max(LEAST_IDF, float(np.log((total - len(ids) + 0.5) / (len(ids) + 0.5))))
            at, kept = _places(there, ids)
            times = times[kept]
            long = 1 - B + B * there.sizes[at] / (tokens / total)
            scores[at] += frequency * ((times * (K1 + 1.0)) / (times + K1 * long))
            any_of[at] = True
        held = np.flatnonzero(any_of)
        inside = there.inside(where)
        if inside is not None:
            held = held[inside[there.groups[held]]]
        return self._best(c, there.ids[held], scores[held], where, limit)

    def count(self, c: Sql, term: Term, where: Where, version: int) -> int | None:
        """How many entries of these videos and channels hold the term."""
        index = self.db.words.lists
        if index is None or (lists := _lists(c, index, [term])) is None:
            return None
        there = self._read(c, index, version)
        at, _ = _places(there, _counted(lists[0])[0])
        inside = there.inside(where)
        return len(at) if inside is None else int(inside[there.groups[at]].sum())

    @staticmethod
    def _best(c: Sql, ids: NDArray[np.int64], scores: NDArray[np.float64], where: Where, limit: int) -> list[Any]:
        import numpy as np

        size = limit
        while True:
            some = np.arange(len(ids))
            if len(ids) > size:
                some = np.flatnonzero(scores >= np.partition(scores, len(ids) - size)[len(ids) - size])
            some = some[np.lexsort((ids[some], -scores[some]))][:size]
            rows = c.execute(
                """SELECT id, video_id, channel, producer, start_s, end_s, text, extra FROM entries
                   WHERE id IN (SELECT value FROM json_each(?1))
                   AND (?2 IS NULL OR end_s > ?2 OR start_s >= ?2) AND (?3 IS NULL OR start_s < ?3)""",
                (json_list(ids[some].tolist()), where.start_s, where.end_s),
            ).fetchall()
            if len(rows) >= limit or size >= len(ids):
                known = {row[0]: row for row in rows}
                best = zip(ids[some].tolist(), scores[some].tolist(), strict=True)
                return [(*known[number], -score) for number, score in best if number in known][:limit]
            size *= MORE

    def _read(self, c: Sql, index: WordLists, version: int) -> _Entries:
        """As they are now; what came since the last time is read alone, where nothing else changed."""
        import numpy as np

        with self._lock:
            held = self._entries
            if held is None or held.version != version:
                total, _ = index.totals(c)
                ids, sizes = index.sizes(c, int(held.ids[-1]) if held is not None and len(held.ids) else 0)
                if held is not None and len(held.ids) + len(ids) != total:
                    held = None
                    ids, sizes = index.sizes(c, 0)
                if held is None:
                    held = _Entries(version, ids[:0], sizes[:0], np.empty(0, np.int32), {})
                if len(ids):
                    held = _with_groups(c, held, ids, sizes)
                self._entries = held = replace(held, version=version)
            return held


def _lists(c: Sql, index: WordLists, terms: Sequence[Term]) -> list[NDArray[np.int64]] | None:
    lists = [found for term in terms if (found := index.instances(c, term)) is not None]
    return lists if len(lists) == len(terms) else None


def _with_groups(c: Sql, held: _Entries, ids: NDArray[np.int64], sizes: NDArray[np.float64]) -> _Entries:
    import numpy as np

    numbers = dict(held.numbers)
    groups = np.full(len(ids), -1, np.int32)
    rows = c.execute(
        "SELECT video_id, channel, group_concat(id) FROM entries WHERE id >= ? GROUP BY video_id, channel",
        (int(ids[0]),),
    )
    for video_id, channel, text in rows:
        own = np.fromstring(text, np.int64, sep=",")
        at = np.minimum(np.searchsorted(ids, own), len(ids) - 1)
        groups[at[ids[at] == own]] = numbers.setdefault((video_id, channel), len(numbers))
    return _Entries(
        held.version,
        np.concatenate([held.ids, ids]),
        np.concatenate([held.sizes, sizes]),
        np.concatenate([held.groups, groups]),
        numbers,
    )


def _counted(instances: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Increasing ids, each once, and how often each stood there."""
    import numpy as np

    first = np.flatnonzero(np.diff(instances, prepend=-1))
    return instances[first], np.diff(first, append=len(instances)).astype(np.float64)


def _places(there: _Entries, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where ids stand among the entries, and which of them are there."""
    import numpy as np

    if not len(there.ids):
        return np.empty(0, np.int64), np.zeros(len(ids), bool)
    at = np.minimum(np.searchsorted(there.ids, ids), len(there.ids) - 1)
    kept = there.ids[at] == ids
    return at[kept], kept
