"""Workers that Ray places, on a cluster of one machine: a killed worker comes back, and its job is done once more.

    python -m lab.ray_cluster

It starts PostgreSQL and a Ray head, places two workers with `agent-tools work --workers`, queues three films, kills a
worker at work, waits for all jobs, kills the actor of a worker, which ends with it and comes back, ends the workers
with --count 0, and prints one line of JSON with the workers' log of jobs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from agent_tools.evals.films.demo_video import draw
from agent_tools.media import content_id
from lab.faults.archive import Archive, archive, running, struck, until
from lab.faults.homes import alive
from lab.lifetime import take_along, temporary
from lab.postgres_server import server
from tests.acceptance.conftest import environment

FILMS, WORKERS, CHANNELS = 3, 2, ("subtitles", "frames")


@contextlib.contextmanager
def head(home: Path) -> Iterator[str]:
    """A Ray head on this machine, as the address of its clients."""
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
        ports = free.getsockname()[1], other.getsockname()[1]
    flags = f"--port={ports[0]} --ray-client-server-port={ports[1]} --num-cpus={WORKERS} --include-dashboard=false"
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *flags.split()]
    made = environment(AGENT_TOOLS_HOME=str(home), RAY_DISABLE_IMPORT_WARNING="1", RAY_USAGE_STATS_ENABLED="0")
    take_along()
    with (home / "ray.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=made)
    try:
        until(lambda: _listens(ports[1]), "Ray listens")
        yield f"ray://127.0.0.1:{ports[1]}"
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def place(address: str, store: str, count: int) -> str:
    """What `agent-tools work --workers` says."""
    command = [sys.executable, "-m", "agent_tools", "work", "--workers", address, "--count", str(count)]
    said = subprocess.run(
        [*command, "--store", store, "--profile", "lite"], env=environment(), capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def pids(db: Archive) -> list[int]:
    """Of all workers that showed themselves."""
    return [int(name.partition("-")[0]) for (name,) in db.asked("SELECT name FROM workers")]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def main() -> None:
    with temporary("ray-") as home, server() as postgres:
        films = [home / f"film-{number}.mp4" for number in range(FILMS)]
        for number, film in enumerate(films):
            draw(film, seed=300 + number, duration_s=60.0)
        with archive(postgres, "ray") as db, db.opened(home / "watch") as store, head(home) as address:
            begun = time.monotonic()
            told = [place(address, db.url(), WORKERS), place(address, db.url(), WORKERS)]  # twice: those that are stay
            ids = [content_id(film) for film in films]
            for film, video_id in zip(films, ids, strict=True):
                stat = film.stat()
                store.add_video(video_id, film.stem, stat.st_size)
                store.add_source(video_id, str(film), stat.st_size, stat.st_mtime_ns, stat.st_ino)
                store.enqueue(video_id, CHANNELS, "lite")
            job = until(lambda: running(store), "a job runs")
            first_s = time.monotonic() - begun
            struck(job.pid)
            until(lambda: not store.open_jobs(), "all jobs end")
            jobs = [found for video_id in ids if (found := store.job(video_id)) is not None]
            until(lambda: len(pids(db)) > WORKERS, "the killed one is back")
            kept = next(pid for pid in pids(db) if alive(pid))
            struck(parent(kept))
            until(lambda: not alive(kept), "the worker ends with its actor")
            until(lambda: sum(map(alive, pids(db))) == WORKERS, "both are back")
            seen = pids(db)
            told.append(place(address, db.url(), 0))
            log = (home / "logs" / "worker.log").read_text(encoding="utf-8")
            left = [pid for pid in seen if alive(pid)]
        report = {
            "told": told,
            "first_job_s": round(first_s, 1),
            "states": [one.state for one in jobs],
            "attempts": sorted(one.attempts for one in jobs),
            "log": [line for line in log.splitlines() if " job " in line],
            "workers": len({one.worker for one in jobs}),
            "left_running": len(left),
            "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            "date": time.strftime("%Y-%m-%d"),
        }
        sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
