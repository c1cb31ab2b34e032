"""How many weak hits a reply shows: few, because they prove nothing; the cursor leads to the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.models.routed_text import RoutedText
from agent_tools.service.library.library import Library
from agent_tools.service.retrieve_memory import FEWEST, FEWEST_UNSURE, SearchRequest, retrieve_memory
from agent_tools.store import EntryIn
from tests.library import OpenLibrary

SAID = (
    "we painted the old door green",
    "the old baker sells bread on Sundays",
    "my brother plays an old violin",
    "nobody had seen such an old boat",
    "the old cat sleeps on the radiator",
    "he bought three old tickets for the opera",
    "they walked along an old canal",
    "the old harbour was closed",
    "her old letters arrived late",
    "put the flour into the old bowl",
)
STRONG, UNSURE = "old tickets for the opera", "something old that nobody wants"


@pytest.fixture
def library(open_library: OpenLibrary, routed: RoutedText, loaded_encoder: None) -> Library:
    made = open_library()
    assert made.models.text(60) is not None
    lines = tuple(Line(30.0 * i, 30.0 * i + 4, text) for i, text in enumerate(SAID))
    lay_down(made.store, Film("talk", 320, lines, ()), Remembered(routed))
    return made


def test_beside_a_strong_hit_few_weak_ones_are_shown_and_the_others_follow(library: Library) -> None:
    first = retrieve_memory(library, SearchRequest(query=STRONG))
    assert [hit.strength for hit in first.hits] == ["strong", "weak", "weak"]
    assert len(first.hits) == FEWEST
    rest = retrieve_memory(library, SearchRequest(query=STRONG, cursor=first.cursor))
    assert rest.hits[0].rank == FEWEST + 1
    assert first.more == len(rest.hits) + rest.more


def test_without_a_strong_hit_some_more_weak_ones_are_shown(library: Library) -> None:
    found = retrieve_memory(library, SearchRequest(query=UNSURE))
    assert [hit.strength for hit in found.hits] == ["fair", "weak", "weak", "weak", "weak"]
    assert len(found.hits) == FEWEST_UNSURE
    assert found.more


@pytest.mark.parametrize("more", [{"limit": 20}, {"detail": "full"}])
def test_who_asks_for_more_gets_the_weak_ones_too(library: Library, more: dict[str, object]) -> None:
    usual = retrieve_memory(library, SearchRequest(query=STRONG))
    found = retrieve_memory(library, SearchRequest(query=STRONG, **more))  # type: ignore[arg-type]  # one of two fields
    assert len(found.hits) > len(usual.hits)
    assert len(found.hits) + found.more == len(usual.hits) + usual.more


def test_a_search_of_one_channel_shows_no_texts_of_another_beside_it(library: Library) -> None:
    video = library.video("talk").id
    library.store.add_entries(video, "speech", "ears/1", [EntryIn(150.0, 154.0, "three old tickets, he said")])
    library.store.set_channel(video, "speech", state="done", producer="ears/1", done_to_s=320.0, entries=1)
    asked = SearchRequest(query="bought tickets opera", video_ids=["talk"])
    beside = retrieve_memory(library, asked).hits[0]
    alone = retrieve_memory(library, replace(asked, channels=["subtitles"])).hits[0]
    assert (beside.subtitles, beside.speech) == (alone.subtitles, "three old tickets, he said")
    assert alone.speech is None


def test_a_limit_below_is_kept(library: Library) -> None:
    assert len(retrieve_memory(library, SearchRequest(query=STRONG, limit=2)).hits) == 2
