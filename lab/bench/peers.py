"""The same hour and the same questions to other MCP servers that run offline: what each finds, and what it costs.

    python -m lab.bench.peers FILM TRUTH_JSON [--home HOME] [--talkthrough COMMAND] [--claudetube COMMAND]
        [--weights FOLDER] [--write]

FILM is an assembled film (`python -m lab.bench.assembled`) with its .srt beside it. A COMMAND starts a server over
stdio; install each peer in an environment of its own. HF_HOME is FOLDER, where a peer finds Whisper base. Each server
takes the film in, with its own memory in a new folder (ours may have it in HOME), and is then asked the questions of
lab/eval/questions.json that the film answers, and those that it does not. Peers that search by words alone get every
word of the question, and one match is enough. A hit is right if it meets the span of the answer, and is of use if it is
no longer than a minute. CPU is that of the server and its children. --write keeps the figures for the pages."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import anyio
from mcp import Client, StdioServerParameters

from agent_tools.timeline import Span
from lab.eval.questions import DEPTH, QUESTIONS, Found, Question, place, share

MEASURED = Path(__file__).parents[1] / "measured" / "peers.json"
FILM_ID = "the hour"
NARROW_S = 60.0  # the longest hit that spares a look at the film
Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Peer:
    """How one server is asked.

    Attributes:
        take_in: the call that takes a film in; None where it is there.
        is_taken_in: whether its reply says that the work is done; the call is made again until then.
        prepare: a call that a film needs once more before it can be searched.
        search: the call for a question, by what the ingest replied.
        spans: the moments of a reply to a search, best first, with whether each is shown as strong."""

    name: str
    command: Sequence[str]
    take_in: Call | None
    search: Callable[[Any, str], Call]
    spans: Callable[[Any], list[tuple[float, float, bool]]]
    is_taken_in: Callable[[Any], bool] = lambda _: True
    prepare: Callable[[Any], Call] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


def ours(film: Path, home: Path, *, taken_in: bool) -> Peer:
    command = [sys.executable, "-m", "agent_tools", "serve", "--home", str(home), "--allow", str(film.parent)]
    return Peer(
        "agent_tools",
        [*command, "--profile", "lite"],
        None if taken_in else ("ingest_video", {"source": str(film), "wait_s": 45}),
        lambda _, question: ("retrieve_memory", {"query": question, "limit": DEPTH, "max_tokens": 4000}),
        lambda reply: [(hit["start_s"], hit["end_s"], hit["strength"] == "strong") for hit in reply["hits"]],
        lambda reply: reply.get("state") not in ("queued", "running"),
    )


def talkthrough(command: str, film: Path, home: Path, weights: Path | None) -> Peer:
    """Of talkthrough-mcp: hits in time order, each a moment, none marked as weak."""

    def spans(reply: Any) -> list[tuple[float, float, bool]]:
        hits = reply.get("hits") or reply.get("results") or []
        return [(hit["t_ms"] / 1000, hit.get("t_end_ms", hit["t_ms"]) / 1000 + 0.01, True) for hit in hits]

    return Peer(
        "talkthrough-mcp",
        shlex.split(command),
        ("process_media", {"path": str(film), "model": "base"}),
        lambda made, question: ("search", {"job_id": made["job_id"], "query": question, "match_mode": "any_word"}),
        spans,
        variables={"TALKTHROUGH_HOME": str(home), **({} if weights is None else {"HF_HOME": str(weights)})},
    )


def claudetube(command: str, film: Path, home: Path) -> Peer:
    """Of claudetube: scenes, best first, with a relevance of 0 to 1."""

    def spans(reply: Any) -> list[tuple[float, float, bool]]:
        return [
            (hit["start_time"], hit["end_time"], hit.get("relevance", 0.0) >= 0.5) for hit in reply.get("results", [])
        ]

    return Peer(
        "claudetube",
        shlex.split(command),
        ("process_video_tool", {"url": str(film)}),
        lambda made, question: ("find_moments_tool", {"video_id": made["video_id"], "query": question, "top_k": DEPTH}),
        spans,
        prepare=lambda made: ("get_scenes", {"video_id": made["video_id"]}),
        variables={"HOME": str(home), "CLAUDETUBE_CACHE_DIR": str(home), "CLAUDETUBE_ROOT": str(home)},
    )


async def measured(peer: Peer, asked: Sequence[Question]) -> dict[str, Any]:
    """Take the film in, then ask; each in a server of its own, so that its CPU is known when it has ended."""
    made: Any = None
    taken_in: dict[str, float] = {}
    if peer.take_in is not None:
        before, begun = _cpu_s(), time.perf_counter()
        async with _client(peer) as client:
            made = await _call(client, peer.take_in)
            while not peer.is_taken_in(made):
                made = await _call(client, peer.take_in)
            if peer.prepare is not None:
                await _call(client, peer.prepare(made))
        taken_in = {"ingest_s": time.perf_counter() - begun, "ingest_cpu_s": _cpu_s() - before}
    took, replies, answers = [], [], []
    async with _client(peer) as client:
        await _call(client, peer.search(made, "the first question"))
        for one in asked:
            begun = time.perf_counter()
            reply = await _call(client, peer.search(made, one.question))
            took.append(time.perf_counter() - begun)
            replies.append(len(json.dumps(reply, ensure_ascii=False)))
            found = [Found(FILM_ID, Span(a, max(b, a + 0.01)), 0.0, strong) for a, b, strong in peer.spans(reply)]
            answers.append((one, found))
    there = [(one, found) for one, found in answers if one.kind != "absent"]
    absent = [found for one, found in answers if one.kind == "absent"]
    return {
        **taken_in,
        "answer_ms": 1000 * median(took),
        "hit_s": median([hit.span.end_s - hit.span.start_s for _, found in answers for hit in found[:DEPTH]] or [0.0]),
        "reply_characters": median(replies),
        "asked": len(there),
        "first": sum(place(one, found) == 1 for one, found in there),
        "found": sum(place(one, found) > 0 for one, found in there),
        "narrow": sum(place(one, [hit for hit in found[:DEPTH] if _is_narrow(hit)]) > 0 for one, found in there),
        "nothing": sum(not found for _, found in there),
        "absent": len(absent),
        "strong": sum(any(hit.strong for hit in found) for found in absent),
        "kinds": {
            kind: [
                sum(
                    place(one, list(filter(_is_narrow, found[:DEPTH]))) > 0 for one, found in there if one.kind == kind
                ),
                sum(one.kind == kind for one, _ in there),
            ]
            for kind in ("said", "shown", "line")
        },
    }


def _is_narrow(hit: Found) -> bool:
    return hit.span.end_s - hit.span.start_s <= NARROW_S


def _client(peer: Peer) -> Client:
    command, *arguments = peer.command
    environment = {**os.environ, **peer.variables}
    return Client(StdioServerParameters(command=command, args=arguments, env=environment), read_timeout_seconds=7200)


async def _call(client: Client, call: Call) -> Any:
    reply = await client.call_tool(*call)
    text = "".join(getattr(block, "text", "") for block in reply.content)
    if reply.is_error:
        raise SystemExit(f"{call[0]} failed: {text[:500]}")
    return (
        reply.structured_content
        if isinstance(reply.structured_content, dict) and "result" not in (reply.structured_content)
        else json.loads(text)
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def placed(truth: Path) -> list[Question]:
    """The questions of lab.eval with their spans in the film; those about clips that it does not hold are left out."""
    held = json.loads(truth.read_text("utf-8"))
    starts = {clip["clip"]: clip["start_s"] for clip in held if not clip["filler"]}
    asked = []
    for one in json.loads(QUESTIONS.read_text("utf-8")):
        about = {name: one[name] for name in ("id", "question", "language", "kind", "half")}
        if one["kind"] == "absent":
            asked.append(Question(**about))
        elif one["clip"] in starts:
            offset = starts[one["clip"]]
            span = Span(one["start_s"] + offset, one["end_s"] + offset)
            asked.append(Question(**about, video_id=FILM_ID, span=span))
    return asked


def markdown(figures: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| server | film taken in: wall, CPU | an answer | characters of a reply | a hit is long, median | R@1 | R@5 | "
        "R@5 of hits up to a minute | the same: said, read, seen | absent: a hit not marked weak |",
        f"|{'---|' * 10}",
    ]
    for name, one in figures.items():
        by_kind = ", ".join(f"{one['kinds'][kind][0]} of {one['kinds'][kind][1]}" for kind in ("said", "line", "shown"))
        taken_in = f"{one['ingest_s']:.0f} s, {one['ingest_cpu_s']:.0f} s" if "ingest_s" in one else "-"
        lines.append(
            f"| {name} | {taken_in} | {one['answer_ms']:.0f} ms | {one['reply_characters']:,.0f} | "
            f"{one['hit_s']:.0f} s | "
            f"{share(one['first'], one['asked'])} | {share(one['found'], one['asked'])} | "
            f"{share(one['narrow'], one['asked'])} | {by_kind} | {one['strong']} of {one['absent']} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--talkthrough", metavar="COMMAND")
    parser.add_argument("--claudetube", metavar="COMMAND")
    parser.add_argument("--weights", type=Path, help="HF_HOME of a peer that hears, with a CTranslate2 Whisper base")
    parser.add_argument("--home", type=Path, help="memory that has the film already")
    parser.add_argument("--no-ours", action="store_true")
    parser.add_argument("--write", action="store_true", help="keep the figures for the pages")
    given = parser.parse_args()
    asked, figures = placed(given.truth), {}
    with tempfile.TemporaryDirectory() as folder:
        homes = {name: Path(folder, name) for name in ("ours", "talkthrough", "claudetube")}
        for home in homes.values():
            home.mkdir()
        own = ours(given.film, given.home or homes["ours"], taken_in=given.home is not None)
        peers = [] if given.no_ours else [own]
        if given.talkthrough:
            peers.append(talkthrough(given.talkthrough, given.film, homes["talkthrough"], given.weights))
        if given.claudetube:
            peers.append(claudetube(given.claudetube, given.film, homes["claudetube"]))
        for peer in peers:
            figures[peer.name] = anyio.run(measured, peer, asked)
            sys.stdout.write(f"{json.dumps({peer.name: figures[peer.name]})}\n")
            sys.stdout.flush()
    sys.stdout.write(markdown(figures) + "\n")
    if given.write:
        kept = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
        MEASURED.write_text(json.dumps({**kept, **figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
