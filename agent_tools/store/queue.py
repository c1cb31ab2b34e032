"""How the queue of jobs stands, and which workers there are: for `agent-tools status` and for metrics."""

from __future__ import annotations

from dataclasses import dataclass

from agent_tools.store.jobs import JOB, Job, job_of
from agent_tools.store.part import Part

SEEN_S = 90.0  # a worker that waits says that it is there every 30 s
FORGOTTEN_S = 86_400.0
RECENT_S = 3_600.0
MOST_FAILED = 100


@dataclass(frozen=True)
class WorkerRow:
    """A worker that is there: it was seen lately, or holds a job."""

    name: str
    host: str
    idle_s: float | None  # since it was seen; None while it works


@dataclass(frozen=True)
class QueueState:
    """One moment of the queue. Of failed jobs only a video's last one counts."""

    queued: int
    running: list[Job]
    failed: list[Job]  # the newest, at most MOST_FAILED
    failures: int
    workers: list[WorkerRow]
    videos: int
    hours: float  # of all videos
    ended: int  # jobs that were done in the last hour
    ended_hours: float  # of their videos
    oldest_wait_s: float  # of a queued job


class Queue(Part):
    """Questions about all jobs and workers at once."""

    def see_worker(self, name: str, profile: str) -> None:
        """This worker is there and waits, or has just ended a job."""
        with self.db.write(fenced=False) as c:
            now = self.now()
            c.execute("DELETE FROM workers WHERE seen_at <= ?", (now - FORGOTTEN_S,))
            c.execute(
                """INSERT INTO workers(name, started_at, seen_at, profile) VALUES(?1, ?2, ?2, ?3)
                   ON CONFLICT(name) DO UPDATE SET seen_at=excluded.seen_at""",
                (name, now, profile),
            )

    def forget_worker(self, name: str) -> None:
        """This worker ends."""
        with self.db.write(fenced=False) as c:
            c.execute("DELETE FROM workers WHERE name=?", (name,))

    def workers_seen(self) -> list[str]:
        """The names of the workers that showed themselves lately."""
        return [row[0] for row in self.db.ask("SELECT name FROM workers WHERE seen_at > ?", (self.now() - SEEN_S,))]

    def queue_state(self) -> QueueState:
        """The queue as it is now."""
        with self.db.read() as c:
            now = self.now()
            queued, oldest = c.execute("SELECT count(*), min(created_at) FROM jobs WHERE state='queued'").fetchone()
            running = [job_of(row) for row in c.execute(f"{JOB} WHERE state='running' ORDER BY id")]
            last = "state='failed' AND id = (SELECT max(j.id) FROM jobs j WHERE j.video_id=jobs.video_id)"
            failures = int(c.execute(f"SELECT count(*) FROM jobs WHERE {last}").get)  # noqa: S608 - our own words
            failed = c.execute(f"{JOB} WHERE {last} ORDER BY updated_at DESC LIMIT ?", (MOST_FAILED,)).fetchall()
            ended, ended_s = c.execute(
                """SELECT count(*), coalesce(sum(v.duration_s), 0) FROM jobs j JOIN videos v ON v.id=j.video_id
                   WHERE j.state='done' AND j.updated_at > ?""",
                (now - RECENT_S,),
            ).fetchone()
            videos, seconds = c.execute("SELECT count(*), coalesce(sum(duration_s), 0) FROM videos").fetchone()
            seen = c.execute("SELECT name, seen_at FROM workers WHERE seen_at > ?", (now - SEEN_S,)).fetchall()
        working = {job.worker for job in running if job.worker and job.lease_until > now}
        idle = {row[0]: now - row[1] for row in seen if row[0] not in working}
        return QueueState(
            queued=int(queued),
            running=running,
            failed=[job_of(row) for row in failed],
            failures=failures,
            workers=[WorkerRow(name, name.partition("@")[2], idle.get(name)) for name in sorted(working | idle.keys())],
            videos=int(videos),
            hours=float(seconds) / 3600,
            ended=int(ended),
            ended_hours=float(ended_s) / 3600,
            oldest_wait_s=0.0 if oldest is None else max(0.0, now - oldest),
        )
