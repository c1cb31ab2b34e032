"""The labelled queries are what a fit's report says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.evals.calibration import KINDS, described
from agent_tools.evals.calibration_films import Query, labelled_queries
from agent_tools.grounding import named
from agent_tools.service.event_search import calibration_of
from agent_tools.service.occurrence import Occurrence


@pytest.fixture(scope="module")
def queries(real_videos: Path) -> list[Query]:
    return labelled_queries(real_videos)


@pytest.mark.parametrize("kind", ["meaning", "mentions", "words"])
def test_of_each_kind_at_least_600_are_asked_half_of_them_absent(queries: list[Query], kind: str) -> None:
    of_kind = [query for query in queries if query.kind == kind]
    assert len(of_kind) >= 600
    assert sum(query.present for query in of_kind) * 2 == len(of_kind)


def test_a_third_of_the_events_by_meaning_are_paraphrased_by_hand(queries: list[Query]) -> None:
    by_meaning = [query for query in queries if query.kind == "meaning"]
    assert sum(query.paraphrased for query in by_meaning) * 3 >= len(by_meaning)


def test_the_wording_has_each_query_judged_as_its_kind_says(queries: list[Query]) -> None:
    wrong = [query.event for query in queries if calibration_of(named(query.event)) != KINDS[query.kind]]
    assert not wrong


def test_what_is_absent_stands_nowhere_in_its_film(queries: list[Query]) -> None:
    for query in queries:
        if query.kind == "words" and not query.present:
            occurrence = Occurrence(named(query.event).words[0])
            lines = (*query.film.subtitles, *query.film.screen_text)
            assert not any(occurrence.score(line.text, 0.0, False) == 1.0 for line in lines), query.event


def test_films_are_sparse_and_dense_and_held_apart_by_source(queries: list[Query]) -> None:
    per_hour = [len(film.subtitles) * 3600 / film.duration_s for film in {query.film for query in queries}]
    assert min(per_hour) < 60 < 940 < max(per_hour)
    source_of = {query.film: query.source for query in queries}
    assert all(source_of[query.film] == query.source for query in queries)


def test_the_report_says_that_the_films_are_assembled(queries: list[Query]) -> None:
    assert described(queries).startswith("assembled and drawn video")
