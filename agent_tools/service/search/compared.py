"""All entries of one video compared with a query: by the whole text, and on-screen texts also by their best line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.service.library.entry_cache import LoadedVideo
from agent_tools.service.library.loaded_lines import SCREEN_TEXT
from agent_tools.service.search.fusion import Background

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Compared:
    """Cosines by row of a LoadedVideo, and what is usual among them."""

    cosines: NDArray[np.float32]  # (n,), of each entry, or of its best line where that is nearer
    background: Background
    best_lines: Mapping[int, int]  # by row, of entries whose best line is nearer than the whole text: the line's place
    raised: NDArray[np.int64]  # the rows of these, the nearest first


def compare(held: LoadedVideo, vector: NDArray[np.float32], names: tuple[str, ...]) -> Compared:
    """Args: names: the channels whose entries say what is usual; lines count where on-screen text is among them."""
    import numpy as np

    cosines = held.compare(vector)
    usual = held.of_channels(cosines, names)
    if held.lines is None or SCREEN_TEXT not in names:
        return Compared(cosines, Background.of(usual), {}, np.zeros(0, np.int64))
    each, best = held.lines.compare(vector)
    background = Background.of(np.concatenate([usual, each]))
    by_line = background.best_of(best.cosines, best.counts)
    nearer = by_line > cosines[held.lines.rows]
    rows = held.lines.rows[nearer]
    cosines[rows] = by_line[nearer]
    places = dict(zip(rows.tolist(), best.places[nearer].tolist(), strict=True))
    return Compared(cosines, background, places, rows[np.argsort(-cosines[rows], kind="stable")])
