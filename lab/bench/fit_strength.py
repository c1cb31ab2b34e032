"""Fits the words strong, fair and weak of a hit to the share of first hits that answer their question.

    python -m lab.bench.fit_strength HOME [--rows ROWS_JSON]

HOME keeps the films of the calibrations, whose texts are laid down there where they are missing (a minute). asked.tsv
has questions as people ask them, each about one line of a text source. Each is asked of single films and of groups of
films; a first hit answers if it stands where the line does. Half of the searches are over films that do not hold the
line. Held-out figures leave out one text source after the other. The program prints the weights for
agent_tools/service/search/strength.py."""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_tools.evals.films.as_read import as_read
from agent_tools.evals.films.cue_lists import Film, lay_down
from agent_tools.evals.grounding.calibration_films import labelled_queries
from agent_tools.evals.grounding.text_sources import TextSource, text_sources
from agent_tools.grounding.calibration import logistic_fit
from agent_tools.service.library.library import Library
from agent_tools.service.search.answer_kind import preferred
from agent_tools.service.search.fusion import score_of
from agent_tools.service.search.recall import ScoredEntry, recall
from agent_tools.service.search.strength import FAIR, STRONG, STRONG_WORDS, evidence
from agent_tools.settings import Settings
from lab.bench.assembled import SHARED_VIDEOS

ASKED = Path(__file__).with_name("asked.tsv")
BLOCK = 1000  # lines of one block of the novel
GROUPS = (1, 1, 4, 12)  # films that are searched together; each with the line and without it
NEAR_S = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("home", type=Path, metavar="HOME")
    parser.add_argument("--rows", type=Path, help="keep what was searched in this file, or read it from there")
    given = parser.parse_args()
    if given.rows is not None and given.rows.is_file():
        rows = json.loads(given.rows.read_text("utf-8"))
    else:
        rows = _search(given.home, SHARED_VIDEOS)
        if given.rows is not None:
            given.rows.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    sys.stdout.write(report(rows))


def report(rows: list[dict[str, Any]]) -> str:
    """The weights, and what they are worth on sources that they were not fitted on.

    Right first hits stand against those of searches whose line is not there, each half of the weight: what share of
    questions can be answered is not known."""
    judged = [row for row in rows if row["right"] or not row["there"]]
    variables = np.array([row["evidence"] for row in judged], np.float64)
    right = np.array([row["right"] for row in judged], np.float64)
    sources = np.array([row["source"].split()[0] for row in judged])
    said = np.zeros(len(judged))
    for source in sorted(set(sources)):
        own = sources == source
        said[own] = _shares(variables[own], _balanced(variables[~own], right[~own]))
    lines = [
        f"{len(rows)} searches; {int(right.sum())} right first hits, {int((1 - right).sum())} whose line is not there",
        f"weights {np.round(_balanced(variables, right), 2).tolist()} (the second is the intercept)",
        "held out by source:",
    ]
    for name, least in (("strong", STRONG), ("fair or strong", FAIR)):
        shown = said >= least
        lines.append(
            f"{name}: {shown[right == 1].mean():.2f} of the right, {shown[right == 0].mean():.2f} of the others"
        )
    before = np.array([score_of(row["evidence"][0]) for row in judged]) >= STRONG_WORDS
    lines.append(_row("strong by the score alone, as before", before, right))
    return "\n".join(lines) + "\n"


def _row(name: str, shown: NDArray[np.bool_], right: NDArray[np.float64]) -> str:
    return f"{name}: {shown[right == 1].mean():.2f} of the right, {shown[right == 0].mean():.2f} of the others"


def _balanced(variables: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[float, ...]:
    often = max(1, round((right == 0).sum() / (right == 1).sum()))
    rows = np.concatenate([variables[right == 0], np.repeat(variables[right == 1], often, axis=0)])
    labels = np.repeat([0.0, 1.0], [int((right == 0).sum()), int((right == 1).sum()) * often])
    return logistic_fit(_design(rows), labels)


def _design(variables: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.insert(variables, 1, 1.0, axis=1)


def _shares(variables: NDArray[np.float64], weights: tuple[float, ...]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-_design(variables) @ np.array(weights)))


def _search(home: Path, videos: Path) -> list[dict[str, Any]]:
    library = Library(Settings.load({}, home=home, profile="lite"))
    encoder = library.models.text(600.0)
    assert encoder is not None
    films: dict[str, list[Film]] = {}
    for query in labelled_queries(videos):
        own = films.setdefault(f"{query.source} {query.film.language}", [])
        if query.film not in own:
            own.append(query.film)
    ids: dict[str, str] = {}
    for film in (film for own in films.values() for film in own):
        read = replace(film, screen_text=tuple(one for line in film.screen_text if (one := as_read(line)).text))
        ids[film.title] = read.video_id
        if library.store.video(read.video_id) is None:
            lay_down(library.store, read, encoder)
    texts = {f"{one.name} {one.language}": one for one in text_sources(videos, random.Random(0))}
    rng = random.Random(7)
    rows = []
    with ASKED.open(encoding="utf-8") as table:
        for asked in csv.DictReader(table, delimiter="\t"):
            for source, line in _lines(asked, texts):
                with_line = [film for film in films[source] if line in {cue.text for cue in film.subtitles}]
                without = [film for own in films.values() for film in own if film not in with_line]
                near = [film for film in films[source] if film not in with_line]
                for size in GROUPS:
                    for there in (True, False):
                        if not (with_line if there else near):
                            continue
                        chosen = [rng.choice(with_line if there else near)]
                        chosen += [film for film in rng.sample(without, size) if film not in chosen][: size - 1]
                        rows.append(_asked(library, asked["question"], line, chosen, ids, source, there=there))
    library.close()
    return rows


def _lines(asked: dict[str, str], texts: dict[str, TextSource]) -> list[tuple[str, str]]:
    """(source and language, line) that the question is about; of the novel, in the block that holds it."""
    number = int(asked["line"])
    if asked["source"] == "filler":
        number -= 1
        name = f"novel {number // BLOCK + 1} en"
        return [(name, texts[name].lines[number % BLOCK])] if name in texts else []
    name = f"{asked['source']} en"
    return [(name, texts[name].lines[number])]


def _asked(
    library: Library, question: str, line: str, films: list[Film], ids: dict[str, str], source: str, *, there: bool
) -> dict[str, Any]:
    scopes = [library.video_span(ids[film.title]) for film in films]
    found = preferred(question, recall(library, scopes, question, None).found)
    best: ScoredEntry | None = found[0] if found else None
    right = best is not None and any(
        ids[film.title] == best.entry.video_id
        and any(
            cue.text == line and best.entry.start_s < cue.end_s + NEAR_S and best.entry.end_s > cue.start_s - NEAR_S
            for cue in film.subtitles
        )
        for film in films
    )
    return {
        "question": question,
        "source": source,
        "films": len(films),
        "there": there,
        "right": int(right),
        "evidence": [0.0, 0.0, 0.0] if best is None else list(evidence(best.score, best.cosine, best.words)),
        "best": "" if best is None else best.entry.text[:80],
    }


if __name__ == "__main__":
    main()
