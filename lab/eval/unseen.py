"""Questions and events over films that no fit has seen: ten talks in six languages, an hour with five of them.

    python -m lab.eval unseen HOMES --pictures DIR --sentences FILE [--misses] [--json OUT]

HOMES is a folder in which two memories are made where they are missing: "talks" with a file for each talk of
unseen.json, three of which are only heard (Debian: espeak-ng), and "hour". DIR holds photographs without text, FILE
sentences of any other subject, one a line, for the rest of the hour. The questions and events were written before
anything was searched; each absent event is asked of one talk and of the hour. 56 more events in seven languages, each
asked of one talk, are grouped by whether the event or the talk is English. Assembled: cuts are easier than a natural
hour's."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent_tools import Library
from agent_tools.evals.films.cue_lists import Film
from agent_tools.evals.grounding.grounding import run_grounding, side_by_side
from agent_tools.store import Store
from agent_tools.timeline import Span
from lab.eval.questions import Question, bm25, minilm, miss, product, row
from lab.eval.unseen_films import hour, talk, write

UNSEEN = Path(__file__).with_name("unseen.json")
FEWEST_WORDS, MOST_WORDS = 5, 25  # of a sentence that is used


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.eval unseen", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("homes", type=Path, metavar="HOMES", help="folder for the films and their memories")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photographs without text")
    parser.add_argument("--sentences", type=Path, required=True, help="text file, one sentence a line")
    parser.add_argument("--misses", action="store_true", help="list the questions that are not answered first")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args(arguments)
    held = json.loads(UNSEEN.read_text("utf-8"))
    talks = [talk(one) for one in held["talks"]]
    whole = hour(talks, _sentences(given.sentences, held))
    pictures = sorted(path for path in given.pictures.iterdir() if path.suffix in (".png", ".jpg"))
    homes = {
        "talks": _home(given.homes / "talks", talks, pictures),
        "hour": _home(given.homes / "hour", [whole], pictures),
    }
    searches = {
        name: _ask(home, _questions(held["questions"], talks, whole if name == "hour" else None), misses=given.misses)
        for name, home in homes.items()
    }
    reports = {}
    for name, home in homes.items():
        truth = given.homes / f"events-{name}.json"
        rows = _events(held["events"], talks, whole if name == "hour" else None)
        truth.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
        reports[name] = run_grounding(truth, home, given.homes / f"out-{name}")
    truth = given.homes / "events-languages.json"
    rows = _events_by_language(held["events_by_language"], talks)
    truth.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    reports["languages"] = run_grounding(truth, homes["talks"], given.homes / "out-languages")
    figures = {"searches": searches, "grounding": reports}
    sys.stdout.write(f"\n{markdown(figures)}\n")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def markdown(figures: dict[str, Any]) -> str:
    """The searches and the verdicts as two tables."""
    lines = ["| films | search | R@1 | R@5 | nothing found | absent shown strong |", "|---|---|---|---|---|---|"]
    for films, rows in figures["searches"].items():
        lines += [f"| {films} | {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    reports = dict(figures["grounding"])
    languages = reports.pop("languages")
    return "\n".join([*lines, "", side_by_side(reports), "", side_by_side({"talks": languages})])


def _sentences(path: Path, held: dict[str, Any]) -> list[str]:
    """The usable lines, without those that hold words an absent event quotes."""
    quoted = [one["event"].split("'")[1].casefold() for one in held["events"] if "'" in one["event"]]
    lines = dict.fromkeys(line.strip() for line in path.read_text("utf-8").splitlines())
    return [
        line
        for line in lines
        if FEWEST_WORDS <= len(line.split()) <= MOST_WORDS and not any(words in line.casefold() for words in quoted)
    ]


def _home(home: Path, films: Sequence[Film], pictures: Sequence[Path]) -> Path:
    """A memory with the films; made where it is missing."""
    if (home / "ingested").exists():
        return home
    folder = home.with_name(f"{home.name}-films")
    folder.mkdir(parents=True, exist_ok=True)
    for film in films:
        write(folder, film, pictures)
    command = [sys.executable, "-m", "agent_tools", "ingest", str(folder), "--home", str(home), "--profile", "lite"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (home / "ingested").touch()
    return home


def _place(one: dict[str, Any], talks: Sequence[Film], whole: Film | None) -> tuple[str, Span] | None:
    """The title of the film that holds the answer, and when it does; None where no film here does."""
    if "talk" not in one:
        return None
    film = talks[one["talk"]]
    kind = "subtitles" if "line" in one else "screen_text"
    line = getattr(film, kind)[one["line" if "line" in one else "slide"]]
    if whole is not None:
        found = [other for other in getattr(whole, kind) if other.text == line.text]
        if not found:
            return None
        film, line = whole, found[0]
    return film.title, Span(line.start_s, line.end_s)


def _questions(rows: Sequence[dict[str, Any]], talks: Sequence[Film], whole: Film | None) -> list[Question]:
    asked = []
    for number, one in enumerate(rows, 1):
        place = _place(one, talks, whole)
        if place is None and "talk" in one:
            continue
        kind = "absent" if place is None else "said" if "line" in one else "shown"
        title, span = place or ("", None)
        asked.append(Question(f"u{number:02}", one["question"], one.get("language", "en"), kind, "held", title, span))
    return asked


def _ask(home: Path, asked: Sequence[Question], *, misses: bool) -> dict[str, tuple[str, ...]]:
    """The row of each search over a memory."""
    store = Store.open(home)
    ids = {video.title: video.id for video in store.videos()}
    asked = [Question(**{**vars(one), "video_id": ids.get(one.video_id, "")}) for one in asked]
    rows: dict[str, tuple[str, ...]] = {}
    with Library(home) as library:
        searches = (("BM25 over entries", bm25(store)), ("MiniLM over entries", minilm(store)))
        for name, search in (*searches, ("retrieve_memory", product(library))):
            answers = [(one, search(one.question)) for one in asked]
            rows[name] = row(answers)
    if misses:
        found = "".join(f"\n{one}" for question, hits in answers for one in miss(question, hits))
        sys.stdout.write(f"\n{home.name}{found}\n")
    store.close()
    return rows


def _events(rows: Sequence[dict[str, Any]], talks: Sequence[Film], whole: Film | None) -> list[dict[str, Any]]:
    events = []
    for number, one in enumerate(rows):
        place = _place(one, talks, whole)
        if place is None and "talk" in one:
            continue
        film = whole or talks[number % len(talks)]
        title, spans = (film.title, []) if place is None else (place[0], [[place[1].start_s, place[1].end_s]])
        group = "words" if "'" in one["event"] or '"' in one["event"] or "„" in one["event"] else "paraphrases"
        events.append({"video": title, "event": one["event"], "spans": spans, "group": group})
    return events


def _events_by_language(rows: Sequence[dict[str, Any]], talks: Sequence[Film]) -> list[dict[str, Any]]:
    events = []
    for one in rows:
        film = talks[one["talk"]]
        line = film.subtitles[one["line"]] if "line" in one else None
        asked, told = one["language"], film.language
        group = (
            "another to English"
            if told == "en"
            else "English to another"
            if asked == "en"
            else "one other language"
            if asked == told
            else "two other languages"
        )
        spans = [] if line is None else [[line.start_s, line.end_s]]
        events.append({"video": film.title, "event": one["event"], "spans": spans, "group": group})
    return events
