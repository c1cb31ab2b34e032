"""The state of every video at once, read in one transaction and held until somebody commits.

Entries and vectors are not in it: they are too many to be held."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from agent_tools.store.jobs import JOB, Job, job_of
from agent_tools.store.part import Part
from agent_tools.store.sql import Clock, Database
from agent_tools.store.videos import CHANNEL, VIDEO, ChannelRow, Gap, VideoRow, channel_of, video_of


@dataclass(frozen=True)
class Status:
    """A video and how far its channels have come. Others hold the same object: do not change it."""

    video: VideoRow
    channels: dict[str, ChannelRow] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)  # by start
    job: Job | None = None  # the newest, open or not
    notes: tuple[int, int] = (0, 0)  # how many are kept; how many of them were not replaced
    vectors: int = 0  # a version number: another one after each change of its vectors


class Overview(Part):
    """All videos' states, read again only after a commit."""

    def __init__(self, db: Database, now: Clock) -> None:
        super().__init__(db, now)
        self._latest: tuple[int, Mapping[str, Status]] = -1, {}
        self._snapshot = threading.local()

    def overview(self) -> Mapping[str, Status]:
        """By id, in the order they were added. It holds every commit until now, of any process; within `snapshot` every
        commit until its beginning."""
        held: Mapping[str, Status] | None = getattr(self._snapshot, "overview", None)
        if held is not None:
            return held
        version, known = self._latest
        now = self.db.data_version()  # before the rows: what is committed in between is read twice, not missed
        if now != version:
            read = self._read_overview()
            # What did not change stays the same object, by which others tell that it did not.
            known = {id_: old if (old := known.get(id_)) == new else new for id_, new in read.items()}
            self._latest = now, known
        return known

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within it this thread sees one overview, that of the beginning, so that a reply describes one moment."""
        before = getattr(self._snapshot, "overview", None)
        self._snapshot.overview = self.overview()
        try:
            yield
        finally:
            self._snapshot.overview = before

    def seen(self, video_id: str) -> Status | None:
        """Within `snapshot` the state of a video; None outside of it, or where the video is not there."""
        held: Mapping[str, Status] | None = getattr(self._snapshot, "overview", None)
        return None if held is None else held.get(video_id)

    def entries_mark(self, video_id: str, space: str) -> object:
        """A value that changes whenever the video's entries, their vectors in that space, or its memories change."""
        with self.db.read() as c:
            return c.execute(
                """SELECT (SELECT count(*) FROM entries WHERE video_id=?1),
                   (SELECT max(id) FROM entries WHERE video_id=?1),
                   (SELECT count(*) FROM memories WHERE video_id=?1), (SELECT version FROM vector_versions
                        WHERE video_id=?1 AND space=(SELECT n FROM spaces WHERE name=?2))""",
                (video_id, space),
            ).fetchone()

    def _read_overview(self) -> Mapping[str, Status]:
        with self.db.read() as c:
            rows = {row[0]: video_of(row) for row in c.execute(VIDEO + " ORDER BY n")}
            jobs = {row[1]: job_of(row) for row in c.execute(f"{JOB} ORDER BY id")}  # of each video the last one stays
            counted = c.execute(
                "SELECT video_id, count(*), count(*) FILTER (WHERE replaced_by IS NULL) FROM notes GROUP BY video_id"
            )
            notes = {row[0]: (row[1], row[2]) for row in counted}
            vectors = dict(c.execute("SELECT video_id, max(version) FROM vector_versions GROUP BY video_id"))
            known = {
                id_: Status(row, job=jobs.get(id_), notes=notes.get(id_, (0, 0)), vectors=vectors.get(id_, 0))
                for id_, row in rows.items()
            }
            for row in c.execute(CHANNEL + " ORDER BY video_id, name"):
                known[row[0]].channels[row[1]] = channel_of(row)
            for row in c.execute("SELECT video_id, channel, start_s, end_s, why FROM gaps ORDER BY start_s, end_s"):
                known[row[0]].gaps.append(Gap(*row))
        return known
