"""Token files of a shared store: kept beside its rows, so that every machine can read what one machine made.

The machine that makes a file appends to its own; the whole file is kept here when the channel is done. Others fetch it
once, under a name that holds its digest."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from agent_tools.home import HomeFolder, make_private_folder, open_private
from agent_tools.store.objects import Objects
from agent_tools.store.part import Part
from agent_tools.store.sql import Clock, Database

PART_BYTES = 1 << 20  # of one row
SUFFIX = ".tokens"


class PictureTokens(Part):
    """Files as rows of parts, or as objects where the store keeps files elsewhere, by video and producer."""

    def __init__(self, db: Database, now: Clock, objects: Objects | None) -> None:
        super().__init__(db, now)
        self._objects = objects

    def keep_tokens(self, video_id: str, producer: str, file: Path) -> None:
        """Keep a token file as it is now, in the place of the one of that producer; does nothing where there is none.

        Raises: VideoNotFound."""
        if not file.is_file():
            return
        data = file.read_bytes()
        digest = hashlib.blake2b(data, digest_size=8).hexdigest()
        if self._digest(video_id, producer) == digest:
            return
        if self._objects is not None:
            self._objects.put(_name(video_id, digest), file)
            data = b""
        for number, start in enumerate(range(0, len(data), PART_BYTES)):
            with self.db.write() as c:
                self.db.hold(c, video_id)
                c.execute(
                    """INSERT INTO token_parts(video_id, digest, number, data) VALUES(?, ?, ?, ?)
                       ON CONFLICT(video_id, digest, number) DO NOTHING""",
                    (video_id, digest, number, data[start : start + PART_BYTES]),
                )
        with self.db.write() as c:
            self.db.hold(c, video_id)
            c.execute(
                """INSERT INTO token_files(video_id, producer, digest) VALUES(?, ?, ?)
                   ON CONFLICT(video_id, producer) DO UPDATE SET digest=excluded.digest""",
                (video_id, producer, digest),
            )
            c.execute(
                """DELETE FROM token_parts WHERE video_id=?1
                   AND digest NOT IN (SELECT digest FROM token_files WHERE video_id=?1)""",
                (video_id,),
            )
        self._remove_old(video_id)

    def fetch_tokens(self, home: Path, video_id: str, producer: str) -> Path | None:
        """The file on this machine, fetched where it was not here yet; None where none is kept."""
        digest = self._digest(video_id, producer)
        if digest is None:
            return None
        path = HomeFolder(home).token_file(video_id, producer, digest)
        if path.is_file():
            return path
        parts = self.db.ask(
            "SELECT data FROM token_parts WHERE video_id=? AND digest=? ORDER BY number", (video_id, digest)
        )
        data = b"".join(row[0] for row in parts)
        if not data and self._objects is not None:
            data = self._objects.get(_name(video_id, digest))
        make_private_folder(path.parent)
        partial = path.with_suffix(f".{secrets.token_hex(4)}.part")
        with open(partial, "wb", opener=open_private) as file:
            file.write(data)
        os.replace(partial, path)
        return path

    def drop_tokens(self, video_id: str, but: str = "") -> None:
        """Remove a video's files, but not that of one producer."""
        with self.db.write() as c:
            self.db.hold(c, video_id)
            c.execute("DELETE FROM token_files WHERE video_id=? AND producer<>?", (video_id, but))
            c.execute(
                """DELETE FROM token_parts WHERE video_id=?1
                   AND digest NOT IN (SELECT digest FROM token_files WHERE video_id=?1)""",
                (video_id,),
            )

        self._remove_old(video_id)

    def _remove_old(self, video_id: str) -> None:
        """Remove a video's objects that no row names any more."""
        if self._objects is not None:
            kept = self.db.ask("SELECT digest FROM token_files WHERE video_id=?", (video_id,))
            names = {_name(video_id, row[0]) for row in kept}
            there = self._objects.names(f"{video_id}/")
            self._objects.remove([name for name in there if name.endswith(SUFFIX) and name not in names])

    def _digest(self, video_id: str, producer: str) -> str | None:
        row = self.db.ask(
            "SELECT digest FROM token_files WHERE video_id=? AND producer=?", (video_id, producer)
        ).fetchone()
        return None if row is None else str(row[0])


def _name(video_id: str, digest: str) -> str:
    return f"{video_id}/{digest}{SUFFIX}"
