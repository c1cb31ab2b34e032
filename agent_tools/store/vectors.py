"""Vectors by space and video: vec0 tables hold them, one per space, partitioned by video.

A space is one producer's vectors of one kind, f"{producer}|{kind}", kind text, memory or frame; a query never meets
another space. Knows ids and numbers. Knows nothing of what made them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw

from agent_tools.errors import ShapeError
from agent_tools.store.database import Database
from agent_tools.store.part import Part, json_list

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 128  # vectors vec0 allots at once to a video: a smaller one wastes less on short videos
FEW = 4  # up to so many videos are searched in vec0 itself
VEC0_LIMIT = 4096  # vec0 gives no more neighbours than this

Spans = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Held:
    """One video's vectors of one space in this process's memory, each of length 1 (or 0)."""

    version: int
    ids: NDArray[np.int64]
    matrix: NDArray[np.float32]


class Vectors(Part):
    _held: dict[tuple[int, str], Held]
    _held_lock: threading.Lock

    def put_vectors(self, space: str, video_id: str, ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Store vectors (n, D) float32 under ids, replacing those that are there. The first call makes the space.

        Raises: ShapeError: not (n, D) for n ids, another D than the space's, NaN or infinity. VideoNotFound."""
        import numpy as np

        matrix = np.ascontiguousarray(vectors, dtype=np.float32)
        if matrix.ndim != 2 or len(matrix) != len(ids) or matrix.shape[1] == 0:
            raise ShapeError(
                f"vectors of shape {matrix.shape} for {len(ids)} ids: (n, D) with one row per id is needed"
            )
        if not np.isfinite(matrix).all():
            raise ShapeError("vectors hold NaN or infinity, which no query can be compared with")
        last = {int(number): row for row, number in enumerate(ids)}
        with self.db.write() as c:
            n = _make_space(self.db, c, space, matrix.shape[1])
            _delete(self.db, c, n, video_id, list(last))
            for number, row in last.items():
                c.execute("INSERT INTO vector_rows(space, video_id, id) VALUES(?, ?, ?)", (n, video_id, number))
                c.execute(
                    f"INSERT INTO vectors_{n}(rowid, video, vector) VALUES(?, ?, ?)",
                    (c.last_insert_rowid(), video_id, matrix[row].tobytes()),
                )
            _touch(c, n, video_id)

    def vectors(self, space: str, video_id: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """All of a video's vectors in a space as they were put: ids (n,) increasing, and matrix (n, D)."""
        import numpy as np

        with self.db.read() as c:
            row = _space(c, space)
            if row is None:
                return np.empty(0, np.int64), np.empty((0, 0), np.float32)
            return _load(self.db, c, *row, video_id)

    def spaces(self) -> list[str]:
        with self.db.read() as c:
            return [row[0] for row in c.execute("SELECT name FROM spaces ORDER BY n")]

    def drop_space(self, space: str) -> None:
        """Take a space away with all its vectors; one that is not there is fine."""
        with self.db.write() as c:
            row = _space(c, space)
            if row is not None:
                self.db.load_vectors(c)
                c.execute(f"DROP TABLE vectors_{row[0]}")
                c.execute("DELETE FROM spaces WHERE n=?", (row[0],))

    def nearest(
        self,
        space: str,
        query: NDArray[np.float32],
        *,
        video_ids: Collection[str] | None = None,
        limit: int = 100,
        within: Spans | None = None,
    ) -> list[tuple[str, int, float]]:
        """The vectors nearest a query (D,) by cosine, as (video_id, id, cosine), best first.

        Args:
            video_ids: only these videos.
            within: spans of each video to search; a video it does not name is not searched.

        Raises: ShapeError: the query is not (D,) of this space."""
        import numpy as np

        with self.db.read() as c:
            row = _space(c, space)
            if row is None:
                return []
            n, dim = row
            query = np.asarray(query, dtype=np.float32)
            if query.shape != (dim,):
                raise ShapeError(f"a query of shape {query.shape} in a space of vectors ({dim},)")
            length = float(np.linalg.norm(query))
            if not length or limit < 1:
                return []
            query = query / np.float32(length)
            versions = dict(
                c.execute(
                    """SELECT video_id, version FROM vector_versions WHERE space=?1 AND count > 0
                       AND (?2 IS NULL OR video_id IN (SELECT value FROM json_each(?2)))""",
                    (n, None if video_ids is None else json_list(video_ids)),
                )
            )
            kind = space.rpartition("|")[2]
            hits: list[tuple[str, int, float]] = []
            for video_id, version in versions.items():
                if within is not None and video_id not in within:
                    continue
                held = self._hold(c, n, dim, video_id, version)
                keep = None if within is None else _ids_within(c, kind, video_id, within[video_id], held.ids)
                hits += _best(video_id, held, query, keep, limit)
        hits.sort(key=lambda hit: (-hit[2], hit[0], hit[1]))
        return hits[:limit]

    def _hold(self, c: apsw.Connection, n: int, dim: int, video_id: str, version: int) -> Held:
        import numpy as np

        with self._held_lock:
            held = self._held.get((n, video_id))
        if held is None or held.version != version:
            ids, matrix = _load(self.db, c, n, dim, video_id)
            lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
            lengths[lengths == 0] = 1
            held = Held(version, ids, np.divide(matrix, lengths, dtype=np.float32))
            with self._held_lock:
                self._held[n, video_id] = held
        return held


def drop_vectors(database: Database, c: apsw.Connection, kind: str, video_id: str, ids: Sequence[int] | None) -> None:
    """Inside a transaction: a video's vectors of a kind ("" = all kinds), those of these ids or all of them."""
    rows: list[Any] = c.execute("SELECT n, name FROM spaces").fetchall()
    for n, name in rows:
        if not kind or name.rpartition("|")[2] == kind:
            _delete(database, c, n, video_id, ids)
            _touch(c, n, video_id)


def _best(
    video_id: str, held: Held, query: NDArray[np.float32], keep: NDArray[np.bool_] | None, limit: int
) -> list[tuple[str, int, float]]:
    import numpy as np

    ids, matrix = (held.ids, held.matrix) if keep is None else (held.ids[keep], held.matrix[keep])
    scores = matrix @ query
    top = np.argpartition(-scores, limit)[:limit] if len(scores) > limit else np.arange(len(scores))
    return [(video_id, int(ids[at]), float(scores[at])) for at in top]


def _ids_within(
    c: apsw.Connection, kind: str, video_id: str, spans: Sequence[tuple[float, float]], ids: NDArray[np.int64]
) -> NDArray[np.bool_]:
    import numpy as np

    statement = {
        "text": "SELECT id FROM entries WHERE video_id=?1 AND start_s < ?3 AND (end_s > ?2 OR start_s >= ?2)",
        "memory": "SELECT id FROM memories WHERE video_id=?1 AND start_s < ?3 AND (end_s > ?2 OR start_s >= ?2)",
        "frame": "SELECT k FROM frames WHERE video_id=?1 AND time_s < ?3 AND time_s >= ?2",
    }[kind]
    allowed = {row[0] for start_s, end_s in spans for row in c.execute(statement, (video_id, start_s, end_s))}
    owners = ids >> TOKEN_BITS if kind == "memory" else ids
    return np.isin(owners, np.fromiter(allowed, np.int64, len(allowed)))


TOKEN_BITS = 12  # a memory token's id is its memory's id and, in the last bits, its place in it


def _space(c: apsw.Connection, name: str) -> tuple[int, int] | None:
    row = c.execute("SELECT n, dim FROM spaces WHERE name=?", (name,)).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def _make_space(database: Database, c: apsw.Connection, name: str, dim: int) -> int:
    row = _space(c, name)
    if row is not None:
        if row[1] != dim:
            raise ShapeError(f"vectors of {dim} numbers in a space of {row[1]}: another model needs another producer")
        return row[0]
    if name.rpartition("|")[2] not in ("text", "memory", "frame"):
        raise ValueError(f"{name!r} is no space: producer|kind with kind text, memory or frame")
    database.load_vectors(c)
    c.execute("INSERT INTO spaces(name, dim) VALUES(?, ?)", (name, dim))
    n = c.last_insert_rowid()
    c.execute(
        f"""CREATE VIRTUAL TABLE vectors_{n} USING vec0(
            video TEXT PARTITION KEY, vector FLOAT[{dim}] DISTANCE_METRIC=cosine, CHUNK_SIZE={CHUNK})"""
    )
    return n


def _touch(c: apsw.Connection, n: int, video_id: str) -> None:
    """A video's vectors changed: a new version number, never used before, tells every process to read them again."""
    count = int(c.execute("SELECT count(*) FROM vector_rows WHERE space=? AND video_id=?", (n, video_id)).get)
    c.execute("UPDATE counters SET value=value + 1 WHERE name='version'")
    c.execute(
        """INSERT INTO vector_versions(space, video_id, version, count)
           VALUES(?1, ?2, (SELECT value FROM counters WHERE name='version'), ?3)
           ON CONFLICT(space, video_id) DO UPDATE SET version=excluded.version, count=excluded.count""",
        (n, video_id, count),
    )


def _delete(database: Database, c: apsw.Connection, n: int, video_id: str, ids: Sequence[int] | None) -> None:
    rows = c.execute(
        """SELECT n FROM vector_rows WHERE space=?1 AND video_id=?2
           AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))""",
        (n, video_id, None if ids is None else json_list(ids)),
    ).fetchall()
    database.load_vectors(c)
    c.executemany(f"DELETE FROM vectors_{n} WHERE rowid=?", rows)  # noqa: S608 - n is our integer
    c.executemany("DELETE FROM vector_rows WHERE n=?", rows)


def _load(
    database: Database, c: apsw.Connection, n: int, dim: int, video_id: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    import numpy as np

    database.load_vectors(c)
    rows: list[Any] = c.execute(
        f"""SELECT r.id, v.vector FROM vector_rows r CROSS JOIN vectors_{n} v ON v.rowid=r.n
            WHERE r.space=? AND r.video_id=? ORDER BY r.id""",  # noqa: S608 - n is our integer
        (n, video_id),
    ).fetchall()
    ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    matrix = np.frombuffer(b"".join(row[1] for row in rows), np.float32).reshape(len(rows), dim)
    return ids, matrix
