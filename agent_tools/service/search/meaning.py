"""The comparison of one query with every entry of the asked spans by meaning, in one pass over a flat index.

The best few hundred, and the entries that were found by words, are compared exactly. What is usual in a video is taken
from all its entries, as their codes give them; of the videos that the best entries are in, as their vectors do."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent_tools.ingestion.spaces import text_space
from agent_tools.models.profiles import TextEncoder
from agent_tools.models.routed_text import sides_of
from agent_tools.progress import OnStep
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.fusion import Background
from agent_tools.service.search.lines import SCREEN_TEXT, LineComparison
from agent_tools.store import WordHit

if TYPE_CHECKING:
    from agent_tools.store.flat_index import Selection, View

TOP_ENTRIES = 400  # by meaning, that are judged
SPARE = 100  # more are compared exactly, because codes may put them in another order
NEIGHBOUR_S = 5.0  # between two entries that are neighbours

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]


@dataclass
class Judged:
    """Entries that a query was compared with, all by entry id: the best by meaning, and those found by words."""

    cosines: Mapping[int, float] = field(default_factory=dict)
    places: Mapping[int, tuple[str, float]] = field(default_factory=dict)  # video and start
    backgrounds: Mapping[int, Background] = field(default_factory=dict)  # of the entry's video
    neighbours: Mapping[int, Sequence[int]] = field(default_factory=dict)
    lines: Mapping[int, int] = field(default_factory=dict)  # of on-screen texts, which of their lines is nearest


class Comparison:
    """One query and the entries of these channels in the asked spans."""

    def __init__(
        self,
        library: Library,
        scopes: Sequence[VideoSpan],
        channels: tuple[str, ...],
        encoder: TextEncoder,
        query: Floats,
        step: OnStep,
    ) -> None:
        """Args: step: called before each video that has to be loaded; may raise to end the search."""
        self._store, self._scopes, self._channels = library.store, scopes, channels
        self._space, self._query = text_space(encoder.producer), query
        asked = [one.video.id for one in scopes]

        def on_video(done: int, total: int) -> None:
            step(done / total, f"loading video {done + 1} of {total}")

        everything = len(scopes) == len(library.store.overview())
        self._view: View | None = library.store.flat_view(self._space, None if everything else asked, on_video)
        step(1.0, f"comparing {len(scopes)} video{'s' if len(scopes) != 1 else ''}")
        if self._view is not None:
            self._selection: Selection = self._view.select(asked, channels)
            self._asked = self._view.ask(query)
            self._first = self._selection.compare(self._asked, first=True)
            products = self._first + self._selection.second_part(self._asked)
            sides = sides_of(encoder, self._selection.reach)
            self._factors = None if sides is None else sides.factors(query)
            self._products = products if self._factors is None else products * self._factors
            with_lines = SCREEN_TEXT in channels
            self._lines = LineComparison(library.store, scopes if with_lines else (), encoder, query)

    def judge(self, hits: Sequence[WordHit]) -> Judged:
        """The best entries by meaning, and those of the hits that have a vector."""
        if self._view is None:
            return Judged()
        selection, products = self._selection, self._products
        everything = all(one.whole for one in self._scopes)
        ranked = products if everything else np.where(self._inside(slice(None)), products, -np.inf)
        count = TOP_ENTRIES + SPARE
        best = np.argpartition(-ranked, count)[:count] if len(ranked) > count else np.arange(len(ranked))
        best = best[self._inside(best)]
        named = [selection.position(hit.entry.video_id, hit.entry.channel, hit.entry.id) for hit in hits]
        by_words = np.array([at for at in named if at is not None], np.int64)
        both = np.union1d(best, by_words)
        cosines = self._exact(both)
        lines = self._raise_by_lines(cosines)
        best = np.union1d(best, np.fromiter(lines, np.int64, len(lines)))
        best = np.array(sorted(best.tolist(), key=lambda at: (-cosines[at], at))[:TOP_ENTRIES], np.int64)
        return self._described(np.union1d(best, by_words), cosines, lines)

    def _exact(self, at: Positions) -> dict[int, float]:
        """The cosines of the entries at these positions, which increase: by what their codes leave over where that is
        in memory, else by their vectors."""
        if self._view is None or not len(at):
            return {}
        selection, places = self._selection, self._selection.places[at]
        owners, number = np.unique(selection.owners[at], return_inverse=True)
        names = [self._scopes[owner].video.id for owner in owners.tolist()]
        rests = self._store.rests(self._space, self._view, names, read=False)
        here = np.array([name in rests for name in names])[number]
        exact = self._products[at].tolist()
        factors = np.ones(len(at)) if self._factors is None else self._factors[at]
        if here.any():
            begins = [self._view.videos[name].start for name in names]
            inside = [(rests[name], places[number == n] - begins[n]) for n, name in enumerate(names) if name in rests]
            rest = (
                np.concatenate([one[0][rows] for one, rows in inside]),
                np.concatenate([one[1][rows] for one, rows in inside]),
            )
            codes, scales = selection.coded.codes[places[here]], selection.coded.scales[places[here]]
            found = self._asked.exact_products(codes, scales, rest, self._first[at[here]]) * factors[here]
            for place, cosine in zip(np.flatnonzero(here).tolist(), found.tolist(), strict=True):
                exact[place] = cosine
        rows = selection.coded.rows[places].tolist()
        others = np.flatnonzero(~here).tolist()
        stored = self._store.exact_products(self._space, [rows[place] for place in others], self._query)
        for place in others:
            if rows[place] in stored:
                exact[place] = stored[rows[place]] * float(factors[place])
        return dict(zip(at.tolist(), exact, strict=True))

    def sharpen(self, judged: Judged, ids: Sequence[int]) -> Judged:
        """The same, with exact backgrounds of the videos that these entries are in."""
        if self._view is None:
            return judged
        names = list(dict.fromkeys(judged.places[id_][0] for id_ in ids if id_ in judged.cosines))
        exact = {}
        rests = (self._store.rests(self._space, self._view, some) for some in self._view.batches(names))
        for name, rest in itertools.chain.from_iterable(found.items() for found in rests):
            own, start = self._selection.of_video(name), self._view.videos[name].start
            places = self._selection.places[own]
            rows, inside = _together(places), _together(places - start)
            coded = self._view.coded.codes[rows], self._view.coded.scales[rows]
            cosines = self._asked.exact_products(*coded, (rest[0][inside], rest[1][inside]), self._first[own])
            exact[name] = cosines if self._factors is None else cosines * self._factors[own]
        sharp = self._usual(exact)
        backgrounds = {id_: sharp.get(judged.places[id_][0], old) for id_, old in judged.backgrounds.items()}
        return replace(judged, backgrounds=backgrounds)

    def _usual(self, cosines: Mapping[str, Floats]) -> dict[str, Background]:
        """What is usual among videos' texts and the lines of their on-screen texts. Args: cosines: of the texts."""
        lines = {name: self._lines.of_video(name) for name in cosines}
        both = [np.concatenate([own, lines[name]]) if len(lines[name]) else own for name, own in cosines.items()]
        return dict(zip(cosines, Background.of_each(both), strict=True))

    def _raise_by_lines(self, cosines: dict[int, float]) -> dict[int, int]:
        """Give on-screen texts the cosine of their best line where it is higher, by position; gives the line's place,
        by position too."""
        raised: dict[int, int] = {}
        usual: dict[str, Background] = {}
        for near in self._lines.near_texts():
            at = self._selection.position(near.video_id, SCREEN_TEXT, near.entry)
            if at is None:
                continue
            if near.video_id not in usual:
                usual |= self._usual({near.video_id: self._products[self._selection.of_video(near.video_id)]})
            fair = usual[near.video_id].best_of(np.array([near.cosine]), np.array([near.lines]))
            if fair[0] > cosines.get(at, float(self._products[at])):
                cosines[at], raised[at] = float(fair[0]), near.place
        return raised

    def _inside(self, at: Positions | slice) -> NDArray[np.bool_]:
        """Whether the entries at these positions overlap the asked span of their video."""
        spans = self._selection.coded.spans[self._selection.places[at]]
        owners, number = np.unique(self._selection.owners[at], return_inverse=True)
        bounds = [(self._scopes[owner].span.start_s, self._scopes[owner].span.end_s) for owner in owners.tolist()]
        asked = np.array(bounds).reshape(-1, 2)[number]
        overlapping: NDArray[np.bool_] = (spans[:, 0] < asked[:, 1]) & (spans[:, 1] > asked[:, 0])
        return overlapping

    def _described(self, at: Positions, cosines: Mapping[int, float], lines: Mapping[int, int]) -> Judged:
        """What fusion needs to know of the entries at these positions, which increase."""
        selection = self._selection
        places = selection.places[at]
        ids, spans = selection.coded.ids[places].tolist(), selection.coded.spans[places]
        videos = [self._scopes[owner].video.id for owner in selection.owners[at].tolist()]
        usual = self._usual({name: self._products[selection.of_video(name)] for name in dict.fromkeys(videos)})
        neighbours: dict[int, tuple[int, ...]] = {}
        beside = (at[1:] == at[:-1] + 1) & selection.follows(at[1:])
        near = (spans[1:, 0] - spans[:-1, 1] <= NEIGHBOUR_S) & (spans[:-1, 0] - spans[1:, 1] <= NEIGHBOUR_S)
        for place in (beside & near).nonzero()[0].tolist():
            one, other = ids[place], ids[place + 1]
            neighbours[one] = (*neighbours.get(one, ()), other)
            neighbours[other] = (*neighbours.get(other, ()), one)
        return Judged(
            {id_: cosines[position] for id_, position in zip(ids, at.tolist(), strict=True)},
            dict(zip(ids, zip(videos, spans[:, 0].tolist(), strict=True), strict=True)),
            {id_: usual[name] for id_, name in zip(ids, videos, strict=True)},
            neighbours,
            {id_: lines[position] for id_, position in zip(ids, at.tolist(), strict=True) if position in lines},
        )


def _together(places: Positions) -> Positions | slice:
    """As a slice where they stand side by side: then nothing is copied."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first < len(places) else places
