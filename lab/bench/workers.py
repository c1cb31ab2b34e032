"""Ingest by 1 and 2 workers on one PostgreSQL, and by 1, 2 and 4 from a source that gives bytes slowly.

    python -m lab.bench.workers [--films 16] [--json FILE]

Films are drawn, a minute long each; subtitles and frames are made. Only the time in which all workers are at work
counts: from the moment at which each has ended a film to the moment at which no film waits. A slow source stands for
videos on a network: each worker's reads of the file sleep, SLOW_S for as many bytes as a film has. The loss is
fitted to films a minute as workers / (1 + loss (workers - 1)): 0 is no loss, 1 no gain by a further worker."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agent_tools.evals.films.demo_video import draw
from agent_tools.media import content_id
from agent_tools.store import Store
from lab.bench.library import cpu_s_of
from lab.faults.archive import archive, until, working
from lab.lifetime import temporary
from lab.postgres_server import Server, server

CHANNELS = ("subtitles", "frames")
FAST, SLOW = (1, 2), (1, 2, 4)
SLOW_S = 1.0  # that the bytes of a film take from the slow source; an ingest reads them several times
RATE = "LAB_SOURCE_BYTES_S"


def measure(films: int) -> dict[str, Any]:
    with temporary("bench-workers-") as folder, server() as postgres:
        drawn = []
        for number in range(films + 2 * max(SLOW)):
            drawn.append(folder / f"film-{number}.mp4")
            draw(drawn[-1], seed=500 + number, duration_s=60.0)
        rate = drawn[0].stat().st_size / SLOW_S
        runs = [(count, 0.0) for count in FAST] + [(count, rate) for count in SLOW]
        rows = [ran(postgres, folder, drawn[: films + 2 * count], count, rate) for count, rate in runs]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "rows": rows,
        "loss": {name: loss([row for row in rows if row["slow"] == slow]) for name, slow in KINDS.items()},
    }


KINDS = {"files on this machine": False, "a slow source": True}


def ran(postgres: Server, folder: Path, films: Sequence[Path], count: int, rate: float) -> dict[str, Any]:
    """So many workers ingest the films into a new archive.

    Args:
        rate: bytes/s that each reads from its source; 0 is no limit."""
    name = f"{'slow' if rate else 'fast'}_{count}"
    with archive(postgres, name) as db, db.opened(folder / name / "watch") as store:
        for film in films:
            stat, video_id = film.stat(), content_id(film)
            store.add_video(video_id, film.stem, stat.st_size)
            store.add_source(video_id, str(film), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            store.enqueue(video_id, CHANNELS, "lite")
        with working(folder / name, db, count, program="lab.bench.workers", **{RATE: f"{rate:.0f}"}) as workers:
            pids = [worker.process.pid for worker in workers]
            until(lambda: len(ended(store)) >= count and all_began(store, count), "each worker has ended a film")
            before, begun, cpu_s = len(ended(store)), time.monotonic(), sum(map(cpu_s_of, pids))
            until(lambda: store.queue_state().queued == 0, "no film waits")
            done, took_s = len(ended(store)) - before, time.monotonic() - begun
            cpu_s = sum(map(cpu_s_of, pids)) - cpu_s
    if not done:
        raise SystemExit(f"All films were done before each of {count} workers had ended one. Give more --films.")
    row = {"workers": count, "slow": bool(rate), "films": done, "films_min": round(60 * done / took_s, 2)}
    row |= {"cpu_s": round(cpu_s / done, 2), "load": round(os.getloadavg()[0], 1)}
    sys.stderr.write(f"{row}\n")
    return row


def ended(store: Store) -> list[str | None]:
    """Who did the jobs that are done, a name for each job."""
    jobs = [store.job(video.id) for video in store.videos()]
    return [job.worker for job in jobs if job is not None and job.state == "done"]


def all_began(store: Store, count: int) -> bool:
    return len(set(ended(store))) == count


def loss(rows: Sequence[Mapping[str, Any]]) -> float:
    """The least squares of workers x rate of one / rate = 1 + loss (workers - 1)."""
    one = next(row["films_min"] for row in rows if row["workers"] == 1)
    more = np.array([row["workers"] - 1 for row in rows])
    slower = np.array([row["workers"] * one / row["films_min"] - 1 for row in rows])
    return round(float(more @ slower / (more @ more)), 3)


def table(report: Mapping[str, Any]) -> str:
    """The report as Markdown, a row for each run."""
    lines = [
        "| source | workers | films of a minute, a minute | CPU s a film | load of the machine |",
        "|---|---|---|---|---|",
    ]
    for name, slow in KINDS.items():
        for row in (row for row in report["rows"] if row["slow"] == slow):
            lines.append(f"| {name} | {row['workers']} | {row['films_min']:g} | {row['cpu_s']:g} | {row['load']:g} |")
    fitted = ", ".join(f"{value:.2f} from {name}" for name, value in report["loss"].items())
    films = min(row["films"] for row in report["rows"])
    lines += [
        "",
        f"Fitted loss of a further worker: {fitted}. At least {films} films a row. "
        f"On {report['machine']}, {report['date']}.",
    ]
    return "\n".join(lines)


def main() -> None:
    if RATE in os.environ:
        work(float(os.environ[RATE]))
        return
    parser = argparse.ArgumentParser(prog="python -m lab.bench.workers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--films", type=int, default=16, help="of a run, besides two for each worker")
    parser.add_argument("--json", type=Path, help="also write the numbers here, as lab/measured/workers.json")
    asked = parser.parse_args()
    report = measure(asked.films)
    sys.stdout.write(table(report) + "\n")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def work(rate: float) -> None:
    """`agent-tools work`, whose reads of videos give so many bytes a second; 0 is no limit."""
    from agent_tools.cli import main as command
    from agent_tools.media.plain_file import Plain

    read = Plain.read

    def slowly(self: Plain, count: int) -> bytes:
        data = read(self, count)
        time.sleep(len(data) / rate)
        return data

    if rate:
        Plain.read = slowly  # type: ignore[method-assign]  # for the life of this process
    command()


if __name__ == "__main__":
    main()
