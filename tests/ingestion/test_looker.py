"""The looker's sheets: each picture once, whatever became of its bytes, and small changes are kept."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from agent_tools.ingestion.look_messages import KeptSheetsRequest, Shot, Shots, reply_of, to_line
from agent_tools.ingestion.looker import look
from agent_tools.media.picture_files import jpeg

Pixels = NDArray[np.uint8]
SIZE = (270, 480)


def sheets(pictures: Sequence[tuple[float, bytes]]) -> list[Shot]:
    replies = io.BytesIO()
    look(io.BytesIO(to_line(KeptSheetsRequest(tuple(pictures), 480))), replies)
    reply = reply_of(replies.getvalue())
    assert isinstance(reply, Shots)
    return [shot for shot in reply.shots if shot is not None]


def slope(shift: int) -> Pixels:
    """A picture whose brightness rises from left to right, from `shift` on."""
    row = np.linspace(shift, shift + 120, SIZE[1])
    return np.repeat(np.tile(row, (SIZE[0], 1))[:, :, None], 3, axis=2).astype(np.uint8)


def with_dialog(picture: Pixels) -> Pixels:
    """The picture with a box, a tenth of it wide and high, that is a little brighter."""
    changed = picture.copy()
    changed[100:127, 200:248] += 10
    return changed


def test_a_picture_that_was_compressed_twice_is_one_cell_and_its_time_is_named() -> None:
    dark, bright = slope(0), slope(100)
    (shot,) = sheets([(1.0, jpeg(dark, 90)), (2.0, jpeg(bright, 90)), (3.0, jpeg(dark, 60)), (4.0, jpeg(bright, 75))])
    assert shot.times_s == (1.0, 2.0)
    assert shot.repeats_s == (3.0, 4.0)


def test_a_faint_dialog_makes_another_picture() -> None:
    (shot,) = sheets([(1.0, jpeg(slope(0), 90)), (2.0, jpeg(with_dialog(slope(0)), 90))])
    assert shot.times_s == (1.0, 2.0)
    assert shot.repeats_s == ()


@pytest.mark.parametrize("count", [9, 10, 18])
def test_every_time_is_shown_or_left_out_and_repeats_are_named_once(count: int) -> None:
    pictures = [(float(number), jpeg(slope(6 * number), 90)) for number in range(count)]
    shots = sheets([*pictures, *((time_s + 100.0, data) for time_s, data in pictures)])
    assert [time_s for shot in shots for time_s in shot.times_s] == [time_s for time_s, _ in pictures]
    assert [time_s for shot in shots for time_s in shot.repeats_s] == [time_s + 100.0 for time_s, _ in pictures]
