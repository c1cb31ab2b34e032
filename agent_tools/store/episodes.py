"""Episodes: the timeline of a video as chunks, scenes and chapters."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from agent_tools.store.part import Part, storable

LEVELS = ("chunk", "scene", "chapter")  # of episodes, finest first


@dataclass(frozen=True)
class Episode:
    """A span of a level ("chunk", "scene", "chapter"). `id` is the store's; 0 before it is stored."""

    id: int
    video_id: str
    level: str
    start_s: float
    end_s: float
    title: str
    title_from: str
    keyframe_s: float | None


class Episodes(Part):
    """Episodes, as rows."""

    def replace_episodes(self, video_id: str, level: str, rows: Iterable[Episode]) -> None:
        """Put these in the place of all the level's episodes, at once. Their `id`, video and level are not read."""
        with self.db.write() as c:
            c.execute("DELETE FROM episodes WHERE video_id=? AND level=?", (video_id, level))
            c.executemany(
                """INSERT INTO episodes(video_id, level, start_s, end_s, title, title_from, keyframe_s)
                   VALUES(?, ?, ?, ?, ?, ?, ?)""",
                [
                    (video_id, level, row.start_s, row.end_s, storable(row.title), row.title_from, row.keyframe_s)
                    for row in rows
                ],
            )

    def episodes(self, video_id: str, level: str, start_s: float = 0.0, end_s: float = math.inf) -> list[Episode]:
        """Those that overlap [start_s, end_s), in time order."""
        rows = self.db.ask(
            """SELECT id, video_id, level, start_s, end_s, title, title_from, keyframe_s FROM episodes
               WHERE video_id=?1 AND level=?2 AND start_s < ?4 AND (end_s > ?3 OR start_s >= ?3)
               ORDER BY start_s, end_s""",
            (video_id, level, start_s, end_s),
        )
        return [Episode(*row) for row in rows]
