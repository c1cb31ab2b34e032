"""How well plain questions find their moments: R@1, R@5 and "nothing found", beside MiniLM and BM25.

    python -m lab.eval questions HOME [--truth TRUTH_JSON] [--half fit|held] [--misses] [--postgres] [--write]

HOME holds the ingested clips of shared/videos/dev. With --truth it holds the assembled hour (`python -m
lab.bench.assembled`), and the spans are those of its truth.json. questions.json has 120 questions as people ask them,
each with the span that answers it, found by eye; 20 ask for what no clip holds. "fit" is the half that settings were
chosen on, "held" the half that no choice has seen. Each share has its 95 % interval (Wilson 1927). --write keeps the
figures for the pages: those of the clips, or with --truth those of the hour. --postgres also asks a copy of HOME in
PostgreSQL."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from agent_tools import Library
from agent_tools.models.minilm import MiniLM
from agent_tools.store import Entry, Store
from agent_tools.timeline import Span

QUESTIONS = Path(__file__).with_name("questions.json")
MEASURED = Path(__file__).parents[1] / "measured" / "questions.json"
NEAR_S = 1.0  # a hit may miss the span by this much: the times were read by eye to one second
DEPTH = 5
FILMS = {"clips": "36 clips, one by one", "hour": "an hour with all of them"}
GROUPS = ("all", "English", "another language")
STRONG = 0.5  # of a cosine: what a plain search would call strong; retrieve_memory says so itself


class Found(NamedTuple):
    """One moment that a search brought back."""

    video_id: str
    span: Span
    score: float
    strong: bool


@dataclass(frozen=True)
class Question:
    id: str
    question: str
    language: str
    kind: str  # said, shown, line (of a slide), or absent
    half: str  # fit or held
    video_id: str = ""
    span: Span | None = None


class Figures(TypedDict):
    """Counts of one search; those by group of languages have the keys GROUPS."""

    asked: dict[str, int]
    first: dict[str, int]  # whose first hit is right
    found: dict[str, int]  # with a right hit among DEPTH
    nothing: int  # answerable ones without any hit
    absent: int
    strong: int  # absent ones with a strong hit


Search = Callable[[str], Sequence[Found]]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.eval questions", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("home", type=Path, metavar="HOME", help="memory with the clips, or with the assembled hour")
    parser.add_argument("--truth", type=Path, help="truth.json of the assembled hour in HOME")
    parser.add_argument("--half", choices=("fit", "held"), help="only this half of the questions")
    parser.add_argument("--misses", action="store_true", help="list the questions that are not answered first")
    parser.add_argument("--write", action="store_true", help="keep the figures in lab/measured/questions.json")
    parser.add_argument("--postgres", action="store_true", help="also ask a copy of HOME in PostgreSQL")
    given = parser.parse_args(arguments)
    store = Store.open(given.home)
    asked = placed(json.loads(QUESTIONS.read_text("utf-8")), store, given.truth)
    asked = [one for one in asked if given.half in (None, one.half)]
    print_line = sys.stdout.write
    rows: dict[str, Figures] = {}
    with contextlib.ExitStack() as stack:
        searches = {"BM25 over entries": bm25(store), "MiniLM over entries": minilm(store)}
        if given.postgres:
            shared = stack.enter_context(published(store))
            searches["retrieve_memory in PostgreSQL"] = product(shared)
        searches["retrieve_memory"] = product(stack.enter_context(Library(given.home)))
        for name, search in searches.items():
            answers = [(one, search(one.question)) for one in asked]
            rows[name] = figures(answers)
        films = "clips" if given.truth is None else "hour"
        print_line(f"{markdown({films: rows})}\n\n| kind | R@1 | R@5 | nothing found |\n|---|---|---|---|\n")
        for kind, chosen in kinds(answers).items():
            print_line(f"| {kind} | {' | '.join(row(chosen)[:3])} |\n")
        if given.misses:
            print_line("".join(f"\n{line}" for one, found in answers for line in miss(one, found)) + "\n")
    store.close()
    if given.write:
        kept = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
        MEASURED.write_text(json.dumps({**kept, films: rows}, indent=1) + "\n", encoding="utf-8")


@contextlib.contextmanager
def published(store: Store) -> Iterator[Library]:
    """A library over a copy of the store in a new PostgreSQL, as `agent-tools publish` makes it."""
    from agent_tools.store import publish
    from lab.lifetime import temporary
    from lab.postgres_server import server

    with temporary("questions-") as folder, server() as postgres:
        with contextlib.closing(Store.connect(folder, postgres.url)) as target:
            for video in store.videos():
                publish(store, target, video.id)
        with Library(folder, store=postgres.url) as library:
            yield library


def markdown(measured: Mapping[str, Mapping[str, Figures]]) -> str:
    """The searches over each film as a table, with a column for each group of languages."""
    counts = {group: max(rows["retrieve_memory"]["asked"][group] for rows in measured.values()) for group in GROUPS}
    heads = [f"R@1, R@5: {group} ({counts[group]})" for group in GROUPS]
    lines = [f"| search | {' | '.join(heads)} | nothing found | absent shown strong |", f"|{'---|' * 6}"]
    for films, rows in measured.items():
        for name, one in rows.items():
            shares = [
                f"{share(one['first'][group], one['asked'][group])}, {share(one['found'][group], one['asked'][group])}"
                for group in GROUPS
            ]
            nothing, strong = f"{one['nothing']} of {one['asked']['all']}", f"{one['strong']} of {one['absent']}"
            lines.append(f"| {FILMS[films]}: {name} | {' | '.join(shares)} | {nothing} | {strong} |")
    return "\n".join(lines)


def figures(answers: Sequence[tuple[Question, Sequence[Found]]]) -> Figures:
    """What is counted of one search: how often it is right, by group of languages, and what it does else."""
    there = [(one, found) for one, found in answers if one.kind != "absent"]
    absent = [found for one, found in answers if one.kind == "absent"]
    places = [("English" if one.language == "en" else "another language", place(one, found)) for one, found in there]
    by_group = {group: [at for name, at in places if group in ("all", name)] for group in GROUPS}
    return {
        "asked": {group: len(ats) for group, ats in by_group.items()},
        "first": {group: sum(at == 1 for at in ats) for group, ats in by_group.items()},
        "found": {group: sum(at > 0 for at in ats) for group, ats in by_group.items()},
        "nothing": sum(not found for _, found in there),
        "absent": len(absent),
        "strong": sum(any(hit.strong for hit in found) for found in absent),
    }


def placed(rows: Sequence[Mapping[str, Any]], store: Store, truth: Path | None) -> list[Question]:
    """The questions with the video and span that answer them in this store; one whose clip is not there is left out."""
    videos = {Path(source.path).name: video.id for video in store.videos() for source in store.sources(video.id)}
    starts: dict[str, float] = {}
    if truth is not None:
        (hour,) = set(videos.values())
        held = json.loads(truth.read_text("utf-8"))
        starts = {clip["clip"]: clip["start_s"] for clip in held if not clip["filler"]}
        videos = dict.fromkeys(starts, hour)
    asked = []
    for one in rows:
        about = {name: one[name] for name in ("id", "question", "language", "kind", "half")}
        if one["kind"] == "absent":
            asked.append(Question(**about))
        elif one["clip"] in videos:
            offset = starts.get(one["clip"], 0.0)
            span = Span(one["start_s"] + offset, one["end_s"] + offset)
            asked.append(Question(**about, video_id=videos[one["clip"]], span=span))
    return asked


def product(library: Library) -> Search:
    """retrieve_memory over the whole memory, as an agent calls it."""

    def search(question: str) -> list[Found]:
        reply = library.retrieve_memory(question, limit=DEPTH, max_tokens=4000)
        return [
            Found(hit.video_id, Span(hit.start_s, hit.end_s), hit.score, hit.strength == "strong")
            for hit in sorted(reply.hits, key=lambda hit: hit.rank)
        ]

    return search


def bm25(store: Store) -> Search:
    """The same entries by words alone: any word of the question."""

    def search(question: str) -> list[Found]:
        hits = store.search_words(question, limit=200)
        return [_found(hit.entry, 0.0) for hit in sorted(hits, key=lambda hit: -hit.bm25)[:DEPTH]]

    return search


def minilm(store: Store) -> Search:
    """The same entries by MiniLM's cosine alone, one vector for an entry."""
    encoder = MiniLM()
    entries = [entry for video in store.videos() for entry in store.entries(video.id)]
    matrix = encoder.encode([entry.text for entry in entries])

    def search(question: str) -> list[Found]:
        cosines = matrix @ encoder.encode([question])[0]
        return [_found(entries[at], float(cosines[at])) for at in np.argsort(-cosines, kind="stable")[:DEPTH]]

    return search


def _found(entry: Entry, score: float) -> Found:
    return Found(
        entry.video_id, Span(entry.start_s, max(entry.end_s, entry.start_s + 0.01)), score, strong=score >= STRONG
    )


def place(one: Question, found: Sequence[Found]) -> int:
    """The place of the first hit that meets the true span, 1 = best; 0 where none of the first DEPTH does."""
    if one.span is None:
        return 0
    start_s, end_s = one.span.start_s - NEAR_S, one.span.end_s + NEAR_S
    for at, hit in enumerate(found[:DEPTH], 1):
        if hit.video_id == one.video_id and hit.span.start_s < end_s and hit.span.end_s > start_s:
            return at
    return 0


def row(answers: Sequence[tuple[Question, Sequence[Found]]]) -> tuple[str, str, str, str]:
    """R@1, R@5, "nothing found" of the answerable ones, and how many absent ones have a strong hit."""
    there = [(place(one, found), found) for one, found in answers if one.kind != "absent"]
    absent = [found for one, found in answers if one.kind == "absent"]
    strong = sum(any(hit.strong for hit in found) for found in absent)
    return (
        share(sum(at == 1 for at, _ in there), len(there)),
        share(sum(at > 0 for at, _ in there), len(there)),
        f"{sum(not found for _, found in there)} of {len(there)}",
        f"{strong} of {len(absent)}",
    )


def share(count: int, of: int) -> str:
    """A share with its 95 % interval by Wilson's score."""
    if not of:
        return "no question"
    z, p = 1.96, count / of
    middle, width = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = (max(0.0, (middle - width)) / (1 + z * z / of), min(1.0, (middle + width) / (1 + z * z / of)))
    return f"{p:.2f} ({low:.2f} to {high:.2f})"


def kinds(answers: Sequence[tuple[Question, Sequence[Found]]]) -> dict[str, list[tuple[Question, Sequence[Found]]]]:
    """The answers by kind of question, and those in another language than the film's."""
    split = {kind: [pair for pair in answers if pair[0].kind == kind] for kind in ("said", "shown", "line")}
    other = [pair for pair in answers if pair[0].kind != "absent" and pair[0].language != "en"]
    return {**split, "another language": other}


def miss(one: Question, found: Sequence[Found]) -> list[str]:
    """A line on a question that is not answered first, or an absent one that has a strong hit."""
    best = found[0] if found else None
    at = place(one, found)
    wrong = at != 1 if one.kind != "absent" else best is not None and best.strong
    shown = f"{best.video_id} {best.span.start_s:.1f} s, score {best.score:.2f}" if best else "nothing"
    return [f"{one.id} {one.kind}, place {at}: {one.question} -> {shown}"] if wrong else []
