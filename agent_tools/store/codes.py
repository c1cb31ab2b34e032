"""Codebooks and codes as rows, so that a process can search a whole library soon after it has started.

Here it is decided which of them are out of date. index.py makes codes, nearest.py searches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_tools.store.part import Part
from agent_tools.store.sql import Clock, Database, Sql
from agent_tools.store.vectors import read_rows, read_vectors, unit

if TYPE_CHECKING:
    from agent_tools.store.index import Codebook


@dataclass(frozen=True)
class IndexSettings:
    """How the vectors of a space are searched, by how many there are."""

    exact_bytes: int = 64 << 20  # up to this size all vectors are held and compared; a larger library has codes
    held_bytes: int = 24 << 20  # of a space that has codes: vectors that are held of videos searched alone
    few_videos: int = 4  # a search in so many videos never uses codes
    spare: int = 54  # vectors found by codes and compared exactly, beyond the number that is asked for, at least
    sample: int = 8192  # vectors that a codebook is made from
    retrain: float = 4  # a library that has grown so many times gets a new codebook
    flat_bytes: int = 1 << 30  # of the int8 codes of texts; more lie in a file that the system pages in


class Codes(Part):
    """Codebooks and codes, as rows."""

    def __init__(self, db: Database, now: Clock, settings: IndexSettings) -> None:
        super().__init__(db, now)
        self._settings = settings

    def index_vectors(self) -> None:
        """Write what a process needs to find the nearest in a whole library: codebooks, and codes of all finished
        videos. It is cheap where nothing changed, and does nothing for a library of few vectors."""
        spaces: list[Any] = self.db.ask(
            """SELECT s.n, s.dim, b.version, b.trained, b.recall, b.share,
                   (SELECT sum(count) FROM vector_versions WHERE space=s.n)
               FROM spaces s LEFT JOIN codebooks b ON b.space=s.n"""
        ).fetchall()
        for n, dim, version, trained, recall, share, total in spaces:
            if 4 * dim * (total or 0) <= self._settings.exact_bytes:
                continue
            if trained is None or total >= self._settings.retrain * trained or _finds_less(recall, share):
                self._write_codebook(n, dim, version or 0)
            self._write_codes(n, dim)

    def _write_codebook(self, n: int, dim: int, old: int) -> None:
        with self.db.read() as c:
            book = drawn_codebook(self.db, c, n, dim, old + 1, self._settings.sample)
        with self.db.write() as c:
            # Another worker may have been faster; its codebook is as good.
            c.execute(
                """INSERT INTO codebooks(space, version, trained, mean, rotation, scale, share, recall)
                   SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM spaces WHERE n=?1)
                   ON CONFLICT(space) DO UPDATE SET version=excluded.version, trained=excluded.trained,
                   mean=excluded.mean, rotation=excluded.rotation, scale=excluded.scale, share=excluded.share,
                   recall=excluded.recall WHERE codebooks.version < excluded.version""",
                (
                    n,
                    book.version,
                    book.trained,
                    book.mean.tobytes(),
                    book.rotation.tobytes(),
                    book.scale,
                    book.share,
                    book.recall,
                ),
            )

    def _write_codes(self, n: int, dim: int) -> None:
        with self.db.read() as c:
            book = codebook(c, n, dim)
            stale: list[Any] = c.execute(
                """SELECT v.video_id, v.version FROM vector_versions v
                   LEFT JOIN codes k ON k.space=v.space AND k.video_id=v.video_id
                   LEFT JOIN codebooks b ON b.space=v.space
                   WHERE v.space=? AND v.count > 0
                   AND (k.version IS DISTINCT FROM v.version OR k.codebook IS DISTINCT FROM b.version)
                   AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.video_id=v.video_id AND j.state='running')""",
                (n,),
            ).fetchall()
        if book is None:
            return
        for video_id, version in stale:
            with self.db.read() as c:
                rows, _, matrix = read_vectors(self.db, c, n, dim, video_id)
            signs, codes = book.encode(unit(matrix))
            with self.db.write() as c:
                # Only where the vectors are still those that were read.
                c.execute(
                    """INSERT INTO codes(space, video_id, codebook, version, rows, signs, codes)
                       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS
                           (SELECT 1 FROM vector_versions WHERE space=?1 AND video_id=?2 AND version=?4)
                       ON CONFLICT(space, video_id) DO UPDATE SET codebook=excluded.codebook, version=excluded.version,
                       rows=excluded.rows, signs=excluded.signs, codes=excluded.codes""",
                    (n, video_id, book.version, version, rows.tobytes(), signs.tobytes(), codes.tobytes()),
                )


def codebook(c: Sql, n: int, dim: int) -> Codebook | None:
    """The codebook that was written for a space."""
    import numpy as np

    from agent_tools.store.index import Codebook

    row: Any = c.execute(
        "SELECT version, trained, mean, rotation, scale, share, recall FROM codebooks WHERE space=?", (n,)
    ).fetchone()
    if row is None:
        return None
    mean, rotation = np.frombuffer(row[2], np.float32), np.frombuffer(row[3], np.float32).reshape(-1, dim)
    return Codebook(row[0], row[1], mean, rotation, *row[4:])


def _finds_less(recall: float, share: float) -> bool:
    """Whether a codebook was made when a smaller share or a lower recall was enough."""
    from agent_tools.store.index import GOAL, SHARES

    return share < SHARES[0] or (recall < GOAL and share < SHARES[-1])


def drawn_codebook(database: Database, c: Sql, n: int, dim: int, version: int, sample: int) -> Codebook:
    """A codebook made of a sample of the vectors that are there; it is not written."""
    from agent_tools.store.index import train

    rows = [row[0] for row in c.execute("SELECT n FROM vector_rows WHERE space=?", (n,))]
    _, _, matrix = read_rows(database, c, n, dim, sorted(rows[:: max(1, len(rows) // sample)]))
    return train(unit(matrix), version, len(rows))
