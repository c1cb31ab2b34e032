"""Searches and verdicts over libraries of 10, 100 and 1,000 hours, and of many short videos: CPU and wall.

    python -m lab.bench.library [--hours 10,100,1000] [--videos 300,3000] [--folder DIR]

The libraries are made up as in lab.bench.growth, with texts and their vectors alone, and each is written once into the
folder (100 hours in about a minute; a writing that was stopped goes on). Each is measured in a process of its own.
Prints one JSON row per line. The sentence encoder is part of every figure."""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from lab.bench.calls import INITIALIZE, questions
from lab.bench.growth import Varied, fill, growth
from lab.bench.rows import emit

if TYPE_CHECKING:
    from agent_tools.service.library.library import Library
    from agent_tools.store import Store

GOAL_MS = {10: 30.0, 100: 45.0, 1000: 200.0}  # CPU of a search, by hours
FIRST_S, MEMORY_MB = 1.0, 350.0  # of the first search at 100 hours, and of the process then
START_S, SHELL_S = 1.5, 1.0  # CPU to the first reply by meaning, and of a search from the shell
STEP = 1.25  # times the CPU of a search of as many texts in hours, that many short videos may cost
NAMED = 1.1  # times the CPU of a search of all, that a search of half the videos may cost
EVENT_S = {100: 1.0, 400: 2.0}  # CPU of a verdict on each hour or each clip
QUOTED = ("'the marriage of his sister'", "the speaker says 'a letter from the captain'", "'Mitigation'", "'dancing'")
SHORT_CUES, CLIP_CUES = 32, 8
EVENTS = ("a letter about the marriage of his sister", "somebody explains how to bake bread", "dancing at the ball")
STAGES = {  # of a search, by the function that does it
    "query encoder": "query_vector",
    "words": "search_words",
    "one pass of codes": "compare",
    "best compared exactly": "exact_products",
    "backgrounds": "sharpen",
    "entries read": "entries_by_id",
    "reply": "trim_to_tokens",
}


def home_of(folder: Path, kind: str, count: int) -> Path:
    """A library of so many hours, of short videos ("videos") or of clips, written where it is not whole yet."""
    from agent_tools.store import Store

    home = folder / f"{kind}-{count}"
    if (home / "made").exists():
        return home
    home.mkdir(parents=True, exist_ok=True)
    encoder = Varied()
    with contextlib.closing(Store.open(home)) as store:
        there = len(store.videos())
        if kind == "hours":
            for first in range(max(0, there - 1), count, 50):  # the last one may be half written
                fill(store, range(first, min(count, first + 50)), encoder, texts_alone=True)
        else:
            for number in range(max(0, there - 1), count):
                short(store, number, SHORT_CUES if kind == "videos" else CLIP_CUES, encoder)
            store.index_vectors()
    (home / "made").touch()
    return home


def short(store: Store, number: int, cues: int, encoder: Varied) -> None:
    """A video of so many cues, whose other channels are empty."""
    from agent_tools.ingestion.text_index import index_entries
    from agent_tools.store import EntryIn

    video_id, length_s = f"{number:012x}", 4.0 * cues
    texts = [f"{encoder.sentences[(number * 31 + i * 7) % len(encoder.sentences)]} ({number}.{i})" for i in range(cues)]
    store.add_video(video_id, f"clip {number}", 1)
    store.update_video(video_id, duration_s=length_s, has_audio=False)
    store.set_channel(video_id, "subtitles", state="running", producer="bench", language="en")
    store.add_entries(video_id, "subtitles", "bench", [EntryIn(4.0 * i, 4.0 * i + 3.4, t) for i, t in enumerate(texts)])
    index_entries(store, video_id, encoder, lambda _done: None)
    store.set_channel(video_id, "subtitles", state="done", entries=cues, done_to_s=length_s)
    for name in ("frames", "speech", "screen_text"):
        store.set_channel(video_id, name, state="absent", done_to_s=length_s)


# -- in a process of its own


def measured(home: Path, what: Sequence[str]) -> dict[str, Any]:
    """Figures of a library in this process. Args: what: "search", "event", "quoted", "named", "stages"."""
    from agent_tools.service.ground_event import ground_event
    from agent_tools.service.library.library import Library
    from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
    from agent_tools.settings import Settings, go_offline

    go_offline()
    library = Library(Settings.load({}, home=home, profile="lite"))
    encoder = library.models.text(120.0)
    assert encoder is not None
    begun = time.process_time()
    retrieve_memory(library, SearchRequest(query="the first question"))
    found: dict[str, Any] = {"first_s": time.process_time() - begun}
    everything = [one.id for one in library.store.videos()]
    half = everything[: max(1, len(everything) // 2)]
    calls: dict[str, Callable[[str], object]] = {
        "search": lambda query: retrieve_memory(library, SearchRequest(query=query)),
        "named": lambda query: retrieve_memory(library, SearchRequest(query=query, video_ids=half)),
        "event": lambda query: ground_event(library, event=query),
        "quoted": lambda query: ground_event(library, event=query),
    }
    asked = {"event": EVENTS, "quoted": QUOTED}
    for name in what:
        if name == "stages":
            found["stages"] = stages(library, calls["search"])
            continue
        calls[name]("'warm' it up")  # a verdict reads once what the texts are like
        pairs = [timed(calls[name], query) for query in asked.get(name, questions())]
        found[f"{name}_cpu_ms"], found[f"{name}_ms"] = (1000 * median(one) for one in zip(*pairs, strict=True))
        found[f"{name}_p95_cpu_ms"] = 1000 * sorted(cpu for cpu, _ in pairs)[int(0.95 * len(pairs))]
        if name == "search":
            found["rss_mb"] = _peak_mb("self")
    library.close()
    return found


def timed(call: Callable[[str], object], query: str) -> tuple[float, float]:
    """CPU and wall seconds of one call."""
    begun, begun_cpu = time.perf_counter(), time.process_time()
    call(query)
    return time.process_time() - begun_cpu, time.perf_counter() - begun


def stages(library: Library, call: Callable[[str], object]) -> dict[str, float]:
    """The share of each stage in the time of a search, by cProfile; all in one thread, so that it sees everything."""

    class Inline:
        def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
            done: Future[Any] = Future()
            done.set_result(work(*arguments))
            return done

    pool, library.background_pool = library.background_pool, Inline()  # type: ignore[assignment]  # for the profile
    profile = cProfile.Profile()
    profile.enable()
    for query in questions():
        call(f"{query} again")
    profile.disable()
    library.background_pool = pool
    table: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # not in typeshed
    total = sum(own for _, _, own, _, _ in table.values())
    spent = {name: [row[3] for key, row in table.items() if key[2] == of] for name, of in STAGES.items()}
    return {name: max(each, default=0.0) / total for name, each in spent.items()}


# -- from outside


def start_cost(home: Path) -> dict[str, float]:
    """A server over stdio: CPU and wall from its start to the first reply by meaning, and its greatest memory."""
    command = [sys.executable, "-m", "agent_tools", "serve", "--profile", "lite", "--home", str(home)]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        notified = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        process.stdin.write(json.dumps(notified).encode() + b"\n")
        number, answer = 1, b"words only"
        while b"words only" in answer:
            number += 1
            call = {"name": "retrieve_memory", "arguments": {"query": questions()[0]}}
            process.stdin.write(
                json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}).encode()
            )
            process.stdin.write(b"\n")
            process.stdin.flush()
            while json.loads(answer := process.stdout.readline()).get("id") != number:
                pass
            time.sleep(0.05)
        took = {"wall_s": time.perf_counter() - begun, "cpu_s": cpu_s_of(process.pid), "peak_mb": _peak_mb(process.pid)}
        process.kill()
    return took


def shell_cost(home: Path) -> dict[str, float]:
    """`agent-tools search`, CPU and wall."""
    command = [sys.executable, "-m", "agent_tools", "search", questions()[1], "--home", str(home), "--profile", "lite"]
    before, begun = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {"cpu_s": cpu_s, "wall_s": time.perf_counter() - begun}


def cpu_s_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(process: int | str) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _child(home: Path, *what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "lab.bench.library", "--measure", str(home), *what]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def hours_rows(folder: Path, hours: Sequence[int]) -> dict[int, dict[str, Any]]:
    """A row for each size, those of 100 hours beside it, and the growth; gives the figures."""
    found: dict[int, dict[str, Any]] = {}
    for number in hours:
        home = home_of(folder, "hours", number)
        whole = number == 100
        one = found[number] = _child(home, "search", *(("named", "stages", "event", "quoted") if whole else ()))
        goal = GOAL_MS.get(number)
        emit(
            f"search of {number:,} hours of text, {number:,} videos",
            ours=f"CPU {one['search_cpu_ms']:.1f} ms, wall {one['search_ms']:.1f} ms; "
            f"first CPU {one['first_s']:.2f} s; {one['rss_mb']:.0f} MB",
            goal="-"
            if goal is None
            else f"CPU <= {goal:g} ms" + (f", first <= {FIRST_S:g} s, {MEMORY_MB:g} MB" * whole),
            reached=goal is None
            or (
                one["search_cpu_ms"] <= goal and not (whole and (one["first_s"] > FIRST_S or one["rss_mb"] > MEMORY_MB))
            ),
            **one,
        )
        if whole:
            _rows_of_100(home, one)
    if len(found) > 1:
        values = [found[number]["search_cpu_ms"] for number in hours]
        rate = growth(list(hours), values)
        emit(
            f"growth of a search from {hours[0]:,} to {hours[-1]:,} hours, as hours to the power of",
            ours=f"{rate:.2f}",
            growth=rate,
        )
    return found


def _rows_of_100(home: Path, one: dict[str, Any]) -> None:
    _named_row("search of 50 named videos of these 100 hours", one)
    emit(
        "where the time of a search of 100 hours goes (cProfile)",
        ours=", ".join(f"{name} {share:.0%}" for name, share in one["stages"].items()),
    )
    _event_row("hours", 100, one)
    _event_row("hours", 100, one, "quoted")
    start, shell = start_cost(home), shell_cost(home)
    emit(
        "start of a server to its first reply by meaning, 100 hours",
        ours=f"CPU {start['cpu_s']:.2f} s, wall {start['wall_s']:.2f} s, {start['peak_mb']:.0f} MB",
        goal=f"CPU <= {START_S:g} s, {MEMORY_MB:g} MB",
        reached=start["cpu_s"] <= START_S and start["peak_mb"] <= MEMORY_MB,
        **start,
    )
    emit(
        "agent-tools search from the shell, 100 hours",
        ours=f"CPU {shell['cpu_s']:.2f} s, wall {shell['wall_s']:.2f} s",
        goal=f"CPU <= {SHELL_S:g} s",
        reached=shell["cpu_s"] <= SHELL_S,
        **shell,
    )


def _named_row(what: str, one: dict[str, Any]) -> None:
    ratio = one["named_cpu_ms"] / one["search_cpu_ms"]
    emit(
        what,
        against="the search of all",
        ours=f"CPU {one['named_cpu_ms']:.1f} ms, wall {one['named_ms']:.1f} ms",
        reference=f"CPU {one['search_cpu_ms']:.1f} ms",
        ratio=ratio,
        goal=f"<= {NAMED:g} of its CPU",
        reached=ratio <= NAMED,
    )


def _event_row(kind: str, count: int, one: dict[str, Any], name: str = "event") -> None:
    cpu_s = one[f"{name}_cpu_ms"] / 1000
    how = "that quotes words, asked" if name == "quoted" else "asked by meaning"
    emit(
        f"ground_event, an event {how} of {count:,} {kind}",
        ours=f"CPU {cpu_s:.2f} s, wall {one[f'{name}_ms'] / 1000:.2f} s",
        goal=f"CPU <= {EVENT_S[count]:g} s",
        reached=cpu_s <= EVENT_S[count],
        **{key: value for key, value in one.items() if key.startswith(name)},
    )


def videos_rows(folder: Path, counts: Sequence[int], by_hours: dict[int, dict[str, Any]]) -> None:
    """Many short videos beside as many texts in hours, and the verdicts on clips."""
    for count in counts:
        one = _child(home_of(folder, "videos", count), "search", "named")
        beside = by_hours.get(round(count * SHORT_CUES / 950 / 10) * 10)
        ratio = one["search_cpu_ms"] / beside["search_cpu_ms"] if beside else None
        emit(
            f"search of {count:,} videos of {SHORT_CUES} texts",
            against="as many texts in videos of an hour" if beside else "-",
            ours=f"CPU {one['search_cpu_ms']:.1f} ms, wall {one['search_ms']:.1f} ms; first {one['first_s']:.2f} s CPU",
            reference=f"CPU {beside['search_cpu_ms']:.1f} ms" if beside else "-",
            ratio=ratio,
            goal=f"no step: <= {STEP:g} of its CPU" if beside else "-",
            reached=None if ratio is None else ratio <= STEP,
            **one,
        )
        _named_row(f"search of {count // 2:,} named videos of these {count:,}", one)
    clips = _child(home_of(folder, "clips", 400), "event", "quoted")
    _event_row("clips", 400, clips)
    _event_row("clips", 400, clips, "quoted")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", default="10,100,1000")
    parser.add_argument("--videos", default="300,3000", help="numbers of short videos")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "agent-tools-bench")
    parser.add_argument("--make", action="store_true", help="only write the libraries")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        sys.stdout.write(json.dumps(measured(Path(asked.measure[0]), asked.measure[1:])))
        return
    hours, videos = ([int(part) for part in given.split(",") if part] for given in (asked.hours, asked.videos))
    if asked.make:
        for kind, count in [*(("hours", n) for n in hours), *(("videos", n) for n in videos), ("clips", 400)]:
            home_of(asked.folder, kind, count)
        return
    videos_rows(asked.folder, videos, hours_rows(asked.folder, hours))


if __name__ == "__main__":
    main()
