"""Fits the calibrations that ship with the package, from raw scores of labelled queries to p(present).

Every score is what ground_event itself computes, over films of cue lists in a store of their own. Knows films, queries
and where the parameters are kept. Knows nothing of how a score is made."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_tools.errors import ModelMissing
from agent_tools.evals.calibration_films import Query, labelled_queries
from agent_tools.evals.cue_lists import Remembered, lay_down
from agent_tools.grounding import Calibrator
from agent_tools.service.library import Library
from agent_tools.service.verifying import FEW, LOCALIZER, NAMED_WORDS, search
from agent_tools.settings import Settings

SHIPPED = Path(__file__).parents[1] / "service" / "calibrations"
LOAD_S = 120.0
KINDS = {"meaning": LOCALIZER, "mentions": FEW, "words": NAMED_WORDS}
_JUDGED = {
    "meaning": "events by meaning and by words",
    "mentions": "a few words that someone mentions, by meaning and by words",
    "words": "quoted or named words as they stand",
}


@dataclass(frozen=True)
class Scored:
    query: Query
    score: float
    producer: str  # who made the vectors behind it, "" where words alone count


def fit_lite(
    out: Path = SHIPPED, *, videos: Path, date: str = "", seed: int = 0, tell: Callable[[str], None] | None = None
) -> dict[str, Calibrator]:
    """Fit lite's three calibrations and write each as <name>.lite.json with its report; gives them by name.

    Args:
        videos: a folder with filler.txt and edge/subtitles. date: ISO day for the report, today's if empty.
    Raises: ModelMissing: lite's sentence encoder cannot be loaded."""
    scored = scores(labelled_queries(videos, seed), tell or (lambda _line: None))
    out.mkdir(parents=True, exist_ok=True)
    fitted = {}
    for kind, name in KINDS.items():
        of_kind = [one for one in scored if one.query.kind == kind]
        fitted[name] = Calibrator.fit(
            [one.score for one in of_kind],
            [int(one.query.present) for one in of_kind],
            groups=[one.query.source for one in of_kind],
            data=described([one.query for one in of_kind]),
            date=date,
        )
        told = {"producer": of_kind[0].producer, **json.loads(fitted[name].to_json())}
        (out / f"{name}.lite.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return fitted


def scores(queries: Sequence[Query], tell: Callable[[str], None]) -> list[Scored]:
    """The raw score of each query in its film, with lite's models."""
    with tempfile.TemporaryDirectory() as folder:
        library = Library(Settings.load({}, home=Path(folder), profile="lite"))
        try:
            encoder = library.models.text(LOAD_S)
            if encoder is None:
                raise library.models.error or ModelMissing(f"lite's sentence encoder did not load in {LOAD_S:g} s.")
            remembered = Remembered(encoder)
            found = []
            for number, film in enumerate(dict.fromkeys(query.film for query in queries), 1):
                video_id = lay_down(library.store, film, remembered)
                asked = library.asked(video_id)
                of_film = [query for query in queries if query.film == film]
                for query in of_film:
                    outcome = search(library, asked, query.event, None, lambda _share, _message: None)
                    found.append(Scored(query, outcome.score, outcome.producer))
                tell(f"film {number}: {film.title}, {len(of_film)} queries")
            return found
        finally:
            library.close()


def described(queries: Sequence[Query]) -> str:
    """What a fit stands on, in words, for its report."""
    films = {query.film for query in queries}
    cues = sorted(len(film.subtitles) * 3600 / film.duration_s for film in films)
    sources = Counter(query.source for query in queries)
    absent = sum(not query.present for query in queries)
    paraphrased = sum(query.paraphrased for query in queries)
    told = _JUDGED[queries[0].kind]
    return (
        f"assembled and drawn video and text, none natural; lite, {told}; {len(queries)} queries, {absent} absent, "
        f"{paraphrased} paraphrased by hand; {len(films)} films of cue lists, {cues[0]:.0f} to {cues[-1]:.0f} cues an "
        "hour (sentences of a novel, subtitle files, drawn slides with imitated OCR errors); held apart by text source "
        "and thereby by film: " + ", ".join(f"{name} {count}" for name, count in sources.items())
    )
