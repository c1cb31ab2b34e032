"""A picture full of what may be letters hides words; one whose letters were read, or that is calm, does not."""

from __future__ import annotations

import numpy as np
import pytest

from agent_tools.ingestion.screen_text.still import COLUMNS, ROWS, Tiles
from agent_tools.ingestion.screen_text.texture import hides_words, tiles_of
from agent_tools.ingestion.screen_text.trust import Box

ALL: Box = (0.0, 0.0, 1.0, 1.0)
UPPER: Box = (0.0, 0.0, 1.0, 0.5)


def tiles(box: Box) -> Tiles:
    return tiles_of([box])


@pytest.mark.parametrize(("searched", "read", "hides"), [(ALL, [], True), (ALL, [UPPER], True), (ALL, [ALL], False)])
def test_texture_that_no_line_explains_hides_words(searched: Box, read: list[Box], hides: bool) -> None:
    assert hides_words(tiles(searched), read) is hides


def test_a_sentence_on_calm_ground_hides_none() -> None:
    assert not hides_words(tiles((0.1, 0.8, 0.9, 0.9)), [])
    assert not hides_words(np.zeros((ROWS, COLUMNS), np.bool_), [])


def test_a_box_holds_all_tiles_that_it_touches() -> None:
    assert tiles((0.0, 0.0, 1.0 / COLUMNS, 1.0 / ROWS)).sum() == 1
    assert tiles((0.01, 0.01, 1.5 / COLUMNS, 1.0 / ROWS)).sum() == 2
