"""Which pictures are read alone, which share a call, and that each keeps its own lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from agent_tools.ingestion.reading import LEAST_CALLS, Reader
from agent_tools.models.text_reader import OcrLine, RapidOcr
from agent_tools.store import Store


class Counting:
    """An engine that reads nothing and counts how often it was asked."""

    producer = "counting@1"

    def __init__(self) -> None:
        self.calls = 0

    def read(self, rgb: NDArray[np.uint8]) -> Sequence[OcrLine]:
        self.calls += 1
        return []


def waiting(home: Path, count: int, text: bool = False) -> Reader:
    """A reader of a video of `count` x 4 s with a picture waiting for each."""
    store = Store.open(home)
    store.add_video("0123456789ab", "a film", 1)
    store.update_video("0123456789ab", duration_s=4.0 * count)
    store.set_channel("0123456789ab", "screen_text", state="running", producer="test")
    reader = Reader(store, "0123456789ab", home, 4.0 * count)
    reader.folder.mkdir(parents=True)
    for i in range(count):
        image = Image.new("RGB", (640, 360), (30, 60, 90))
        if text:
            draw = ImageDraw.Draw(image)
            draw.text((60, 140), f"picture word{i:02d}", font=ImageFont.load_default(48), fill=(255, 255, 255))
        image.save(reader.folder / f"picture-{i * 4000:010d}-{i * 4000:010d}-{999 - i:04d}.jpg")
    return reader


@pytest.mark.parametrize(("count", "left_out"), [(10, 0), (30, 0), (31, 0), (90, 0), (120, 0), (150, 30)])
def test_no_more_calls_than_allowed_and_nothing_left_out_that_fits_by_fours(
    tmp_path: Path, count: int, left_out: int
) -> None:
    reader, engine = waiting(tmp_path, count), Counting()
    missing = reader.choose(per_hour=1)
    reader.read(engine, lambda done, to_s, fresh: None)
    assert len(missing) == left_out
    assert engine.calls <= LEAST_CALLS
    assert reader.chosen == count - left_out
    assert (reader.half_size == 0) == (count <= LEAST_CALLS)
    reader.store.close()


def test_pictures_that_share_a_call_keep_their_own_lines(tmp_path: Path) -> None:
    reader = waiting(tmp_path, 33, text=True)
    assert reader.choose(per_hour=1) == []
    assert reader.half_size == 4
    reader.read(RapidOcr(), lambda done, to_s, fresh: None)
    entries = reader.store.entries("0123456789ab", channels=("screen_text",))
    by_start = {entry.start_s: entry.text for entry in entries}
    for i in (29, 30, 31, 32):  # those that look least like text share the call
        assert f"word{i}" in by_start[4.0 * i].replace(" ", "")
    reader.store.close()
