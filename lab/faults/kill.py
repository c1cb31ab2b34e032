"""Slice kill: an ingest with every channel of lite is killed or blocked, and must end like an undisturbed one.

Kill -9 of the worker, the server or both at random moments, twice in an ingest, with a note written in between; a disk
that is full after some writes (through SQLite's own file layer, and on a small tmpfs where mounting is allowed); a file
that is removed or changed meanwhile; a store that another program locks."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from agent_tools.errors import AgentToolsError
from agent_tools.evals.films.demo_video import draw
from agent_tools.ingestion import worker
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.settings import Settings
from agent_tools.store import Store
from lab.faults.homes import alive, contents, expire, settled, until
from lab.faults.servers import Server, serving
from lab.faults.slices import Outcome, Slice
from tests.store.test_database import FullDisk

PAIRS = 25  # of moments
FULL = 12  # disks, full after a random number of writes
NOTE = "the plan hangs behind the second door"
FPS = ("--fps", "1")
CHANNELS = ("subtitles", "frames", "screen_text")


@dataclass
class World:
    root: Path
    film: Path
    video_id: str
    whole: dict[str, Any]  # contents of the home that nothing happened to
    lasts_s: float  # how long its ingest took
    writes: int  # how often SQLite wrote to the disk in it
    seed: int

    def settings(self, home: Path) -> Settings:
        return Settings.load({}, home=home, allow=(self.film.parent,), profile="lite", fps=1.0)

    def checked(self, home: Path, *, notes: int = 1) -> str:
        """Why a home is not as the whole one; "" where it is."""
        with contextlib.closing(Store.open(home)) as store:
            job = store.job(self.video_id)
            if job is None or (job.state, job.error) != ("done", None):
                return f"the job ended as {job}"
            if [note.text for note in store.notes(self.video_id)] != [NOTE] * notes:
                return f"notes {store.notes(self.video_id)}"
            if (sound := store.integrity_check()) != "ok":
                return f"integrity_check: {sound}"
            settled(store, self.video_id)
            found = contents(store, self.video_id)
            if len(store.videos()) != 1:
                return "more than one video"
        for part, value in self.whole.items():
            kept = [e for e in value if e[0] != "notes"] if part == "entries" and not notes else value
            if found[part] != kept and not (part in ("vectors", "memories") and not notes):
                return f"{part} differ: {str(found[part])[:200]} not {str(kept)[:200]}"
        if max(Counter(found["entries"]).values()) > 1:
            return "an entry stands there twice"
        left = [path.name for path in (home / "work").iterdir()] if (home / "work").is_dir() else []
        return f"left over: {left}" if left else ""


def moments(world: World, number: int, home: Path) -> Outcome:
    """One ingest with two kills, each of worker, server or both, at random moments of it."""
    rng = random.Random(f"{world.seed} {number}")
    found = Outcome.empty()
    plan = [(rng.choice(("worker", "server", "both")), rng.uniform(0.0, 0.8 * world.lasts_s)) for _ in range(2)]
    server = Server(home, world.film.parent, flags=FPS)
    try:
        server.call("ingest_video", source=world.film.name, wait_s=0)
        with contextlib.closing(Store.open(home)) as store:
            for turn, (what, after_s) in enumerate(plan):
                until(store, world.video_id, lambda _store, _job: True)
                time.sleep(after_s)  # the moment is the case, not a wait for something
                server = struck(store, server, what, world)
                if turn == 0:
                    server.call("remember", video_id=world.video_id, start_s=10, end_s=20, text=NOTE)
            until(store, world.video_id, lambda _store, job: job.state not in ("queued", "running"))
        why = world.checked(home)
    finally:
        server.kill()
    strikes = " then ".join(f"{what} after {after_s:.2f} s" for what, after_s in plan)
    for _ in plan:
        found.count(f"{strikes}: {why}" if why else "")
    return found


def struck(store: Store, server: Server, what: str, world: World) -> Server:
    """Kill what is to be killed; the server that is there afterwards."""
    job = store.job(world.video_id)
    if what in ("worker", "both") and job is not None and job.state == "running" and job.pid and alive(job.pid):
        os.kill(job.pid, signal.SIGKILL)
        while alive(job.pid):
            time.sleep(0.01)
        expire(store.home, job.pid)
    if what in ("server", "both"):
        server.kill()
        return Server(store.home, world.film.parent, flags=FPS)
    return server


def full_disk(world: World, number: int, home: Path) -> Outcome:
    """The disk is full after so many writes, in the middle of whatever that is; then there is room again."""
    room = random.Random(f"{world.seed} disk {number}").randrange(1, world.writes)
    with disk() as full:
        full.room = room
        met = ""
        with contextlib.suppress(AgentToolsError):
            done_by(world, home)
        with contextlib.closing(Store.open(home, vfs="fulldisk" if full.room > 0 else "")) as store:
            if store.integrity_check() != "ok":
                met = f"integrity_check while full: {store.integrity_check()}"
        full.room = 1 << 40
        again(world, home)
        done_by(world, home)
    return Outcome.of(f"full after {room} writes: {why}" if (why := met or world.checked(home, notes=0)) else "")


@contextlib.contextmanager
def disk() -> Iterator[FullDisk]:
    """Every store that this process opens lies on a disk that can get full."""
    full, real = FullDisk(), Store.open.__func__  # type: ignore[attr-defined]  # a classmethod's function
    with pytest.MonkeyPatch.context() as patch:

        def opened(cls: type[Store], home: Path, **more: Any) -> Store:
            return real(cls, home, **{"vfs": "fulldisk", **more})  # type: ignore[no-any-return]  # a store

        patch.setattr(Store, "open", classmethod(opened))
        patch.setattr(threading, "excepthook", lambda _report: None)  # the pulse's own end on a full disk
        patch.setattr("sys.unraisablehook", lambda _report: None)  # apsw reports what SQLite tries while rolling back
        try:
            yield full
        finally:
            full.unregister()


def done_by(world: World, home: Path) -> None:
    """Queue the film where it is not, and work, in this process."""
    settings = world.settings(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workers, "ensure", lambda _self, _store: False)
        library = Library(settings)
        try:
            ingest_video(library, world.film.name, wait_s=0)
        finally:
            library.close()
    worker.work(settings)


def again(world: World, home: Path) -> None:
    """What a later ingest_video does, without waiting for the time after which it tries a failed one again."""
    with contextlib.closing(Store.open(home)) as store:
        job = store.job(world.video_id)
        if job is not None and job.state == "failed":
            store.enqueue(world.video_id, CHANNELS, "lite", job.settings)
        if job is not None and job.state == "running" and job.pid is not None:
            expire(home, job.pid)


def small_disk(world: World, _number: int, home: Path) -> Outcome:
    """A tmpfs of one megabyte under the home of a real server and worker; then it grows."""
    home.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(home)], capture_output=True)
    if mounted.returncode:
        return Outcome.empty()  # not permitted here
    try:
        with serving(home, world.film.parent, flags=FPS) as server:
            server.result("ingest_video", {"source": world.film.name, "wait_s": 5})
            deadline = time.monotonic() + 60
            while (reply := server.result("ingest_video", {"source": world.film.name, "wait_s": 5})) and (
                "StoreFull" not in str(reply) and "room" not in str(reply) and time.monotonic() < deadline
            ):
                time.sleep(0.2)
            found = Outcome.of(
                "" if "room" in str(reply) or "StoreFull" in str(reply) else f"no reply named it: {reply}"[:300]
            )
            subprocess.run(["mount", "-o", "remount,size=400m", str(home)], check=True, capture_output=True)
            with contextlib.closing(Store.open(home)) as store:
                job = store.job(world.video_id)
                if job is not None and job.state == "failed":
                    again(world, home)
                until(store, world.video_id, lambda _store, job: job.state == "done")
            server.call("remember", video_id=world.video_id, start_s=10, end_s=20, text=NOTE)
        found.count(world.checked(home))
        return found
    finally:
        subprocess.run(["umount", "-l", str(home)], capture_output=True)


def removed(world: World, _number: int, home: Path) -> Outcome:
    """The file goes away while it is read: done from what is open, or failed with the reason; put back, it is whole."""
    return _meddled(world, home, lambda film: film.unlink())


def changed(world: World, _number: int, home: Path) -> Outcome:
    """Other content is written over the file while it is read: never done with what was not this video."""

    def overwrite(film: Path) -> None:
        with film.open("r+b") as file:
            data = file.read()
            file.seek(len(data) // 3)
            file.write(data[: len(data) - len(data) // 3])

    return _meddled(world, home, overwrite)


def _meddled(world: World, home: Path, meddle: Callable[[Path], None]) -> Outcome:
    folder = home.with_suffix(".films")
    folder.mkdir()
    film = folder / world.film.name
    shutil.copy2(world.film, film)
    found = Outcome.empty()
    with serving(home, folder, flags=FPS) as server, contextlib.closing(Store.open(home)) as store:
        server.call("ingest_video", source=film.name, wait_s=0)
        until(store, world.video_id, lambda _store, job: job.progress >= 0.1 or job.state != "running")
        meddle(film)
        job = until(store, world.video_id, lambda _store, job: job.state not in ("queued", "running"))
        if job.state == "done":
            found.count(_differs(world, contents(store, world.video_id)))
        else:
            reply = str(server.result("list_episodes", {"video_id": world.video_id}))
            found.count("" if job.error and "failed" in reply else f"no reason given: {job} {reply[:200]}")
        film.unlink(missing_ok=True)
        shutil.copy2(world.film, film)
        store.add_source(world.video_id, str(film), *_stat(film))
        again(world, home)
        server.call("ingest_video", source=film.name, wait_s=0)
        until(store, world.video_id, lambda _store, job: job.state not in ("queued", "running"))
        server.call("remember", video_id=world.video_id, start_s=10, end_s=20, text=NOTE)
    found.count(world.checked(home))
    return found


def _differs(world: World, found: dict[str, Any]) -> str:
    for part in ("entries", "frames", "pictures"):
        expected = [e for e in world.whole[part] if part != "entries" or e[0] != "notes"]
        if found[part] != expected:
            return f"done, but {part} are not those of the video"
    return ""


def _stat(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def locked(world: World, _number: int, home: Path) -> Outcome:
    """Another program holds the store's write lock for ten seconds of the ingest: all wait, nobody fails."""
    with serving(home, world.film.parent, flags=FPS) as server, contextlib.closing(Store.open(home)) as store:
        server.call("ingest_video", source=world.film.name, wait_s=0)
        until(store, world.video_id, lambda _store, job: job.progress >= 0.05)
        holder = apsw.Connection(str(home / "memory.sqlite3"))
        holder.set_busy_timeout(30_000)
        holder.execute("BEGIN IMMEDIATE")
        release = threading.Timer(10, holder.execute, ["COMMIT"])
        release.start()
        read = server.result("list_episodes", {"video_id": world.video_id})
        server.call("remember", video_id=world.video_id, start_s=10, end_s=20, text=NOTE)
        release.join()
        holder.close()
        until(store, world.video_id, lambda _store, job: job.state not in ("queued", "running"))
    found = Outcome.of(f"reading beside the lock: {read}" if read.get("isError") else "")
    found.count(world.checked(home))
    return found


CASES: dict[str, tuple[int, Callable[[World, int, Path], Outcome]]] = {
    "store locked": (1, locked),
    "file changed": (1, changed),
    "file removed": (1, removed),
    "small disk": (1, small_disk),
    "moments": (PAIRS, moments),
    "full disk": (FULL, full_disk),
}


def cases(_seed: int) -> Sequence[str]:
    return [f"{name} {number}" for name, (count, _) in CASES.items() for number in range(count)]


@contextlib.contextmanager
def stage(seed: int, folder: Path) -> Iterator[Callable[[str], Outcome]]:
    root = folder.resolve()
    (root / "films").mkdir()
    film = root / "films" / "film.mp4"
    draw(film, seed=11, duration_s=60.0)
    with serving(root / "whole", film.parent, flags=FPS) as server:
        began = time.monotonic()
        video_id = server.call("ingest_video", source=film.name, wait_s=0)["video_id"]
        with contextlib.closing(Store.open(root / "whole")) as store:
            until(store, video_id, lambda _store, job: job.state == "done")
            lasts_s = time.monotonic() - began
            server.call("remember", video_id=video_id, start_s=10, end_s=20, text=NOTE)
            settled(store, video_id)
            world = World(root, film, video_id, contents(store, video_id), lasts_s, 0, seed)
    with disk() as full:
        full.room = 1 << 40
        done_by(world, root / "counted")
        world.writes = (1 << 40) - full.room

    def run(case: str) -> Outcome:
        name, _, number = case.rpartition(" ")
        home = root / case.replace(" ", "-")
        try:
            return CASES[name][1](world, int(number), home)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    yield run


SLICE = Slice(
    "kill",
    "ingests struck by kill -9, full disks, locks and vanishing files, compared with one left alone",
    cases,
    stage,
)
