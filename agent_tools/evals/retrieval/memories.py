"""What is shown of a long film at equal tokens, with memory and without: `agent-tools eval compare --film FILM`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from agent_tools.evals.agents.agent import Reader
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Session
from agent_tools.evals.films.real_clips import SLACK_S
from agent_tools.evals.retrieval.contexts import (
    FRAME,
    FRAMES,
    NO_MEMORY,
    OFF,
    ON,
    OURS,
    WORDS,
    Choose,
    Piece,
    chunks_of,
    through_server,
    with_memory,
    without_memory,
)
from agent_tools.evals.retrieval.plain_searches import Lines
from agent_tools.evals.retrieval.questions import FilmQuestion, default_questions, read_questions

BUDGETS = (250, 500, 1000, 2000, 4000, 8000)  # tokens
TEN = 2  # queries of each of five kinds


def compare_memories(
    film: Path, home: Path, questions: Path | None = None, on_line: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Every way at every budget, on the questions that have an answer.

    Args:
        film: with a truth.json beside it; ingested into `home` where it is not yet.
    Returns: {film, questions, lines, chunks, frame_tokens, rows, ten}; a row is {way, memory, ms, points: [[budget,
        tokens, right]]}, ten are queries with the rank of their answer.
    Raises: EngineError: it could not be ingested. InvalidArgument: a file is not of its form.
    """
    film_questions = read_questions(questions or default_questions(), film.parent / "truth.json")
    film_questions = [one for one in film_questions if one.span is not None and not one.after]
    return anyio.run(_compared, film.expanduser().absolute(), home.expanduser().absolute(), film_questions, on_line)


async def _compared(
    film: Path, home: Path, film_questions: Sequence[FilmQuestion], on_line: Callable[[str], None]
) -> dict[str, Any]:
    async with serving(home, film.parent) as client:
        session = Session(client)
        reader = Reader(session, film)
        await reader.read_whole()
        lines = Lines(home, reader.video_id)
        ways = {**without_memory(lines), **with_memory(lines), OURS: through_server(reader)}
        rows = []
        for name, way in ways.items():
            begun = time.perf_counter()
            points = []
            for budget in BUDGETS:
                shown = [fitting(await way(one.text, budget), budget) for one in film_questions]
                right = sum(_meets(pieces, one) for pieces, one in zip(shown, film_questions, strict=True))
                tokens = sum(sum(piece.tokens for piece in pieces) for pieces in shown) / len(shown)
                points.append([budget, round(tokens), right])
            ms = 1000 * (time.perf_counter() - begun) / len(film_questions) / len(BUDGETS)
            rows.append({"way": name, "memory": name not in NO_MEMORY, "ms": ms, "points": points})
            on_line(f"{name}: {points}")
        report = {
            "film": film.parent.name,
            "questions": len(film_questions),
            "lines": len(lines.entries),
            "chunks": len(chunks_of(lines)),
            "frame_tokens": FRAME,
            "rows": rows,
            "ten": [await _ranked(one, ways) for one in _ten(film_questions)],
        }
        lines.close()
        return report


def fitting(pieces: Sequence[Piece], budget: int) -> list[Piece]:
    """The first of them that fit the budget together."""
    taken, spent = [], 0
    for piece in pieces:
        spent += piece.tokens
        if spent > budget:
            break
        taken.append(piece)
    return taken


def _meets(pieces: Sequence[Piece], one: FilmQuestion) -> bool:
    return rank_of(pieces, one) > 0


def rank_of(pieces: Sequence[Piece], one: FilmQuestion) -> int:
    """The rank of the first piece that holds the answer; 0 if no piece does."""
    for rank, piece in enumerate(pieces, 1):
        if one.span is None or (piece.frame and one.kind.startswith("spoken")):
            continue
        slack = SLACK_S if piece.frame else 0.0
        if piece.span.start_s < one.span.end_s + slack and piece.span.end_s > one.span.start_s - slack:
            return rank
    return 0


def _ten(film_questions: Sequence[FilmQuestion]) -> list[FilmQuestion]:
    """The first two of each kind: by meaning and by word, said and on screen, and both."""
    kinds = list(dict.fromkeys(one.kind for one in film_questions))
    return [one for kind in kinds for one in [other for other in film_questions if other.kind == kind][:TEN]]


async def _ranked(one: FilmQuestion, ways: Mapping[str, Choose]) -> dict[str, Any]:
    """Where the answer stands in what is shown of 2,000 tokens, and what stands before it costs."""
    ranks = {}
    for name in (FRAMES, WORDS, ON, OFF, OURS):
        pieces = fitting(await ways[name](one.text, 2000), 2000)
        rank = rank_of(pieces, one)
        ranks[name] = {"rank": rank, "tokens": sum(piece.tokens for piece in pieces[: rank or None])}
    return {"query": one.text, "kind": one.kind, "shown": ranks}
