"""Slice scale: servers and workers of many machines on one PostgreSQL, struck in every place.

Whatever happens, the archive ends with the same rows as an undisturbed ingest into SQLite; a killed worker's job is
taken again once, within the lease and five seconds; a worker that was cut off writes nothing more; no note that was
acknowledged is lost."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from agent_tools.evals.films.demo_video import draw
from agent_tools.ingestion.control import PulseSettings
from agent_tools.media import content_id
from agent_tools.settings import Settings
from agent_tools.store import Job, Store
from lab.faults.archive import (
    Archive,
    Holding,
    Proxy,
    archive,
    call,
    running,
    struck,
    task_of,
    until,
    working,
)
from lab.faults.archive_world import NOTE, Notes, World, checked, done, drop_notes
from lab.faults.servers import listening
from lab.faults.slices import Outcome, Slice, tried
from lab.lifetime import temporary
from lab.postgres_server import server
from tests.library import ingested

SHORT_S = 0.3  # of the lease that many reach for
LEASE_S, SPARE_S = PulseSettings().lease_s, 5.0
MOST = 3  # films of a case but `together`
LATEST = 0.6  # share of the pictures at which a fault strikes: the rest of the job is still to be done
CHANNELS = ("subtitles", "frames", "screen_text")


def together(world: World, home: Path, db: Archive) -> Outcome:
    """Two HTTP servers and all workers: each film once, and a note that one server keeps is found by the other."""
    found = Outcome.empty()
    flags = ("--store", db.url("server"))
    folder = world.films[0].parent
    with (
        working(home, db, world.workers) as workers,
        listening(home / "a", folder, flags=flags) as one,
        listening(home / "b", folder, flags=flags) as other,
        db.opened(home / "watch") as store,
    ):
        servers = (one.address, other.address)
        ids = [
            call(servers[n % 2], "ingest_video", source=film.name, wait_s=0, channels=world.channels)["video_id"]
            for n, film in enumerate(world.films)
        ]
        jobs = done(store, ids)
        found.count("" if all(job.attempts == 1 for job in jobs) else f"attempts {[job.attempts for job in jobs]}")
        hands = {job.worker for job in jobs}
        found.count("" if len(hands) > 1 else f"one worker did all: {hands}")
        found.count("" if all(worker.alive for worker in workers) else "a worker ended")
        checked(world, found, store, ids)
        call(servers[0], "remember", video_id=ids[0], start_s=3, end_s=5, text=NOTE)
        hits = call(servers[1], "retrieve_memory", query=f'"{NOTE}"')["hits"]
        found.count("" if NOTE in str(hits) else f"the note of the other server is not found: {hits}"[:300])
        counts = [call(address, "list_episodes")["videos"] for address in servers]
        found.count("" if sorted(v["video_id"] for v in counts[0]) == sorted(ids) else f"listed: {counts[0]}"[:300])
        found.count("" if [v["video_id"] for v in counts[0]] == [v["video_id"] for v in counts[1]] else "lists differ")
    return found


def worker_killed(world: World, home: Path, db: Archive) -> Outcome:
    """kill -9 of a worker at a random place of a job: another one takes the job within the lease and 5 s, once."""
    found = Outcome.empty()
    with db.opened(home / "watch") as store, working(home, db, 2) as workers:
        wanted = world.queue(store, 2)
        place = world.rng.uniform(0.02, LATEST)
        job = until(lambda: running(store, place) or _all_ended(store, wanted), f"a job at {place:.0%}")
        if not isinstance(job, Job):
            return Outcome.of("no job was caught while it ran")
        victim = next(worker for worker in workers if worker.process.pid == job.pid)
        struck(victim.process.pid)
        killed = time.monotonic()
        taken = until(lambda: _taken_from(store, job), "the job is taken again")
        after_s = time.monotonic() - killed
        found.figures["retaken_s"] = round(after_s, 1)
        # The lease is from the last beat; with one worker left, the job may have to wait for the other film.
        free = _free_since(db, store, job, taken)
        found.count("" if free <= LEASE_S + SPARE_S else f"taken {free:.1f} s after it was free")
        jobs = done(store, wanted)
        attempts = {one.id: one.attempts for one in jobs}
        found.count("" if attempts[job.id] == 2 and sum(attempts.values()) == 3 else f"attempts: {attempts}")
        checked(world, found, store, wanted)
    return found


def _all_ended(store: Store, wanted: Sequence[str]) -> str:
    return "" if store.open_jobs() else "all ended"


def _taken_from(store: Store, job: Job) -> Job | None:
    now = store.job(job.video_id)
    return now if now is not None and now.worker not in (None, job.worker) else None


def _free_since(db: Archive, store: Store, job: Job, taken: Job) -> float:
    """Seconds between the moment at which a worker was free for the job and the moment at which it took it.

    The other worker holds the other film at first: its end, or the kill, whichever is later, is what counts."""
    ends = [row[0] for row in db.asked("SELECT updated_at FROM jobs WHERE state='done' AND id <> %s", job.id)]
    free_at = max([job.updated_at, *[end for end in ends if end < taken.updated_at]])
    return taken.updated_at - free_at


def postmaster_killed(world: World, home: Path, db: Archive, away_s: float) -> Outcome:
    """SIGKILL of the whole database server in the middle; it comes back after so long. Notes are written throughout."""
    found = Outcome.empty()
    folder = world.films[0].parent
    with (
        db.opened(home / "watch") as store,
        working(home, db, 2) as workers,
        listening(home / "a", folder, flags=("--store", db.url("server"))) as web,
    ):
        wanted = world.queue(store, 3)
        until(lambda: running(store, world.rng.uniform(0.05, LATEST)), "a job runs")
        with Notes(web.address, wanted[0]) as notes:
            until(lambda: len(notes.kept) >= 3, "notes are kept")
            world.postgres.kill()
            time.sleep(away_s)  # the time is the case
            world.postgres.start()
            before, back = len(notes.kept), time.monotonic()
            until(lambda: len(notes.kept) > before, "a note is kept again")
            found.figures["notes_again_s"] = round(time.monotonic() - back, 1)
            until(lambda: len(notes.kept) >= before + 3, "notes are kept again")
        done(store, wanted)
        found.count("" if all(worker.alive for worker in workers) else f"a worker ended: {workers[0].log[-300:]}")
        texts = [note.text for note in store.notes(wanted[0])]
        lost = set(notes.kept) - set(texts)
        found.count(f"{len(lost)} of {len(notes.kept)} acknowledged notes are lost" if lost else "")
        found.count("a note stands there twice" if len(texts) != len(set(texts)) else "")
        found.figures["notes"] = len(notes.kept)
        drop_notes(store, wanted[0])
        checked(world, found, store, wanted)
    return found


def network_cut(world: World, home: Path, db: Archive) -> Outcome:
    """The line of a worker is cut for longer than its lease, then it is there again: the loser writes nothing."""
    found = Outcome.empty()
    proxy = Proxy(world.postgres)
    db.audit()
    try:
        with db.opened(home / "watch") as store, working(home, db, 1, proxy.host, "cut-0") as (loser,):
            (video_id,) = world.queue(store, 1)
            place = world.rng.uniform(0.02, LATEST)
            job = until(lambda: running(store, place), f"a job at {place:.0%}")
            proxy.pause()
            with working(home, db, 1, first="heir-0") as (heir,):
                taken = until(lambda: _taken_from(store, job), "the job is taken by the other")
                found.figures["retaken_s"] = round(taken.updated_at - job.updated_at, 1)
                if world.rng.random() < 0.5:  # in the middle of the heir's work, or when it has ended
                    done(store, [video_id])
                proxy.resume()
                jobs = done(store, [video_id])
                until(lambda: "lost" in loser.log or "left, and taken again" in loser.log, "the loser gives up")
                found.count("" if heir.alive and loser.alive else "a worker ended")
            late = late_writes(db, "cut-0", taken, jobs[0])
            found.count(f"the loser wrote {len(late)} rows afterwards: {late[:5]}" if late else "")
            mine = db.asked("SELECT count(*) FROM audit WHERE client='cut-0'")[0][0]
            found.count("" if mine else "the loser had written nothing before either: the case is void")
            found.figures["attempts"] = jobs[0].attempts
            checked(world, found, store, [video_id])
    finally:
        proxy.close()
    return found


def frozen(world: World, home: Path, db: Archive) -> Outcome:
    """A worker is stopped as a whole (SIGSTOP) for longer than its lease, and goes on when another has its job."""
    found = Outcome.empty()
    db.audit()
    with db.opened(home / "watch") as store, working(home, db, 1, first="frozen-0") as (loser,):
        (video_id,) = world.queue(store, 1)
        place = world.rng.uniform(0.02, LATEST)
        job = until(lambda: running(store, place), f"a job at {place:.0%}")
        loser.process.send_signal(signal.SIGSTOP)
        with working(home, db, 1, first="heir-0"):
            taken = until(lambda: _taken_from(store, job), "the job is taken by the other")
            loser.process.send_signal(signal.SIGCONT)
            jobs = done(store, [video_id])
            until(lambda: "lost" in loser.log or "left, and taken again" in loser.log, "the loser gives up")
        late = late_writes(db, "frozen-0", taken, jobs[0])
        found.count(f"the loser wrote {len(late)} rows afterwards: {late[:5]}" if late else "")
        found.figures["attempts"] = jobs[0].attempts
        checked(world, found, store, [video_id])
    return found


def late_writes(db: Archive, client: str, taken: Job, ended: Job) -> list[Any]:
    """What a client wrote after its job was taken. On a machine so busy that leases run out by themselves, the job may
    have come back to it: then only what it wrote before the next change of hands counts."""
    until_s = ended.updated_at if ended.attempts == taken.attempts else taken.updated_at + LEASE_S
    return db.asked(
        "SELECT place FROM audit WHERE client=%s AND at > %s AND at < %s", client, taken.updated_at, until_s
    )


def stale_lease(world: World, home: Path, db: Archive) -> Outcome:
    """Eight workers reach for one lease that has run out, a hundred times: one holds it at any time.

    A thread that waits long for a core may come when the lease of the first has run out again: that is no fault."""
    found = Outcome.empty()
    stores = [Store.connect(home / str(n), db.url(f"claimer-{n}"), now=time.time) for n in range(8)]
    try:
        world.queue(stores[0], 1)
        for turn in range(100):
            start = threading.Barrier(len(stores))
            got: list[Job] = []

            def reach(number: int, start: threading.Barrier = start, got: list[Job] = got, turn: int = turn) -> None:
                start.wait(60)
                if (job := stores[number].claim(f"{turn}-{number}", 1, lease_s=SHORT_S)) is not None:
                    got.append(job)

            threads = [threading.Thread(target=reach, args=(n,)) for n in range(len(stores))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            ends = sorted(job.lease_until for job in got)
            apart = all(second - first >= SHORT_S for first, second in pairwise(ends))
            found.count("" if got and apart else f"turn {turn}: {len(got)} have it, until {ends}")
            until(lambda: stores[0].open_jobs()[0].lease_until <= stores[0].now(), "the lease runs out")
    finally:
        for store in stores:
            store.close()
    return found


def server_restarted(world: World, home: Path, db: Archive) -> Outcome:
    """The server that began a task is killed: another one answers for the task, until it is completed."""
    found = Outcome.empty()
    flags, folder = ("--store", db.url("server")), world.films[0].parent
    with (
        db.opened(home / "watch") as store,
        working(home, db, 1),
        listening(home / "b", folder, flags=flags) as other,
        listening(home / "a", folder, flags=flags) as one,
    ):
        begun = call(one.address, "ingest_video", task=True, source=world.films[0].name, channels=world.channels)
        found.count("" if begun.get("resultType") == "task" else f"no task: {begun}")
        number = begun["taskId"]
        until(lambda: running(store), "the job runs")
        seen = task_of(other.address, number)
        found.count("" if seen["status"] == "working" else f"the other server says {seen}")
        one.process.kill()
        one.process.wait()
        ended = until(lambda: _settled(other.address, number), "the task ends")
        result = ended.get("result", {}).get("structuredContent", {})
        found.count("" if (ended["status"], result.get("state")) == ("completed", "done") else f"it ended as {ended}")
        checked(world, found, store, [content_id(world.films[0])])
    return found


def _settled(address: str, number: str) -> dict[str, object] | None:
    seen = task_of(address, number)
    return seen if seen["status"] in ("completed", "failed", "cancelled") else None


def full_disk(world: World, home: Path, _db: Archive) -> Outcome:
    """A database server on a small disk that fills up in the middle; then there is room again."""
    found = Outcome.empty()
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(temporary("full-"))  # a short path: a socket's name has at most 107 bytes
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=220m,mode=755", "tmpfs", str(disk)]).returncode:
            return found  # not permitted here
        stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=False)
        with (
            server(disk) as small,
            archive(small, "full_disk") as db,
            db.opened(home / "watch") as store,
            working(home, db, 1) as (worker,),
        ):
            wanted = world.queue(store, 2)
            until(lambda: running(store, 0.05), "a job runs")
            ballast = disk / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb") as file:
                while True:
                    file.write(b"\0" * 65536)
            until(lambda: "room" in worker.log or "reached" in worker.log, "the worker meets the full disk")
            ballast.unlink()
            if small.process.poll() is not None:
                small.start()  # a full disk under its log ends PostgreSQL; its service starts it again
            until(lambda: _again(store, wanted), "all jobs are done")
            found.count("" if worker.alive else f"the worker ended: {worker.log[-300:]}")
            checked(world, found, store, wanted)
    return found


def _again(store: Store, wanted: Sequence[str]) -> bool:
    """Whether all are done; one that failed for want of room is asked for again, as a person would."""
    jobs = [store.job(video_id) for video_id in wanted]
    for job in jobs:
        if job is not None and job.state == "failed":
            store.enqueue(job.video_id, job.channels, job.profile, job.settings)
    return all(job is not None and job.state == "done" for job in jobs)


CASES: dict[str, tuple[int, Callable[[World, Path, Archive], Outcome]]] = {
    "together": (1, together),
    "stale lease": (1, stale_lease),
    "server restarted": (1, server_restarted),
    "worker killed": (3, worker_killed),
    "network cut": (3, network_cut),
    "frozen": (2, frozen),
    "postmaster killed for 3 s": (2, lambda world, home, db: postmaster_killed(world, home, db, 3.0)),
    "postmaster killed for 25 s": (1, lambda world, home, db: postmaster_killed(world, home, db, 25.0)),
    "full disk": (1, full_disk),
}


def cases(_seed: int) -> Sequence[str]:
    """One of each first."""
    most = max(count for count, _ in CASES.values())
    return [f"{name} {number}" for number in range(most) for name, (count, _) in CASES.items() if number < count]


@contextlib.contextmanager
def stage(
    seed: int, folder: Path, films: int = 8, workers: int = 4, channels: tuple[str, ...] = CHANNELS
) -> Iterator[Callable[[str], Outcome]]:
    """Args: channels: that each film gets; frames alone load no model, which makes a quick version."""
    root = folder.resolve()
    (root / "films").mkdir()

    @cache
    def drawn(number: int) -> Path:
        film = root / "films" / f"film-{number}.mp4"
        draw(film, seed=100 + number, duration_s=60.0)
        return film

    settings = Settings.load({}, home=root / "undisturbed", allow=(root / "films",), profile="lite")

    @cache
    def whole(film: Path) -> Holding:
        ingested(settings, film.name, channels=list(channels))
        with contextlib.closing(Store.open(settings.home)) as store:
            return Holding.of(store, content_id(film))

    with server() as postgres:

        def run(case: str) -> Outcome:
            name = case.rpartition(" ")[0]
            own = [drawn(number) for number in range(films if name == "together" else min(films, MOST))]
            world = World(root, own, whole, postgres, workers, channels, random.Random(f"{seed} {case}"))
            place = root / case.replace(" ", "-")
            with archive(postgres, place.name.replace("-", "_")) as db:
                return CASES[name][1](world, place, db)

        yield run


SLICE = Slice(
    "scale",
    "servers and workers on one PostgreSQL: kills, cut lines, a full disk; compared with SQLite left alone",
    cases,
    stage,
)


def main() -> None:
    """Run cases on a small stage, where the whole slice takes too long: few films, without the text on the screen."""
    parser = argparse.ArgumentParser(prog="python -m lab.faults.scale", description=main.__doc__)
    parser.add_argument("cases", nargs="*", help="such as 'full disk 0'; all, where none is named")
    parser.add_argument("--films", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--channels", default="subtitles,frames")
    asked = parser.parse_args()
    channels = tuple(asked.channels.split(","))
    with (
        temporary("faults-scale-") as folder,
        stage(0, folder, asked.films, asked.workers, channels) as run,
    ):
        for case in asked.cases or cases(0):
            begun = time.monotonic()
            row = {"case": case, **asdict(tried(run, case)), "seconds": round(time.monotonic() - begun)}
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
