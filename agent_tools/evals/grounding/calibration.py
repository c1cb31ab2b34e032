"""Fits calibrations from raw scores of labelled queries to p(present): the ones that ship, and a data folder's own.

ground_event's own code computes every score. The calibrations that ship use drawn films in a temporary data folder;
your own use your videos and the events of a truth file."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_tools.datasets.truth import read_truth
from agent_tools.errors import InvalidArgument, ModelMissing, UnreadableVideo
from agent_tools.evals.films.cue_lists import Film
from agent_tools.evals.films.film_video import write
from agent_tools.evals.grounding.calibration_films import Query, labelled_queries
from agent_tools.grounding import Calibrator
from agent_tools.home import HomeFolder
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.verdicts.calibrations import stored
from agent_tools.service.verdicts.event_search import FEW, LOCALIZER, NAMED_WORDS, search
from agent_tools.settings import Settings

SHIPPED = Path(__file__).parents[2] / "service" / "verdicts" / "fitted"
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
    out: Path = SHIPPED, *, videos: Path, date: str = "", seed: int = 0, on_line: Callable[[str], None] | None = None
) -> dict[str, Calibrator]:
    """Fit lite's three calibrations and write each as <name>.lite.json with its report; gives them by name.

    Args:
        videos: a folder with filler.txt and edge/subtitles. date: ISO day for the report, today's if empty.
    Raises: ModelMissing: lite's sentence encoder cannot be loaded."""
    scored = scores(labelled_queries(videos, seed), on_line or (lambda _line: None))
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
        (out / f"{name}.lite.json").write_text(stored(fitted[name], of_kind[0].producer), encoding="utf-8")
    return fitted


def fit_own(
    settings: Settings, truth: Path, *, date: str = "", on_line: Callable[[str], None] | None = None
) -> dict[Path, Calibrator]:
    """Fit a calibration for each way of searching that the events of a truth file were searched by, with the models of
    these settings, and write them where ground_event finds them; gives them by file.

    Args:
        truth: as for `eval grounding`; at least ten events that are there and ten that are not, best of several videos.
    Raises: InvalidArgument: no truth, a video that is not in the home, or too little to fit any on."""
    say = on_line or (lambda _line: None)
    events = read_truth(truth).events
    found: dict[tuple[str, str], list[tuple[float, int, str]]] = {}
    library = Library(settings, by_hand=True)
    try:
        library.models.text(LOAD_S)
        for event in events:
            span = library.video_span(event.video)
            outcome = search(library, span, event.text, event.channels or None, lambda _share, _message: None)
            for part in () if outcome.words_only else outcome.sources:
                row = (part.score, int(bool(event.spans)), span.video.id)
                found.setdefault((part.calibration, part.producer), []).append(row)
        profile = library.models.profile.name
    finally:
        library.close()
    folder, fitted, why = HomeFolder(settings.home).calibrations, {}, ""
    for (name, producer), rows in found.items():
        scored, labels, videos = zip(*rows, strict=True)
        description = (
            f"{truth.name}: {len(rows)} events of {len(set(videos))} videos of this home; {name} with {producer}"
        )
        try:
            groups = videos if len(set(videos)) > 1 else None
            made = Calibrator.fit(scored, labels, groups=groups, data=description, date=date)
        except InvalidArgument as error:
            why = f"{name}: {error}"
            say(why)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.{profile}.json"
        file.write_text(stored(made, producer), encoding="utf-8")
        fitted[file] = made
    if not fitted:
        raise InvalidArgument(f"{truth.name} is too little to fit anything on. {why}".strip())
    return fitted


def scores(queries: Sequence[Query], on_line: Callable[[str], None]) -> list[Scored]:
    """The raw score of each query in its film, which is drawn and ingested with lite's models.

    Raises: ModelMissing: lite's sentence encoder cannot be loaded. UnreadableVideo: an ingest failed."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "films"
        drawn.mkdir()
        library = Library(Settings.load({}, home=Path(folder) / "home", allow=(drawn,), profile="lite"))
        ids: dict[Film, str] = {}
        try:
            if library.models.text(LOAD_S) is None:
                raise library.models.error or ModelMissing(f"lite's sentence encoder did not load in {LOAD_S:g} s.")
            films = list(dict.fromkeys(query.film for query in queries))
            for number, film in enumerate(films, 1):  # one is ingested while the next is drawn
                ids[film] = ingest_video(library, write(drawn, film).name, title=film.title, wait_s=0).video_id or ""
                on_line(f"drew film {number} of {len(films)}: {film.title}")
            found = []
            for number, film in enumerate(films, 1):
                _wait(library, ids[film])
                span = library.video_span(ids[film])
                of_film = [query for query in queries if query.film == film]
                for query in of_film:
                    outcome = search(library, span, query.event, None, lambda _share, _message: None)
                    found += [Scored(query, part.score, part.producer) for part in outcome.sources]
                on_line(f"film {number} of {len(films)}: {film.title}, {len(of_film)} queries")
            return found
        finally:
            for video_id in ids.values():
                library.store.request_stop(video_id)
            library.workers.join()  # before its home goes
            library.close()


def _wait(library: Library, video_id: str) -> None:
    while (reply := ingest_video(library, video_id, wait_s=45)).state != "done":
        if reply.state not in ("queued", "running"):
            raise UnreadableVideo(f"The film {reply.title} was not ingested: {reply.error or reply.state}.")


def described(queries: Sequence[Query]) -> str:
    """What a fit stands on, in words, for its report."""
    films = {query.film for query in queries}
    cues = sorted(len(film.subtitles) * 3600 / film.duration_s for film in films)
    sources = Counter(query.source for query in queries)
    absent = sum(not query.present for query in queries)
    paraphrased = sum(query.paraphrased for query in queries)
    judged_as = _JUDGED[queries[0].kind]
    return (
        f"assembled and drawn video and text, none natural; lite, {judged_as}; {len(queries)} queries, "
        f"{absent} absent, {paraphrased} paraphrased by hand; {len(films)} drawn and ingested films of "
        f"{sum(film.duration_s for film in films) / 3600:.1f} h, {cues[0]:.0f} to {cues[-1]:.0f} cues an hour beside "
        "them (sentences of a novel, subtitle files), slides with text read by the OCR; held apart by text source and "
        "thereby by film: " + ", ".join(f"{name} {count}" for name, count in sources.items())
    )
