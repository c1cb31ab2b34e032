"""Slice shared: four servers and two command lines on one data folder at once, writing and searching.

No note may be lost and no lock error may reach a client. Every video has one lease at a time, and another worker takes
over the lease of a worker that was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agent_tools.media import content_id
from agent_tools.store import Store
from lab.faults.homes import alive, expire
from lab.faults.servers import Server
from lab.faults.slices import Outcome, Slice
from lab.lifetime import take_along
from tests.acceptance.conftest import environment
from tests.drawing import draw, even_times

LONGEST_S = 900.0  # on a machine that does much else


@dataclass
class World:
    root: Path
    films: list[Path]
    servers: int = 4
    notes: int = 200  # of all servers


def together(world: World, home: Path) -> Outcome:
    """Everything at once: 4 servers of which each writes and finds 50 notes, 2 ingests by hand, a killed worker."""
    found = Outcome.empty()
    servers = [Server(home, world.root / "films") for _ in range(world.servers)]
    leases = Leases(home)
    half, each = len(world.films) // 2, world.notes // world.servers
    by_hand = [_ingesting(home, films) for films in (world.films[:half], world.films[half:])]
    try:
        first = servers[0].call("ingest_video", source=world.films[0].name, wait_s=0)["video_id"]
        with ThreadPoolExecutor(world.servers + 1) as pool, leases.watched():
            killing = pool.submit(_kill_one, home)
            faults = list(pool.map(lambda n: _notes(servers[n], first, n, each), range(world.servers)))
            killed = killing.result()
            for process in by_hand:
                _, errors = process.communicate(timeout=LONGEST_S)
                text = errors.decode()
                found.count(
                    "" if process.returncode == 0 and "locked" not in text else f"ingest by hand: {text[-300:]}"
                )
            done = _all_done(servers, world)
        for why in (why for one in faults for why in one):
            found.count(why)
        found.count("" if killed else "no worker was there to kill")
        found.count(done)
        found.count(leases.doubled)
        with contextlib.closing(Store.open(home)) as store:
            ids = {content_id(path) for path in world.films}
            found.count("" if {video.id for video in store.videos()} == ids else "videos are missing or there twice")
            texts = Counter(note.text for note in store.notes(first))
            wanted = Counter(f"note {n} of server {s}" for s in range(world.servers) for n in range(each))
            found.count("" if texts == wanted else f"notes lost or doubled: {len(texts)} of {len(wanted)}")
            found.count("" if (sound := store.integrity_check()) == "ok" else f"integrity_check: {sound}")
            twice = [video for video in ids if max(Counter(_entries(store, video)).values(), default=1) > 1]
            found.count(f"entries twice in {twice}" if twice else "")
    finally:
        for server in servers:
            server.kill()
        for process in by_hand:
            process.kill()
            process.communicate()
    for server in servers:
        log = server.log.read_text(errors="replace")
        found.count("a lock or a traceback stands in the log" if "locked" in log or "Traceback" in log else "")
    return found


def _entries(store: Store, video_id: str) -> list[tuple[str, str, float, float, str]]:
    return [(e.channel, e.producer, e.start_s, e.end_s, e.text) for e in store.entries(video_id)]


def _ingesting(home: Path, films: Sequence[Path]) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "agent_tools",
        "ingest",
        "--home",
        str(home),
        "--profile",
        "lite",
        *map(str, films),
    ]
    take_along()
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())


def _notes(server: Server, video_id: str, number: int, count: int) -> list[str]:
    """Write `count` notes, each found by its own words at once; what went wrong with each, "" for nothing."""
    faults = []
    for n in range(count):
        text = f"note {n} of server {number}"
        written = server.result("remember", {"video_id": video_id, "start_s": n % 5, "end_s": n % 5 + 1, "text": text})
        hits = server.result("retrieve_memory", {"query": f'"{text}"', "video_ids": [video_id], "channels": ["notes"]})
        if written.get("isError") or hits.get("isError"):
            faults.append(f"{text}: {written} {hits}"[:400])
        else:
            faults.append("" if text in str(hits) else f"{text} was not found: {hits}"[:300])
    return faults


def _kill_one(home: Path) -> bool:
    """Kill -9 the worker of a running job, and let its lease run out. Whether there was one."""
    deadline = time.monotonic() + 60
    with contextlib.closing(Store.open(home)) as store:
        while time.monotonic() < deadline:
            pids = [job.pid for job in store.open_jobs() if job.state == "running" and alive(job.pid)]
            if pids and pids[0] is not None:
                os.kill(pids[0], signal.SIGKILL)
                while alive(pids[0]):
                    time.sleep(0.01)
                expire(home, pids[0])
                return True
            if not store.open_jobs():
                return False
            time.sleep(0.02)
    return False


def _all_done(servers: Sequence[Server], world: World) -> str:
    deadline = time.monotonic() + LONGEST_S
    while True:
        replies = [server.result("ingest_video", {"source": "", "wait_s": 2}) for server in servers]
        states = [reply["structuredContent"] for reply in replies if not reply.get("isError")]
        if len(states) < len(servers):
            return f"a reply was an error: {replies}"[:400]
        if all(state["done"] == len(world.films) for state in states):
            return ""
        if time.monotonic() > deadline or any(state["failed"] for state in states):
            return f"not all done: {states[0]}"[:400]


class Leases:
    """Looks at the jobs all the time: whether a job's worker changed while the one before it was alive."""

    def __init__(self, home: Path) -> None:
        self.home, self.doubled = home, ""
        self._ended = threading.Event()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        held: dict[int, int] = {}
        with contextlib.closing(Store.open(self.home)) as store:
            while not self._ended.wait(0.05):
                running = [job for job in store.open_jobs() if job.state == "running" and job.pid is not None]
                for job in running:
                    before = held.get(job.id)
                    if before is not None and before != job.pid and alive(before):
                        self.doubled = f"job {job.id} passed from {before}, which lives, to {job.pid}"
                    held[job.id] = job.pid or 0


def cases(_seed: int) -> Sequence[str]:
    return ["together"]


@contextlib.contextmanager
def stage(
    _seed: int, folder: Path, servers: int = World.servers, notes: int = World.notes, count: int = 6
) -> Iterator[Callable[[str], Outcome]]:
    root = folder.resolve()
    (root / "films").mkdir()
    films = [draw(root / "films" / f"film-{n}.mp4", even_times(80, 10), size=(160 + 2 * n, 90)) for n in range(count)]
    world = World(root, films, servers, notes)
    yield lambda _case: together(world, root / "home")


SLICE = Slice("shared", "notes and ingests of 4 servers and 2 command lines on one home", cases, stage)
