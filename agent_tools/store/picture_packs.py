"""The kept pictures of a video as one object, where a store keeps files in object storage.

An ingest writes pictures as rows, in its transactions. When the channel is whole they move into one pack: an object
with one picture behind the other, and a row that says where each one begins. A picture is read as a range of it. A row
of a picture wins over the pack: it is newer."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_tools.errors import StoreError
from agent_tools.store.objects import ObjectMissing, Objects
from agent_tools.store.part import Part, json_list
from agent_tools.store.sql import Clock, Database, Sql

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIX = ".pictures"
AT_ONCE = 64  # pictures read together: some megabytes
HELD = 64  # videos whose places a process holds


class PicturePacks(Part):
    """Pictures by video and number: of rows, and of packs."""

    def __init__(self, db: Database, now: Clock, objects: Objects | None) -> None:
        super().__init__(db, now)
        self._objects = objects
        self._lock = threading.Lock()
        # By pack its pictures' numbers and where they begin. What is taken out of a pack later is asked for no more.
        self._held: OrderedDict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = OrderedDict()

    def frame_picture(self, video_id: str, k: int) -> bytes | None:
        """Raises: StoreUnreachable: the object storage does not answer. StoreError: this process does not know it."""
        for attempt in range(2):
            row: Any = self.db.ask(
                """SELECT (SELECT jpeg FROM jpegs WHERE video_id=?1 AND k=?2), p.name
                   FROM videos v LEFT JOIN packs p ON p.video_id=v.id WHERE v.id=?1""",
                (video_id, k),
            ).fetchone()
            if row is None:
                return None
            if row[0] is not None:
                return bytes(row[0])
            if row[1] is None:
                return None
            try:
                return self._packed(video_id, k, row[1])
            except ObjectMissing:  # replaced by another pack a moment ago
                if attempt:
                    raise
        raise AssertionError("the second attempt returns or raises")

    def pack_pictures(self, video_id: str) -> None:
        """Move a video's pictures into one object; does nothing where the store keeps no files elsewhere, or all of
        them are there. For the worker that made them: nobody else writes pictures of this video meanwhile."""
        objects = self._objects
        if objects is None:
            return
        last = self.db.ask("SELECT max(n) FROM jpegs WHERE video_id=?", (video_id,)).get
        if last is None:
            return
        import numpy as np

        ks, starts, at, digest = [], [0], 0, hashlib.blake2b(digest_size=8)
        with tempfile.NamedTemporaryFile(prefix="pack-") as file:
            for k, jpeg in self._all(video_id):
                file.write(jpeg)
                digest.update(jpeg)
                at += len(jpeg)
                ks.append(k)
                starts.append(at)
            file.flush()
            name = f"{video_id}/{digest.hexdigest()}{SUFFIX}"
            objects.put(name, Path(file.name))
        with self.db.write() as c:
            self.db.hold(c, video_id)
            _write(c, video_id, name, np.array(ks, np.int64), np.array(starts, np.int64))
            c.execute("DELETE FROM jpegs WHERE video_id=? AND n <= ?", (video_id, last))
        objects.remove([other for other in objects.names(f"{video_id}/") if other.endswith(SUFFIX) and other != name])

    def forget_packed(self, c: Sql, video_id: str, first_k: int, last_k: int) -> None:
        """Inside a transaction: pictures of a pack with first_k <= k <= last_k are there no more."""
        import numpy as np

        row: Any = c.execute("SELECT name, ks, starts FROM packs WHERE video_id=?", (video_id,)).fetchone()
        if row is None:
            return
        ks, starts = _numbers(row[1]), _numbers(row[2])
        # A place stays as it is: what begins behind a picture that is gone begins there still.
        gone = (ks >= first_k) & (ks <= last_k)
        if gone.all():
            c.execute("DELETE FROM packs WHERE video_id=?", (video_id,))
        elif gone.any():
            _write(c, video_id, row[0], np.where(gone, -1, ks), starts)

    def drop_objects(self, video_id: str) -> None:
        """Remove all objects of a video whose rows are gone."""
        if self._objects is not None:
            self._objects.remove(self._objects.names(f"{video_id}/"))

    def _all(self, video_id: str) -> Iterator[tuple[int, bytes]]:
        """The pictures of all kept frames, by number: of rows, else of the pack that is there."""
        kept = [
            row[0] for row in self.db.ask("SELECT k FROM frames WHERE video_id=? AND kept=1 ORDER BY k", (video_id,))
        ]
        pack: dict[int, bytes] | None = None
        for first in range(0, len(kept), AT_ONCE):
            part = kept[first : first + AT_ONCE]
            rows = self.db.ask(
                "SELECT k, jpeg FROM jpegs WHERE video_id=? AND k IN (SELECT value FROM json_each(?))",
                (video_id, json_list(part)),
            )
            found = {row[0]: bytes(row[1]) for row in rows}
            if pack is None and len(found) < len(part):
                pack = self._pack(video_id)
            both = {**(pack or {}), **found}
            yield from ((k, both[k]) for k in part if k in both)

    def _pack(self, video_id: str) -> dict[int, bytes]:
        """All that the video's pack holds."""
        row: Any = self.db.ask("SELECT name, ks, starts FROM packs WHERE video_id=?", (video_id,)).fetchone()
        if row is None or self._objects is None:
            return {}
        data = self._objects.get(row[0])
        ks, starts = _numbers(row[1]).tolist(), _numbers(row[2]).tolist()
        return {k: data[start:end] for k, start, end in zip(ks, starts, starts[1:], strict=False)}

    def _packed(self, video_id: str, k: int, name: str) -> bytes | None:
        if self._objects is None:
            raise StoreError(
                f"The pictures of {video_id} lie in object storage. Start this program with the same --files as the "
                "workers of this memory."
            )
        with self._lock:
            places = self._held.get(name)
        if places is None:
            row: Any = self.db.ask(
                "SELECT ks, starts FROM packs WHERE video_id=? AND name=?", (video_id, name)
            ).fetchone()
            if row is None:
                raise ObjectMissing(f"{name} was replaced.")
            places = _numbers(row[0]), _numbers(row[1])
            with self._lock:
                self._held[name] = places
                while len(self._held) > HELD:
                    self._held.popitem(last=False)
        ks, starts = places
        found = (ks == k).nonzero()[0]
        if not len(found):
            return None
        start, end = int(starts[found[0]]), int(starts[found[0] + 1])
        return self._objects.part(name, start, end - start)


def _numbers(data: bytes) -> NDArray[np.int64]:
    import numpy as np

    return np.frombuffer(data, np.int64)


def _write(c: Sql, video_id: str, name: str, ks: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
    c.execute(
        """INSERT INTO packs(video_id, name, ks, starts) VALUES(?, ?, ?, ?)
           ON CONFLICT(video_id) DO UPDATE SET name=excluded.name, ks=excluded.ks, starts=excluded.starts""",
        (video_id, name, ks.tobytes(), starts.tobytes()),
    )
