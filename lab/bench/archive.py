"""Every tool over SQLite and over PostgreSQL, side by side, and many clients on two servers.

    python -m lab.bench.archive [--hours 1,10,100] [--folder DIR --store URL] [--json FILE]

The hours are made up as in lab.bench.growth, and written into both engines. Each question is asked of the two engines
in turn, in one process with the models warm, so that both have the same machine. Beside the time it counts what a
busy machine changes less: the CPU time of this process (PostgreSQL's own is not in it) and the messages to
PostgreSQL. Then clients call two HTTP servers over the PostgreSQL of the last size.

With --folder and --store the libraries are kept there, and a run goes on with the hours that they hold. --write N
writes at most N hours, and ends."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np

from lab.bench.calls import questions
from lab.bench.growth import Varied, fill
from lab.bench.library import cpu_s_of
from lab.faults.load import Traffic, client
from lab.faults.servers import listening
from lab.lifetime import temporary
from lab.postgres_server import server
from tests.drawing import draw, even_times

if TYPE_CHECKING:
    from agent_tools.service.library.library import Library
    from agent_tools.settings import Settings

ENGINES = ("SQLite", "PostgreSQL")
CLIENTS, CALLING_S = 20, 60.0
ONE = "0" * 12
Ask = Callable[["Library", str], object]


def tools() -> dict[str, Ask]:
    """A call of each tool, as the table names it."""
    from agent_tools.service.ground_event import ground_event
    from agent_tools.service.list_episodes import list_episodes
    from agent_tools.service.remember import remember
    from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
    from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment

    def words(library: Library, query: str) -> object:
        return retrieve_memory(library, SearchRequest(query=" ".join(f'"{w}"' for w in query.split()[:2])))

    return {
        "list_episodes, the library": lambda library, _: list_episodes(library),
        "list_episodes, a video": lambda library, _: list_episodes(library, video_id=ONE),
        "retrieve_memory, all": lambda library, query: retrieve_memory(library, SearchRequest(query=query)),
        "retrieve_memory, a video": lambda library, query: retrieve_memory(
            library, SearchRequest(query=query, video_ids=[ONE])
        ),
        "retrieve_memory, quoted words": words,
        "zoom_segment, text": lambda library, _: zoom_segment(
            library, ZoomRequest(video_id=ONE, start_s=600, end_s=660, layout="text")
        ),
        "ground_event, a video": lambda library, query: ground_event(library, event=query, video_id=ONE),
        "remember": lambda library, query: remember(
            library, video_id=ONE, start_s=5, end_s=6, text=f"{query} {time.monotonic_ns()}"
        ),
    }


def measure(hours: Sequence[int], folder: Path, url: str) -> dict[str, Any]:
    """Rows of the table: for each size and tool the milliseconds of both engines."""
    from agent_tools.settings import go_offline

    go_offline()
    rows, written, both = [], [], settings(folder, url)
    for number in hours:
        written.append(write(both, number, number))
        with opened(both) as libraries:  # as a server that starts
            rows += [{"hours": number, **row} for row in timed(libraries)]
        sys.stderr.write(f"{written[-1]} {rows[-len(tools()) :]}\n")
    crowd = crowded(folder, url)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "rows": rows,
        "written": written,
        "crowd": {**crowd, "hours": hours[-1]},
    }


def write(both: Sequence[Settings], hours: int, most: int) -> dict[str, Any]:
    """Bring both libraries to so many hours, by at most `most` of them; what that took, and their sizes."""
    encoder, put_s, sizes = Varied(), [], []
    with opened(both) as libraries:
        for library in libraries:
            there = len(library.store.videos())
            end = max(there, min(hours, there + most))
            put_s.append(round(fill(library.store, range(there, end), encoder)["put_s"], 1))
            sizes.append(round(library.store.stats()["file_bytes"] / 1e6))
    return {"hours": end, "put_s": put_s, "mb": sizes}


def settings(folder: Path, url: str) -> tuple[Settings, Settings]:
    from agent_tools.settings import Settings

    home, other = folder / "home", folder / "other"
    plain = Settings.load({}, home=home, profile="lite")
    return plain, Settings.load({}, home=other, profile="lite", store=url)


@contextlib.contextmanager
def opened(both: Sequence[Settings]) -> Iterator[list[Library]]:
    from agent_tools.service.library.library import Library

    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Library(one))) for one in both]


def timed(libraries: Sequence[Library]) -> list[dict[str, Any]]:
    for library in libraries:
        assert library.models.text(120.0) is not None
    found = []
    for name, ask in tools().items():
        took: list[list[float]] = [[], []]
        cpu: list[list[float]] = [[], []]
        with messages() as sent:
            for query in ["warm it up", *questions()]:
                for at, library in enumerate(libraries):
                    begun, begun_cpu = time.perf_counter(), time.process_time()
                    ask(library, query)
                    took[at].append(1000 * (time.perf_counter() - begun))
                    cpu[at].append(1000 * (time.process_time() - begun_cpu))
        ms, cpu_ms = ([round(median(times[1:]), 1) for times in both] for both in (took, cpu))
        found.append({"tool": name, "ms": ms, "cpu_ms": cpu_ms, "messages": round(sent[0] / (1 + len(questions())), 1)})
    return found


@contextlib.contextmanager
def messages() -> Iterator[list[int]]:
    """How many messages this process sends to PostgreSQL and waits for, in the one number of the list."""
    import psycopg

    wait, sent = psycopg.Connection.wait, [0]

    def counted(self: Any, *given: Any, **named: Any) -> Any:
        sent[0] += 1
        return wait(self, *given, **named)

    psycopg.Connection.wait = counted  # type: ignore[method-assign]  # put back below
    try:
        yield sent
    finally:
        psycopg.Connection.wait = wait  # type: ignore[method-assign]  # as it was


def crowded(folder: Path, url: str) -> dict[str, Any]:
    """Clients on two servers, half of them on each: how long calls took, and what went wrong."""
    traffic, flags, cpu_s = Traffic(), ("--store", url), 0.0
    draw(folder / "film.mp4", even_times(20, 5))  # the clients ask for it
    with listening(folder / "a", folder, flags=flags) as one, listening(folder / "b", folder, flags=flags) as other:

        async def run() -> None:
            nonlocal cpu_s
            for until in (time.monotonic() + CALLING_S / 4, time.monotonic() + CALLING_S * 5 / 4):
                traffic.by_tool.clear()  # of the first round, in which the models load
                cpu_s = -sum(cpu_s_of(web.process.pid) for web in (one, other))
                async with anyio.create_task_group() as group:
                    for number in range(CLIENTS):
                        group.start_soon(client, (one, other)[number % 2], number, ONE, until, traffic, 0.5)

        anyio.run(run)
        cpu_s += sum(cpu_s_of(web.process.pid) for web in (one, other))
    p50, p95 = _percentiles(traffic.took_s)
    return {
        "clients": CLIENTS,
        "servers": 2,
        "calls": traffic.calls,
        "p50_ms": p50,
        "p95_ms": p95,
        "cpu_ms": round(1000 * cpu_s / max(1, len(traffic.took_s))),  # of both servers, a call
        "by_tool": {name: _percentiles(took) for name, took in sorted(traffic.by_tool.items())},
        "limited": traffic.limits,
        "errors": dict(traffic.errors),
    }


def _percentiles(took_s: Sequence[float]) -> tuple[int, int]:
    """Median and 95 of 100, ms."""
    p50, p95 = (round(float(q) * 1000) for q in np.percentile(took_s, (50, 95)))
    return p50, p95


def table(report: Mapping[str, Any]) -> str:
    """The report as Markdown: a row for each tool; for each size two columns, and one of PostgreSQL's messages."""
    hours = sorted({row["hours"] for row in report["rows"]})
    head = " | ".join(f"{n} h, {column}" for n in hours for column in (*ENGINES, "messages"))
    lines = [f"| median of a call, ms (CPU ms) | {head} |", "|---" * (1 + 3 * len(hours)) + "|"]
    for name in dict.fromkeys(row["tool"] for row in report["rows"]):
        cells = []
        for row in (row for row in report["rows"] if row["tool"] == name):
            cells += [f"{ms:,.1f} ({cpu:,.1f})" for ms, cpu in zip(row["ms"], row["cpu_ms"], strict=True)]
            cells.append(f"{row['messages']:g}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for what, key in (("written, s", "put_s"), ("size, MB", "mb")):
        cells = [text for row in report["written"] for text in (*(f"{value:,.0f}" for value in row[key]), "")]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    crowd = report["crowd"]
    errors = sum(crowd["errors"].values())
    lines += [
        "",
        f"{crowd['clients']} clients on {crowd['servers']} servers over {crowd['hours']} h in PostgreSQL: "
        f"{crowd['calls']} calls, p50 {crowd['p50_ms']:,} ms, p95 {crowd['p95_ms']:,} ms, {errors} errors, "
        f"{crowd['limited']} refused by a limit; {crowd['cpu_ms']} ms of the servers' CPU a call. p50 and p95 of each "
        f"tool, ms: {', '.join(f'{name} {p50:,} and {p95:,}' for name, (p50, p95) in crowd['by_tool'].items())}. "
        f"On {report['machine']}, {report['date']}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", default="1,10,100")
    parser.add_argument("--json", type=Path, help="also write the numbers here, as lab/measured/archive.json")
    parser.add_argument("--folder", type=Path, help="keep the SQLite library here, for a further run")
    parser.add_argument("--store", default="", help="with --folder: the PostgreSQL that keeps the other one")
    parser.add_argument("--write", type=int, default=0, help="with --folder: write so many of the hours, and end")
    asked = parser.parse_args()
    hours = [int(part) for part in asked.hours.split(",")]
    with contextlib.ExitStack() as stack:
        folder = asked.folder or stack.enter_context(temporary("bench-archive-"))
        url = asked.store or stack.enter_context(server()).url
        if asked.write:
            sys.stdout.write(f"{write(settings(folder, url), hours[-1], asked.write)}\n")
            return
        report = measure(hours, folder, url)
    sys.stdout.write(table(report) + "\n")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
