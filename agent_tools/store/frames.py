"""The sampled frames of a video: when each was shown, which kept frame stands for it, and the pictures kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_tools.store.part import Part
from agent_tools.store.picture_packs import PicturePacks
from agent_tools.store.sql import Clock, Database
from agent_tools.store.vectors import AT_ONCE, FRAME, drop_vectors

# In a home of version 0.1 a frame stands for pictures on both sides of it, up to so many away; since then it stands for
# what follows it up to the next kept frame.
OLD_WINDOW = 16


@dataclass(frozen=True)
class FrameRow:
    """Frame k of a video's sampling grid."""

    video_id: str
    k: int
    time_s: float
    stands_for: int  # k of the kept frame that stands for it; its own where it is kept
    kept: bool


class Frames(Part):
    """Frames, as rows, and their pictures."""

    def __init__(self, db: Database, now: Clock, packs: PicturePacks) -> None:
        super().__init__(db, now)
        self._packs = packs

    def add_frames(self, video_id: str, rows: Iterable[FrameRow], jpegs: Mapping[int, bytes]) -> None:
        """Store frames and the pictures of some, by k; what is there already is replaced. Raises: VideoNotFound."""
        with self.db.write() as c:
            c.executemany(
                """INSERT INTO frames(video_id, k, time_s, stands_for, kept) VALUES(?, ?, ?, ?, ?)
                   ON CONFLICT(video_id, k) DO UPDATE SET time_s=excluded.time_s, stands_for=excluded.stands_for,
                   kept=excluded.kept""",
                [(video_id, row.k, row.time_s, row.stands_for, int(row.kept)) for row in rows],
            )
            c.executemany(
                """INSERT INTO jpegs(video_id, k, jpeg) VALUES(?, ?, ?)
                   ON CONFLICT(video_id, k) DO UPDATE SET jpeg=excluded.jpeg""",
                [(video_id, k, jpeg) for k, jpeg in jpegs.items()],
            )

    def delete_frames(self, video_id: str, first_k: int = 0, end_k: int | None = None) -> None:
        """Remove frames of a video with first_k <= k < end_k, their pictures and their vectors in every space.

        In transactions of AT_ONCE frames. Args: end_k: None is all from first_k on."""
        while True:
            with self.db.write() as c:
                rows: list[Any] = c.execute(
                    "SELECT k FROM frames WHERE video_id=?1 AND k >= ?2 AND (?3 IS NULL OR k < ?3) ORDER BY k LIMIT ?4",
                    (video_id, first_k, end_k, AT_ONCE),
                ).fetchall()
                if not rows:
                    return
                numbers = [row[0] for row in rows]
                drop_vectors(self.db, c, FRAME, video_id, numbers)
                self._packs.forget_packed(c, video_id, numbers[0], numbers[-1])
                for table in ("jpegs", "frames"):
                    c.execute(
                        f"DELETE FROM {table} WHERE video_id=? AND k BETWEEN ? AND ?",  # noqa: S608 - our own names
                        (video_id, numbers[0], numbers[-1]),
                    )

    def frames(
        self, video_id: str, start_s: float = 0.0, end_s: float = math.inf, kept_only: bool = False
    ) -> list[FrameRow]:
        """Those with start_s <= time < end_s, in time order."""
        rows = self.db.ask(
            """SELECT video_id, k, time_s, stands_for, kept FROM frames
               WHERE video_id=? AND time_s >= ? AND time_s < ? AND kept >= ? ORDER BY k""",
            (video_id, start_s, end_s, int(kept_only)),
        )
        return [_frame(row) for row in rows]

    def count_frames(self, video_id: str, end_s: float) -> int:
        """How many pictures were looked at before end_s."""
        found: int = self.db.ask("SELECT count(*) FROM frames WHERE video_id=? AND time_s < ?", (video_id, end_s)).get
        return found

    def standing(self, video_id: str, time_s: float) -> FrameRow | None:
        """The kept frame that stands for what is shown at a time: for the last picture sampled by then, or the first.

        It may lie minutes earlier; the kept frame nearest in time may show what comes next."""
        row = self.db.ask(
            """SELECT video_id, k, time_s, stands_for, kept FROM frames WHERE video_id=?1 AND k=(
               SELECT stands_for FROM frames WHERE video_id=?1
               ORDER BY time_s > ?2, abs(time_s - ?2), k LIMIT 1)""",
            (video_id, time_s),
        ).fetchone()
        return None if row is None else _frame(row)

    def times_of(self, video_id: str, k: int) -> list[float]:
        """Times of the pictures that the kept frame k stands for, its own among them, in order."""
        rows = self.db.ask(
            """SELECT time_s FROM frames WHERE video_id=?1 AND stands_for=?2 AND k >= ?3 AND k < coalesce(
               (SELECT min(k) FROM frames WHERE video_id=?1 AND kept=1 AND k > ?4), ?4 + 1000000000)
               ORDER BY k""",
            (video_id, k, k - OLD_WINDOW, k + OLD_WINDOW),
        )
        return [row[0] for row in rows]


def _frame(row: tuple[Any, ...]) -> FrameRow:
    values = list(row)
    values[4] = bool(row[4])
    return FrameRow(*values)
