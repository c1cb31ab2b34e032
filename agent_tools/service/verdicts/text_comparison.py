"""An event compared with all texts of some videos by meaning, in one pass over the flat index.

The codes of the index and what they leave over give cosines that are exact within some millionths, so one video and a
whole library are compared alike. No text is read for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent_tools.ingestion.spaces import line_space, text_space
from agent_tools.models.routed_text import sides_of
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.fusion import Background
from agent_tools.service.search.lines import SCREEN_TEXT
from agent_tools.store import LINE_BITS
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    from agent_tools.models.profiles import TextEncoder
    from agent_tools.store.flat_index import Selection


Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ComparedTexts:
    """The texts of one video that have a vector, channel by channel in time order, and their cosines."""

    ids: NDArray[np.int64]  # (n,)
    spans: NDArray[np.float64]  # (n, 2), start and end
    channels: NDArray[np.object_]  # (n,), names
    cosines: Floats  # (n,), with an event; of an on-screen text that of its best line where it is nearer
    has_vector: NDArray[np.bool_]  # (n,), else the vector is zero


class TextComparison:
    """One event and the texts of some videos."""

    def __init__(self, library: Library, scopes: Sequence[VideoSpan], encoder: TextEncoder, event: Floats) -> None:
        """Args: event: its vector, (D,)."""
        self._texts = _Side(library, scopes, encoder, event, text_space(encoder.producer), TEXT_CHANNELS)
        self._lines = _Side(library, scopes, encoder, event, line_space(encoder.producer), (SCREEN_TEXT,))

    def of(self, video_id: str, names: tuple[str, ...]) -> ComparedTexts:
        """The texts of one of the videos.

        Args: names: the channels whose texts are wanted, and say what is usual where lines are compared."""
        texts = self._texts.of(video_id)
        wanted = np.isin(texts.channels, names)
        if not wanted.all():
            texts = ComparedTexts(
                texts.ids[wanted],
                texts.spans[wanted],
                texts.channels[wanted],
                texts.cosines[wanted],
                texts.has_vector[wanted],
            )
        lines = self._lines.lines_of(video_id)
        if lines is None or SCREEN_TEXT not in names or not len(texts.ids):
            return texts
        usual = Background.of(np.concatenate([texts.cosines, lines.different]))
        order = np.argsort(texts.ids)
        at = order[np.minimum(np.searchsorted(texts.ids, lines.texts, sorter=order), len(order) - 1)]
        there = texts.ids[at] == lines.texts
        cosines = texts.cosines.copy()
        cosines[at[there]] = np.maximum(cosines[at[there]], usual.best_of(lines.best, lines.counts)[there])
        return ComparedTexts(texts.ids, texts.spans, texts.channels, cosines, texts.has_vector)


@dataclass(frozen=True)
class _Lines:
    different: Floats  # (v,), the cosines of different lines
    texts: NDArray[np.int64]  # (e,), ids of the texts that have lines
    best: Floats  # (e,), the cosine of each one's best line
    counts: NDArray[np.int64]  # (e,), of each one's lines


class _Side:
    """The event's products with the vectors of one space."""

    def __init__(
        self,
        library: Library,
        scopes: Sequence[VideoSpan],
        encoder: TextEncoder,
        event: Floats,
        space: str,
        runs: tuple[str, ...],
    ) -> None:
        asked = [one.video.id for one in scopes]
        everything = len(scopes) == len(library.store.overview())
        view = library.store.flat_view(space, None if everything else asked)
        self._selection: Selection | None = None
        if view is None:
            return
        placed = [name for name in asked if name in view.videos]
        self._runs = {name: view.videos[name].runs for name in placed}
        self._selection = view.select(asked, runs)
        question = view.ask(event)
        products = self._selection.compare(question)
        for names in view.batches(placed):
            for name, rest in library.store.rests(space, view, names).items():
                products[self._selection.of_video(name)] += question.products(*rest)
        sides = sides_of(encoder, self._selection.reach)
        self._cosines = products if sides is None else sides.cosines(products, event)

    def of(self, video_id: str) -> ComparedTexts:
        if self._selection is None:
            none = np.empty(0, np.int64)
            return ComparedTexts(none, np.empty((0, 2)), none.astype(object), none.astype(np.float32), none > 0)
        at = self._selection.of_video(video_id)
        rows, coded = self._selection.places[at], self._selection.coded
        runs = self._runs.get(video_id, {})
        names = np.array(list(runs), object).repeat([last - first for first, last in runs.values()])
        return ComparedTexts(coded.ids[rows], coded.spans[rows], names, self._cosines[at], coded.scales[rows] > 0)

    def lines_of(self, video_id: str) -> _Lines | None:
        if self._selection is None:
            return None
        at = self._selection.of_video(video_id)
        rows, cosines = self._selection.places[at], self._cosines[at]
        if not len(rows):
            return None
        texts = self._selection.coded.ids[rows] >> LINE_BITS
        begins = np.flatnonzero(np.diff(texts, prepend=-1))
        # A line that several texts show has one vector.
        _, first = np.unique(self._selection.coded.rows[rows], return_index=True)
        counts = np.diff([*begins, len(texts)])
        return _Lines(cosines[first], texts[begins], np.maximum.reduceat(cosines, begins), counts)
