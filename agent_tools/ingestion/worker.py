"""The ingest worker: a process that takes jobs from the store until all are done. It outlives the process that started
it."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent_tools.errors import AgentToolsError, RequestError, StoreError, StoreFull, StoreUnreachable
from agent_tools.home import HomeFolder
from agent_tools.ingestion.control import Control, PulseSettings, Stopped
from agent_tools.metrics import NO_METRICS, Metrics, NoMetrics
from agent_tools.settings import Settings, go_offline
from agent_tools.store import Job, Store, open_store

log = logging.getLogger("agent_tools.worker")
LOG_BYTES, LOG_FILES = 1_000_000, 3
WAIT_S = 2.0  # between two looks for a job whose holder died; one that is queued is said at once
HERE_S = 30.0  # between two times at which a worker without a job says that it is there
AWAY_S = 2.0  # between two tries to reach a database that is away
MOST_DEATHS = 3  # of workers at the same place in a job; then the job has failed
HOST = socket.gethostname()
PULSE = PulseSettings()


def work(
    settings: Settings, *, stay: bool = False, pulse: PulseSettings = PULSE, metrics: NoMetrics = NO_METRICS
) -> int:
    """Do jobs until no job is queued and no dead worker still holds a lease. Returns how many jobs it took.

    Args:
        stay: wait for further jobs, and for a database that is away, until the process is asked to end.

    Raises: StoreError: the store cannot be used; with `stay` only what waiting cannot mend."""
    worker = f"{os.getpid()}-{secrets.token_hex(4)}@{HOST}"
    taken, shown_s, able = 0, -HERE_S, settings.work_channels
    with contextlib.closing(_opened(settings, stay=stay)) as store:
        while True:
            try:
                if time.monotonic() > shown_s + HERE_S:
                    store.worker_here(os.getpid())
                    store.see_worker(worker, settings.profile)
                    shown_s = time.monotonic()
                job = store.claim(worker, os.getpid(), lease_s=pulse.lease_s, able=able)
                if job is not None:
                    taken += 1
                    began_s = time.monotonic()
                    metrics.job(run_job(store, job, worker, settings, pulse), time.monotonic() - began_s)
                    shown_s = -HERE_S
                elif stay or any(_waited_for(one, worker, store.now(), able) for one in store.open_jobs()):
                    store.wait_for_job(WAIT_S)
                elif store.worker_leaves(os.getpid(), able):
                    store.forget_worker(worker)
                    return taken
            except (StoreUnreachable, StoreFull) as error:
                if not stay:
                    raise
                _wait_for_database(error)
            except (KeyboardInterrupt, SystemExit):
                with contextlib.suppress(StoreError, StoreFull):  # else it counts as there for another minute
                    store.forget_worker(worker)
                raise


def _opened(settings: Settings, *, stay: bool) -> Store:
    while True:
        try:
            return open_store(settings.home, settings.store, settings.roots, settings.files)
        except StoreUnreachable as error:
            if not stay:
                raise
            _wait_for_database(error)


def _wait_for_database(error: StoreError) -> None:
    log.error("%s Trying again.", error)
    time.sleep(AWAY_S)


def main(settings: Settings | None = None, *, stay: bool = False, metrics_port: int = 0) -> int:
    """The worker process; its settings come from the environment where none are given. SIGTERM ends it: the job that it
    holds is free for another worker at once.

    Args:
        metrics_port: where it answers Prometheus; 0 is nowhere.

    Raises: ModelMissing: there are to be metrics, and the extra `metrics` is not installed."""
    go_offline()
    if sys.platform != "win32":
        os.umask(0o077)  # what a worker writes is for the owner of the data folder alone
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _lower_priority()
    settings = settings or Settings.load()
    _log_to(HomeFolder(settings.home).logs)
    if metrics_port:
        counted = Metrics()
        counted.listen(metrics_port)
        work(settings, stay=stay, metrics=counted)
    else:
        work(settings, stay=stay)
    return 0


def run_job(store: Store, job: Job, worker: str, settings: Settings, pulse: PulseSettings = PULSE) -> str:
    """Do one claimed job. Its row always says how it ended, unless another worker has taken it over by then.

    Returns: "done", "failed", "stopped", "passed on" with channels that this worker does not make, or "lost" to
    another worker.

    Raises: StoreUnreachable, StoreFull: the row says nothing; a worker takes the job again once its lease is over."""
    from agent_tools.ingestion.model_choice import memory_limit_mb, settings_of

    log.info("job %s: video %s, attempt %s", job.id, job.video_id, job.attempts)
    if job.deaths >= MOST_DEATHS:
        error = (
            f"WorkerDied: {MOST_DEATHS} workers died at {job.progress:.0%} of it: {job.message or 'opening the file'}"
        )
        store.update_video(job.video_id, error=error)
        store.finish(job.id, worker, "failed", error=error)
        log.error("job %s: %s", job.id, error)
        return "failed"
    try:
        with Control(store, job, worker, memory_limit_mb(settings_of(job, settings), job.profile), pulse) as control:
            from agent_tools.ingestion.pipeline import Ingest  # seconds, in which the lease is renewed already

            ingest = Ingest(store, job, settings, control)
            failed = ingest.run()
    except Stopped as stopped:
        log.info("job %s: %s", job.id, stopped)
        if str(stopped) != "stop":
            store.survived(job.id)
            _forget_with_video(store, job, settings)
            return "lost"
        store.finish(job.id, worker, "stopped")
        return "stopped"
    except StoreUnreachable as error:
        log.error("job %s: left, and taken again once its lease is over: %s", job.id, error)
        raise
    except AgentToolsError as error:
        log.error("job %s failed: %s", job.id, error.code if isinstance(error, RequestError) else error.described)
        store.update_video(job.video_id, error=error.described)
        store.finish(job.id, worker, "failed", error=error.described)
    except (KeyboardInterrupt, SystemExit):
        store.release(job.id, worker)
        log.info("job %s: this worker was told to end; another may take the job", job.id)
        raise
    except Exception as error:  # the worker's outermost frame: a fault must end up in the job's row
        log.exception("job %s failed", job.id)
        store.finish(job.id, worker, "failed", error=f"{type(error).__name__} in the ingest; the worker log says where")
    else:
        return _ended(store, job, worker, failures=[*job.settings.failures, *failed], left=ingest.left)
    return "failed"


def _ended(store: Store, job: Job, worker: str, *, failures: list[str], left: tuple[str, ...]) -> str:
    """Say how a job ended whose channels were made, or failed; with channels left, other workers go on with it."""
    if left:
        store.pass_on(job.id, worker, left, replace(job.settings, failures=tuple(failures)))
        log.info("job %s: passed on for %s", job.id, ", ".join(left))
        return "passed on"
    failed = "; ".join(failures)
    store.finish(job.id, worker, "failed" if failed else "done", error=failed or None)
    log.info("job %s: %s", job.id, failed or "done")
    return "failed" if failed else "done"


def _forget_with_video(store: Store, job: Job, settings: Settings) -> None:
    """Remove the job's files where its video was forgotten meanwhile: some were written after that."""
    if store.video(job.video_id) is None:
        from agent_tools.ingestion.picture_vectors import forget_files

        forget_files(settings.home, job.video_id)


def alive(pid: int | None) -> bool:
    """Whether a process of that id runs on this machine. On Windows, where asking could end it, always yes."""
    if pid is None:
        return False
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether it has ended, but its parent has not collected it yet. Process 1 of a container may never do that."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def held(job: Job, now_s: float) -> bool:
    """Whether a living worker has the job: here its process runs; of another machine its lease is all that is known."""
    if job.state != "running":
        return False
    return alive(job.pid) if _here(job.worker or "") else job.lease_until > now_s


def lives(name: str) -> bool:
    """Whether a worker that showed itself lately may still live: of another machine that is all that is known."""
    return not _here(name) or alive(int(name.partition("-")[0]))


def _here(name: str) -> bool:
    """Whether a worker of that name, PID-MARK@HOST, runs on this machine."""
    return name.partition("@")[2] in ("", HOST)


def _waited_for(job: Job, worker: str, now_s: float, able: Sequence[str]) -> bool:
    fits = not able or any(name in able for name in job.channels)
    return fits and (job.worker == worker or not held(job, now_s))


def _lower_priority() -> None:
    if sys.platform != "win32":
        os.nice(10)


def _log_to(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        folder / "worker.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    root = logging.getLogger("agent_tools")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
