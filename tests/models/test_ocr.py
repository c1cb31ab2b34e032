from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from agent_tools.errors import ModelMissing, ShapeError
from agent_tools.models import ocr as module
from agent_tools.models.ocr import OcrLine, RapidOcr, reading_order


def page(*lines: tuple[int, int, str], size: tuple[int, int] = (640, 360)) -> np.ndarray:
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for x, y, text in lines:
        draw.text((x, y), text, fill="black", font_size=28)
    return np.asarray(image)


def test_drawn_lines_are_read_in_reading_order(reader: RapidOcr) -> None:
    picture = page((40, 30, "Recursive grounding"), (40, 150, "coarse to fine"), (40, 250, "absent is an answer"))
    lines = reader.read(picture)
    assert [line.text for line in lines] == ["Recursive grounding", "coarse to fine", "absent is an answer"]
    for line in lines:
        x0, y0, x1, y1 = line.box
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
        assert module.MIN_SCORE <= line.score <= 1
    assert lines[1].box[1] == pytest.approx(150 / 360, abs=0.05)


def test_a_large_picture_gives_boxes_in_shares_of_its_size(reader: RapidOcr) -> None:
    small = page((300, 150, "telescope"))
    large = np.asarray(Image.fromarray(small).resize((2560, 1440)))
    (line,) = reader.read(large)
    assert line.text == "telescope"
    assert line.box[0] == pytest.approx(300 / 640, abs=0.02)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_picture_has_no_lines(reader: RapidOcr, level: int) -> None:
    assert reader.read(np.full((180, 320, 3), level, np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (700, 3, 3), (900, 9, 3)])
def test_odd_sizes_are_read_as_empty(reader: RapidOcr, shape: tuple[int, int, int]) -> None:
    assert reader.read(np.zeros(shape, np.uint8)) == []


def test_a_strip_is_read_without_being_blown_up(reader: RapidOcr, monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector takes no picture that is thinner than 16 px, so a strip is padded."""
    strip = page((20, 2, "breaking news of the hour"), size=(900, 40))
    seen: list[tuple[int, ...]] = []
    engine = reader._engine or reader._load()
    monkeypatch.setattr(
        reader, "_engine", lambda picture, **rest: (seen.append(picture.shape), engine(picture, **rest))[1]
    )
    (line,) = reader.read(strip)
    assert line.text == "breaking news of the hour"
    assert line.box[3] <= 1
    assert max(seen[0][:2]) <= 4 * min(seen[0][:2])


def test_lines_that_were_read_before_are_not_recognised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RapidOcr()
    reader._engine = reader._load()
    recognise, crops = reader._engine._load_rec_model(), list[int]()

    def counting(asked: Any) -> Any:
        crops.append(len(asked.img))
        return recognise(asked)

    monkeypatch.setattr(reader._engine, "text_rec", counting)
    lines = [(40, 30, "Recursive grounding"), (40, 150, "coarse to fine"), (40, 250, "page 11")]
    first = reader.read(page(*lines))
    assert reader.read(page(*lines)) == first
    changed = reader.read(page(*lines[:2], (40, 250, "page 12")))
    assert [line.text for line in changed] == ["Recursive grounding", "coarse to fine", "page 12"]
    assert crops[0] == 3
    assert sum(crops[1:]) < 3  # the box of a neighbour may be a pixel larger now, and its crop another one


def test_colour_order_is_rgb(reader: RapidOcr) -> None:
    """Yellow on blue is read either way; what is checked is that a view with negative strides is accepted."""
    picture = page((40, 100, "colour order"))
    assert reader.read(picture[:, :, ::-1])[0].text == "colour order"


def test_a_picture_of_the_wrong_shape_is_refused(reader: RapidOcr) -> None:
    with pytest.raises(ShapeError, match="height, width, 3"):
        reader.read(np.zeros((10, 10), np.uint8))


def test_real_slides_are_read(reader: RapidOcr, real_videos: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(real_videos / "dev" / "slides_german.mov")) as container:
        frame = next(frame for frame in container.decode(video=0) if frame.time >= 9)
        texts = [line.text for line in reader.read(frame.to_ndarray(format="rgb24"))]
    assert "Folie Nummer 1" in texts
    assert any("Verschieden erkannt werden" in text for text in texts)


def line(text: str, x0: float, y0: float, x1: float, y1: float) -> OcrLine:
    return OcrLine(text, 0.9, (x0, y0, x1, y1))


ORDERS = [
    ("words of a row are one line", [line("b", 0.3, 0.1, 0.4, 0.2), line("a", 0.1, 0.1, 0.25, 0.2)], ["a b"]),
    ("columns stay apart", [line("right", 0.7, 0.1, 0.9, 0.15), line("left", 0.1, 0.1, 0.3, 0.15)], ["left", "right"]),
    ("rows from the top", [line("low", 0.1, 0.8, 0.3, 0.9), line("high", 0.5, 0.1, 0.7, 0.2)], ["high", "low"]),
    ("a slanted row", [line("b", 0.5, 0.13, 0.7, 0.23), line("a", 0.1, 0.1, 0.45, 0.2)], ["a b"]),
    ("touching rows", [line("two", 0.1, 0.19, 0.4, 0.29), line("one", 0.1, 0.1, 0.4, 0.2)], ["one", "two"]),
    ("nothing", [], []),
]


@pytest.mark.parametrize(("why", "boxes", "texts"), ORDERS, ids=[case[0] for case in ORDERS])
def test_reading_order(why: str, boxes: list[OcrLine], texts: list[str]) -> None:
    assert [part.text for part in reading_order(boxes, 16 / 9)] == texts


def test_joined_lines_have_the_box_of_both() -> None:
    (both,) = reading_order([line("a", 0.1, 0.1, 0.2, 0.2), line("b", 0.22, 0.12, 0.3, 0.22)], 1.0)
    assert both.box == (0.1, 0.1, 0.3, 0.22)


def test_a_missing_model_file_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "package_folder", lambda _: tmp_path)
    with pytest.raises(ModelMissing, match=r"pip install .*rapidocr"):
        RapidOcr()
    monkeypatch.setattr(module, "package_folder", lambda _: None)
    with pytest.raises(ModelMissing, match="not installed"):
        RapidOcr()


def test_reading_writes_nothing_and_connects_to_nothing() -> None:
    code = (
        "import socket, numpy as np\n"
        "def refuse(*a, **k): raise AssertionError('connect')\n"
        "socket.socket.connect = refuse\n"
        "from agent_tools.models.ocr import RapidOcr\n"
        "assert RapidOcr().read(np.zeros((90, 160, 3), np.uint8)) == []\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
