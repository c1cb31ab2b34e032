"""How well moments of a long film of real clips are found: `agent-tools eval retrieval`.

Compares retrieve_memory, through MCP, with plain searches over the same stored lines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import anyio

from agent_tools.errors import InvalidArgument
from agent_tools.evals.agents.agent import Reader, by_rank, rows
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Session
from agent_tools.evals.reasoning.reasoning import LONG_S, tells
from agent_tools.evals.retrieval.plain_searches import Found, Lines
from agent_tools.evals.retrieval.questions import KINDS, FilmQuestion, default_questions, read_questions
from agent_tools.timeline import Span

DEPTH = 20  # hits that a rank is looked for in: the most that one call gives
SHOWN = 5  # hits whose tokens are counted: what an agent would ask for
TOKENS = 2000  # of such a reply, at most: the tool's own bound
SURE = 0.5  # of a hit's score: below it, a search that says "nothing here" is taken at its word
OURS = "retrieve_memory"
LEAD = "the film and its truth.json: `python -m lab.bench.assembled` in a checkout with shared/videos builds them"

Search = Callable[[str, float, int], Awaitable[Found]]  # (query, start_s, limit)
Edge = Callable[[str], Awaitable[float]]  # when the best that answers a query is over


@dataclass(frozen=True)
class Answer:
    """What one search made of one question."""

    rank: int  # of the first hit that meets the true span; 0 where none of DEPTH does
    off_s: float  # between its start and the true one
    length_s: float  # of the best hit
    tokens: int  # of SHOWN hits
    score: float | None


def run_retrieval(
    films: Sequence[Path],
    homes: Sequence[Path],
    questions: Path | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Ask every question of every film, of retrieve_memory and of the plain searches.

    Args:
        films: each with a truth.json beside it; its folder's name stands in the report.
        homes: a data folder for each, in which the film may already be ingested.
        questions: see retrieval_questions; None: the checkout's.
    Returns: {films: [{film, entries, dump_tokens, rows, absent}]}; see markdown.
    Raises: InvalidArgument: no film, not as many homes, or a file not of its form. EngineError: not ingested.
    """
    if not films or len(films) != len(homes):
        raise InvalidArgument(
            f"{len(films)} films and {len(homes)} homes: give one --home for each film. Needed: {LEAD}"
        )
    asked_of = questions or default_questions()
    report = []
    for film, home in zip(films, homes, strict=True):
        film_questions = read_questions(asked_of, film.parent / "truth.json")
        report.append(
            anyio.run(_film, film.expanduser().absolute(), home.expanduser().absolute(), film_questions, on_line)
        )
    return {"films": report}


async def _film(
    film: Path, home: Path, film_questions: Sequence[FilmQuestion], on_line: Callable[[str], None]
) -> dict[str, Any]:
    async with serving(home, film.parent) as client:
        session = Session(client)
        reader = Reader(session, film)
        await reader.read_whole()
        lines = Lines(home, reader.video_id)

        async def ours(query: str, start_s: float, limit: int) -> Found:
            reply = await reader.search(
                "retrieve_memory",
                query=query,
                video_ids=[reader.video_id],
                start_s=start_s,
                limit=limit,
                max_tokens=TOKENS if limit <= SHOWN else 4 * TOKENS,
            )
            hits = list(by_rank(reply))
            spans = tuple(Span(hit["start_s"], hit["end_s"]) for hit in hits)
            return Found(spans, session.calls[-1].tokens, hits[0]["score"] if hits else 0.0)

        async def over(query: str) -> float:
            """As an agent would: a moment of several lines is looked into for the very line."""
            reply = await reader.search("retrieve_memory", query=query, video_ids=[reader.video_id], limit=1)
            hit = next(by_rank(reply), None)
            if hit is None or hit["end_s"] - hit["start_s"] <= LONG_S:
                return 0.0 if hit is None else float(hit["end_s"])
            close = await session.call("zoom_segment", video_id=hit["uri"], query=query, layout="text")
            ends_s = [float(row["end_s"]) for row in rows(close) if tells(row["text"], query)]
            return min(ends_s, default=float(hit["end_s"]))

        searches: dict[str, tuple[Search, Edge]] = {
            "BM25 over lines": _plain(lines, lines.by_words),
            "vectors over lines": _plain(lines, lines.by_meaning),
            "equal-weight reciprocal ranks": _plain(lines, lines.by_ranks),
            OURS: (ours, over),
        }
        answers: dict[str, list[Answer]] = {}
        for name, (search, edge) in searches.items():
            answers[name] = [await answered(search, edge, one) for one in film_questions]
            on_line(f"{film.parent.name}: {name} asked")
        report = {
            "film": film.parent.name,
            "entries": len(lines.entries),
            "dump_tokens": lines.dumped(),
            "rows": [
                row for kind in KINDS for name in searches if (row := _row(kind, name, film_questions, answers[name]))
            ],
            "absent": _absent(film_questions, answers[OURS]),
        }
        lines.close()
        return report


def _plain(lines: Lines, search: Callable[[str], Sequence[int]]) -> tuple[Search, Edge]:
    """A search over lines, and where the best line that it finds ends."""

    async def found(query: str, start_s: float, limit: int) -> Found:
        return lines.found(search, query, limit, start_s)

    async def edge(query: str) -> float:
        best = (await found(query, 0.0, 1)).spans
        return best[0].end_s if best else 0.0

    return found, edge


async def answered(search: Search, edge: Edge, question: FilmQuestion) -> Answer:
    """Ask; a question with an `after` asks for that first, and then for what begins when the best of it is over."""
    start_s = await edge(question.after) if question.after else 0.0
    found = await search(question.text, start_s, DEPTH)
    shown = await search(question.text, start_s, SHOWN)
    length_s = found.spans[0].length_s if found.spans else 0.0
    for rank, span in enumerate(found.spans, 1):
        if question.span is not None and span.overlap_s(question.span) > 0:
            return Answer(rank, abs(span.start_s - question.span.start_s), length_s, shown.tokens, found.score)
    return Answer(0, float("nan"), length_s, shown.tokens, found.score)


def _row(
    kind: str, name: str, film_questions: Sequence[FilmQuestion], answers: Sequence[Answer]
) -> dict[str, Any] | None:
    own = [
        answer for one, answer in zip(film_questions, answers, strict=True) if one.kind == kind and one.span is not None
    ]
    if not own:
        return None
    right = [answer for answer in own if answer.rank]
    return {
        "kind": kind,
        "search": name,
        "of": len(own),
        "first": sum(answer.rank == 1 for answer in own),
        "five": sum(1 <= answer.rank <= SHOWN for answer in own),
        "mrr": mean(1 / answer.rank if answer.rank else 0.0 for answer in own),
        "off_s": median(answer.off_s for answer in right) if right else None,
        "length_s": median(answer.length_s for answer in own),
        "tokens": mean(answer.tokens for answer in own),
    }


def _absent(film_questions: Sequence[FilmQuestion], answers: Sequence[Answer]) -> dict[str, Any]:
    """How well the best score tells what is there from what is not."""
    scores = [(one.span is not None, answer.score or 0.0) for one, answer in zip(film_questions, answers, strict=True)]
    here, gone = [score for there, score in scores if there], [score for there, score in scores if not there]
    return {
        "sure": SURE,
        "of": len(gone),
        "quiet": sum(score < SURE for score in gone),
        "highest": max(gone, default=0.0),
        "present": len(here),
        "present_sure": sum(score >= SURE for score in here),
    }


def markdown(report: dict[str, Any]) -> str:
    """A table per film: a row per kind, a column per search, and what the scores say where there is nothing."""
    parts = []
    for film in report["films"]:
        names = list(dict.fromkeys(row["search"] for row in film["rows"]))
        head = ["R@1, R@5, MRR", *(f"**{name}**" if name == OURS else name for name in names)]
        head += ["off, length (median s)", "tokens of five"]
        lines = [
            f"Transcript {film['film']}: {film['entries']:,} lines said or read on screen; handing all of them over "
            f"takes {film['dump_tokens']:,} tokens.",
            "",
            f"| {' | '.join(head)} |",
            "|" + "---|" * len(head),
        ]
        for kind in dict.fromkeys(row["kind"] for row in film["rows"]):
            own = {row["search"]: row for row in film["rows"] if row["kind"] == kind}
            cells = [f"{row['first']}, {row['five']}, {row['mrr']:.2f}" for row in own.values()]
            best = own[OURS]
            off = "-" if best["off_s"] is None else f"{best['off_s']:.1f}"
            cells += [f"{off}, {best['length_s']:.1f}", f"{best['tokens']:,.0f}"]
            lines.append(f"| {KINDS[kind]}, of {best['of']} | {' | '.join(cells)} |")
        absent = film["absent"]
        lines += [
            "",
            f"Of {absent['of']} questions about what is not there, {absent['quiet']} get no hit with a score of "
            f"{absent['sure']:g} or more (highest {absent['highest']:.2f}); of {absent['present']} about what is, "
            f"{absent['present_sure']} do.",
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
