"""Fits calibrations from raw scores of labelled queries to p(present): the ones that ship, and a data folder's own.

ground_event's own code computes every score. The calibrations that ship use drawn films in a temporary data folder;
your own use your videos and the events of a truth file."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent_tools.datasets.truth import read_truth
from agent_tools.errors import InvalidArgument, ModelMissing, UnreadableVideo
from agent_tools.evals.films.as_read import as_read
from agent_tools.evals.films.cue_lists import Film, lay_down
from agent_tools.evals.films.film_video import write
from agent_tools.evals.grounding.calibration_films import Query, labelled_queries
from agent_tools.grounding import Calibrator, Interval, Method
from agent_tools.home import HomeFolder
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.verdicts.calibrations import stored
from agent_tools.service.verdicts.event_search import FEW, LOCALIZER, NAMED_WORDS, search
from agent_tools.settings import Settings

SHIPPED = Path(__file__).parents[2] / "service" / "verdicts" / "fitted"
DRAWN_S = 300.0
LOAD_S = 600.0  # an encoder loads in a second, but these runs have the lowest priority
KINDS = {"meaning": LOCALIZER, "mentions": FEW, "words": NAMED_WORDS}
CEILINGS = {"meaning": 2.0}  # sentences as they stand lie at 4 and 5, paraphrases at 1.3
METHODS: dict[str, Method] = {"words": "isotonic"}  # words stand there or not: a step, which no logistic curve is
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
    size: int = 1  # of how many texts it is the best


def fit_lite(
    out: Path = SHIPPED,
    *,
    videos: Path,
    kept: Path | None = None,
    laid: bool = False,
    date: str = "",
    seed: int = 0,
    drawn_s: float = DRAWN_S,
    on_line: Callable[[str], None] | None = None,
) -> dict[str, Calibrator]:
    """Fit lite's calibrations and write each as <name>.lite.json with its report; gives them by name.

    Args:
        videos: a folder with filler.txt and edge/subtitles. kept: see `scores`.
        laid: store all films' texts without drawing them, see `scores_of_laid`; then "words" is not fitted, because it
            depends on what an OCR reads.
        drawn_s: films up to this length are drawn and ingested; the texts of longer ones are stored as a reader would
            read them, with the rates that were measured on the drawn ones. What they add is how many texts there are.
        date: ISO day for the report, today's if empty.
    Raises: ModelMissing: lite's sentence encoder cannot be loaded."""
    say = on_line or (lambda _line: None)
    queries = labelled_queries(videos, seed)
    if laid:
        queries = [query for query in queries if query.kind != "words"]
    short = [query for query in queries if not laid and query.film.duration_s <= drawn_s]
    long = [query for query in queries if laid or query.film.duration_s > drawn_s]
    scored = scores(short, say, kept) if short else []
    scored += scores_of_laid(long, say, kept and kept / "laid") if long else []
    fitted = write_fits(scored, out, date=date, laid={query.film for query in long})
    for name, made in fitted.items():
        for part in made.report.parts:
            say(f"{name}, {part.name}: {part.n} queries, ECE {_interval(part.ece)}")
    return fitted


def write_fits(
    scored: Sequence[Scored], out: Path, *, date: str = "", laid: Collection[Film] = ()
) -> dict[str, Calibrator]:
    """Fit a calibration on each kind of query that is there, and write it.

    Args:
        laid: the films that were not drawn."""
    out.mkdir(parents=True, exist_ok=True)
    fitted = {}
    for kind, name in KINDS.items():
        of_kind = [one for one in scored if one.query.kind == kind]
        if not of_kind:
            continue
        fitted[name] = Calibrator.fit(
            [one.score for one in of_kind],
            [int(one.query.present) for one in of_kind],
            method=METHODS.get(kind, "platt"),
            groups=[one.query.source for one in of_kind],
            data=described([one.query for one in of_kind], laid=laid),
            ceiling=CEILINGS.get(kind),
            date=date,
            sizes=None if kind == "words" else [one.size for one in of_kind],
            parts=[one.query.languages for one in of_kind],
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


def scores(queries: Sequence[Query], on_line: Callable[[str], None], kept: Path | None = None) -> list[Scored]:
    """The raw score of each query in its film, which is drawn and ingested with lite's models.

    Args:
        kept: a folder in which the films and their memory stay, so that another fit need not make them again; None for
            a temporary one.
    Raises: ModelMissing: lite's sentence encoder cannot be loaded. UnreadableVideo: an ingest failed."""
    with contextlib.nullcontext(kept) if kept else tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "films"
        drawn.mkdir(parents=True, exist_ok=True)
        library = Library(Settings.load({}, home=Path(folder) / "home", allow=(drawn,), profile="lite"))
        ids: dict[Film, str] = {}
        try:
            if library.models.text(LOAD_S) is None:
                raise library.models.error or ModelMissing(f"lite's sentence encoder did not load in {LOAD_S:g} s.")
            films = sorted(dict.fromkeys(query.film for query in queries), key=lambda film: film.duration_s)
            for number, film in enumerate(films, 1):  # one is ingested while the next is drawn
                path = str(_drawn(drawn, film).relative_to(drawn))
                ids[film] = ingest_video(library, path, title=film.title, wait_s=0).video_id or ""
                on_line(f"drew film {number} of {len(films)}: {film.title}")
            found = []
            for number, film in enumerate(films, 1):
                _wait(library, ids[film])
                of_film = [query for query in queries if query.film == film]
                found += _scored(library, ids[film], of_film)
                on_line(f"film {number} of {len(films)}: {film.title}, {len(of_film)} queries")
            return found
        finally:
            for video_id in ids.values():
                library.store.request_stop(video_id)
            library.workers.join()  # before its home goes
            library.close()


def scores_of_laid(queries: Sequence[Query], on_line: Callable[[str], None], kept: Path | None = None) -> list[Scored]:
    """As `scores`, but no film is drawn: its texts are stored as a reader would read them (see as_read). Without sound.

    Args:
        kept: a folder in which the memory of the films stays; None for a temporary one."""
    with contextlib.ExitStack() as stack:
        home = kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        library = Library(Settings.load({}, home=home, profile="lite"))
        stack.callback(library.close)
        encoder = library.models.text(LOAD_S)
        if encoder is None:
            raise library.models.error or ModelMissing(f"lite's sentence encoder did not load in {LOAD_S:g} s.")
        found = []
        films = list(dict.fromkeys(query.film for query in queries))
        for number, film in enumerate(films, 1):
            shown = replace(film, screen_text=tuple(read for line in film.screen_text if (read := as_read(line)).text))
            if library.store.video(shown.video_id) is None:
                lay_down(library.store, shown, encoder)
            found += _scored(library, shown.video_id, [query for query in queries if query.film == film])
            on_line(f"film {number} of {len(films)}: {film.title}")
        return found


def _scored(library: Library, video_id: str, queries: Sequence[Query]) -> list[Scored]:
    """Without queries that were judged by words although they go by meaning: their scores stay raw in use too."""
    span = library.video_span(video_id)
    found = []
    for query in queries:
        outcome = search(library, span, query.event, None, lambda _share, _message: None)
        if not outcome.words_only:
            found += [Scored(query, part.score, part.producer, part.size or 1) for part in outcome.sources]
    return found


def _drawn(folder: Path, film: Film) -> Path:
    """The film's file, written where it is not there yet; whole, if this was ended while it wrote one."""
    own = folder / film.video_id
    path = own / f"{film.title}.mp4"
    if path.is_file():
        return path
    making = folder / f"{film.video_id}-making"
    making.mkdir(exist_ok=True)
    write(making, film)
    making.replace(own)
    return path


def _wait(library: Library, video_id: str) -> None:
    while (reply := ingest_video(library, video_id, wait_s=45)).state != "done":
        if reply.state not in ("queued", "running"):
            raise UnreadableVideo(f"The film {reply.title} was not ingested: {reply.error or reply.state}.")


def _interval(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def described(queries: Sequence[Query], *, laid: Collection[Film] = ()) -> str:
    """What a fit stands on, in words, for its report.

    Args:
        laid: the films that were not drawn."""
    films = {query.film for query in queries}
    texts = sorted(len(film.subtitles) for film in films)
    sources = Counter(query.source for query in queries)
    absent = sum(not query.present for query in queries)
    paraphrased = sum(query.paraphrased for query in queries)
    judged_as = _JUDGED[queries[0].kind]
    groups = Counter(query.languages for query in queries)
    drawn = [film for film in films if film not in laid]
    heard = sorted(film.language for film in drawn if film.voice)
    what = "assembled and drawn video and text" if drawn else "assembled text"
    parts = []
    if drawn:
        spoken = f", {len(heard)} of them heard without subtitles ({', '.join(heard)})" if heard else ""
        parts.append(f"{len(drawn)} drawn and ingested{spoken}")
    if len(drawn) < len(films):
        parts.append(
            f"{len(films) - len(drawn)} whose texts were laid down, slides with the errors measured of the OCR"
        )
    return (
        f"{what}, none natural; lite, {judged_as}; {len(queries)} queries, {absent} absent, "
        f"{paraphrased} paraphrased or translated by people; {len(films)} films of "
        f"{sum(film.duration_s for film in films) / 3600:.1f} h with {texts[0]} to {texts[-1]} cues each (a novel, "
        f"subtitle files): {'; '.join(parts)}; query and film: "
        + ", ".join(f"{name} {count}" for name, count in groups.items())
        + "; held apart by text source, and so by film: "
        + ", ".join(f"{name} {count}" for name, count in sources.items())
    )
