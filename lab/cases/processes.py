"""The right value of cases about several processes: workers that are stopped, frozen, or start beside each other."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from agent_tools.home import HomeFolder
from agent_tools.ingestion.control import PulseSettings
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.store.database import LONGEST_WRITE_S, SqliteDatabase
from agent_tools.store.sql import Held
from lab.cases.trial import Trial, Wrong, equal, holds, near
from lab.faults.homes import until
from lab.faults.servers import Server, serving

LOOK_S = 0.1  # between two looks at the processes
BUSY_S = 180.0  # for a worker of low priority to come to its next step, on a machine that does much else
PROMPT_S = 5.0  # for a note to be written beside an ingest, on a busy machine
BESIDE_S = 6.0  # for which notes are written beside an ingest: several beats of its worker
SHORT = 20  # of so many cues one is kept where the case is not tried at its full length
LIGHTHOUSE = "The lighthouse keeper forgot his spectacles in the rowing boat."


class Watch:
    """Which workers of a home are there, looked at until the block ends. Reads /proc, so it sees them on Linux."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.most = 0
        self.seen: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def now(self) -> set[int]:
        """The processes that work on this home now."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().split(b"\0")
                if b"work" in command and b"agent_tools" in command and (folder / "cwd").resolve() == self.home:
                    found.add(int(folder.name))
        return found

    def _look(self) -> None:
        while not self._ended.wait(LOOK_S):
            now = self.now()
            self.most = max(self.most, len(now))
            self.seen |= now


def thirty_hours(trial: Trial) -> None:
    """Thirty hours with 20,000 cues: short transactions, one worker, a lease that moves on."""
    if not trial.whole:
        _thin(trial.films / "night.srt")
    home = trial.settings.home
    with serving(home, trial.films) as server, Watch(home) as watch:
        video = server.call("ingest_video", source="night.mp4", channels=["subtitles"], wait_s=0)["video_id"]
        _notes_beside(trial, server, video, watch)
        trial.command("stop", video)
        _soon("the worker goes on after stop", lambda: not watch.now())
    holds(
        f"worker.err: {HomeFolder(home).worker_errors.read_text()}", not HomeFolder(home).worker_errors.stat().st_size
    )
    equal("workers at once", watch.most, 1)
    with _transactions() as held:
        ingest_video(trial.library, str(trial.films / "night.mp4"), channels=["subtitles"], wait_s=0, at_once=True)
        work(trial.settings)
    longest = max(held, key=lambda one: one.cpu_s)
    trial.figures.append(f"longest of {len(held)} transactions {longest.cpu_s:.3f} s of CPU")
    holds(f"a transaction of {longest.cpu_s:.2f} s", longest.cpu_s <= LONGEST_WRITE_S)
    job = trial.library.store.job(video)
    holds(f"the job ended as {job}", job is not None and job.state == "done")
    trial.hits(LIGHTHOUSE, video)  # the encoder is loaded
    began = time.monotonic()
    best = trial.hits("who forgot his spectacles?", video)[0]
    trial.figures.append(f"search {time.monotonic() - began:.2f} s")
    near("the lighthouse keeper", best.start_s, 84661.7, 1.0)
    holds(f"found: {best.subtitles}", LIGHTHOUSE in str(best.subtitles))


def _thin(sidecar: Path) -> None:
    """Keep every SHORT-th cue, and the one that is asked for."""
    cues = sidecar.read_text("utf-8").strip().split("\n\n")
    kept = [cue for number, cue in enumerate(cues) if number % SHORT == 0 or LIGHTHOUSE in cue]
    sidecar.write_text("\n\n".join(kept) + "\n", "utf-8")


def _notes_beside(trial: Trial, server: Server, video: str, watch: Watch) -> None:
    """While the texts are indexed, notes are written at once, and the lease moves on."""
    store, slowest, leases = trial.library.store, 0.0, []
    until(store, video, lambda _store, job: job.progress > 0 or job.state != "running")
    ends_s = time.monotonic() + BESIDE_S
    for number in itertools.count():
        if time.monotonic() > ends_s:
            break
        began = time.monotonic()
        server.call("remember", video_id=video, start_s=number, end_s=number + 1, text=f"note {number} of this case")
        slowest = max(slowest, time.monotonic() - began)
        if (job := store.job(video)) is not None and job.state == "running":
            leases.append(job.lease_until)
        time.sleep(LOOK_S)
    holds(f"remember took {slowest:.1f} s", slowest < PROMPT_S)
    holds("the ingest was over before the notes were written", len(leases) > 5)
    holds(f"leases until {sorted(set(leases))}", len(set(leases)) > 2)
    server.call("ingest_video", source="night.mp4", channels=["subtitles"], wait_s=0)
    time.sleep(2.0)  # a second worker would be there by then
    holds(f"{watch.most} workers", watch.most == 1)
    trial.figures.append(f"slowest remember {slowest:.2f} s; lease moved on by {max(leases) - min(leases):.1f} s")


@contextlib.contextmanager
def _transactions() -> Iterator[list[Held]]:
    """How long each write transaction of this process held the lock."""
    held: list[Held] = []
    SqliteDatabase.on_write = lambda _self, one: held.append(one)
    try:
        yield held
    finally:
        SqliteDatabase.on_write = None


def frozen_worker(trial: Trial) -> None:
    """A worker that is frozen goes on, and no second one starts."""
    frozen_s = 120.0 if trial.whole else PulseSettings().lease_s + 5.0
    film, home = trial.drawn("harbour.mp4", 300.0), trial.settings.home
    with serving(home, trial.films) as server, Watch(home) as watch:
        video = server.call("ingest_video", source=film, channels=["frames"], wait_s=0)["video_id"]
        job = until(trial.library.store, video, lambda _store, job: job.progress > 0.05)
        pid = job.pid or 0
        holds(f"the worker had ended before it was frozen: {job}", job.state == "running")
        os.kill(pid, signal.SIGSTOP)
        until_s = time.monotonic() + frozen_s
        while time.monotonic() < until_s:
            server.call("ingest_video", source=film, channels=["frames"], wait_s=1)
        os.kill(pid, signal.SIGCONT)
        job = until(trial.library.store, video, lambda _store, job: job.state not in ("queued", "running"))
    equal("the job", (job.state, job.error), ("done", None))
    equal("workers that were there", watch.seen, {pid})
    frames = trial.library.store.frames(video)
    equal("frames that are there twice", len(frames) - len({frame.k for frame in frames}), 0)
    trial.figures.append(f"frozen for {frozen_s:.0f} s")


def two_agents(trial: Trial) -> None:
    """Two servers take in one folder, each video once."""
    count, channels = 12, ["subtitles"]  # many short jobs: many moments between two of them
    for number in range(count):
        trial.drawn(f"clip-{number}.mp4", 60.0, seed=number)
    home, store = trial.settings.home, trial.library.store
    with serving(home, trial.films) as one, serving(home, trial.films) as other, Watch(home) as watch:
        given = {"source": str(trial.films), "channels": channels, "wait_s": 30}
        asked = [threading.Thread(target=server.call, args=("ingest_video",), kwargs=given) for server in (one, other)]
        for thread in asked:
            thread.start()
        for thread in asked:
            thread.join()
        for video in store.videos():
            job = until(store, video.id, lambda _store, job: job.state not in ("queued", "running"))
            equal(f"{video.title}: state, attempts", (job.state, job.attempts), ("done", 1))
    equal("videos", len({video.title for video in store.videos()}), count)
    for video in store.videos():
        spoken = [(entry.start_s, entry.text) for entry in store.entries(video.id, channels=("subtitles",))]
        equal(f"lines of {video.title} that are there twice", len(spoken) - len(set(spoken)), 0)
    equal("workers at once", watch.most, 1)
    trial.figures.append(f"{len(watch.seen)} worker for {count} videos")


def replaced_file(trial: Trial) -> None:
    """A file that is replaced while it is read fails with the reason, and can be taken in again."""
    film, home, store = trial.drawn("harbour.mp4", 300.0), trial.settings.home, trial.library.store
    path = trial.films / film
    with serving(home, trial.films) as server:
        video = server.call("ingest_video", source=film, channels=["frames"], wait_s=0)["video_id"]
        until(store, video, lambda _store, job: job.progress > 0.05)
        path.write_bytes(bytes(path.stat().st_size // 2))
        job = until(store, video, lambda _store, job: job.state not in ("queued", "running"))
        equal("the job of the replaced file", job.state, "failed")
        said = str(server.call("list_episodes", video_id=video))
        holds(f"no reason is given: {job.error!r} {said}", bool(re.search(r"changed|UnreadableVideo", said)))
        trial.drawn(film, 300.0)
    trial.command("ingest", str(path), "--channel", "frames")
    job = until(store, video, lambda _store, job: job.state not in ("queued", "running"))
    if job.state != "done":
        raise Wrong(f"taken in again it is {job.state}: {job.error}")


def _soon(wrong: str, reached: Callable[[], bool], within_s: float = BUSY_S) -> None:
    """Raises: Wrong: it is not so within that time."""
    deadline = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > deadline:
            raise Wrong(wrong)
        time.sleep(LOOK_S)
