"""A question about one line of a slide finds the slide, and the hit shows the line and where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.ingestion.spaces import text_space
from agent_tools.ingestion.text_index import index_entries
from agent_tools.models.minilm import MiniLM
from agent_tools.models.routed_text import RoutedText
from agent_tools.service.library.library import Library
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.verdicts.calibrations import calibrator_for
from agent_tools.service.verdicts.event_search import LOCALIZER
from agent_tools.service.verdicts.text_comparison import TextComparison
from agent_tools.service.zoom_segment import ZoomRequest
from agent_tools.store import ChannelDetail, EntryIn
from tests.library import lite, opened

VIDEO = "0c0ffee00001"
LINES = ["Land and Vegetation", "Prof. Sonia Seneviratne", "Institute for Atmospheric Science", "December 6, 2007"]
BOXES = [[0.1, 0.1 + 0.15 * i, 0.1 + 0.01 * len(text), 0.16 + 0.15 * i] for i, text in enumerate(LINES)]


@pytest.fixture
def slides(tmp_path: Path) -> Iterator[Library]:
    """A video with one slide of four lines and one of other words."""
    with opened(lite(tmp_path / "home")) as library:
        store = library.store
        store.add_video(VIDEO, "A lecture", 1)
        store.update_video(VIDEO, duration_s=60.0, width=1280, height=720, fps=25.0)
        store.add_entries(
            VIDEO,
            "screen_text",
            "eyes",
            [
                EntryIn(0, 20, " / ".join(LINES), {"boxes": BOXES}),
                EntryIn(20, 40, "Thank you / Questions are welcome", {"boxes": [[0.1, 0.1, 0.3, 0.2]] * 2}),
            ],
        )
        store.set_channel(VIDEO, "screen_text", state="done", producer="eyes", done_to_s=60.0, entries=2)
        yield library


def test_a_hit_names_the_line_and_its_region(slides: Library) -> None:
    reply = retrieve_memory(slides, SearchRequest(query="Where does the institute stand?"))
    assert reply.hits[0].line == LINES[2]
    x, y, width, height = reply.hits[0].region or ()
    assert (x, y, width, height) == pytest.approx((0.1, 0.4, 0.33, 0.06))
    ZoomRequest(video_id=VIDEO, region=reply.hits[0].region).check()


def test_a_hit_without_one_telling_line_names_none(slides: Library) -> None:
    reply = retrieve_memory(slides, SearchRequest(query="Land institute"))
    assert (reply.hits[0].line, reply.hits[0].region) == (None, None)


# -- by meaning


@pytest.fixture
def compared(slides: Library, loaded_encoder: None, routed: RoutedText) -> Library:
    """The same video with vectors, after its first slide was shown once more."""
    again = EntryIn(50, 60, " / ".join(LINES), {"boxes": BOXES})
    index_entries(slides.store, VIDEO, routed, lambda _written: None)
    slides.store.add_entries(VIDEO, "screen_text", "eyes", [again])
    index_entries(slides.store, VIDEO, routed, lambda _written: None)
    assert slides.models.text(120) is not None
    return slides


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("the name of the teacher", LINES[1]),
        ("In welchem Monat fand das statt?", LINES[3]),
        ("植物と土地", LINES[0]),
    ],
)
def test_a_question_without_a_common_word_finds_the_line(compared: Library, query: str, line: str) -> None:
    best = retrieve_memory(compared, SearchRequest(query=query)).hits[0]
    assert (best.line, best.matched) == (line, ["screen_text:meaning"])
    assert best.region == pytest.approx([round(side, 3) for side in shown_region(line)], abs=1e-3)


def shown_region(line: str) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = BOXES[LINES.index(line)]
    return x0, y0, x1 - x0, y1 - y0


def test_a_slide_that_is_shown_again_is_found_at_both_times(compared: Library) -> None:
    hits = retrieve_memory(compared, SearchRequest(query="the name of the teacher")).hits
    assert {hit.start_s for hit in hits if hit.line == LINES[1]} == {0, 50}


def test_an_event_is_judged_by_the_line_too(compared: Library, routed: RoutedText) -> None:
    event = routed.encode(["a professor"], query=True)[0]
    found = TextComparison(compared, compared.everything(), routed, event).of(VIDEO, ("screen_text",))
    slide = compared.store.entries(VIDEO)[0]
    ids, vectors = compared.store.vectors(text_space(routed.producer), VIDEO)
    whole = vectors[ids.tolist().index(slide.id)] @ event
    assert found.cosines[found.ids.tolist().index(slide.id)] > whole + 0.01


def test_vectors_of_the_older_encoder_are_asked_by_it(slides: Library, loaded_encoder: None, minilm: MiniLM) -> None:
    index_entries(slides.store, VIDEO, minilm, lambda _written: None)
    vectors = ChannelDetail(vectors=(minilm.producer,))
    slides.store.set_channel(VIDEO, "screen_text", state="done", detail=vectors)
    assert slides.models.text(120) is not None
    reply = retrieve_memory(slides, SearchRequest(query="plants and soil", detail="full"))
    assert (reply.hits[0].line, reply.hits[0].matched) == (LINES[0], ["screen_text:meaning"])
    assert reply.coverage.channels.screen_text == "all"
    older = slides.text_encoder(VIDEO)
    assert older is not None
    assert older.producer == minilm.producer
    assert calibrator_for(LOCALIZER, "lite", minilm.producer) is not None
