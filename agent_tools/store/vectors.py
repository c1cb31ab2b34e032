"""Vectors by space and video: tables of the database hold them, one for each space; see sql.VectorTables.

A space is one producer's vectors of one kind, f"{producer}|{kind}", kind text, line, memory, frame or voice; a query
never meets another space. A line's id is its entry's id and, in the last bits, its place in it; a voice's is its
number in its video. nearest.py searches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from agent_tools.errors import ShapeError
from agent_tools.store.part import Part, json_list
from agent_tools.store.sql import Database, Sql

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = TEXT, LINE, MEMORY, FRAME, VOICE = "text", "line", "memory", "frame", "voice"  # of spaces
_NEW_ROWS = """INSERT INTO vector_rows(space, video_id, id) SELECT ?1, ?2, j.value FROM json_each(?3) j
    WHERE true ORDER BY j.key RETURNING id, n"""
AT_ONCE = 256  # rows of one transaction that removes many: some tens of milliseconds
TOKEN_BITS = 12  # a memory token's id is its memory's id and, in the last bits, its place in it; a line's likewise


class Vectors(Part):
    """Vectors as rows, and the spaces that they are in."""

    def load_vec0(self) -> None:
        """Load the extension that holds vectors, which else comes with the first vector. Raises: ModelMissing."""
        with self.db.read() as c:
            self.db.tables.load(c)

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
            self.db.hold(c, video_id)
            n = _make_space(self.db, c, space, matrix.shape[1])
            replaced = _delete(self.db, c, n, video_id, list(last))
            new = dict(c.execute(_NEW_ROWS, (n, video_id, json_list(last))).fetchall())
            rows = [(int(new[number]), video_id, matrix[row].tobytes()) for number, row in last.items()]
            self.db.tables.insert(c, n, rows)
            _touch(self.db, c, n, video_id, len(last) - replaced, irregular=not matrix.any(axis=1).all())

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
                ids, matrix = _read_ids(self.db, c, *found, video_id, among)
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

    def vectors_version(self, space: str, video_id: str) -> int:
        """Of a video's vectors in a space: another number after each change; 0 before there were any."""
        with self.db.read() as c:
            number = c.execute(
                """SELECT version FROM vector_versions
                   WHERE space=(SELECT n FROM spaces WHERE name=?) AND video_id=?""",
                (space, video_id),
            ).get
        return int(number or 0)

    def spaces(self) -> list[str]:
        return [row[0] for row in self.db.ask("SELECT name FROM spaces ORDER BY n")]

    def drop_video_vectors(self, space: str, video_id: str) -> None:
        """Remove a video's vectors from one space, in transactions of AT_ONCE; does nothing where there are none."""
        while True:
            with self.db.write() as c:
                found = find_space(c, space)
                rows: list[Any] = c.execute(
                    "SELECT id FROM vector_rows WHERE space=? AND video_id=? ORDER BY id LIMIT ?",
                    (found[0] if found else -1, video_id, AT_ONCE),
                ).fetchall()
                if found is None or not rows:
                    return
                gone = _delete(self.db, c, found[0], video_id, [row[0] for row in rows])
                _touch(self.db, c, found[0], video_id, -gone)

    def drop_space(self, space: str) -> None:
        """Remove a space with all its vectors; does nothing where it is not there."""
        with self.db.write() as c:
            found = find_space(c, space)
            if found is not None:
                self.db.tables.drop(c, found[0])
                c.execute("DELETE FROM spaces WHERE n=?", (found[0],))


def drop_vectors(database: Database, c: Sql, kind: str, video_id: str, ids: Sequence[int] | None) -> None:
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
            _touch(database, c, n, video_id, -gone)


def _lines_of(c: Sql, n: int, video_id: str, entries: Sequence[int]) -> list[int]:
    """The ids of the lines of these entries that have a vector in a space."""
    rows = c.execute(
        f"""SELECT id FROM vector_rows WHERE space=? AND video_id=?
            AND id >> {TOKEN_BITS} IN (SELECT value FROM json_each(?))""",  # noqa: S608 - our number
        (n, video_id, json_list(entries)),
    )
    return [row[0] for row in rows]


def find_space(c: Sql, name: str) -> tuple[int, int] | None:
    """The number and the width of a space."""
    row = c.execute("SELECT n, dim FROM spaces WHERE name=?", (name,)).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def read_vectors(
    database: Database, c: Sql, n: int, dim: int, video_id: str, after: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Rows (increasing), ids and vectors (n, D) of a video in a space; only those of rows beyond `after`."""
    return _arrays(database.tables.of_video(c, n, video_id, after), dim)


def read_rows(
    database: Database, c: Sql, n: int, dim: int, rows: Sequence[int]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float32]]:
    """Videos, ids and vectors of single rows of a space; those that are gone are left out."""
    found = database.tables.of_rows(c, n, rows)
    _, ids, matrix = _arrays(found, dim)
    return [row[3] for row in found], ids, matrix


def read_matrix(
    database: Database, c: Sql, n: int, dim: int, rows: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows and vectors of single rows of a space; those that are gone are left out."""
    there, _, matrix = _arrays(database.tables.of_rows(c, n, rows), dim)
    return there, matrix


def vectors_of(db: Database, c: Sql, space: str, video_id: str, ids: Iterable[int]) -> dict[int, NDArray[np.float32]]:
    """By id the vectors (D,) of a video in a space; those that are gone are left out."""
    found = find_space(c, space)
    if found is None:
        return {}
    there, matrix = _read_ids(db, c, *found, video_id, ids)
    return dict(zip(there.tolist(), matrix, strict=True))


def unit(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows at length 1; a row of zeros stays one."""
    import numpy as np

    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return np.asarray(matrix / lengths, np.float32)


def _read_ids(
    db: Database, c: Sql, n: int, dim: int, video_id: str, ids: Iterable[int]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    rows: list[Any] = c.execute(
        "SELECT n FROM vector_rows WHERE space=? AND video_id=? AND id IN (SELECT value FROM json_each(?))",
        (n, video_id, json_list(ids)),
    ).fetchall()
    _, there, matrix = read_rows(db, c, n, dim, [row[0] for row in rows])
    return there, matrix


def _arrays(found: list[Any], dim: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    import numpy as np

    rows = np.fromiter((row[0] for row in found), np.int64, len(found))
    ids = np.fromiter((row[1] for row in found), np.int64, len(found))
    return rows, ids, np.frombuffer(b"".join(row[2] for row in found), np.float32).reshape(len(found), dim)


def _make_space(db: Database, c: Sql, name: str, dim: int) -> int:
    found = find_space(c, name)
    if found is not None:
        if found[1] != dim:
            raise ShapeError(f"vectors of {dim} numbers in a space of {found[1]}: another model needs another producer")
        return found[0]
    if name.rpartition("|")[2] not in KINDS:
        raise ValueError(f"{name!r} is no space: producer|kind with kind {', '.join(KINDS)}")
    n = c.execute("INSERT INTO spaces(name, dim) VALUES(?, ?) ON CONFLICT DO NOTHING RETURNING n", (name, dim)).get
    if n is None:  # another process has made it in this very moment
        return _make_space(db, c, name, dim)
    db.tables.make(c, int(n), dim)
    return int(n)


def _touch(db: Database, c: Sql, n: int, video_id: str, more: int, *, irregular: bool = False) -> None:
    """A video's vectors changed: a new version number, never used before, tells every process to read them again.

    Args:
        more: how many were added; negative where some were removed. Counting them all again would cost more the longer
            the video is."""
    c.execute(
        """INSERT INTO vector_versions(space, video_id, version, count, irregular) VALUES(?, ?, ?, ?, ?)
           ON CONFLICT(space, video_id) DO UPDATE SET version=excluded.version,
           count=vector_versions.count + excluded.count, irregular=vector_versions.irregular | excluded.irregular""",
        (n, video_id, db.next_version(c), more, int(irregular)),
    )


def _delete(database: Database, c: Sql, n: int, video_id: str, ids: Sequence[int] | None) -> int:
    """How many were there."""
    of_video = "SELECT n FROM vector_rows WHERE space=? AND video_id=?"
    if ids is None:
        rows = c.execute(of_video, (n, video_id)).fetchall()
    else:  # a statement of its own, so that the index finds each id
        among = " AND id IN (SELECT value FROM json_each(?))"
        rows = c.execute(of_video + among, (n, video_id, json_list(ids))).fetchall()
    if not rows:
        return 0
    database.tables.remove(c, n, [row[0] for row in rows])
    c.executemany("DELETE FROM vector_rows WHERE n=?", rows)
    return len(rows)
