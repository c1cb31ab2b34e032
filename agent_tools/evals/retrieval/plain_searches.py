"""Plain ways to find lines of a transcript, to compare with: BM25, a sentence encoder, and both ranks added up.

They search the entries that an ingest stored, line by line, and return the best lines unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent_tools.budget import reply_tokens
from agent_tools.ingestion.spaces import text_space
from agent_tools.models.profiles import ModelSettings, TextEncoder, text_encoder
from agent_tools.store import Entry, Store
from agent_tools.timeline import Span, clock

DEEP = 200  # lines of each list that rank fusion adds up
DAMPING = 60  # of reciprocal ranks, as usual


@dataclass(frozen=True)
class Found:
    """Spans that a search brought back, best first, and what handing them over takes."""

    spans: tuple[Span, ...]
    tokens: int
    score: float | None = None  # of the best, where scores mean anything


class Lines:
    """The text entries of one video, and the three searches over them."""

    def __init__(self, home: Path, video_id: str) -> None:
        self.store = Store.open(home)
        self.video_id = video_id
        self._encoder: TextEncoder = text_encoder(ModelSettings(profile="lite"))
        entries = [e for e in self.store.entries(video_id) if e.channel != "notes"]
        ids, matrix = self.store.vectors(text_space(self._encoder.producer), video_id)
        row = {int(id_): place for place, id_ in enumerate(ids)}
        self.entries: Mapping[int, Entry] = {e.id: e for e in entries}
        self.ids = [e.id for e in entries if e.id in row]
        self.matrix = matrix[[row[id_] for id_ in self.ids]]  # (n, D), a row for each of ids

    def close(self) -> None:
        self.store.close()

    @property
    def producer(self) -> str:
        """Who made the vectors."""
        return self._encoder.producer

    def vector(self, query: str) -> NDArray[np.float32]:
        """The query in the space of the lines, (D,)."""
        vector: NDArray[np.float32] = self._encoder.encode([query], query=True)[0]
        return vector

    def by_words(self, query: str) -> list[int]:
        """BM25 alone, any of the words."""
        hits = self.store.search_words(query, video_ids=[self.video_id], limit=DEEP)
        return [hit.entry.id for hit in sorted(hits, key=lambda hit: -hit.bm25) if hit.entry.id in self.entries]

    def by_meaning(self, query: str) -> list[int]:
        """Cosine with the sentence encoder, line by line."""
        cosines = self.matrix @ self.vector(query)
        return [self.ids[place] for place in np.argsort(-cosines, kind="stable")[:DEEP]]

    def by_ranks(self, query: str) -> list[int]:
        """Reciprocal ranks of both, with equal weights."""
        scores: dict[int, float] = {}
        for ranked in (self.by_words(query), self.by_meaning(query)):
            for rank, id_ in enumerate(ranked, 1):
                scores[id_] = scores.get(id_, 0.0) + 1 / (DAMPING + rank)
        return sorted(scores, key=lambda id_: -scores[id_])

    def found(self, search: Callable[[str], Sequence[int]], query: str, limit: int, start_s: float = 0.0) -> Found:
        """The best lines that begin at start_s or later."""
        best = [self.entries[id_] for id_ in search(query) if self.entries[id_].start_s >= start_s][:limit]
        handed = "\n".join(f"{clock(entry.start_s)} {entry.text}" for entry in best)
        return Found(tuple(Span(e.start_s, max(e.end_s, e.start_s + 0.01)) for e in best), reply_tokens(handed))

    def dumped(self) -> int:
        """Tokens of everything said and shown, each line with its time: what handing over the transcript takes."""
        return reply_tokens("\n".join(f"{clock(e.start_s)} {e.text}" for e in self.entries.values()))
