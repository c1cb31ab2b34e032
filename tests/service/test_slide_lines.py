"""A question about one line of a slide finds the slide, and the hit shows the line and where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.service.library.library import Library
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import ZoomRequest
from agent_tools.store import EntryIn
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
