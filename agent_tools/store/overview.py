"""What the store says of every video at once, read in one transaction and kept until somebody commits.

Knows rows. Knows nothing of entries and vectors, which are too many to be kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from agent_tools.store.jobs import JOB, Job, job_of
from agent_tools.store.part import Part
from agent_tools.store.videos import CHANNEL, VIDEO, ChannelRow, Gap, VideoRow, channel_of, video_of


@dataclass(frozen=True)
class Status:
    """A video with how far its channels have come; not to be changed, others hold it too."""

    video: VideoRow
    channels: dict[str, ChannelRow] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)  # by start
    job: Job | None = None  # the newest, open or not
    notes: tuple[int, int] = (0, 0)  # all that are kept; those that no other replaced
    vectors: int = 0  # another number whenever some of its vectors are others


class Overview(Part):
    _overview: tuple[int, Mapping[str, Status]]
    _steady: threading.local

    def overview(self) -> Mapping[str, Status]:
        """By id, in the order they were added. As of now: a commit by anyone, since the last call, is in it; but for
        what is asked within `snapshot`."""
        held: Mapping[str, Status] | None = getattr(self._steady, "overview", None)
        if held is not None:
            return held
        version, known = self._overview
        now = self.db.data_version()  # before the rows: what is committed in between is read twice, not missed
        if now != version:
            read = self._read_overview()
            # What did not change stays the same object, by which others tell that it did not.
            known = {id_: old if (old := known.get(id_)) == new else new for id_, new in read.items()}
            self._overview = now, known
        return known

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within it this thread has one overview, that of its beginning: a reply is of one moment, and asks once."""
        before = getattr(self._steady, "overview", None)
        self._steady.overview = self.overview()
        try:
            yield
        finally:
            self._steady.overview = before

    def entries_mark(self, video_id: str, space: str) -> object:
        """Another one whenever the video's entries, their vectors in that space, or its memories are others."""
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
            counted = c.execute("SELECT video_id, count(*), sum(replaced_by IS NULL) FROM notes GROUP BY video_id")
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
