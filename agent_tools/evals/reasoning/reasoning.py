"""Reasoning over time, by a scripted agent through MCP: `agent-tools eval reasoning`.

The agent finds when each named thing happens and compares the times. It sees names and replies, and no truth. The
control answers the same questions from the same findings with the times dealt out again at random: where an answer
depends on times, it must fall to chance."""

from __future__ import annotations

import difflib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from agent_tools.errors import InvalidArgument
from agent_tools.evals.agents.agent import Reader, rows
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Session, texts_of
from agent_tools.evals.reasoning.film import plan, write_film
from agent_tools.evals.reasoning.questions import CHANCE, GAPS_S, TIMELESS, Happening, Question, decide, questions
from agent_tools.timeline import clock

DEALS = 200  # of the control
HELD = 0.6  # share of a name's words that a text must hold to tell of it: a reader of pictures loses some
ALIKE = 0.8  # likeness of letters at which a word was read rightly
LONG_S = 12.0  # a moment longer than this is looked into for the very line
SAME_S = 3.0  # one thing mentioned twice: shown and said, or in two lines
NAME = 60  # characters of a text on screen that are its name
LEAST_S = 2.0  # that a text stands on screen to be asked about: shorter ones are OCR's matter, not reasoning's
ABSENT = ("the coachman counted eleven herons", "a letter sealed with green wax", "snow on the roof of the granary")

Found = Mapping[str, Sequence[float]]


class TimeAgent(Reader):
    """Looks for each name a question holds, in one search and, where a moment is long, one closer look."""

    async def find(self, question: Question) -> dict[str, list[float]]:
        """When each name was found, in order of time; empty where it was not."""
        return {name: await self.when(name) for name in (*question.anchors, *question.names)}

    async def when(self, name: str) -> list[float]:
        reply = await self.search("retrieve_memory", query=f'"{name}"', video_ids=[self.video_id], limit=6)
        times: list[float] = []
        for hit in reply.data.get("hits") or ():
            if not any(tells(text, name) for text in texts_of(hit)):
                continue
            starts = [float(hit["start_s"])]
            if hit["end_s"] - hit["start_s"] > LONG_S:
                close = await self.session.call("zoom_segment", video_id=hit["uri"], query=name, layout="text")
                starts = [float(row["start_s"]) for row in rows(close) if tells(row["text"], name)] or starts
            times += starts
        times.sort()
        return [at for place, at in enumerate(times) if not place or at - times[place - 1] > SAME_S]


def tells(text: str, name: str) -> bool:
    """Whether a text names it, as a reader of pictures spells it: enough of its words, or its letters in one piece."""
    if _letters(name) in _letters(text):
        return True
    wanted, held = _words(name), _words(text)
    right = sum(any(difflib.SequenceMatcher(None, word, other).ratio() >= ALIKE for other in held) for word in wanted)
    return bool(wanted) and right > HELD * len(wanted)


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.casefold()) if len(word) > 2]


def _letters(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def run_reasoning(
    seed: int = 0,
    duration_s: int = 3600,
    each: int = 4,
    home: Path | None = None,
    film: Path | None = None,
    truth: Path | None = None,
    film_home: Path | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Draw an hour, have it ingested, ask; and the same of a film of one's own with a truth file.

    Args:
        home: folder for the drawn film and its memory, kept; None: a temporary one.
        film, truth: a video and what it holds, [{speech, on_screen_text}]; None: truth.json beside it.
        film_home: data folder in which the film may already be ingested; None: `home`.
    Returns: {seed, duration_s, gaps_s, films: [{film, ingest_s, questions, rows, missed}]}; see markdown.
    Raises: EngineError: a film could not be ingested. InvalidArgument: no such truth, or a film too short.
    """
    if film is None and truth is not None:
        raise InvalidArgument("--truth is about a film: name it, too, with --film.")
    happenings = [] if film is None else read_truth(truth or film.parent / "truth.json")
    gaps_s = tuple(gap_s for gap_s in GAPS_S if gap_s <= 0.75 * duration_s) or GAPS_S[:1]
    with TemporaryDirectory(prefix="agent-tools-reasoning-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve() if home is None else home.expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        arrivals = plan(seed, duration_s, gaps_s)
        path = folder / f"arrivals-{seed}-{duration_s}.mp4"
        begun = time.perf_counter()
        if not path.exists():
            write_film(path, arrivals, seed, duration_s)
        on_line(f"drew {path.name}, {len(arrivals.happenings)} arrivals, in {time.perf_counter() - begun:.0f} s")
        question_list = questions(arrivals.happenings, arrivals.absent, random.Random(seed), gaps_s, each)
        films = [anyio.run(_ask_film, "drawn", path, folder / "memory", question_list, on_line)]
        if film is not None:
            question_list = questions(happenings, ABSENT, random.Random(seed), gaps_s, each)
            source, memory = film.expanduser().absolute(), (film_home or folder / "memory").expanduser().absolute()
            films.append(anyio.run(_ask_film, "assembled", source, memory, question_list, on_line))
    return {"seed": seed, "duration_s": duration_s, "gaps_s": list(gaps_s), "films": films}


def read_truth(path: Path) -> list[Happening]:
    """What is said and shown in a film, in its own words, without anything that occurs twice."""
    try:
        clips = json.loads(path.read_text(encoding="utf-8"))
        happenings = [
            Happening(_name(str(one["text"])), float(one["start_s"]))
            for clip in clips
            for one in (*clip["speech"], *(t for t in clip["on_screen_text"] if t["end_s"] - t["start_s"] >= LEAST_S))
        ]
        if not happenings:
            raise ValueError("nothing is said or shown in it")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f"{path} is not a list of clips with speech and on_screen_text: {error}") from error
    often = Counter(one.name for one in happenings)
    return [
        one
        for one in happenings
        if often[one.name] == 1
        and len(_words(one.name)) > 1
        and not any(other is not one and tells(other.name, one.name) for other in happenings)
    ]


def _name(text: str) -> str:
    """The first line, without what an annotator says of it in brackets."""
    return re.sub(r"\(.*?\)", "", text.split(" / ")[0])[:NAME].strip()


async def _ask_film(
    name: str, source: Path, memory: Path, question_list: Sequence[Question], on_line: Callable[[str], None]
) -> dict[str, Any]:
    async with serving(memory, source.parent) as client:
        begun = time.perf_counter()
        reader = TimeAgent(Session(client), source)
        await reader.read_whole()
        ingest_s = time.perf_counter() - begun
        on_line(f"{name}: ingested in {ingest_s:.0f} s; {len(question_list)} questions")
        answers = []
        for question in question_list:
            reader.session = Session(client)
            found = await reader.find(question)
            answers.append(_answer(question, found, reader.session))
            if not answers[-1]["right"]:
                on_line(
                    f"wrong: {question.text} said {answers[-1]['said']!r}, is {question.answer!r}; found {_told(found)}"
                )
    return {
        "film": name,
        "ingest_s": ingest_s,
        "questions": len(question_list),
        "rows": _rows(question_list, answers),
        "missed": [{**answer, "found": _told(answer["found"])} for answer in answers if not answer["right"]],
    }


def _answer(question: Question, found: dict[str, list[float]], session: Session) -> dict[str, Any]:
    said = decide(question, found, random.Random(question.text))
    return {
        "kind": question.kind,
        "gap_s": question.gap_s,
        "question": question.text,
        "said": said,
        "right": said == question.answer,
        "calls": len(session.calls),
        "tokens": session.tokens,
        "found": found,
    }


def _rows(question_list: Sequence[Question], answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    dealt = control([answer["found"] for answer in answers], question_list)
    table = []
    for kind in dict.fromkeys(question.kind for question in question_list):
        own = [answer for answer in answers if answer["kind"] == kind]
        gaps = {answer["gap_s"]: [a["right"] for a in own if a["gap_s"] == answer["gap_s"]] for answer in own}
        table.append(
            {
                "kind": kind,
                "chance": CHANCE[kind],
                "right": {f"{gap_s:g}": [sum(right), len(right)] for gap_s, right in sorted(gaps.items())},
                "times_dealt_anew": dealt[kind],
                "calls": mean(answer["calls"] for answer in own),
                "tokens": mean(answer["tokens"] for answer in own),
            }
        )
    return table


def control(
    found: Sequence[Found], question_list: Sequence[Question], deals: int = DEALS, seed: int = 0
) -> dict[str, float]:
    """Share of right answers by kind when every finding has the time of another one, mean over many deals."""
    right: Counter[str] = Counter()
    rng = random.Random(seed)
    places = sorted({(name, at) for one in found for name, times in one.items() for at in times})
    for _ in range(deals):
        new = dict(zip(places, rng.sample([at for _, at in places], len(places)), strict=True))
        for question, one in zip(question_list, found, strict=True):
            dealt = {name: sorted(new[name, at] for at in times) for name, times in one.items()}
            right[question.kind] += decide(question, dealt, rng) == question.answer
    number = Counter(question.kind for question in question_list)
    return {kind: right[kind] / number[kind] / deals for kind in number}


def _told(found: Found) -> str:
    return "; ".join(f"{name}: {', '.join(clock(at) for at in times) or '-'}" for name, times in found.items())


def markdown(report: Mapping[str, Any]) -> str:
    """A table per film: right answers by kind and gap, chance, the control, cost of an answer, unused gaps."""
    gaps = [f"{gap_s:g}" for gap_s in report["gaps_s"]]
    head = [
        "kind",
        *(f"{float(gap) / 60:g} min apart" for gap in gaps),
        "chance",
        "times shuffled",
        "calls",
        "tokens",
    ]
    parts = []
    for film in report["films"]:
        lines = [
            f"The {film['film']} hour, {film['questions']} questions:",
            "",
            f"| {' | '.join(head)} |",
            "|" + "---|" * len(head),
        ]
        for row in film["rows"]:
            cells = [
                f"{row['right'][gap][0]} of {row['right'][gap][1]}" if gap in row["right"] else "-" for gap in gaps
            ]
            dealt = f"{row['times_dealt_anew']:.0%}" + (" (asks no time)" if row["kind"] in TIMELESS else "")
            cost = f"{row['calls']:.1f} | {row['tokens']:,.0f}"
            lines.append(f"| {row['kind']} | {' | '.join(cells)} | {row['chance']:.0%} | {dealt} | {cost} |")
        none = [f"{float(gap) / 60:g}" for gap in gaps if not any(gap in row["right"] for row in film["rows"])]
        if none:
            lines += ["", f"No two things asked about begin {' or '.join(none)} min apart."]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
