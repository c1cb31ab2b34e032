"""The labelled queries are what a fit's report says of them."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.evals.grounding.calibration import KINDS, described, fit_own
from agent_tools.evals.grounding.calibration_films import Query, labelled_queries
from agent_tools.evals.grounding.text_sources import SAME_S, TRANSLATED, text_sources
from agent_tools.grounding import named
from agent_tools.media.cue_formats import parse
from agent_tools.service.library.library import Library
from agent_tools.service.verdicts.event_search import calibration_of
from agent_tools.service.verdicts.quoted_words import Occurrence
from agent_tools.settings import Settings


@pytest.fixture(scope="module")
def queries(real_videos: Path) -> list[Query]:
    return labelled_queries(real_videos)


@pytest.mark.parametrize(("kind", "least"), [("meaning", 2000), ("mentions", 500), ("words", 600)])
def test_of_each_kind_hundreds_are_asked_half_of_them_absent(queries: list[Query], kind: str, least: int) -> None:
    of_kind = [query for query in queries if query.kind == kind]
    assert len(of_kind) >= least
    assert sum(query.present for query in of_kind) * 2 == len(of_kind)


def test_a_third_of_all_events_are_paraphrased_by_hand(queries: list[Query]) -> None:
    """Those that name words are not: a quoted word has to stand there as it is."""
    assert sum(query.paraphrased for query in queries) * 3 >= len(queries)
    for kind, share in (("meaning", 0.5), ("mentions", 0.25), ("words", 0.0)):
        of_kind = [query for query in queries if query.kind == kind]
        assert sum(query.paraphrased for query in of_kind) >= share * len(of_kind)


def test_the_wording_has_each_query_judged_as_its_kind_says(queries: list[Query]) -> None:
    wrong = [query.event for query in queries if calibration_of(named(query.event)) != KINDS[query.kind]]
    assert not wrong


def test_what_is_absent_stands_nowhere_in_its_film(queries: list[Query]) -> None:
    for query in queries:
        if query.kind == "words" and not query.present:
            occurrence = Occurrence(named(query.event).words[0])
            lines = (*query.film.subtitles, *query.film.screen_text)
            assert not any(occurrence.score(line.text, 0.0, False) == 1.0 for line in lines), query.event


def test_a_paraphrase_belongs_to_the_same_moment_in_every_language(real_videos: Path) -> None:
    folder = real_videos / "edge" / "subtitles"

    def starts(track: str, language: str) -> list[float]:
        path = folder / f"{track}.{language}.vtt"
        return [cue.start_s for cue in parse(path.read_text(encoding="utf-8"), path.suffix)]

    sources = list(text_sources(real_videos, random.Random(0)))
    for name, (track, languages) in TRANSLATED.items():
        english = next(one for one in sources if one.name == name and one.language == "en")
        line_of = {text: line for line, text in english.paraphrases.items()}
        for language in languages[1:]:
            own = next(one for one in sources if one.name == name and one.language == language)
            assert own.paraphrases
            for line, text in own.paraphrases.items():
                apart_s = starts(track, language)[line] - starts(track, "en")[line_of[text]]
                assert abs(apart_s) <= SAME_S, (language, text)


def test_films_hold_few_texts_to_many_and_are_held_apart_by_source(queries: list[Query]) -> None:
    films = {query.film for query in queries}
    counts = [len(film.subtitles) for film in films]
    assert min(counts) <= 8 < 900 <= max(counts)
    assert len({film.language for film in films}) == 6
    assert sum(bool(film.voice) for film in films) == 3
    source_of = {query.film: query.source for query in queries}
    assert all(source_of[query.film] == query.source for query in queries)


def test_of_each_film_as_many_present_as_absent_things_are_asked(queries: list[Query]) -> None:
    """Else how many texts a film holds would tell whether an event is in it."""
    balance: Counter[tuple[str, str]] = Counter()
    for query in queries:
        balance[query.film.title, query.kind] += 1 if query.present else -1
    assert not any(balance.values())


def test_the_report_says_that_the_films_are_assembled(queries: list[Query]) -> None:
    assert described(queries).startswith("assembled and drawn video")


FRUIT = tuple("apple banana cherry damson elder grape kiwi lemon mango orange papaya quince".split())


def test_a_home_gets_calibrations_for_the_ways_its_events_were_searched(tmp_path: Path) -> None:
    settings = Settings.load({}, home=tmp_path / "home", profile="lite")
    library = Library(settings)
    encoder = library.models.text(60)
    assert encoder is not None
    truth = []
    for title, said in (("one", FRUIT[:6]), ("two", FRUIT[6:])):
        cues = tuple(Line(10.0 * i, 10.0 * i + 4, f"today we cook with {word}") for i, word in enumerate(said))
        lay_down(library.store, Film(title, 60.0, cues, ()), Remembered(encoder))
        truth += [
            {"video": title, "event": f"'{word}' in the subtitles", "spans": [[0, 4]] if word in said else []}
            for word in FRUIT
        ]
    library.close()
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    ((file, fitted),) = fit_own(settings, path, date="2026-11-20").items()
    assert file == settings.home / "calibrations" / "named-words.lite.json"
    assert (fitted.report.n, fitted.report.n_absent, fitted.report.date) == (24, 12, "2026-11-20")
    assert fitted.report.data.startswith("truth.json: 24 events of 2 videos of this home; named-words")
    assert fitted.probability(1.9) > 0.8 > 0.2 > fitted.probability(0.0)  # words as they stand are 1.9 high
    path.write_text(json.dumps(truth[:8]))
    with pytest.raises(InvalidArgument, match=r"too little to fit anything on\. named-words: 6 present and 2 absent"):
        fit_own(settings, path)
