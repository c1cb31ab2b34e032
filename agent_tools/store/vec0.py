"""Tables of vectors in SQLite: a vec0 table for each space, partitioned by video."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from agent_tools.errors import ModelMissing
from agent_tools.store.part import json_list

# Vectors in one blob of vec0. A blob is a chain of pages, so the smallest that vec0 takes is by far the fastest to read
# single vectors from (100 of 768 numbers: .3 ms, of blobs of 128 5 ms), no slower to scan, and wastes least.
CHUNK = 8


class Vec0Tables:
    """See sql.VectorTables. Loads the extension into a connection with the first vector."""

    def __init__(self) -> None:
        self._local = threading.local()

    def load(self, c: apsw.Connection) -> None:
        """By file path: `import sqlite_vec` would pull in NumPy."""
        if getattr(self._local, "vec0", None) is c:
            return
        c.enable_load_extension(True)
        try:
            c.load_extension(str(vec0_path()))
        except apsw.ExtensionLoadingError as error:
            raise ModelMissing(
                f"sqlite-vec does not load ({error}). Install a sqlite-vec wheel for this platform; "
                "`agent-tools doctor` tries it again."
            ) from error
        finally:
            c.enable_load_extension(False)
        self._local.vec0 = c

    def make(self, c: apsw.Connection, n: int, dim: int) -> None:
        self.load(c)
        c.execute(
            f"""CREATE VIRTUAL TABLE vectors_{n} USING vec0(
                video TEXT PARTITION KEY, vector FLOAT[{dim}] DISTANCE_METRIC=cosine, CHUNK_SIZE={CHUNK})"""
        )

    def drop(self, c: apsw.Connection, n: int) -> None:
        self.load(c)
        c.execute(f"DROP TABLE vectors_{n}")

    def insert(self, c: apsw.Connection, n: int, rows: Sequence[tuple[int, str, bytes]]) -> None:
        self.load(c)
        c.executemany(f"INSERT INTO vectors_{n}(rowid, video, vector) VALUES(?, ?, ?)", rows)

    def remove(self, c: apsw.Connection, n: int, rows: Sequence[int]) -> None:
        self.load(c)
        c.executemany(f"DELETE FROM vectors_{n} WHERE rowid=?", [(row,) for row in rows])  # noqa: S608 - our integer

    def of_video(self, c: apsw.Connection, n: int, video_id: str, after: int) -> list[Any]:
        self.load(c)
        return c.execute(
            f"""SELECT r.n, r.id, v.vector FROM
                    (SELECT n, id FROM vector_rows WHERE space=? AND video_id=? AND n > ? ORDER BY n) r
                CROSS JOIN vectors_{n} v ON v.rowid=r.n""",  # noqa: S608 - n is our integer
            (n, video_id, after),
        ).fetchall()

    def of_rows(self, c: apsw.Connection, n: int, rows: Sequence[int]) -> list[Any]:
        self.load(c)
        return c.execute(
            f"""SELECT r.n, r.id, v.vector, r.video_id FROM (SELECT value FROM json_each(?)) j
                CROSS JOIN vector_rows r ON r.n=j.value CROSS JOIN vectors_{n} v ON v.rowid=r.n""",  # noqa: S608 - as above
            (json_list(rows),),
        ).fetchall()

    def nearest(self, c: apsw.Connection, n: int, query: bytes, limit: int, video_id: str) -> list[Any]:
        self.load(c)
        return c.execute(
            f"""SELECT r.id, v.distance FROM
                    (SELECT rowid, distance FROM vectors_{n} WHERE vector MATCH ? AND k=? AND video=?) v
                CROSS JOIN vector_rows r ON r.n=v.rowid""",  # noqa: S608 - n is our integer
            (query, limit, video_id),
        ).fetchall()


def vec0_path() -> Path:
    """The loadable file of sqlite-vec, without its suffix.

    Raises: ModelMissing: the package is not installed."""
    spec = importlib.util.find_spec("sqlite_vec")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in ("vec0.so", "vec0.dylib", "vec0.dll"):
            if (Path(folder) / name).exists():
                return Path(folder) / "vec0"
    raise ModelMissing("sqlite-vec is not installed. Run `pip install sqlite-vec==0.1.9`.")
