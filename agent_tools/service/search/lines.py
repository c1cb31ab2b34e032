"""The lines of on-screen texts compared with a query, beside the whole texts: which texts have a line that is near."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent_tools.ingestion.spaces import line_space
from agent_tools.models.profiles import TextEncoder
from agent_tools.models.routed_text import sides_of
from agent_tools.service.library.library import VideoSpan
from agent_tools.store import LINE_BITS, Store

if TYPE_CHECKING:
    from agent_tools.store.flat_index import Selection

SCREEN_TEXT = "screen_text"
TOP_TEXTS = 100  # on-screen texts that are taken for one of their lines

Floats = NDArray[np.float32]


class NearText(NamedTuple):
    """An on-screen text by its line that is nearest to the query."""

    video_id: str
    entry: int
    place: int  # of the line among the text's lines
    cosine: float
    lines: int  # how many the text has


class LineComparison:
    """One query and all lines of the on-screen texts of some videos."""

    def __init__(self, store: Store, scopes: Sequence[VideoSpan], encoder: TextEncoder, query: Floats) -> None:
        asked = [one.video.id for one in scopes]
        everything = len(scopes) == len(store.overview())
        view = store.flat_view(line_space(encoder.producer), None if everything else asked)
        self._scopes = scopes
        self._selection: Selection | None = None if view is None else view.select(asked, (SCREEN_TEXT,))
        self._cosines = np.empty(0, np.float32)
        if view is not None and self._selection is not None:
            sides = sides_of(encoder, self._selection.reach)
            products = self._selection.compare(view.ask(query))
            self._cosines = products if sides is None else sides.cosines(products, query)

    def of_video(self, name: str) -> Floats:
        """The cosines of a video's lines."""
        return self._cosines[:0] if self._selection is None else self._cosines[self._selection.of_video(name)]

    def near_texts(self) -> list[NearText]:
        """The texts of the asked spans with the nearest lines, the nearest first."""
        if self._selection is None or not len(self._cosines):
            return []
        places = self._selection.places
        numbers = self._selection.coded.ids[places]
        entries = numbers >> LINE_BITS
        begins = np.flatnonzero(np.diff(entries, prepend=-1))
        best = np.maximum.reduceat(self._cosines, begins)
        counts = np.diff([*begins, len(entries)])
        owners = self._selection.owners[begins]
        spans = self._selection.coded.spans[places[begins]]
        asked = np.array([(one.span.start_s, one.span.end_s) for one in self._scopes])[owners]
        best = np.where((spans[:, 0] < asked[:, 1]) & (spans[:, 1] > asked[:, 0]), best, -np.inf)
        found = []
        for text in np.argsort(-best, kind="stable")[:TOP_TEXTS].tolist():
            if not np.isfinite(best[text]):
                break
            first = begins[text]
            at = first + int(np.argmax(self._cosines[first : first + counts[text]]))
            video_id = self._scopes[owners[text]].video.id
            place = int(numbers[at]) & ((1 << LINE_BITS) - 1)
            found.append(NearText(video_id, int(entries[at]), place, float(best[text]), int(counts[text])))
        return found
