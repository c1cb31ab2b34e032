"""The store: everything that outlives a process, in one SQLite file that many processes share.

Knows how its parts fit. Knows nothing of decoding, models, ranking or MCP."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import apsw

from agent_tools.errors import InvalidArgument, StoreError, StoreFull
from agent_tools.home import HomeFolder
from agent_tools.store.codes import Codes
from agent_tools.store.database import BUSY_S, Clock, Database
from agent_tools.store.episodes import Episodes
from agent_tools.store.frames import Frames
from agent_tools.store.jobs import Jobs
from agent_tools.store.nearest import Cache, Nearest
from agent_tools.store.notes import Notes
from agent_tools.store.overview import Overview
from agent_tools.store.schema import migrate
from agent_tools.store.search import Search
from agent_tools.store.vectors import Vectors, drop_vectors
from agent_tools.store.videos import Videos


class Store(Videos, Jobs, Notes, Search, Vectors, Codes, Nearest, Frames, Episodes, Overview):
    """One home folder's memory. Safe to use from any number of threads and processes at once."""

    def __init__(self, home: Path, database: Database, now: Clock) -> None:
        self.home = home
        self.db = database
        self.now = now
        self._cache = Cache()
        self._counts = {}
        self._overview = -1, {}
        self._steady = threading.local()

    @classmethod
    def open(cls, home: Path, *, now: Clock = time.time, busy_s: float = BUSY_S, vfs: str = "") -> Self:
        """Open home's memory.sqlite3, making folder and file where they are missing and older files new.

        Raises: StoreTooNew: a newer program wrote it. StoreFull. StoreError: damaged, locked, or not permitted."""
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The data folder {home} cannot be made ({error}). Choose another with --home.") from error
        database = Database(HomeFolder(home).store, busy_s=busy_s, vfs=vfs)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(home, database, now)

    def close(self) -> None:
        self.db.close()

    def data_version(self) -> int:
        """Changes whenever any process or thread committed; comparable within this process only."""
        return self.db.data_version()

    def delete_video(self, video_id: str, *, with_notes: bool = True) -> None:
        """Take away a video with all its rows, vectors and pictures, in one transaction.

        Args:
            with_notes: False refuses a video that has notes, in the same transaction, so that none written meanwhile
                is lost.

        Raises: InvalidArgument: it has notes and with_notes is False."""
        with self.db.write() as c:
            drop_vectors(self.db, c, "", video_id, None)
            self.remove_entries(
                c, video_id, [row[0] for row in c.execute("SELECT id FROM entries WHERE video_id=?", (video_id,))]
            )
            self.forget_video(c, video_id, with_notes=with_notes)
        self.forget_vectors(video_id)

    def finish(self, job_id: int, worker: str, state: str, error: str | None = None) -> None:
        """End a job this worker holds, and write the search codes of what it brought; see Jobs.finish."""
        super().finish(job_id, worker, state, error)
        with suppress(StoreFull):  # the job is done; codes can be written, or done without, at any time
            self.index_vectors()

    def stats(self) -> dict[str, int]:
        """Counts of what is stored, and the file's bytes with its log."""
        files = [self.db.path, self.db.path.with_name(self.db.path.name + "-wal")]
        with self.db.read() as c:
            counts: list[Any] = c.execute(
                """SELECT (SELECT count(*) FROM videos), (SELECT count(*) FROM entries), (SELECT count(*) FROM notes),
                   (SELECT count(*) FROM frames), (SELECT count(*) FROM jpegs), (SELECT count(*) FROM vector_rows),
                   (SELECT count(*) FROM memories), (SELECT count(*) FROM jobs WHERE state IN ('queued', 'running'))"""
            ).fetchall()
        names = ("videos", "entries", "notes", "frames", "pictures", "vectors", "memories", "open_jobs")
        return {
            "file_bytes": sum(f.stat().st_size for f in files if f.exists()),
            **dict(zip(names, counts[0], strict=True)),
        }

    def integrity_check(self) -> str:
        """ "ok", or what is wrong, line by line."""
        with self.db.read() as c:
            faults = [row[0] for row in c.execute("PRAGMA integrity_check") if row[0] != "ok"]
            faults += [f"{row[0]} row {row[1]} points at no {row[2]}" for row in c.execute("PRAGMA foreign_key_check")]
        return "\n".join(faults) or "ok"

    def backup(self, path: Path) -> None:
        """Copy the whole store into a new file, while others go on reading and writing.

        Raises: InvalidArgument: the file exists. StoreFull, StoreError."""
        if path.exists():
            raise InvalidArgument(f"{path} exists. A backup never overwrites: name a new file.")
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        with self.db.read() as c:
            try:
                target = apsw.Connection(str(part))
                try:
                    with target.backup("main", c, "main") as copy:
                        while not copy.done:
                            copy.step(1_000)
                    target.execute("PRAGMA journal_mode=DELETE")
                finally:
                    target.close()
                part.rename(path)
            finally:
                part.unlink(missing_ok=True)
