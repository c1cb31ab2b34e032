"""Vectors by space and video: vec0 tables hold them, one per space, partitioned by video.

A space is one producer's vectors of one kind, f"{producer}|{kind}", kind text, line, memory or frame; a query never
meets another space. A line's id is its entry's id and, in the last bits, its place in it. nearest.py searches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import apsw

from agent_tools.errors import ShapeError
from agent_tools.store.database import Database
from agent_tools.store.part import Part, json_list

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Vectors in one blob of vec0. A blob is a chain of pages, so the smallest that vec0 takes is by far the fastest to read
# single vectors from (100 of 768 numbers: .3 ms, of blobs of 128 5 ms), no slower to scan, and wastes least.
CHUNK = 8
KINDS = TEXT, LINE, MEMORY, FRAME = "text", "line", "memory", "frame"  # of spaces
TOKEN_BITS = 12  # a memory token's id is its memory's id and, in the last bits, its place in it; a line's likewise


class Vectors(Part):
    """Vectors as rows, and the spaces that they are in."""

    def load_vec0(self) -> None:
        """Load the extension that holds vectors, which else comes with the first vector. Raises: ModelMissing."""
        with self.db.read() as c:
            self.db.load_vectors(c)

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
        if not last:
            return
        with self.db.write() as c:
            self.db.load_vectors(c)
            n = _make_space(c, space, matrix.shape[1])
            replaced = _delete(self.db, c, n, video_id, list(last))
            for number, row in last.items():
                c.execute("INSERT INTO vector_rows(space, video_id, id) VALUES(?, ?, ?)", (n, video_id, number))
                c.execute(
                    f"INSERT INTO vectors_{n}(rowid, video, vector) VALUES(?, ?, ?)",
                    (c.last_insert_rowid(), video_id, matrix[row].tobytes()),
                )
            _touch(c, n, video_id, len(last) - replaced, irregular=not matrix.any(axis=1).all())

    def vectors(
        self, space: str, video_id: str, among: Iterable[int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """A video's vectors in a space as they were put: ids (n,) increasing, and matrix (n, D).

        Args:
            among: only those of these ids; None is all of them."""
        import numpy as np

        with self.db.read() as c:
            found = find_space(c, space)
            if found is None:
                return np.empty(0, np.int64), np.empty((0, 0), np.float32)
            if among is None:
                _, ids, matrix = read_vectors(self.db, c, *found, video_id)
            else:
                rows: list[Any] = c.execute(
                    """SELECT n FROM vector_rows WHERE space=? AND video_id=?
                       AND id IN (SELECT value FROM json_each(?))""",
                    (found[0], video_id, json_list(among)),
                ).fetchall()
                _, ids, matrix = read_rows(self.db, c, *found, [row[0] for row in rows])
        order = np.argsort(ids)
        return ids[order], matrix[order]

    def vector(self, space: str, video_id: str, number: int) -> NDArray[np.float32] | None:
        """The vector (D,) of one id, without reading the others; None where there is none."""
        with self.db.read() as c:
            found = find_space(c, space)
            row = (
                found
                and c.execute(
                    "SELECT n FROM vector_rows WHERE space=? AND video_id=? AND id=?", (found[0], video_id, number)
                ).fetchone()
            )
            if not found or not row:
                return None
            one: NDArray[np.float32] = read_rows(self.db, c, *found, [row[0]])[2][0]
            return one

    def spaces(self) -> list[str]:
        with self.db.read() as c:
            return [row[0] for row in c.execute("SELECT name FROM spaces ORDER BY n")]

    def drop_video_vectors(self, space: str, video_id: str) -> None:
        """Remove a video's vectors from one space; does nothing where there are no vectors."""
        with self.db.write() as c:
            found = find_space(c, space)
            if found is not None and (gone := _delete(self.db, c, found[0], video_id, None)):
                _touch(c, found[0], video_id, -gone)

    def drop_space(self, space: str) -> None:
        """Remove a space with all its vectors; does nothing where it is not there."""
        with self.db.write() as c:
            found = find_space(c, space)
            if found is not None:
                self.db.load_vectors(c)
                c.execute(f"DROP TABLE vectors_{found[0]}")
                c.execute("DELETE FROM spaces WHERE n=?", (found[0],))


def drop_vectors(database: Database, c: apsw.Connection, kind: str, video_id: str, ids: Sequence[int] | None) -> None:
    """Inside a transaction: a video's vectors of a kind ("" = all kinds), those of these ids or all of them.

    The vectors of texts go with those of their lines."""
    rows: list[Any] = c.execute("SELECT n, name FROM spaces").fetchall()
    for n, name in rows:
        own = name.rpartition("|")[2]
        if own == LINE and kind == TEXT and ids is not None:
            gone = _delete(database, c, n, video_id, _lines_of(c, n, video_id, ids))
        elif not kind or own == kind or (own == LINE and kind == TEXT):
            gone = _delete(database, c, n, video_id, ids)
        else:
            continue
        if gone:
            _touch(c, n, video_id, -gone)


def _lines_of(c: apsw.Connection, n: int, video_id: str, entries: Sequence[int]) -> list[int]:
    """The ids of the lines of these entries that have a vector in a space."""
    rows = c.execute(
        f"""SELECT id FROM vector_rows WHERE space=? AND video_id=?
            AND id >> {TOKEN_BITS} IN (SELECT value FROM json_each(?))""",  # noqa: S608 - our number
        (n, video_id, json_list(entries)),
    )
    return [row[0] for row in rows]


def find_space(c: apsw.Connection, name: str) -> tuple[int, int] | None:
    """The number and the width of a space."""
    row = c.execute("SELECT n, dim FROM spaces WHERE name=?", (name,)).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def read_vectors(
    database: Database, c: apsw.Connection, n: int, dim: int, video_id: str, after: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Rows (increasing), ids and vectors (n, D) of a video in a space; only those of rows beyond `after`."""
    database.load_vectors(c)
    found: list[Any] = c.execute(
        f"""SELECT r.n, r.id, v.vector FROM
                (SELECT n, id FROM vector_rows WHERE space=? AND video_id=? AND n > ? ORDER BY n) r
            CROSS JOIN vectors_{n} v ON v.rowid=r.n""",  # noqa: S608 - n is our integer
        (n, video_id, after),
    ).fetchall()
    return _arrays(found, dim)


def read_rows(
    database: Database, c: apsw.Connection, n: int, dim: int, rows: Sequence[int]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float32]]:
    """Videos, ids and vectors of single rows of a space; those that are gone are left out."""
    database.load_vectors(c)
    found: list[Any] = c.execute(
        f"""SELECT r.n, r.id, v.vector, r.video_id FROM (SELECT value FROM json_each(?)) j
            CROSS JOIN vector_rows r ON r.n=j.value CROSS JOIN vectors_{n} v ON v.rowid=r.n""",  # noqa: S608 - as above
        (json_list(rows),),
    ).fetchall()
    _, ids, matrix = _arrays(found, dim)
    return [row[3] for row in found], ids, matrix


def unit(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows at length 1; a row of zeros stays one."""
    import numpy as np

    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return np.asarray(matrix / lengths, np.float32)


def _arrays(found: list[Any], dim: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    import numpy as np

    rows = np.fromiter((row[0] for row in found), np.int64, len(found))
    ids = np.fromiter((row[1] for row in found), np.int64, len(found))
    return rows, ids, np.frombuffer(b"".join(row[2] for row in found), np.float32).reshape(len(found), dim)


def _make_space(c: apsw.Connection, name: str, dim: int) -> int:
    found = find_space(c, name)
    if found is not None:
        if found[1] != dim:
            raise ShapeError(f"vectors of {dim} numbers in a space of {found[1]}: another model needs another producer")
        return found[0]
    if name.rpartition("|")[2] not in KINDS:
        raise ValueError(f"{name!r} is no space: producer|kind with kind {', '.join(KINDS)}")
    c.execute("INSERT INTO spaces(name, dim) VALUES(?, ?)", (name, dim))
    n = c.last_insert_rowid()
    c.execute(
        f"""CREATE VIRTUAL TABLE vectors_{n} USING vec0(
            video TEXT PARTITION KEY, vector FLOAT[{dim}] DISTANCE_METRIC=cosine, CHUNK_SIZE={CHUNK})"""
    )
    return n


def _touch(c: apsw.Connection, n: int, video_id: str, more: int, *, irregular: bool = False) -> None:
    """A video's vectors changed: a new version number, never used before, tells every process to read them again.

    Args:
        more: how many were added; negative where some were removed. Counting them all again would cost more the longer
            the video is."""
    c.execute("UPDATE counters SET value=value + 1 WHERE name='version'")
    c.execute(
        """INSERT INTO vector_versions(space, video_id, version, count, irregular)
           VALUES(?1, ?2, (SELECT value FROM counters WHERE name='version'), ?3, ?4)
           ON CONFLICT(space, video_id) DO UPDATE SET version=excluded.version, count=count + excluded.count,
           irregular=max(irregular, excluded.irregular)""",
        (n, video_id, more, irregular),
    )


def _delete(database: Database, c: apsw.Connection, n: int, video_id: str, ids: Sequence[int] | None) -> int:
    """How many were there."""
    rows = c.execute(
        """SELECT n FROM vector_rows WHERE space=?1 AND video_id=?2
           AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))""",
        (n, video_id, None if ids is None else json_list(ids)),
    ).fetchall()
    if not rows:
        return 0
    database.load_vectors(c)
    c.executemany(f"DELETE FROM vectors_{n} WHERE rowid=?", rows)  # noqa: S608 - n is our integer
    c.executemany("DELETE FROM vector_rows WHERE n=?", rows)
    return len(rows)
