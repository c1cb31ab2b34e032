"""Which pictures are read alone, which share a call, and that each keeps its own lines."""

from __future__ import annotations

import math
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from agent_tools.ingestion.screen_text.reader import DEFAULTS, Reader, ReaderSettings
from agent_tools.ingestion.screen_text.shared_calls import PAIR, SIX, Shares, read_together, shares
from agent_tools.ingestion.screen_text.trust import TextLine
from agent_tools.media import Picture
from agent_tools.models.ocr import OcrLine, RapidOcr
from agent_tools.store import Store


class Counting:
    """An engine that reads nothing and counts how often it was asked."""

    producer = "counting@1"

    def __init__(self) -> None:
        self.calls = 0

    def read(self, rgb: NDArray[np.uint8]) -> list[OcrLine]:
        self.calls += 1
        return []


@pytest.fixture(scope="module")
def engine() -> RapidOcr:
    return RapidOcr()


def waiting(home: Path, count: int, text: bool = False, settings: ReaderSettings = DEFAULTS) -> Reader:
    """A reader of a video of `count` x 4 s with a picture waiting for each."""
    store = Store.open(home)
    store.add_video("0123456789ab", "a film", 1)
    store.update_video("0123456789ab", duration_s=4.0 * count)
    store.set_channel("0123456789ab", "screen_text", state="running", producer="test")
    reader = Reader(store, "0123456789ab", home, 4.0 * count, settings)
    reader.folder.mkdir(parents=True)
    for i in range(count):
        image = Image.new("RGB", (640, 360), (30, 60, 90))
        if text:
            draw = ImageDraw.Draw(image)
            draw.text((60, 140), f"picture word{i:02d}", font=ImageFont.load_default(48), fill=(255, 255, 255))
        image.save(reader.folder / f"picture-{i * 4000:010d}-{i * 4000:010d}-{999 - i:04d}.jpg")
    return reader


@pytest.mark.parametrize(("count", "left_out"), [(10, 0), (30, 0), (31, 0), (60, 0), (90, 0), (180, 0), (200, 20)])
def test_no_more_calls_than_allowed_and_nothing_left_out_that_fits_by_sixes(
    tmp_path: Path, count: int, left_out: int
) -> None:
    reader, engine = waiting(tmp_path, count), Counting()
    missing = reader.choose(per_hour=1)
    reader.read(engine, lambda done, to_s, fresh: None)
    assert len(missing) == left_out
    assert engine.calls <= DEFAULTS.least_calls
    assert reader.chosen == count - left_out
    assert (reader.half_size == 0) == (count <= 2 * DEFAULTS.least_calls)
    reader.store.close()


@given(pictures=st.integers(0, 3000), calls=st.integers(1, 400))
def test_every_picture_has_its_share_of_the_calls(pictures: int, calls: int) -> None:
    found = shares(pictures, calls)
    assert min(found.alone, found.in_pairs, found.in_sixes, found.left_out) >= 0
    assert found.alone + found.in_pairs + found.in_sixes + found.left_out == pictures
    assert found.alone + math.ceil(found.in_pairs / PAIR) + math.ceil(found.in_sixes / SIX) <= calls
    assert found.left_out == max(0, pictures - SIX * calls)


def test_an_hour_in_motion_reads_most_of_its_pictures_at_nearly_full_size() -> None:
    assert shares(918, 400) == Shares(alone=0, in_pairs=740, in_sixes=178, left_out=0)
    assert shares(700, 400) == Shares(alone=100, in_pairs=600, in_sixes=0, left_out=0)
    assert shares(300, 400) == Shares(alone=300, in_pairs=0, in_sixes=0, left_out=0)


@pytest.mark.parametrize(("size", "count"), [((640, 360), 2), ((640, 360), 5), ((360, 640), 6), ((480, 480), 3)])
def test_pictures_that_share_a_call_keep_their_own_lines(engine: RapidOcr, size: tuple[int, int], count: int) -> None:
    images = []
    for i in range(count):
        image = Image.new("RGB", size, (30, 60, 90))
        draw = ImageDraw.Draw(image)
        draw.text((20, size[1] // 3), f"some word{i:02d}", font=ImageFont.load_default(48), fill=(255, 255, 255))
        images.append(image)
    for i, lines in enumerate(read_together(engine, images)):
        assert "".join(line.text for line in lines).replace(" ", "") == f"someword{i:02d}"
        box = lines[0].box
        assert box[0] < 0.1
        assert 0.25 < box[1] < box[3] < 0.7, "the line stands in its own picture, not on the canvas"


def test_pictures_of_a_shared_call_are_written_at_their_own_times(engine: RapidOcr, tmp_path: Path) -> None:
    reader = waiting(tmp_path, 5, text=True, settings=ReaderSettings(least_calls=3))
    assert reader.choose(per_hour=1) == []
    reader.read(engine, lambda done, to_s, fresh: None)
    entries = reader.store.entries("0123456789ab", channels=("screen_text",))
    by_start = {entry.start_s: entry.text for entry in entries}
    for i in range(5):
        assert f"word{i:02d}" in by_start[4.0 * i].replace(" ", "")
    reader.store.close()


def test_extra_pictures_are_read_where_they_make_no_other_smaller(tmp_path: Path) -> None:
    """Those with words first. What was found on one without room is read all the same."""
    reader = waiting(tmp_path, 40)
    for i in range(40):  # a second one 1 s after each
        name = f"picture-{i * 4000 + 1000:010d}-{i * 4000 + 1000:010d}-0500-extra.jpg"
        Image.new("RGB", (64, 36)).save(reader.folder / name)
    found = [f"{i * 4000 + 1000:010d}" for i in range(0, 40, 2)]
    for stamp in found[:-1]:
        reader._append("found-1.jsonl", stamp, [TextLine("words in motion", 0.99, (0.1, 0.1, 0.4, 0.2))])
    assert reader.choose(per_hour=1) == []
    assert reader.chosen == 2 * DEFAULTS.least_calls
    assert reader.half_size == 0
    words = {one.stamp for one in reader._chosen if one.extra}
    assert set(found[:-1]) <= words
    reader.settings = ReaderSettings(least_calls=20)
    assert reader.choose(per_hour=1) == []
    assert reader.chosen == 40 + len(found) - 1
    engine = Counting()
    reader.read(engine, lambda done, to_s, fresh: None)
    assert engine.calls == 20
    entries = reader.store.entries("0123456789ab", channels=("screen_text",))
    assert [entry.start_s for entry in entries] == [i * 4.0 + 1 for i in range(0, 38, 2)]
    reader.store.close()


def test_a_text_that_left_ends_there(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.add_video("0123456789ab", "a film", 1)
    store.update_video("0123456789ab", duration_s=12.0)
    store.set_channel("0123456789ab", "screen_text", state="running", producer="test")
    reader = Reader(store, "0123456789ab", tmp_path, 12.0)
    reader.folder.mkdir(parents=True)
    for name, words in (
        ("0000002750-0000002500-0090-extra", "a short title"),
        ("0000008000-0000008000-0001-left0000003000", ""),
    ):
        image = Image.new("RGB", (640, 360), (30, 60, 90))
        ImageDraw.Draw(image).text((60, 140), words, font=ImageFont.load_default(48), fill=(255, 255, 255))
        image.save(reader.folder / f"picture-{name}.jpg")
    reader.choose(per_hour=1)
    reader.read(RapidOcr(), lambda done, to_s, fresh: None)
    (entry,) = store.entries("0123456789ab", channels=("screen_text",))
    assert (entry.start_s, entry.end_s) == (2.5, 3.0)
    store.close()


def test_what_comes_up_at_the_very_end_is_read(tmp_path: Path, engine: RapidOcr) -> None:
    """A film's last picture may stand for a fifth of a second after the last one that is sampled."""
    store = Store.open(tmp_path)
    store.add_video("0123456789ab", "a film", 1)
    store.update_video("0123456789ab", duration_s=6.4)
    store.set_channel("0123456789ab", "screen_text", state="running", producer="test")
    reader = Reader(store, "0123456789ab", tmp_path, 6.4)
    reader.folder.mkdir(parents=True)
    reader.search_with(engine)

    def picture(words: str) -> Picture:
        image = Image.new("RGB", (640, 360), (30, 60, 90))
        ImageDraw.Draw(image).text((60, 140), words, font=ImageFont.load_default(48), fill=(255, 255, 255))
        return Picture(av.VideoFrame.from_ndarray(np.asarray(image), "rgb24"))

    for second in range(7):
        reader.show(float(second), picture("build failed"))
    reader.glance(6.2, picture("all tests passed"))
    reader.close()
    reader.choose(per_hour=100)
    reader.read(engine, lambda done, to_s, fresh: None)
    found = [(one.text, one.start_s, one.end_s) for one in store.entries("0123456789ab", channels=("screen_text",))]
    assert found == [("build failed", 0.0, 6.2), ("all tests passed", 6.2, 6.4)]
    store.close()
