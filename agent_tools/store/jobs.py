"""Ingest jobs and the leases on them."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from agent_tools.errors import StoreError
from agent_tools.store.part import Part, read_fields, storable, to_json, written_fields
from agent_tools.store.sql import Clock, Database, Sql

Order = Literal["go", "stop", "lost"]
LEAST_GAIN = 0.005  # of progress that counts as getting farther
AT_HAND_S = 120.0  # a worker that has not shown itself for this long, and holds no job, is not waited for


@dataclass(frozen=True)
class JobSettings:
    """Which file a job reads and with which models: whichever server's worker takes it up, it makes the same."""

    path: str = ""  # that was asked for; "" is any source of the video
    sidecars: str = ""  # mark of the subtitle files beside it, see ChannelDetail.sidecars
    remake: tuple[str, ...] = ()  # channels that are made again though they are there; "text": sentence vectors
    asked: bool = False  # the channels were named: also one whose words another channel has is made
    models: tuple[str, ...] | None = None  # role=model of the server that asked; None: the worker's own models
    model_dirs: tuple[str, ...] = ()
    device: str = "auto"
    failures: tuple[str, ...] = ()  # of the channels that other workers made before they passed the job on
    growing: bool = False  # the file is a recording under way: what is there is read, and its end stays open

    def to_json(self) -> dict[str, Any]:
        """The fields that are not at their default."""
        return written_fields(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The settings that were stored; keys of other versions are left out."""
        return cls(**read_fields(cls, stored))


DEFAULTS = JobSettings()


@dataclass(frozen=True)
class Job:
    """Work to do on one video. At most one job of a video is open (queued or running)."""

    id: int
    video_id: str
    state: str
    channels: tuple[str, ...]
    profile: str
    settings: JobSettings
    progress: float
    eta_s: float | None
    message: str
    error: str | None
    worker: str | None
    pid: int | None
    lease_until: float
    stop_requested: bool
    attempts: int
    created_at: float
    updated_at: float
    deaths: int  # workers that let the lease run out, one after another, without getting farther


JOB = """SELECT id, video_id, state, channels, profile, settings, progress, eta_s, message, error, worker, pid,
    lease_until, stop_requested, attempts, created_at, updated_at, deaths FROM jobs"""


class Jobs(Part):
    """Jobs, as rows; and, as counters, the worker at hand of each machine, whose process id means nothing elsewhere."""

    def __init__(self, db: Database, now: Clock) -> None:
        super().__init__(db, now)
        here = f" of {socket.gethostname()}" if db.shared else ""
        self._at_hand_name, self._until_name = f"worker{here}", f"worker until{here}"

    def enqueue(self, video_id: str, channels: Iterable[str], profile: str, settings: JobSettings = DEFAULTS) -> Job:
        """Ask for channels of a video. An open job takes them in (keeping its profile and settings) and is returned;
        a stop asked for before is taken back. Raises: VideoNotFound."""
        with self.db.write() as c:
            self.db.hold(c, video_id)
            row = c.execute(
                "SELECT id, channels FROM jobs WHERE video_id=? AND state IN ('queued', 'running')", (video_id,)
            ).fetchone()
            now = self.now()
            if row is None:
                wanted = to_json(list(dict.fromkeys(channels)))
                number = c.execute(
                    """INSERT INTO jobs(video_id, state, channels, profile, settings, created_at, updated_at)
                       VALUES(?, 'queued', ?, ?, ?, ?, ?) RETURNING id""",
                    (video_id, wanted, profile, to_json(settings.to_json()), now, now),
                ).get
                return _one(c, int(number))
            united = list(dict.fromkeys([*json.loads(row[1]), *channels]))
            c.execute(
                "UPDATE jobs SET channels=?, stop_requested=0, updated_at=? WHERE id=?", (to_json(united), now, row[0])
            )
            return _one(c, row[0])

    def claim(self, worker: str, pid: int, lease_s: float = 30.0, able: Sequence[str] = ()) -> Job | None:
        """Take the oldest job that is queued, or whose holder let its lease run out; never one that another holds.

        Args:
            able: only a job that asks for one of these channels; () for any job."""
        fits, names = _asks_for(able)
        with self.db.write() as c:
            now = self.now()
            c.execute(
                """UPDATE jobs SET state='stopped', updated_at=?
                   WHERE state='running' AND stop_requested=1 AND lease_until <= ?""",
                (now, now),
            )
            row = c.execute(
                f"""SELECT id, state, worker, progress, deaths, died_at FROM jobs
                    WHERE (state='queued' OR (state='running' AND lease_until <= ?)) AND {fits}
                    ORDER BY created_at, id LIMIT 1 {self.db.skip_held}""",  # noqa: S608 - our own words
                (now, *names),
            ).fetchone()
            if row is None:
                return None
            number, state, before, progress, deaths, died_at = row
            if state == "running" and before != worker:  # its holder died; one that takes its own job again did not
                deaths, died_at = (deaths + 1 if progress <= died_at + LEAST_GAIN else 1), progress
            c.execute(
                """UPDATE jobs SET state='running', worker=?, pid=?, lease_until=?, attempts=attempts + 1,
                   claimed=channels, error=NULL, updated_at=?, deaths=?, died_at=? WHERE id=?""",
                (worker, pid, now + lease_s, now, deaths, died_at, number),
            )
            return _one(c, number)

    def beat(
        self,
        job_id: int,
        worker: str,
        *,
        progress: float | None = None,
        eta_s: float | None = None,
        message: str | None = None,
        lease_s: float = 30.0,
        patience_s: float | None = None,
    ) -> Order:
        """Renew the lease and report; what is None stays as it was.

        Args:
            patience_s: seconds to wait for the write lock; None waits as long as any other write.
        Returns: "go"; "stop": someone asked for it, so finish with state "stopped"; "lost": another worker has the job
        or it is gone, so end without writing.
        Raises: StoreError: the lock was not to be had, or the disk failed; the lease is as it was."""
        with self.db.write(patience_s=patience_s, fenced=False) as c:
            now = self.now()
            row = c.execute(
                """UPDATE jobs SET lease_until=?, progress=coalesce(?, progress), eta_s=coalesce(?, eta_s),
                   message=coalesce(?, message), updated_at=? WHERE id=? AND worker=? AND state='running'
                   RETURNING stop_requested""",
                (
                    now + lease_s,
                    None if progress is None else min(1.0, max(0.0, progress)),
                    eta_s,
                    None if message is None else storable(message),
                    now,
                    job_id,
                    worker,
                ),
            ).fetchone()
        if row is None:
            return "lost"
        return "stop" if row[0] else "go"

    def guard(self, job_id: int, worker: str, lost: Callable[[], Exception]) -> None:
        """From now on this store writes only while the worker holds the job; see `Database.fence`.

        A worker that slept through its lease, in a frozen process for example, cannot write over its successor then:
        the job is not taken by another one as long as a transaction of this one is open.
        Args:
            lost: makes the exception that a write raises once another worker has the job, or the job is gone."""

        def refuse(c: Sql) -> None:
            held = c.execute(
                f"SELECT 1 FROM jobs WHERE id=? AND worker=? AND state='running' {self.db.keep_held}",  # noqa: S608 - ours
                (job_id, worker),
            )
            if held.fetchone() is None:
                raise lost()

        self.db.fence = refuse

    def unguard(self) -> None:
        """Write without a job again."""
        self.db.fence = None

    def worker_may_start(self, starting: int, seems_alive: Callable[[int], bool]) -> bool:
        """Whether to start a worker: no worker is starting, and no worker is between two jobs.

        Args:
            starting: the process that asks; it stands for the worker until `worker_starts` names the worker itself."""
        with self.db.write() as c:
            row: Any = c.execute("SELECT value FROM counters WHERE name=?", (self._at_hand_name,)).fetchone()
            until: Any = c.execute("SELECT value FROM counters WHERE name=?", (self._until_name,)).fetchone()
            if row and until and self.now() < until[0] and seems_alive(row[0]):
                return False
            self._at_hand(c, starting)
            return True

    def worker_starts(self, pid: int) -> None:
        """The process that was started; until it looks for jobs no second one is started."""
        with self.db.write() as c:
            if c.execute("SELECT 1 FROM counters WHERE name=?", (self._at_hand_name,)).fetchone():
                _count(c, self._at_hand_name, pid)

    def worker_here(self, pid: int) -> None:
        """This worker looks for jobs: no second one is started. While it holds a job, the job's row says so too."""
        with self.db.write(fenced=False) as c:
            self._at_hand(c, pid)

    def worker_leaves(self, pid: int, able: Sequence[str] = ()) -> bool:
        """This worker ends, because no job is queued. False: one is, and the worker has to stay for it.

        Args:
            able: as of `claim`."""
        fits, names = _asks_for(able)
        with self.db.write(fenced=False) as c:
            if c.execute(f"SELECT 1 FROM jobs WHERE state='queued' AND {fits}", names).fetchone():  # noqa: S608 - ours
                return False
            if c.execute("SELECT 1 FROM counters WHERE name=? AND value=?", (self._at_hand_name, pid)).fetchone():
                c.execute("DELETE FROM counters WHERE name=? OR name=?", (self._at_hand_name, self._until_name))
            return True

    def _at_hand(self, c: Sql, pid: int) -> None:
        _count(c, self._at_hand_name, pid)
        _count(c, self._until_name, math.ceil(self.now() + AT_HAND_S))

    def finish(self, job_id: int, worker: str, state: str, error: str | None = None) -> None:
        """End a job this worker holds; does nothing where the lease was lost.

        Channels that were asked for after the claim are not done with it: the job is queued again for all of them
        (those that are done cost nothing the second time), so nothing is reported done that is not."""
        if state not in ("done", "failed", "stopped"):
            raise ValueError(f"{state!r} is no end of a job: done, failed or stopped")
        with self.db.write(fenced=False) as c:
            row = c.execute(
                "SELECT channels, claimed, pid FROM jobs WHERE id=? AND worker=? AND state='running'", (job_id, worker)
            ).fetchone()
            if row is None:
                return
            if row[2] is not None:
                self._at_hand(c, row[2])
            if state == "done" and set(json.loads(row[0])) - set(json.loads(row[1])):
                c.execute(
                    """UPDATE jobs SET state='queued', worker=NULL, pid=NULL, lease_until=0, attempts=0, deaths=0,
                       died_at=-1, eta_s=NULL, updated_at=? WHERE id=?""",
                    (self.now(), job_id),
                )
                return
            c.execute(
                """UPDATE jobs SET state=?, error=?, progress=CASE ? WHEN 'done' THEN 1 ELSE progress END, eta_s=NULL,
                   lease_until=0, updated_at=? WHERE id=?""",
                (state, None if error is None else storable(error), state, self.now(), job_id),
            )

    def pass_on(self, job_id: int, worker: str, left: Iterable[str], settings: JobSettings) -> None:
        """Leave the other channels of a job that this worker holds to other workers; does nothing where it was lost.

        Args:
            left: the channels that it did not make. Those that were asked for after the claim are added.
            settings: of the job, with what failed."""
        with self.db.write(fenced=False) as c:
            row = c.execute(
                "SELECT channels, claimed FROM jobs WHERE id=? AND worker=? AND state='running'", (job_id, worker)
            ).fetchone()
            if row is None:
                return
            since = [name for name in json.loads(row[0]) if name not in json.loads(row[1])]
            c.execute(
                """UPDATE jobs SET state=CASE stop_requested WHEN 1 THEN 'stopped' ELSE 'queued' END, worker=NULL,
                   pid=NULL, lease_until=0, attempts=0, deaths=0, died_at=-1, eta_s=NULL, channels=?, settings=?,
                   updated_at=? WHERE id=?""",
                (to_json(list(dict.fromkeys([*left, *since]))), to_json(settings.to_json()), self.now(), job_id),
            )

    def survived(self, job_id: int) -> None:
        """A worker that lost its job lives: it was late, cut off or frozen, and its loss was not a death."""
        with self.db.write(fenced=False) as c:
            c.execute("UPDATE jobs SET deaths=deaths - 1 WHERE id=? AND deaths > 0 AND state='running'", (job_id,))

    def release(self, job_id: int, worker: str) -> None:
        """Give back a job this worker holds, so that another can take it at once; does nothing where it was lost."""
        with self.db.write(fenced=False) as c:
            c.execute(
                """UPDATE jobs SET state=CASE stop_requested WHEN 1 THEN 'stopped' ELSE 'queued' END, worker=NULL,
                   pid=NULL, lease_until=0, updated_at=? WHERE id=? AND worker=? AND state='running'""",
                (self.now(), job_id, worker),
            )

    def request_stop(self, video_id: str) -> bool:
        """Stop the video's open job: now where nobody holds it, else at its worker's next beat. False: none open."""
        with self.db.write() as c:
            now = self.now()
            c.execute(
                """UPDATE jobs SET stop_requested=1, updated_at=?, state=CASE WHEN state='queued' OR lease_until <= ?
                   THEN 'stopped' ELSE state END WHERE video_id=? AND state IN ('queued', 'running')""",
                (now, now, video_id),
            )
            return c.changes() > 0

    def job(self, video_id: str) -> Job | None:
        """The video's newest job, open or not."""
        row = self.db.ask(f"{JOB} WHERE video_id=? ORDER BY id DESC LIMIT 1", (video_id,)).fetchone()
        return None if row is None else job_of(row)

    def open_jobs(self) -> list[Job]:
        """Queued and running jobs, oldest first."""
        rows = self.db.ask(f"{JOB} WHERE state IN ('queued', 'running') ORDER BY created_at, id")
        return [job_of(row) for row in rows]

    def workers_alive(self) -> int:
        """How many jobs are running under a lease that has not run out."""
        return int(
            self.db.ask("SELECT count(*) FROM jobs WHERE state='running' AND lease_until > ?", (self.now(),)).get
        )


def _asks_for(able: Sequence[str]) -> tuple[str, list[str]]:
    """SQL that is true of a job with one of these channels, and its values; of any job for ()."""
    if not able:
        return "1=1", []
    return f"({' OR '.join(['CAST(channels AS TEXT) LIKE ?'] * len(able))})", [f'%"{name}"%' for name in able]


def _count(c: Sql, name: str, value: int) -> None:
    c.execute(
        "INSERT INTO counters(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
        (name, value),
    )


def _one(c: Sql, job_id: int) -> Job:
    row = c.execute(f"{JOB} WHERE id=?", (job_id,)).fetchone()
    if row is None:
        raise StoreError(f"Job {job_id} vanished inside its own transaction. Check the file with `agent-tools doctor`.")
    return job_of(row)


def job_of(row: tuple[Any, ...]) -> Job:
    values = list(row)
    values[3] = tuple(json.loads(row[3]))
    values[5] = JobSettings.from_json(json.loads(row[5]))
    values[13] = bool(row[13])
    return Job(*values)
