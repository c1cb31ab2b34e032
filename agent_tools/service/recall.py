"""The search under retrieve_memory, zoom_segment and ground_event: which entries answer a query, and how surely.

Coarse to fine: chunk memory tokens first, then the entries of the best chunks by meaning, beside a search by words.
Knows entries, vectors and the fusion. Knows nothing of replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.service.entry_cache import Held, video_number
from agent_tools.service.fusion import Background, fuse
from agent_tools.service.library import Asked, Library
from agent_tools.store import Entry, WordHit
from agent_tools.timeline import Span
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools import grounding
    from agent_tools.grounding import Evidence, EvidenceItem
    from agent_tools.models.profiles import TextEncoder

LEAST_CHUNKS = 256  # chunks that are opened in any case: all of an hour or two, so that nothing is lost there
OPENED_SHARE = 0.25  # of a larger library; 128 of 6,000 kept .92 of the ten best on drawn vectors, 256 .94
TOP_ENTRIES = 400
TOP_WORDS = 200


@dataclass(frozen=True)
class Recalled:
    """One entry that answers a query. `score` in 0..1 after fusion; `cosine` None where it was found by words alone."""

    entry: Entry
    score: float
    cosine: float | None
    words: float  # share of the query's word mass that the entry holds, 0..1


@dataclass(frozen=True)
class Recall:
    """What a search brought back, best first, and how it was done."""

    found: list[Recalled]
    by_meaning: bool
    words_only: str  # why not by meaning, "" if it was
    chunks_seen: int
    chunks_opened: int


def recall(
    library: Library, asked: Sequence[Asked], query: str, channels: tuple[str, ...] | None, *, wait_s: float = 0.0
) -> Recall:
    """Entries of the asked spans that answer the query, best first.

    Args:
        channels: text channels to search; None for all.
        wait_s: how long to wait for the sentence encoder when it still loads; then words alone answer.
    """
    names = tuple(name for name in TEXT_CHANNELS if channels is None or name in channels)
    if not names or not asked:
        return Recall([], False, "", 0, 0)
    encoder = library.models.text(wait_s)
    words_only = _words_only(library, encoder, query)
    if encoder is None:
        return Recall(_by_words(library, asked, query, names), False, words_only, 0, 0)
    meaning, entries, backgrounds, lookup, seen, opened = _by_meaning(library, asked, query, names, encoder)
    hits = _word_hits(library, asked, query, names)
    for hit in hits:
        entries[hit.entry.id] = hit.entry
        if hit.entry.id not in meaning and (cosine := lookup(hit.entry)) is not None:
            meaning[hit.entry.id] = cosine
    words = {hit.entry.id: (hit.bm25, hit.idf) for hit in hits}
    video_of = {id_: entry.video_id for id_, entry in entries.items()}
    scores = fuse(meaning, words, {id_: backgrounds[video_of[id_]] for id_ in meaning})
    found = [
        Recalled(entries[id_], score, meaning.get(id_), words.get(id_, (0.0, 0.0))[1]) for id_, score in scores.items()
    ]
    return Recall(_best_first(found), not words_only, words_only, seen, opened)


def _by_meaning(
    library: Library, asked: Sequence[Asked], query: str, names: tuple[str, ...], encoder: TextEncoder
) -> tuple[dict[int, float], dict[int, Entry], dict[str, Background], Callable[[Entry], float | None], int, int]:
    """Cosines of the best entries in the chunks that were opened, those entries, each video's background, the cosine of
    any other entry, chunks seen and opened. All chunks of all asked videos are seen at once: their memory tokens say
    which are opened."""
    import torch

    from agent_tools.memory import retrieve

    vector = encoder.encode([query], query=True)[0]
    videos: dict[int, tuple[Held, Span]] = {}
    likeness: dict[str, tuple[Held, NDArray[np.float32]]] = {}
    seen = []
    backgrounds: dict[str, Background] = {}
    for one in asked:
        held = library.entries.get(library.store, one.video.id, encoder)
        videos[video_number(held.base)] = (held, one.span)
        cosines = held.matrix @ vector
        likeness[one.video.id] = (held, cosines)
        backgrounds[one.video.id] = Background.of(cosines[held.rows_of(names)])
        seen += [
            piece.chunk
            for piece in held.chunks
            if piece.channel in names and piece.start_s < one.span.end_s and piece.end_s > one.span.start_s
        ]
    opened = min(len(seen), max(LEAST_CHUNKS, round(len(seen) * OPENED_SHARE)))
    found: dict[int, float] = {}
    entries: dict[int, Entry] = {}
    for place, cosine in retrieve(torch.from_numpy(vector), seen, top_chunks=opened, top_frames=TOP_ENTRIES):
        held, span = videos[video_number(place)]
        entry = held.at(place)
        if entry.start_s < span.end_s and entry.end_s > span.start_s:
            found[entry.id] = cosine
            entries[entry.id] = entry

    def lookup(entry: Entry) -> float | None:
        held, cosines = likeness[entry.video_id]
        row = held.row_of.get(entry.id)
        return None if row is None else float(cosines[row])

    return found, entries, backgrounds, lookup, len(seen), opened


def _word_hits(library: Library, asked: Sequence[Asked], query: str, names: tuple[str, ...]) -> list[WordHit]:
    everything = len(asked) == len(library.store.videos())
    hits = library.store.search_words(
        query,
        video_ids=None if everything else [one.video.id for one in asked],
        channels=names,
        start_s=min(one.span.start_s for one in asked),
        end_s=max(one.span.end_s for one in asked),
        limit=TOP_WORDS,
    )
    spans = {one.video.id: one.span for one in asked}
    return [
        hit
        for hit in hits
        if (span := spans.get(hit.entry.video_id)) and hit.entry.start_s < span.end_s and hit.entry.end_s > span.start_s
    ]


def _by_words(library: Library, asked: Sequence[Asked], query: str, names: tuple[str, ...]) -> list[Recalled]:
    hits = _word_hits(library, asked, query, names)
    scores = fuse({}, {hit.entry.id: (hit.bm25, hit.idf) for hit in hits}, {})
    return _best_first([Recalled(hit.entry, scores.get(hit.entry.id, 0.0), None, hit.idf) for hit in hits])


def _best_first(found: list[Recalled]) -> list[Recalled]:
    return sorted(found, key=lambda r: (-r.score, r.entry.video_id, r.entry.start_s, r.entry.id))


def _words_only(library: Library, encoder: TextEncoder | None, query: str) -> str:
    if encoder is None:
        error = library.models.error
        return "words only: " + (error.described if error else "the sentence encoder is still loading")
    if encoder.languages == "English" and any(ord(c) > 0x24F for c in query if c.isalpha()):
        return "meaning: English only"
    return ""


@dataclass(frozen=True)
class ScoredEntries:
    """Every entry of a span scored against an event, by meaning and by words, with the video's own background."""

    span: Span
    items: tuple[EvidenceItem, ...]  # in time order
    background: dict[str, grounding.Background]

    def between(self, start_s: float, end_s: float) -> Evidence:
        """What a look at [start_s, end_s) brings."""
        from agent_tools.grounding import Evidence

        inside = tuple(item for item in self.items if item.start_s < end_s and item.end_s > start_s)
        return Evidence(start_s, end_s, items=inside, background=self.background)


def scored_entries(
    library: Library, asked: Asked, event: str, channels: tuple[str, ...] | None, *, wait_s: float = 5.0
) -> tuple[ScoredEntries, str]:
    """The evidence for ground_event, and why it goes by words alone ("" if it does not).

    The background is taken over the whole video, not the asked span: what is usual there is what an event must exceed.
    """
    import numpy as np

    from agent_tools.grounding import Background

    names = tuple(name for name in TEXT_CHANNELS if channels is None or name in channels)
    encoder = library.models.text(wait_s)
    words_only = _words_only(library, encoder, event)
    whole = Asked(asked.video, Span(0.0, asked.video.duration_s or asked.span.end_s))
    items: list[EvidenceItem] = []
    background: dict[str, Background] = {}
    if encoder is not None and not words_only and names:
        held = library.entries.get(library.store, asked.video.id, encoder)
        cosines = held.matrix @ encoder.encode([event], query=True)[0]
        for name in names:
            rows = [i for i, e in enumerate(held.entries) if e.channel == name and held.matrix[i].any()]
            background[f"{name}:meaning"] = Background.of(np.asarray(cosines[rows], dtype=float).tolist())
            items += [_item(held.entries[i], float(cosines[i]), "meaning") for i in rows]
    hits = _word_hits(library, [whole], event, names) if names else []
    items += [_item(hit.entry, float(hit.idf), "words") for hit in hits]
    for name in names:
        total = len(library.store.entries(asked.video.id, channels=(name,)))
        background[f"{name}:words"] = Background(0.0, 0.0, total)
    items.sort(key=lambda item: (item.start_s, item.end_s))
    return ScoredEntries(asked.span, tuple(items), background), words_only


def _item(entry: Entry, score: float, how: str) -> EvidenceItem:
    from agent_tools.grounding import EvidenceItem

    end_s = max(entry.end_s, entry.start_s + 0.1)
    return EvidenceItem(entry.start_s, end_s, entry.channel, score, entry.text, how)
