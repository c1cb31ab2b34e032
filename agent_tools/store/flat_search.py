"""The flat index of a space, filled from the store: what a search of many videos by meaning reads.

Each process holds one for a space, loaded by need: a video's vectors come in when it is first searched, and again when
they changed. The worker that finishes a job leaves them as codes in one row for each video, so that a process that has
just started reads a hundred hours in a fraction of a second. Where that row is old or missing, the vectors are read.
flat_index.py holds and compares the codes."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_tools.channels import text_names
from agent_tools.store.entries import entry_of
from agent_tools.store.part import Part, json_list
from agent_tools.store.shown_lines import line_id, shown_lines
from agent_tools.store.spelling import has_enough_letters
from agent_tools.store.sql import Clock, Database, Sql
from agent_tools.store.vectors import LINE, TEXT, find_space, read_matrix, read_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.store.flat_index import Coded, FlatIndex, View

SCREEN_TEXT = "screen_text"  # the channel whose texts have lines
FRAMES = "frames"  # name of the one run of a space of pictures
REST_BYTES = 48 << 20  # of what the codes of videos leave over, held in memory: that of some fifty hours

Runs = Sequence[tuple[str, int]]
Rest = tuple["NDArray[np.int8]", "NDArray[np.float32]"]  # codes (n, D) and scales (n,)


@dataclass
class _Held:
    """A space's index in this process, and what of it is known to be as the store is."""

    n: int  # of the space
    index: FlatIndex
    view: View
    at: int = -1  # the data version for which `fresh` and `whole` hold
    fresh: set[str] = field(default_factory=set)
    whole: bool = False

    def knows(self, now: int, videos: Collection[str] | None) -> bool:
        return self.at == now and (self.whole or (videos is not None and self.fresh.issuperset(videos)))


class FlatSearch(Part):
    """The flat indexes of this process, by space."""

    def __init__(self, db: Database, now: Clock, held_bytes: int, folder: Path) -> None:
        """
        Args:
            held_bytes: of codes that lie in memory; more lie in a file that the system pages in.
            folder: of this file, which has no name; where the folder is missing, all lie in memory."""
        super().__init__(db, now)
        self._held_bytes, self._folder = held_bytes, folder
        self._loading = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._rests: OrderedDict[tuple[str, str], tuple[int, Rest]] = OrderedDict()
        self._rest_bytes = 0
        self._resting = threading.Lock()
        self._missing: dict[str, int] = {}  # spaces that were not there, and at which data version

    @property
    def held_bytes(self) -> int:
        """Bytes of the indexes that this process holds."""
        return sum(held.index.nbytes for held in self._held.values())

    def flat_view(
        self,
        space: str,
        videos: Collection[str] | None = None,
        on_video: Callable[[int, int], None] = lambda done, total: None,
    ) -> View | None:
        """The index with the vectors of these videos as they are now; None where nobody made the space.

        Searches that find it complete do not wait for one that loads more.
        Args:
            videos: None is all of them.
            on_video: called with (loaded, to load); may raise to stop, and what was loaded stays."""
        now = self.db.data_version()
        held = self._held.get(space)
        if held is not None and held.knows(now, videos):
            return held.view
        if self._missing.get(space) == now:
            return None
        with self._loading, self.db.read() as c:
            held = self._held.get(space)
            if held is not None and held.knows(now, videos):
                return held.view
            found = find_space(c, space)
            if found is None:
                self._missing[space] = now
                return None
            if held is None or (held.n, held.index.dim) != found:
                held = self._held[space] = self._opened(*found)
            return self._load(c, held, *found, space, now, videos, on_video)

    def exact_products(self, space: str, rows: Sequence[int], query: NDArray[np.float32]) -> dict[int, float]:
        """By row the product of a query (D,) with the stored vector; a row that is gone is left out. In float64, so
        that equal vectors have equal products."""
        import numpy as np

        with self.db.read() as c:
            found = self._space(c, space)
            if found is None or not rows:
                return {}
            there, matrix = read_matrix(self.db, c, *found, sorted(rows))
        products = np.vecdot(matrix.astype(np.float64), query.astype(np.float64))  # see index.py: no BLAS
        return dict(zip(there.tolist(), products.tolist(), strict=True))

    def rests(self, space: str, view: View, videos: Sequence[str], *, read: bool = True) -> dict[str, Rest]:
        """By video what the codes of its vectors leave over, as codes and scales in their order. A video that has
        changed since the view was made is left out. The last ones asked for stay in memory, up to REST_BYTES; ask for
        many videos in batches of the view.

        Args:
            read: False gives only what is in memory."""
        found: dict[str, Rest] = {}
        with self._resting:
            for name in videos:
                held = self._rests.get((space, name))
                if held is not None and held[0] == view.videos[name].version:
                    found[name] = held[1]
                    self._rests.move_to_end((space, name))
        missing = [name for name in videos if name not in found] if read else []
        if missing:
            with self.db.read() as c:
                numbered = self._space(c, space)
                if numbered is None:
                    return {}
                stored = _rest_codes(c, *numbered, {name: view.videos[name].version for name in missing})
                for name in missing:
                    one = self._rest(c, *numbered, name, view, stored.get(name))
                    if one is not None:
                        found[name] = one
                        self._keep(space, name, view.videos[name].version, one)
        return found

    def _keep(self, space: str, video_id: str, version: int, rest: Rest) -> None:
        with self._resting:
            before = self._rests.pop((space, video_id), None)
            self._rests[space, video_id] = version, rest
            self._rest_bytes += rest[0].nbytes - (0 if before is None else before[1][0].nbytes)
            while self._rest_bytes > REST_BYTES:
                self._rest_bytes -= self._rests.popitem(last=False)[1][1][0].nbytes

    def write_codes(self) -> None:
        """Leave every text space's vectors as codes, of videos that no job works on. It is cheap where nothing
        changed."""
        stale: list[Any] = self.db.ask(
            """SELECT s.n, s.dim, s.name, v.video_id, v.version FROM spaces s JOIN vector_versions v ON v.space=s.n
               LEFT JOIN flat_codes f ON f.space=v.space AND f.video_id=v.video_id
               WHERE (s.name LIKE '%|text' OR s.name LIKE '%|line')
               AND v.count > 0 AND f.version IS DISTINCT FROM v.version
               AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.video_id=v.video_id AND j.state='running')"""
        ).fetchall()
        for n, dim, name, video_id, version in stale:
            with self.db.read() as c:
                coded, runs, rest = self._made(c, n, dim, name, video_id)
            arrays = (coded.ids, coded.rows, coded.spans, coded.scales, coded.codes, *rest)
            with self.db.write() as c:
                # Only where the vectors are still those that were read.
                c.execute(
                    """INSERT INTO flat_codes
                           (space, video_id, version, runs, ids, rows, spans, scales, codes, rest, rest_scales)
                       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 WHERE EXISTS
                           (SELECT 1 FROM vector_versions WHERE space=?1 AND video_id=?2 AND version=?3)
                       ON CONFLICT(space, video_id) DO UPDATE SET version=excluded.version, runs=excluded.runs,
                       ids=excluded.ids, rows=excluded.rows, spans=excluded.spans, scales=excluded.scales,
                       codes=excluded.codes, rest=excluded.rest, rest_scales=excluded.rest_scales""",
                    (n, video_id, version, json.dumps(runs), *(array.tobytes() for array in arrays)),
                )

    def _space(self, c: Sql, name: str) -> tuple[int, int] | None:
        """The number and the width of a space, which this process knows where it has just looked into it."""
        held = self._held.get(name)
        if held is not None and held.at == self.db.data_version():
            return held.n, held.index.dim
        return find_space(c, name)

    def _opened(self, n: int, dim: int) -> _Held:
        from agent_tools.store.flat_index import FlatIndex

        index = FlatIndex(dim, self._held_bytes, self._folder if self._folder.is_dir() else None)
        return _Held(n, index, index.view())

    def _load(
        self,
        c: Sql,
        held: _Held,
        n: int,
        dim: int,
        space: str,
        now: int,
        videos: Collection[str] | None,
        on_video: Callable[[int, int], None],
    ) -> View:
        rows: list[Any] = c.execute(
            """SELECT video_id, version, count FROM vector_versions WHERE space=?1 AND count > 0
               AND (?2 IS NULL OR video_id IN (SELECT value FROM json_each(?2)))""",
            (n, None if videos is None else json_list(videos)),
        ).fetchall()
        from agent_tools.store.flat_index import batches

        index, stored = held.index, {row[0]: (row[1], row[2]) for row in rows}
        known = index.versions
        for gone in (set(known) if videos is None else set(videos) & set(known)) - set(stored):
            index.drop(gone)
        new = [name for name, (version, _) in stored.items() if known.get(name) != version]
        if held.at != now:
            held.at, held.fresh, held.whole = now, set(), False
        if new or len(index.versions) != len(known):
            index.reserve(sum(stored[name][1] for name in new))
            done = 0
            try:
                for names in batches({name: stored[name][1] * dim for name in new}):
                    codes = _codes(c, n, dim, {name: stored[name][0] for name in names})
                    for name in names:
                        on_video(done, len(new))
                        coded = codes.pop(name, None) or self._made(c, n, dim, space, name)[:2]
                        index.put(name, stored[name][0], *coded)
                        done += 1
            finally:
                held.view = index.view()
        held.whole = videos is None
        held.fresh.update(stored if videos is None else videos)
        return held.view

    def _rest(self, c: Sql, n: int, dim: int, video_id: str, view: View, stored: Rest | None) -> Rest | None:
        """Of one video, by its row of codes, else by its vectors; None where it is of another version now."""
        import numpy as np

        from agent_tools.store.flat_index import encode, rest_of

        placed = view.videos[video_id]
        own = view.coded.part(placed.start, placed.stop)
        if stored is not None and stored[0].nbytes == own.codes.nbytes:
            return stored
        now = c.execute("SELECT version FROM vector_versions WHERE space=? AND video_id=?", (n, video_id)).get
        if now != placed.version:
            return None
        rows, _, matrix = read_vectors(self.db, c, n, dim, video_id)
        order = np.argsort(rows)
        matrix = matrix[order[np.searchsorted(rows, own.rows, sorter=order)]]
        return encode(rest_of(matrix, own.codes, own.scales))

    def _made(
        self, c: Sql, n: int, dim: int, space: str, video_id: str
    ) -> tuple[Coded, Runs, tuple[NDArray[np.int8], NDArray[np.float32]]]:
        import numpy as np

        from agent_tools.store.flat_index import Coded, encode, rest_of

        rows, ids, matrix = read_vectors(self.db, c, n, dim, video_id)
        if space.endswith(f"|{LINE}"):
            order, numbers, spans, runs = _lines(c, video_id, ids.tolist())
        elif space.endswith(f"|{TEXT}"):
            order, spans, runs = _texts(c, video_id, ids.tolist())
            numbers = ids[order]
        else:
            order, spans, runs = np.argsort(ids), np.zeros((len(ids), 2)), [(FRAMES, len(ids))]
            numbers = ids[order]
        matrix = matrix[order]
        codes, scales = encode(matrix)
        return Coded(codes, scales, numbers, rows[order], spans), runs, encode(rest_of(matrix, codes, scales))


def _codes(c: Sql, n: int, dim: int, versions: Mapping[str, int]) -> dict[str, tuple[Coded, Runs]]:
    """By video its vectors as its row of codes has them; without those whose row is missing or old."""
    import numpy as np

    from agent_tools.store.flat_index import Coded

    rows = c.execute(
        """SELECT video_id, version, runs, codes, scales, ids, rows, spans FROM flat_codes
           WHERE space=? AND video_id IN (SELECT value FROM json_each(?))""",
        (n, json_list(versions)),
    )
    types = (np.int8, np.float32, np.int64, np.int64, np.float64)
    found = {}
    for name, version, runs, *data in rows:
        if version == versions[name]:
            codes, scales, ids, numbers, spans = (
                np.frombuffer(one, kind) for one, kind in zip(data, types, strict=True)
            )
            coded = Coded(codes.reshape(-1, dim), scales, ids, numbers, spans.reshape(-1, 2))
            found[name] = coded, json.loads(runs)
    return found


def _rest_codes(c: Sql, n: int, dim: int, versions: Mapping[str, int]) -> dict[str, Rest]:
    """By video what its codes leave over, as codes; without those whose row is missing or old."""
    import numpy as np

    rows = c.execute(
        """SELECT video_id, version, rest, rest_scales FROM flat_codes
           WHERE space=? AND video_id IN (SELECT value FROM json_each(?))""",
        (n, json_list(versions)),
    )
    return {
        name: (np.frombuffer(rest, np.int8).reshape(-1, dim), np.frombuffer(scales, np.float32))
        for name, version, rest, scales in rows
        if version == versions[name]
    }


def _lines(
    c: Sql, video_id: str, ids: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], Runs]:
    """Every line of every on-screen text in time order: the place in `ids` of its vector, which others may share, its
    id, the span of its text; and how many lines there are."""
    import numpy as np

    place = {number: at for at, number in enumerate(ids)}
    rows = c.execute(
        """SELECT id, video_id, channel, producer, start_s, end_s, text, extra FROM entries WHERE video_id=?
           AND channel=? AND extra ->> 'unsure' IS NULL ORDER BY start_s, end_s, id""",
        (video_id, SCREEN_TEXT),
    )
    lines = [(entry, at, line) for entry in map(entry_of, rows) for at, line in enumerate(shown_lines(entry))]
    of_text = {line.text: place[number] for entry, at, line in lines if (number := line_id(entry, at)) in place}
    there = [(entry, at, of_text[line.text]) for entry, at, line in lines if line.text in of_text]
    return (
        np.fromiter((row for _, _, row in there), np.int64, len(there)),
        np.fromiter((line_id(entry, at) for entry, at, _ in there), np.int64, len(there)),
        np.array([(entry.start_s, entry.end_s) for entry, _, _ in there], np.float64).reshape(-1, 2),
        [(SCREEN_TEXT, len(there))] if there else [],
    )


def _texts(c: Sql, video_id: str, ids: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64], Runs]:
    """The places in `ids` of the entries that can be compared by meaning, channel by channel in time order; their
    spans; and how many each channel has."""
    import numpy as np

    place = {number: at for at, number in enumerate(ids)}
    by_channel: dict[str, list[tuple[int, float, float]]] = {name: [] for name in text_names()}
    rows = c.execute(
        """SELECT id, channel, start_s, end_s, text FROM entries WHERE video_id=?
           AND extra ->> 'unsure' IS NULL ORDER BY start_s, end_s, id""",
        (video_id,),
    )
    for number, channel, start_s, end_s, text in rows:
        if number in place and channel in by_channel and has_enough_letters(text):
            by_channel[channel].append((place[number], start_s, end_s))
    found = [one for group in by_channel.values() for one in group]
    order = np.fromiter((at for at, _, _ in found), np.int64, len(found))
    spans = np.array([(start_s, end_s) for _, start_s, end_s in found], np.float64).reshape(-1, 2)
    return order, spans, [(name, len(group)) for name, group in by_channel.items() if group]
