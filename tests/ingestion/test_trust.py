"""What is read from a picture earns its place: signs read into texture are kept as unsure, and nothing shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from agent_tools.ingestion.screen_text.reader import Reader
from agent_tools.ingestion.screen_text.trust import TextLine, strange_scripts, textures, trusted
from agent_tools.models.ocr import OcrLine
from agent_tools.store import Store

VIDEO = "0123456789ab"
ALONE = [
    ("a sentence", TextLine("What we know of glaciers", 0.93), True),
    ("a sentence in Korean", TextLine("빙하에 대해", 0.93), True),
    ("a title of four Han signs", TextLine("气候变化", 0.95), True),
    ("a sentence read badly", TextLine("Wbat wc knqw", 0.62), False),
    ("a short title on a plain card", TextLine("HERE", 0.98, texture=0.01), True),
    ("the same among leaves", TextLine("HERE", 0.98, texture=0.3), False),
    ("people read as a Han sign", TextLine("仁", 0.97, texture=0.2), False),
    ("windows read as ones", TextLine("111", 0.97, texture=0.0), False),
    ("a skyline", TextLine("血血", 0.91, texture=0.1), False),
    ("a fence", TextLine("|/-;1|-/l", 0.9), False),
]


@pytest.mark.parametrize(("case", "line", "is_text"), ALONE, ids=[case for case, _, _ in ALONE])
def test_a_line_alone_is_text_when_it_is_long_or_stands_clear_on_plain_ground(
    case: str, line: TextLine, is_text: bool
) -> None:
    assert trusted([line]) == [is_text], case


def test_a_short_line_beside_a_sure_one_is_text() -> None:
    page = TextLine("12", 0.9, texture=0.4)
    assert trusted([page]) == [False]
    assert trusted([TextLine("Path expressions", 0.95), page]) == [True, True]


def test_a_short_line_of_a_script_that_the_video_does_not_show_is_not_text() -> None:
    film = [TextLine("A long walk through the city", 0.95)] * 5
    sign = TextLine("日", 0.99)
    assert trusted([film[0], sign]) == [True, True]
    assert trusted([film[0], sign], strange_scripts([*film, sign])) == [True, False]


def test_a_video_of_two_scripts_has_no_stranger() -> None:
    assert strange_scripts([TextLine("气候变化的影响", 0.95), TextLine("Climate change", 0.95)]) == frozenset()


def test_the_ground_around_a_box_is_calm_on_a_slide_and_busy_among_leaves() -> None:
    rng = np.random.default_rng(1)
    slide = np.full((180, 320), 230, np.uint8)
    leaves = rng.integers(0, 255, (180, 320), dtype=np.uint8)
    box = (0.3, 0.4, 0.6, 0.5)
    assert textures(slide, [box])[0] == 0.0
    assert textures(leaves, [box])[0] > 0.5


class Street:
    """An engine that reads a title in the first picture, and a face as a sign in the second."""

    producer = "street@1"

    def read(self, rgb: NDArray[np.uint8]) -> list[OcrLine]:
        if rgb.mean() > 100:
            return [OcrLine("A long walk through the city", 0.97, (0.1, 0.4, 0.6, 0.5))]
        return [OcrLine("仁", 0.95, (0.4, 0.4, 0.5, 0.6))]


def test_texture_read_as_signs_is_found_by_its_exact_words_and_listed_nowhere(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.add_video(VIDEO, "a street", 1)
    store.update_video(VIDEO, duration_s=20.0)
    store.set_channel(VIDEO, "screen_text", state="running", producer="test")
    reader = Reader(store, VIDEO, tmp_path, 20.0)
    reader.folder.mkdir(parents=True)
    for start_ms, level in ((0, 200), (8000, 20)):
        picture = Image.new("RGB", (320, 180), (level, level, level))
        picture.save(reader.folder / f"picture-{start_ms:010d}-{start_ms:010d}-0100.jpg")
    reader.choose(per_hour=400)
    assert reader.read(Street(), lambda done, to_s, written: None) == 1
    assert [entry.text for entry in store.entries(VIDEO)] == ["A long walk through the city"]
    assert store.entries(VIDEO)[0].extra["boxes"] == [[0.1, 0.4, 0.6, 0.5]]
    assert 0.5 < store.entries(VIDEO)[0].extra["confidence"] <= 1
    (hit,) = store.search_words("仁")
    assert hit.entry.unsure
    assert [entry.text for entry in store.pending_text(VIDEO, "any|text")] == ["A long walk through the city"]
    store.close()
