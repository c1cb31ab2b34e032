"""Slice load: 64 HTTP clients that mix all tools for two minutes, then ten minutes of soak by eight.

A stated limit may refuse a call (LimitReached); any other error is a failure. Memory, threads and file handles may not
grow over the soak: a line fitted through the samples of its last three quarters may rise by at most 5 % of the mean
plus 16 MB of memory, by 2 threads and by 4 handles. Memory is that of the server and of the process that opens videos
for it."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np

from agent_tools.evals.films.demo_video import draw
from lab.faults.servers import Web, listening, serving
from lab.faults.slices import Outcome, Slice


@dataclass(frozen=True)
class Crowd:
    """The clients of the case `load`, and how long they call."""

    clients: int = 64
    load_s: float = float(os.environ.get("AGENT_TOOLS_TEST_LOAD_S", "120"))


SOAKING, SOAK_S = 8, float(os.environ.get("AGENT_TOOLS_TEST_SOAK_S", "600"))
SAMPLE_S = 2.0
WARM_SHARE = 0.25  # of the soak, left out of the fit: caches fill
MOST_GROWTH = {"memory_mb": (0.05, 16.0), "threads": (0.0, 2.0), "handles": (0.0, 4.0)}  # share of the mean, and more
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Traffic:
    """The calls of the clients: how long they took, refusals by a limit, and errors."""

    by_tool: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds
    limits: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def took_s(self) -> list[float]:
        return [took for calls in self.by_tool.values() for took in calls]

    @property
    def calls(self) -> int:
        return len(self.took_s) + self.limits + self.errors.total()

    def figures(self) -> dict[str, Any]:
        p50, p95, p99 = (round(float(q) * 1000) for q in np.percentile(self.took_s or [0.0], (50, 95, 99)))
        return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "limited": self.limits}


def asked(rng: random.Random, video_id: str) -> tuple[str, dict[str, Any]]:
    """A call of one of the tools, as a client would make it."""
    start_s = round(rng.uniform(0, 50), 1)
    words = rng.choice(("harbour", "the plan behind the door", '"quoted words"', "what is on the slide", "bees"))
    return rng.choice(
        (
            ("list_episodes", {}),
            ("list_episodes", {"video_id": video_id}),
            ("retrieve_memory", {"query": words}),
            ("retrieve_memory", {"query": words, "video_ids": [video_id], "start_s": start_s}),
            ("zoom_segment", {"video_id": video_id, "start_s": start_s, "end_s": start_s + 5, "max_frames": 2}),
            ("zoom_segment", {"video_id": video_id, "start_s": start_s, "end_s": start_s + 9, "layout": "text"}),
            ("ground_event", {"event": words, "video_id": video_id}),
            ("ingest_video", {"source": "film.mp4", "wait_s": 0}),
            ("remember", {"video_id": video_id, "start_s": start_s, "end_s": start_s + 1, "text": f"seen {start_s}"}),
        )
    )


async def client(web: Web, number: int, video_id: str, until: float, traffic: Traffic, pause_s: float) -> None:
    """One client that calls, reads the answer, and calls again."""
    rng = random.Random(number)
    async with httpx2.AsyncClient(timeout=120) as http:
        while time.monotonic() < until:
            tool, arguments = asked(rng, video_id)
            headers = {
                "accept": "application/json, text/event-stream",
                "mcp-protocol-version": "2026-07-28",
                "mcp-method": "tools/call",
                "mcp-name": tool,
                "mcp-session-id": f"client-{number}",
            }
            params = {"name": tool, "arguments": arguments, "_meta": ENVELOPE}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            began = time.monotonic()
            try:
                answer = await http.post(web.address, json=body, headers=headers)
                text = answer.text
            except httpx2.HTTPError as error:
                traffic.errors[f"{tool}: {type(error).__name__}"] += 1
                continue
            if "LimitReached" in text:
                traffic.limits += 1
            elif answer.status_code != 200 or '"error"' in text[:200] or '"isError":true' in text:
                traffic.errors[f"{tool}: {answer.status_code} {text[:200]}"] += 1
            else:
                traffic.by_tool[tool].append(time.monotonic() - began)
            if pause_s:
                await anyio.sleep(pause_s)


def used(web: Web) -> dict[str, float]:
    """Memory, threads and handles of the server and its looker."""
    family = [web.process.pid, *_children(web.process.pid)]
    memory = sum(_status(pid, "VmRSS") for pid in family) / 1e3
    handles = len(os.listdir(f"/proc/{web.process.pid}/fd"))
    return {"memory_mb": memory, "threads": _status(web.process.pid, "Threads"), "handles": handles}


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread may end meanwhile
            found += map(int, (task / "children").read_text().split())
    return found


def _status(pid: int, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith(name + ":")), 0.0)


def pressed(
    web: Web, video_id: str, clients: int, seconds: float, pause_s: float
) -> tuple[Traffic, list[dict[str, float]]]:
    """Clients for so many seconds; what they met, and what the server used meanwhile."""
    traffic, samples = Traffic(), []

    async def run() -> None:
        until = time.monotonic() + seconds
        async with anyio.create_task_group() as group:
            for number in range(clients):
                group.start_soon(client, web, number, video_id, until, traffic, pause_s)
            while time.monotonic() < until:
                samples.append(used(web))
                await anyio.sleep(SAMPLE_S)

    anyio.run(run)
    return traffic, samples


def load(web: Web, video_id: str, crowd: Crowd) -> Outcome:
    traffic, samples = pressed(web, video_id, crowd.clients, crowd.load_s, 0.0)
    found = Outcome(traffic.calls, traffic.calls - traffic.errors.total())
    found.failures = [f"{count} times {what}" for what, count in traffic.errors.most_common(5)]
    found.figures = {**traffic.figures(), "clients": crowd.clients, "load_s": crowd.load_s}
    found.figures |= {"load_memory_mb": round(max(one["memory_mb"] for one in samples))}
    return found


def soak(web: Web, video_id: str, _crowd: Crowd) -> Outcome:
    traffic, samples = pressed(web, video_id, SOAKING, SOAK_S, 0.05)
    found = Outcome(traffic.calls, traffic.calls - traffic.errors.total())
    found.failures = [f"{count} times {what}" for what, count in traffic.errors.most_common(5)]
    found.figures = {"soak_s": SOAK_S, "soak_calls": traffic.calls}
    kept = samples[int(len(samples) * WARM_SHARE) :]
    for name, (share, more) in MOST_GROWTH.items():
        values = np.array([one[name] for one in kept])
        slope = float(np.polyfit(np.arange(len(values)), values, 1)[0]) if len(values) > 2 else 0.0
        growth = slope * len(samples)
        found.count("" if growth <= share * values.mean() + more else f"{name} grew by {growth:.1f} over the soak")
        found.figures[f"{name}_growth"] = round(growth, 2)
        found.figures[f"{name}_end"] = round(float(values[-1]), 1)
    return found


def cases(_seed: int) -> Sequence[str]:
    return ["load", "soak"]


@contextlib.contextmanager
def stage(_seed: int, folder: Path, crowd: Crowd = Crowd()) -> Iterator[Callable[[str], Outcome]]:
    films = folder.resolve() / "films"
    films.mkdir()
    draw(films / "film.mp4", seed=4, duration_s=60.0)
    reply: dict[str, Any] = {"state": "queued"}
    with serving(folder / "home", films) as server:
        while reply["state"] not in ("done", "failed"):
            reply = server.call("ingest_video", source="film.mp4", wait_s=45)
    with listening(folder / "home", films) as web:
        runs = {"load": load, "soak": soak}

        def run(case: str) -> Outcome:
            found = runs[case](web, reply["video_id"], crowd)
            if web.process.poll() is not None:
                found.failures.append(f"the server ended with {web.process.returncode}")
                found.survived -= 1
            log = (folder / "home" / "server.err").read_text(errors="replace")
            if "Traceback" in log or "background:" in log:
                found.failures.append(f"the log holds faults: {log[-300:]}")
                found.survived -= 1
            return found

        yield run


SLICE = Slice(
    "load", "calls over HTTP by many clients: no error but a stated limit; no growth over the soak", cases, stage
)
