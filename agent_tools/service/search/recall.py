"""The search under retrieve_memory and zoom_segment: which entries answer a query, and how surely.

Coarse to fine: chunk memory tokens first, then the entries of the best chunks by meaning, together with a search by
words. Both are joined into one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agent_tools.progress import OnStep, silent
from agent_tools.service.library.entry_cache import LoadedVideo, video_number
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.comparable import words_only_because
from agent_tools.service.search.fusion import Background, fuse, score_of
from agent_tools.store import Entry, WordHit
from agent_tools.timeline import Span
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.profiles import TextEncoder

LEAST_CHUNKS = 128  # chunks that are opened in any case: all of an hour, so that nothing is lost there
OPENED_SHARE = 0.25  # of a larger library; 128 of 6,000 kept .92 of the ten best on drawn vectors, 256 .94
TOP_ENTRIES = 400
TOP_WORDS = 80
MOST_NEAREST = 3
LEAST_SHOWN = 0.02  # the least score of an entry that a reply may show
ALL_WORDS = 0.9  # share of the query's words that an unsure entry must hold: all but those of grammar
UNSURE_SCORE = 0.2  # the highest of an unsure entry, which stands behind all others


class ScoredEntry(NamedTuple):
    """One entry that answers a query. `score` in 0..1 after fusion; `cosine` None where it was found by words alone."""

    entry: Entry
    score: float
    cosine: float | None
    words: float  # share of the query's word mass that the entry holds, 0..1


@dataclass(frozen=True)
class EntrySearchResult:
    """What a search brought back, best first, and how it was done."""

    found: list[ScoredEntry]
    by_meaning: bool
    words_only: str  # why not by meaning, "" if it was
    chunks_seen: int = 0
    chunks_opened: int = 0
    held: Mapping[str, LoadedVideo] = field(default_factory=dict)  # by video, what was compared by meaning
    nearest: Sequence[ScoredEntry] = ()  # by meaning, where nothing was found: these come near and prove nothing


@dataclass(frozen=True)
class _MeaningHits:
    """The search by meaning: the best entries of the opened chunks, and what all others are like."""

    cosines: dict[int, float]  # by entry id
    entries: dict[int, Entry]
    backgrounds: dict[str, Background]  # by video
    videos: dict[str, LoadedVideo]
    all_cosines: dict[str, NDArray[np.float32]]  # by video, of all its entries
    seen: int  # chunks
    opened: int


def recall(
    library: Library,
    scopes: Sequence[VideoSpan],
    query: str,
    channels: tuple[str, ...] | None,
    *,
    wait_s: float = 0.0,
    on_step: OnStep | None = None,
) -> EntrySearchResult:
    """Entries of the asked spans that answer the query, best first.

    Args:
        channels: text channels to search; None for all.
        wait_s: how long to wait for the sentence encoder when it still loads; then words alone answer.
        on_step: called before each video with (share of 0..1, sentence); may raise to end the search.
    """
    names = tuple(name for name in TEXT_CHANNELS if channels is None or name in channels)
    if not names or not scopes:
        return EntrySearchResult([], False, "")
    encoder = library.models.text(wait_s)
    words_only = words_only_because(library, encoder, query)
    if encoder is None:
        return EntrySearchResult(_by_words(library, scopes, query, names), False, words_only)
    by_words = library.background_pool.submit(word_hits, library, scopes, query, names)  # while the question is encoded
    by = _by_meaning(library, scopes, query, names, encoder, on_step or silent)
    hits = by_words.result()
    meaning, entries = ({}, {}) if words_only else (by.cosines, by.entries)  # of another script they are noise
    for hit in hits:
        entries[hit.entry.id] = hit.entry
        id_, video_id = hit.entry.id, hit.entry.video_id
        if not words_only and id_ not in meaning and (row := by.videos[video_id].row_of.get(id_)) is not None:
            meaning[id_] = float(by.all_cosines[video_id][row])
    words = {hit.entry.id: (hit.bm25, hit.idf) for hit in hits}
    backgrounds = {id_: by.backgrounds[entries[id_].video_id] for id_ in meaning}
    neighbours = {id_: by.videos[entry.video_id].neighbours.get(id_, ()) for id_, entry in entries.items()}
    scores = fuse(meaning, words, backgrounds, neighbours)
    found = [
        ScoredEntry(
            entries[id_],
            min(score, UNSURE_SCORE) if entries[id_].unsure else score,
            meaning.get(id_),
            words.get(id_, (0.0, 0.0))[1],
        )
        for id_, score in scores.items()
    ]
    nearest = () if found else _nearest(meaning, entries, backgrounds)
    return EntrySearchResult(_best_first(found), not words_only, words_only, by.seen, by.opened, by.videos, nearest)


def _nearest(
    meaning: Mapping[int, float], entries: Mapping[int, Entry], backgrounds: Mapping[int, Background]
) -> tuple[ScoredEntry, ...]:
    """The entries that lie highest above their video's background, although none passes the floor."""
    above = {id_: backgrounds[id_].deviations(cosine) for id_, cosine in meaning.items()}
    best = sorted(above, key=lambda id_: (-above[id_], id_))[:MOST_NEAREST]
    return tuple(ScoredEntry(entries[id_], max(LEAST_SHOWN, score_of(above[id_])), meaning[id_], 0.0) for id_ in best)


def _by_meaning(
    library: Library,
    scopes: Sequence[VideoSpan],
    query: str,
    names: tuple[str, ...],
    encoder: TextEncoder,
    step: OnStep,
) -> _MeaningHits:
    """All chunks of all asked videos are seen at once: their memory tokens say which are opened."""
    import torch

    from agent_tools.memory import retrieve

    vector = encoder.encode([query], query=True)[0]
    spans: dict[int, tuple[LoadedVideo, Span]] = {}
    videos: dict[str, LoadedVideo] = {}
    for place, one in enumerate(scopes):
        step(place / len(scopes), f"searching video {place + 1} of {len(scopes)}")
        held = library.entries.get(library.store, one.video.id, encoder)
        spans[video_number(held.base)] = held, one.span
        videos[one.video.id] = held
    comparing = library.background_pool.submit(_compared, videos, vector, names)  # while the chunks are asked
    bank = library.entries.bank(tuple(spans.values()), names)
    seen = len(bank.chunks)
    opened = min(seen, max(LEAST_CHUNKS, round(seen * OPENED_SHARE)))
    found: dict[int, float] = {}
    entries: dict[int, Entry] = {}
    for row, cosine in retrieve(torch.from_numpy(vector), bank, top_chunks=opened, top_frames=TOP_ENTRIES):
        held, span = spans[video_number(row)]
        entry = held.at(row)
        if entry.start_s < span.end_s and entry.end_s > span.start_s:
            found[entry.id] = cosine
            entries[entry.id] = entry
    cosines, backgrounds = comparing.result()
    return _MeaningHits(found, entries, backgrounds, videos, cosines, seen, opened)


def _compared(
    videos: Mapping[str, LoadedVideo], vector: NDArray[np.float32], names: tuple[str, ...]
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Background]]:
    """By video the cosines of all its entries, and what is usual among those of the channels."""
    import numpy as np

    cosines = {id_: np.vecdot(held.matrix, vector) for id_, held in videos.items()}  # no BLAS: see store/index.py
    return cosines, {id_: Background.of(held.of_channels(cosines[id_], names)) for id_, held in videos.items()}


def word_hits(library: Library, scopes: Sequence[VideoSpan], query: str, names: tuple[str, ...]) -> list[WordHit]:
    """Entries of the asked spans that hold words of the query, best first; an unsure one must hold them all."""
    everything = len(scopes) == len(library.store.overview())
    hits = library.store.search_words(
        query,
        video_ids=None if everything else [one.video.id for one in scopes],
        channels=names,
        start_s=min(one.span.start_s for one in scopes),
        end_s=max(one.span.end_s for one in scopes),
        limit=TOP_WORDS,
    )
    spans = {one.video.id: one.span for one in scopes}
    return [
        hit
        for hit in hits
        if (not hit.entry.unsure or hit.idf >= ALL_WORDS)
        and (span := spans.get(hit.entry.video_id))
        and hit.entry.start_s < span.end_s
        and hit.entry.end_s > span.start_s
    ]


def _by_words(library: Library, scopes: Sequence[VideoSpan], query: str, names: tuple[str, ...]) -> list[ScoredEntry]:
    hits = word_hits(library, scopes, query, names)
    scores = fuse({}, {hit.entry.id: (hit.bm25, hit.idf) for hit in hits}, {})
    found = []
    for hit in hits:
        score = scores.get(hit.entry.id, 0.0)
        found.append(ScoredEntry(hit.entry, min(score, UNSURE_SCORE) if hit.entry.unsure else score, None, hit.idf))
    return _best_first(found)


def _best_first(found: list[ScoredEntry]) -> list[ScoredEntry]:
    return sorted(found, key=lambda r: (r.entry.unsure, -r.score, r.entry.video_id, r.entry.start_s, r.entry.id))
