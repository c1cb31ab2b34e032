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


def test_nine_wide_cells_stand_three_by_three_of_480_px() -> None:
    (only,) = sheet([wide(n) for n in range(9)])
    assert opened(only).size == (4 + 3 * 484, 4 + 3 * 274)


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
    levels = [picture.getpixel((4 + n % 3 * 484 + 240, 4 + n // 3 * 274 + 200)) for n in range(9)]
    assert levels == sorted(levels)
    assert levels == pytest.approx([60 + 10 * n for n in range(9)], abs=3)


def test_label_is_written_into_its_own_cell() -> None:
    plain, labelled = (opened(sheet([(label, wide(3)[1])] * 4)[0]) for label in ("", "1:02:03"))
    changed = np.abs(np.asarray(plain, int) - np.asarray(labelled, int)) > 60
    assert changed[:60, :160].any()
    assert not changed[80:270].any()


def test_no_pictures_make_no_sheet() -> None:
    assert sheet([]) == []


def test_limits_too_small_for_a_cell_are_refused() -> None:
    with pytest.raises(InvalidArgument):
        sheet([wide(1)], long_side=10)
