from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from agent_tools.errors import InvalidArgument
from agent_tools.media import sheet


def wide(number: int, width: int = 1280, height: int = 720) -> tuple[str, np.ndarray]:
    return f"0:00:{number:02d}", np.full((height, width, 3), 60 + 10 * number, np.uint8)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("L")


STRIP_PX = 30  # of cells of 480 x 270: a ninth of the shorter side


def test_nine_wide_cells_stand_three_by_three_of_480_px() -> None:
    (only,) = sheet([wide(n) for n in range(9)])
    assert opened(only).size == (4 + 3 * 484, 4 + 3 * (274 + STRIP_PX))
    (bare,) = sheet([("", wide(n)[1]) for n in range(9)])
    assert opened(bare).size == (4 + 3 * 484, 4 + 3 * 274)


def test_sixteen_pictures_fill_a_second_sheet() -> None:
    sheets = sheet([wide(n % 10) for n in range(16)])
    assert len(sheets) == 2
    assert all(max(opened(data).size) <= 1568 for data in sheets)


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1000, 1000), (1500, 100), (16, 16)])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 9])
def test_no_sheet_exceeds_its_longer_side(size: tuple[int, int], count: int) -> None:
    for long_side in (1568, 400):
        for data in sheet([wide(n, *size) for n in range(count)], long_side):
            assert max(opened(data).size) <= long_side


def test_cells_stand_row_by_row_in_the_order_given() -> None:
    picture = opened(sheet([(label, rgb) for label, rgb in (wide(n) for n in range(9))])[0])
    levels = [picture.getpixel((4 + n % 3 * 484 + 240, 4 + n // 3 * (274 + STRIP_PX) + 200)) for n in range(9)]
    assert levels == sorted(levels)
    assert levels == pytest.approx([60 + 10 * n for n in range(9)], abs=3)


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1500, 100)])
def test_a_label_stands_under_its_picture_and_covers_nothing_of_it(size: tuple[int, int]) -> None:
    white = np.full((size[1], size[0], 3), 255, np.uint8)
    (data,) = sheet([("1:02:03", white)])
    levels = np.asarray(opened(data))
    picture_px = round(480 * size[1] / max(size)), round(480 * size[0] / max(size))
    picture, strip = levels[4 : 4 + picture_px[0], 4 : 4 + picture_px[1]], levels[4 + picture_px[0] + 8 : -8]
    assert picture[:-8].min() > 200
    assert np.median(strip) < 60
    assert strip.max() > 150  # the letters


def test_no_pictures_make_no_sheet() -> None:
    assert sheet([]) == []


def test_limits_too_small_for_a_cell_are_refused() -> None:
    with pytest.raises(InvalidArgument):
        sheet([wide(1)], long_side=10)
