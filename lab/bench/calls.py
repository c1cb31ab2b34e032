"""Time from start to the initialize answer, and of a retrieve_memory call over stdio, against a bare SDK server.

    python -m lab.bench.calls [--rounds 9] [--calls 100] [--hours 10]

A further row repeats the call while the same server ingests a video. Prints one JSON row per line. The library of the
call row holds ten hours with 950 cues each: sentences of filler.txt where that file exists, else drawn words. Each
folder gets it once. The goal does not count the text encoder, so its own time is measured in this process and
subtracted."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import anyio
from mcp import Client, StdioServerParameters

from lab.bench.assembled import SHARED_VIDEOS
from lab.bench.rows import emit

BARE = """
from mcp.server import MCPServer
server = MCPServer("bare")
@server.tool()
def echo(text: str) -> dict[str, str]:
    return {"text": text}
server.run("stdio")
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}
CUES_PER_HOUR = 950
START_RATIO, MORE_MS, TIMES_DURING = 1.2, 10.0, 3.0  # the goals
INGESTED_S = 1800.0  # of video, read while calls are made: long enough that the worker outlasts them


def start_s(command: list[str]) -> float:
    """Seconds from starting the process to its answer to initialize."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    took = time.perf_counter() - begun
    assert b'"result"' in answer, answer
    process.stdin.close()
    process.wait(20)
    process.stdout.close()
    return took


def ten_hours(home: Path, hours: int) -> None:
    """Ten videos of an hour as rows and vectors, without files."""
    from agent_tools.ingestion.text_index import index_entries, write_chunks
    from agent_tools.models.profiles import ModelSettings, text_encoder
    from agent_tools.store import EntryIn, Store

    if (home / "made").exists():
        return
    path = SHARED_VIDEOS / "filler.txt"
    rng = random.Random(0)
    sentences = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    while len(sentences) < 3000:
        sentences.append(
            " ".join(rng.choice("river stone lamp winter garden letter engine bridge copper".split()) for _ in range(9))
        )
    store = Store.open(home)
    encoder = text_encoder(ModelSettings(profile="lite"))
    for hour in range(hours):
        video_id = f"{hour:012x}"
        store.add_video(video_id, f"hour {hour}", 1)
        store.update_video(video_id, duration_s=3600.0)
        cues = [
            EntryIn(i * 3600 / CUES_PER_HOUR, i * 3600 / CUES_PER_HOUR + 3.4, rng.choice(sentences) + f" ({hour}.{i})")
            for i in range(CUES_PER_HOUR)
        ]
        store.set_channel(video_id, "subtitles", state="running", producer="bench")
        store.add_entries(video_id, "subtitles", "bench", cues)
        index_entries(store, video_id, encoder, lambda _done: None)
        write_chunks(store, video_id, "subtitles", encoder.producer, 3600.0, 3600.0)
        store.set_channel(video_id, "subtitles", state="done", entries=len(cues), done_to_s=3600.0)
    store.close()
    (home / "made").touch()


def questions() -> list[str]:
    rng = random.Random(1)
    words = "letter marriage evening sister ball carriage father window money walk dance opinion".split()
    return [" ".join(rng.sample(words, 3)) for _ in range(40)]


async def call_ms(
    command: list[str],
    tool: str,
    arguments: list[dict[str, Any]],
    calls: int,
    warm: int = 20,
    ingest: Path | None = None,
) -> list[float]:
    """Milliseconds of each call over stdio after some that do not count; with `ingest`, while that file is read."""
    server = StdioServerParameters(command=command[0], args=command[1:])
    took = []
    async with Client(server) as client:
        if ingest is not None:
            await client.call_tool("ingest_video", {"source": str(ingest), "wait_s": 5})
        for number in range(calls + warm):
            begun = time.perf_counter()
            result = await client.call_tool(tool, arguments[number % len(arguments)])
            if number >= warm:
                took.append((time.perf_counter() - begun) * 1000)
            assert not result.is_error, result
            if tool == "retrieve_memory" and number == 0:
                await _until_warm(client, arguments[0])
        if ingest is not None:
            reply = await client.call_tool("ingest_video", {"source": str(ingest), "wait_s": 0})
            state = (reply.structured_content or {}).get("state")
            if state != "running":
                raise SystemExit(f"the ingest was {state} before the calls were over: no figure for calls during one")
    return took


async def _until_warm(client: Client, arguments: dict[str, Any]) -> None:
    with anyio.fail_after(120):
        while True:
            result = await client.call_tool("retrieve_memory", arguments)
            if "words only" not in json.dumps(result.structured_content):
                return


def encoder_ms(queries: list[str]) -> float:
    from agent_tools.models.profiles import ModelSettings, text_encoder

    encoder = text_encoder(ModelSettings(profile="lite"))
    took = []
    for query in queries * 2:
        begun = time.perf_counter()
        encoder.encode([query], query=True)
        took.append((time.perf_counter() - begun) * 1000)
    return median(took[5:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--hours", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "agent-tools-bench")
    asked = parser.parse_args()
    home = asked.folder / f"library-{asked.hours}h"
    home.mkdir(parents=True, exist_ok=True)
    bare = [sys.executable, "-c", BARE]
    ours = [sys.executable, "-m", "agent_tools", "serve", "--profile", "lite", "--home", str(home)]
    empty = [*ours[:-1], str(asked.folder / "empty-home")]
    pairs = [(start_s(bare), start_s(empty)) for _ in range(asked.rounds)]
    ratio = median(b / a for a, b in pairs)
    emit(
        "start to the initialize answer",
        against="a bare SDK server",
        ours=f"{median(b for _, b in pairs) * 1000:.0f} ms",
        reference=f"{median(a for a, _ in pairs) * 1000:.0f} ms",
        ratio=ratio,
        goal=f"<= {START_RATIO:g} of its time",
        reached=ratio <= START_RATIO,
        rounds=asked.rounds,
    )
    ten_hours(home, asked.hours)
    queries = questions()
    own = encoder_ms(queries)
    echo = anyio.run(call_ms, bare, "echo", [{"text": "x" * 20}], asked.calls)
    calls = anyio.run(call_ms, ours, "retrieve_memory", [{"query": query} for query in queries], asked.calls)
    more = median(calls) - median(echo) - own
    emit(
        f"retrieve_memory over stdio, {asked.hours} h of library, warm: beyond an echo and the encoder's own time",
        against=f"a bare SDK echo {median(echo):.1f} ms + the text encoder {own:.1f} ms",
        ours=f"{median(calls):.1f} ms, of which {more:.1f} ms more",
        reference=f"{median(echo) + own:.1f} ms",
        goal=f"<= {MORE_MS:g} ms more",
        reached=more <= MORE_MS,
        echo_ms=round(median(echo), 2),
        encoder_ms=round(own, 2),
        call_ms=round(median(calls), 2),
        more_ms=round(more, 2),
        p95_ms=round(sorted(calls)[int(len(calls) * 0.95)], 2),
    )
    during_row(asked.folder, home, queries, asked.calls, median(echo) + own, more)


def during_row(folder: Path, home: Path, queries: list[str], calls: int, reference_ms: float, idle_ms: float) -> None:
    """The same calls while a worker of the same server reads a video, into a copy of the library."""
    from agent_tools.store import Store
    from lab.bench.decode_material import material

    video = material(folder, "h264-b", INGESTED_S)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as copied:
        Store.open(home).backup(Path(copied) / "memory.sqlite3")
        serve = ["-m", "agent_tools", "serve", "--profile", "lite", "--home", copied, "--allow", str(folder)]
        arguments = [{"query": query} for query in queries]
        took = anyio.run(lambda: call_ms([sys.executable, *serve], "retrieve_memory", arguments, calls, ingest=video))
        subprocess.run(
            [sys.executable, "-m", "agent_tools", "stop", video.name, "--home", copied], check=True, capture_output=True
        )
    more = median(took) - reference_ms
    emit(
        "the same while a video is ingested",
        against="the same two, undisturbed",
        ours=f"{median(took):.1f} ms, of which {more:.1f} ms more",
        reference=f"{reference_ms:.1f} ms",
        goal=f"<= {TIMES_DURING:g} x {MORE_MS:g} ms more",
        reached=more <= TIMES_DURING * MORE_MS,
        more_ms=round(more, 2),
        times_the_idle=round(more / idle_ms, 2),
        p95_ms=round(sorted(took)[int(len(took) * 0.95)], 2),
    )


if __name__ == "__main__":
    main()
