"""The vectors nearest a query: in vec0, in a video's vectors held in memory, or through a library's compact codes.

Which of the three is the fastest depends on how many vectors there are (IndexSettings). vectors.py stores the vectors,
index.py codes them.

- Up to `few_videos`: vec0 the first time, after that the videos' own vectors, held by this process.
- A library that fits into `exact_bytes`: all its vectors, held by this process.
- A larger one: index.py's codes of all videos, read from blobs that the last worker wrote, and of what changed since
  from the vectors; the nearest by code are then compared exactly, by the stored vectors."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_tools.errors import ShapeError
from agent_tools.store.codes import IndexSettings, codebook, drawn_codebook
from agent_tools.store.part import Part
from agent_tools.store.sql import Clock, Database, Sql
from agent_tools.store.vectors import TOKEN_BITS, find_space, read_rows, read_vectors, unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.store.index import Index

VEC0_LIMIT = 4096  # vec0 gives no more neighbours than this

Spans = Mapping[str, Sequence[tuple[float, float]]]
Found = tuple[str, int, float]


@dataclass(frozen=True)
class _Video:
    """What the store says of a video's vectors in a space."""

    id: str
    version: int
    count: int
    irregular: bool


@dataclass(frozen=True)
class _HeldVectors:
    """A video's vectors of a space in this process's memory, at length 1, by row."""

    version: int
    last_row: int
    ids: NDArray[np.int64]
    matrix: NDArray[np.float32]


class VectorSearch(Part):
    """The nearest vectors. Holds vectors and indexes of this process: by space and video, and by space."""

    def __init__(self, db: Database, now: Clock, settings: IndexSettings) -> None:
        super().__init__(db, now)
        self._settings = settings
        self._lock = threading.RLock()
        self._held: OrderedDict[tuple[int, str], _HeldVectors] = OrderedDict()
        self._searched: set[tuple[int, str]] = set()
        self._indexes: dict[int, Index] = {}

    @property
    def indexes(self) -> tuple[Index, ...]:
        """The indexes of whole libraries that this process holds."""
        return tuple(self._indexes.values())

    @property
    def held_bytes(self) -> int:
        """Bytes of the vectors that this process holds of single videos."""
        return sum(each.matrix.nbytes for each in self._held.values())

    def nearest(
        self,
        space: str,
        query: NDArray[np.float32],
        *,
        video_ids: Collection[str] | None = None,
        limit: int = 100,
        within: Spans | None = None,
    ) -> list[Found]:
        """The vectors nearest a query (D,) by cosine, as (video_id, id, cosine), best first.

        Exact, except for a whole library of more than `exact_bytes`: there a few of the nearest hundred may be missing.

        Args:
            video_ids: only these videos.
            within: spans of each video to search; a video it does not name is not searched.

        Raises: ShapeError: the query is not (D,) of this space."""
        import numpy as np

        query = np.asarray(query, dtype=np.float32)
        with self.db.read() as c, self._lock:
            found = find_space(c, space)
            if found is None:
                return []
            n, dim = found
            if query.shape != (dim,):
                raise ShapeError(f"a query of shape {query.shape} in a space of vectors ({dim},)")
            length = float(np.linalg.norm(query))
            if not length or not np.isfinite(length) or limit < 1:
                return []
            query = query / np.float32(length)
            videos = _videos(c, n)
            asked = videos if video_ids is None else [video for video in videos if video.id in set(video_ids)]
            if within is not None:
                asked = [video for video in asked if video.id in within]
            if (
                within is None
                and len(asked) > self._settings.few_videos
                and 4 * dim * sum(video.count for video in asked) > self._settings.exact_bytes
            ):
                names = None if len(asked) == len(videos) else [video.id for video in asked]
                hits = self._by_codes(c, n, dim, query, limit, videos, names)
            else:
                kind = space.rpartition("|")[2]
                hits = []
                for video in asked:
                    spans = None if within is None else within[video.id]
                    hits += self._in_video(
                        c, n, dim, kind, query, limit, video, spans, few=len(asked) <= self._settings.few_videos
                    )
        hits.sort(key=lambda hit: (-hit[2], hit[0], hit[1]))
        return hits[:limit]

    def forget_vectors(self, video_id: str) -> None:
        """Let go of what this process holds of a deleted video."""
        with self._lock:
            for key in [key for key in self._held if key[1] == video_id]:
                del self._held[key]

    def _in_video(
        self,
        c: Sql,
        n: int,
        dim: int,
        kind: str,
        query: NDArray[np.float32],
        limit: int,
        video: _Video,
        spans: Sequence[tuple[float, float]] | None,
        *,
        few: bool,
    ) -> list[Found]:
        import numpy as np

        key = (n, video.id)
        first = few and spans is None and key not in self._searched and key not in self._held
        self._searched.add(key)
        if first and not video.irregular and limit <= VEC0_LIMIT:
            return self._in_vec0(c, n, query, limit, video)
        held = self._hold(c, n, dim, video)
        ids, matrix = held.ids, held.matrix
        if spans is not None:
            keep = _inside(c, kind, video.id, spans, ids)
            ids, matrix = ids[keep], matrix[keep]
        scores = np.vecdot(matrix, query)  # see index.py: never BLAS for one query
        top = np.argpartition(-scores, limit)[:limit] if len(scores) > limit else np.arange(len(scores))
        return [(video.id, int(ids[at]), float(scores[at])) for at in top]

    def _in_vec0(self, c: Sql, n: int, query: NDArray[np.float32], limit: int, video: _Video) -> list[Found]:
        rows = self.db.tables.nearest(c, n, query.tobytes(), limit, video.id)
        return [(video.id, number, 1.0 - distance) for number, distance in rows]

    def _hold(self, c: Sql, n: int, dim: int, video: _Video) -> _HeldVectors:
        """A video's vectors, read again where they changed, and only what was added where nothing else did."""
        import numpy as np

        key, held = (n, video.id), self._held.get((n, video.id))
        if held is None or held.version != video.version:
            grown = held is not None and _grown(c, n, video, len(held.ids), held.last_row)
            rows, ids, matrix = read_vectors(self.db, c, n, dim, video.id, held.last_row if held and grown else 0)
            matrix = unit(matrix)
            if held is not None and grown:
                ids, matrix = np.concatenate([held.ids, ids]), np.concatenate([held.matrix, matrix])
            last_row = int(rows[-1]) if len(rows) else held.last_row if held and grown else 0
            held = _HeldVectors(video.version, last_row, ids, matrix)
            self._held[key] = held
        self._held.move_to_end(key)
        budget = self._settings.held_bytes if n in self._indexes else self._settings.exact_bytes
        size = sum(each.matrix.nbytes for (space, _), each in self._held.items() if space == n)
        for oldest in [other for other in self._held if other[0] == n and other != key]:
            if size > budget:
                size -= self._held.pop(oldest).matrix.nbytes
        return held

    def _by_codes(
        self,
        c: Sql,
        n: int,
        dim: int,
        query: NDArray[np.float32],
        limit: int,
        videos: Sequence[_Video],
        names: Collection[str] | None,
    ) -> list[Found]:
        import numpy as np

        index = self._index(c, n, dim, videos)
        rows = index.search(index.book.question(query), limit + max(self._settings.spare, limit // 2), names)
        owners, ids, matrix = read_rows(self.db, c, n, dim, sorted(rows.tolist()))
        scores = np.vecdot(unit(matrix), query)
        return [(owner, int(number), float(score)) for owner, number, score in zip(owners, ids, scores, strict=True)]

    def _index(self, c: Sql, n: int, dim: int, videos: Sequence[_Video]) -> Index:
        from agent_tools.store.index import Index

        index = self._indexes.get(n)
        stored = c.execute("SELECT version FROM codebooks WHERE space=?", (n,)).fetchone()
        if index is None or (stored is not None and stored[0] != index.book.version):
            total = sum(video.count for video in videos)
            index = Index(codebook(c, n, dim) or drawn_codebook(self.db, c, n, dim, 0, self._settings.sample), total)
            self._indexes[n] = index
            for key in [key for key in self._held if key[0] == n]:
                del self._held[key]
        for gone in set(index.versions) - {video.id for video in videos}:
            index.drop(gone)
        for video in videos:
            if index.versions.get(video.id) != video.version:
                self._take_in(c, n, dim, index, video)
        return index

    def _take_in(self, c: Sql, n: int, dim: int, index: Index, video: _Video) -> None:
        import numpy as np

        words = len(index.book.rotation) // 64
        row: Any = c.execute(
            "SELECT rows, signs, codes FROM codes WHERE space=? AND video_id=? AND codebook=? AND version=?",
            (n, video.id, index.book.version, video.version),
        ).fetchone()
        count, last_row = index.held(video.id)
        if row is not None or not _grown(c, n, video, count, last_row):
            index.drop(video.id)
            last_row = 0
        if row is not None:
            rows = np.frombuffer(row[0], np.int64)
            signs = np.frombuffer(row[1], np.uint64).reshape(-1, words)
            levels = np.frombuffer(row[2], np.uint8).reshape(-1, 32 * words)
        else:
            rows, _, matrix = read_vectors(self.db, c, n, dim, video.id, last_row)
            signs, levels = index.book.encode(unit(matrix))
        index.add(video.id, video.version, rows, signs, levels)


def _videos(c: Sql, n: int) -> list[_Video]:
    rows: list[Any] = c.execute(
        "SELECT video_id, version, count, irregular FROM vector_versions WHERE space=? AND count > 0", (n,)
    ).fetchall()
    return [_Video(row[0], row[1], row[2], bool(row[3])) for row in rows]


def _grown(c: Sql, n: int, video: _Video, count: int, last_row: int) -> bool:
    """Whether a video's vectors are those held, in rows up to last_row, and new ones only."""
    if not count:
        return False
    row: Any = c.execute(
        "SELECT count(*) FROM vector_rows WHERE space=? AND video_id=? AND n <= ?", (n, video.id, last_row)
    ).get
    return int(row) == count


def _inside(
    c: Sql, kind: str, video_id: str, spans: Sequence[tuple[float, float]], ids: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which ids lie in any of the spans: entries and memories that overlap one, frames that were shown in one."""
    import numpy as np

    statement = {
        "text": "SELECT id FROM entries WHERE video_id=?1 AND start_s < ?3 AND (end_s > ?2 OR start_s >= ?2)",
        "memory": "SELECT id FROM memories WHERE video_id=?1 AND start_s < ?3 AND (end_s > ?2 OR start_s >= ?2)",
        "frame": "SELECT k FROM frames WHERE video_id=?1 AND time_s < ?3 AND time_s >= ?2",
    }[kind]
    allowed = {row[0] for start_s, end_s in spans for row in c.execute(statement, (video_id, start_s, end_s))}
    owners = ids >> TOKEN_BITS if kind == "memory" else ids
    return np.isin(owners, np.fromiter(allowed, np.int64, len(allowed)))
