"""The lines of a video's on-screen texts in memory: one vector each, compared beside the vector of the whole text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from agent_tools.ingestion.spaces import line_space
from agent_tools.store import Entry, ShownLine, Store, line_id, shown_lines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.profiles import TextEncoder
    from agent_tools.models.routed_text import Sides

SCREEN_TEXT = "screen_text"


class BestLines(NamedTuple):
    """Of the entries that have lines, in their order: what the line nearest to a question says."""

    cosines: NDArray[np.float32]  # (e,)
    places: NDArray[np.int64]  # (e,), of the line among the entry's lines
    counts: NDArray[np.int64]  # (e,), of the entry's lines


@dataclass(frozen=True)
class LoadedLines:
    """Lines by entry. A line that several entries show has one vector."""

    matrix: NDArray[np.float32]  # (v, D), of the different lines
    rows: NDArray[np.int64]  # (e,), where the entries that have lines stand among the video's entries
    begins: NDArray[np.int64]  # (e,), where each entry's lines begin in the arrays below
    vector_of: NDArray[np.int64]  # (m,), row of the matrix
    places: NDArray[np.int64]  # (m,), the line's place among its entry's lines
    sides: Sides | None = None  # of the different lines, where the encoder has two parts

    def compare(self, vector: NDArray[np.float32]) -> tuple[NDArray[np.float32], BestLines]:
        """The cosines of the different lines (v,), and each entry's best line."""
        import numpy as np

        each = np.vecdot(self.matrix, vector)  # no BLAS: see store/index.py
        if self.sides is not None:
            each = self.sides.cosines(each, vector)
        own = each[self.vector_of]
        best = np.maximum.reduceat(own, self.begins)
        counts = np.diff([*self.begins, len(own)])
        at_best = np.flatnonzero(own == np.repeat(best, counts))
        first = at_best[np.searchsorted(at_best, self.begins)]
        return each, BestLines(best, self.places[first], counts)


def load_lines(store: Store, video_id: str, encoder: TextEncoder, entries: Sequence[Entry]) -> LoadedLines | None:
    """The lines of these entries that have vectors of this encoder; None where there are none.

    Args:
        entries: the video's entries that have a vector; rows count from the first."""
    import numpy as np

    from agent_tools.models.routed_text import reach_of, sides_of

    ids, matrix = store.vectors(line_space(encoder.producer), video_id)
    if not len(ids):
        return None
    row_of = {int(number): row for row, number in enumerate(ids)}
    shown = [(row, entry, shown_lines(entry)) for row, entry in enumerate(entries) if entry.channel == SCREEN_TEXT]
    vector_of_text = {
        line.text: row_of[number]
        for _, entry, lines in shown
        for place, line in enumerate(lines)
        if (number := line_id(entry, place)) in row_of
    }
    rows: list[int] = []
    begins: list[int] = []
    vector_of: list[int] = []
    places: list[int] = []
    for row, _, lines in shown:
        known = [place for place, line in enumerate(lines) if line.text in vector_of_text]
        if not known:
            continue
        rows.append(row)
        begins.append(len(places))
        for place in known:
            vector_of.append(vector_of_text[lines[place].text])
            places.append(place)
    if not rows:
        return None
    return LoadedLines(
        matrix,
        rows=np.array(rows),
        begins=np.array(begins),
        vector_of=np.array(vector_of),
        places=np.array(places),
        sides=sides_of(encoder, reach_of(matrix)),
    )


def line_at(entry: Entry, place: int) -> ShownLine | None:
    """The line of an entry at a place that BestLines names."""
    lines = shown_lines(entry)
    return lines[place] if place < len(lines) else None
