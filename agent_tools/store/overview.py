"""The state of every video at once, read in one transaction and held until somebody commits.

Entries and vectors are not in it: they are too many to be held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from agent_tools.store.jobs import JOB, Job, job_of
from agent_tools.store.part import Part, json_list
from agent_tools.store.sql import Clock, Database
from agent_tools.store.videos import CHANNEL, VIDEO, ChannelRow, Gap, VideoRow, channel_of, video_of

P = ParamSpec("P")
T = TypeVar("T")


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
        self._latest: tuple[Any, Mapping[str, Status]] = None, {}
        self._snapshot = threading.local()

    def overview(self) -> Mapping[str, Status]:
        """By id, in the order they were added. It holds every commit until now, of any process; within `snapshot` every
        commit until its beginning."""
        if (held := self.all_seen()) is not None:
            return held
        mark, known = self._latest
        now, changed = self.db.changed_since(mark)  # before the rows: a commit in between is read twice, not missed
        if changed is None or changed:
            order, read = self._read_overview(None if changed is None else sorted(changed))
            if changed is not None:
                read = {id_: read.get(id_) or known[id_] for id_ in order if id_ in read or id_ in known}
            # What did not change stays the same object, by which others tell that it did not.
            known = {id_: old if (old := known.get(id_)) == new else new for id_, new in read.items()}
        self._latest = now, known
        return known

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within it this thread sees one overview, that of the beginning, so that a reply describes one moment."""
        with self.db.one_look(), self._within(self.overview()):
            yield

    def in_snapshot(self, work: Callable[P, T]) -> Callable[P, T]:
        """`work`, which another thread will call, within the snapshot that this thread is in."""
        held = self.all_seen()
        if held is None:
            return work
        version = self.db.data_version()

        def run(*given: P.args, **named: P.kwargs) -> T:
            with self.db.one_look(version), self._within(held):
                return work(*given, **named)

        return run

    @contextmanager
    def _within(self, overview: Mapping[str, Status]) -> Iterator[None]:
        before = self.all_seen()
        self._snapshot.overview = overview
        try:
            yield
        finally:
            self._snapshot.overview = before

    def all_seen(self) -> Mapping[str, Status] | None:
        """Within `snapshot` the overview; None outside of it."""
        held: Mapping[str, Status] | None = getattr(self._snapshot, "overview", None)
        return held

    def seen(self, video_id: str) -> Status | None:
        """Within `snapshot` the state of a video; None outside of it, or where the video is not there."""
        held = self.all_seen()
        return None if held is None else held.get(video_id)

    def entries_mark(self, video_id: str, space: str) -> object:
        """A value that changes whenever the video's entries, their vectors in that space, or its memories change."""
        return self.db.ask(
            """SELECT (SELECT count(*) FROM entries WHERE video_id=?1),
               (SELECT max(id) FROM entries WHERE video_id=?1),
               (SELECT count(*) FROM memories WHERE video_id=?1), (SELECT version FROM vector_versions
                    WHERE video_id=?1 AND space=(SELECT n FROM spaces WHERE name=?2))""",
            (video_id, space),
        ).fetchone()

    def _read_overview(self, videos: Sequence[str] | None) -> tuple[list[str], dict[str, Status]]:
        """All ids in the order they were added, and the states of these videos; None is all of them."""
        asked = None if videos is None else json_list(videos)
        among = "(?1 IS NULL OR {0} IN (SELECT value FROM json_each(?1)))"
        of_video = f"WHERE {among.format('video_id')}"
        videos_, ids, jobs_, notes_, versions, channels, gaps = self.db.ask_all(
            [
                (f"{VIDEO} WHERE {among.format('id')} ORDER BY n", (asked,)),
                ("SELECT id FROM videos ORDER BY n", ()),
                (f"{JOB} {of_video} ORDER BY id", (asked,)),
                (
                    f"""SELECT video_id, count(*), count(*) FILTER (WHERE replaced_by IS NULL) FROM notes {of_video}
                        GROUP BY video_id""",  # noqa: S608 - our own words
                    (asked,),
                ),
                (f"SELECT video_id, max(version) FROM vector_versions {of_video} GROUP BY video_id", (asked,)),  # noqa: S608 - ours
                (f"{CHANNEL} {of_video} ORDER BY video_id, name", (asked,)),
                (
                    f"SELECT video_id, channel, start_s, end_s, why FROM gaps {of_video} ORDER BY start_s, end_s",  # noqa: S608 - ours
                    (asked,),
                ),
            ]
        )
        rows = {row[0]: video_of(row) for row in videos_}
        order = [row[0] for row in ids]
        jobs = {row[1]: job_of(row) for row in jobs_}  # of each video the last job stays
        notes = {row[0]: (row[1], row[2]) for row in notes_}
        vectors = {row[0]: row[1] for row in versions}
        known = {
            id_: Status(row, job=jobs.get(id_), notes=notes.get(id_, (0, 0)), vectors=vectors.get(id_, 0))
            for id_, row in rows.items()
        }
        for row in channels:
            known[row[0]].channels[row[1]] = channel_of(row)
        for row in gaps:
            known[row[0]].gaps.append(Gap(*row))
        return order, known
