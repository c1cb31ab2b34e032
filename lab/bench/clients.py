"""Many clients that search at once over HTTP: calls a second, and how long a call takes.

    python -m lab.bench.clients [--hours 10] [--clients 1,8,32] [--seconds 15]

One server, a library of lab.bench.library, and clients that each ask another question as soon as they have an answer.
The clients are on the same machine, in one process; `server CPU` is what a call costs the server alone. Prints one JSON
row per line."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import anyio
import httpx2
import numpy as np

from lab.bench.calls import questions
from lab.bench.library import cpu_s_of, home_of
from lab.bench.rows import emit
from lab.faults.load import ENVELOPE, Traffic
from lab.faults.servers import Web, listening

BEFORE, TIMES, SLOWEST = 12.1, 2.5, 3.0  # calls/s of 32 clients in 0.1; the goals: times as many, p99 of p50


async def client(web: Web, number: int, until: float, traffic: Traffic) -> None:
    """One client that searches, reads the answer, and searches again."""
    rng, words = random.Random(number), " ".join(questions()).split()
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "retrieve_memory",
        "mcp-session-id": f"client-{number}",
    }
    async with httpx2.AsyncClient(timeout=120) as http:
        while time.monotonic() < until:
            call = {
                "name": "retrieve_memory",
                "arguments": {"query": " ".join(rng.sample(words, 4))},
                "_meta": ENVELOPE,
            }
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            began = time.monotonic()
            answer = await http.post(web.address, json=body, headers=headers)
            if answer.status_code != 200 or '"isError":true' in answer.text:
                traffic.errors[answer.text[:200]] += 1
            else:
                traffic.by_tool["retrieve_memory"].append(time.monotonic() - began)


def crowd(web: Web, clients: int, seconds: float) -> tuple[Traffic, float, float]:
    """So many clients for so long: what they met, the seconds it took, and the server's CPU seconds."""
    traffic = Traffic()

    async def run() -> None:
        until = time.monotonic() + seconds
        async with anyio.create_task_group() as group:
            for number in range(clients):
                group.start_soon(client, web, number, until, traffic)

    cpu_s, began = cpu_s_of(web.process.pid), time.monotonic()
    anyio.run(run)
    return traffic, time.monotonic() - began, cpu_s_of(web.process.pid) - cpu_s


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", type=int, default=10)
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "agent-tools-bench")
    asked = parser.parse_args()
    home = home_of(asked.folder, "hours", asked.hours)
    with listening(home, asked.folder) as web:
        crowd(web, 2, 5.0)  # the models load
        for clients in (int(part) for part in asked.clients.split(",")):
            traffic, took_s, cpu_s = crowd(web, clients, asked.seconds)
            rate = len(traffic.took_s) / took_s
            p50, p99 = (1000 * float(np.percentile(traffic.took_s, q)) for q in (50, 99))
            most = clients == 32
            emit(
                f"{clients} clients search {asked.hours} hours over HTTP",
                against=f"{BEFORE:g} calls/s (0.1)" if most else "-",
                ours=f"{rate:.1f} calls/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms; "
                f"server CPU {1000 * cpu_s / len(traffic.took_s):.1f} ms a call",
                ratio=rate / BEFORE if most else None,
                goal=f">= {TIMES:g} times as many, p99 <= {SLOWEST:g} p50" if most else "-",
                reached=(rate >= TIMES * BEFORE and p99 <= SLOWEST * p50 and not traffic.errors) if most else None,
                rate=rate,
                p50_ms=p50,
                p99_ms=p99,
                errors=dict(traffic.errors),
            )


if __name__ == "__main__":
    main()
