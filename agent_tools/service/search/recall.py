"""The search under retrieve_memory and zoom_segment: which entries answer a query, and how surely.

One pass compares the query with every entry by meaning, together with a search by words. Both are joined into one
score. Entries themselves are read for the best alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from agent_tools.progress import OnStep, silent
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.comparable import words_only_because
from agent_tools.service.search.fusion import fuse, score_of
from agent_tools.store import Entry, ShownLine, WordHit, shown_lines
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    from agent_tools.models.profiles import TextEncoder
    from agent_tools.service.search.meaning import Judged

SHARPENED = 40  # entries at the top whose videos' backgrounds are made exact: those that may be among the best ten
TOP_WORDS = 80
MOST_FOUND = 100  # entries that a search brings back: moments are made of them
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
    line: ShownLine | None = None  # of an on-screen text, the line that is nearest to the query by meaning


@dataclass(frozen=True)
class EntrySearchResult:
    """What a search brought back, best first, and how it was done."""

    found: list[ScoredEntry]
    by_meaning: bool
    words_only: str  # why not by meaning, "" if it was
    nearest: Sequence[ScoredEntry] = ()  # by meaning, where nothing was found: these come near and prove nothing


def recall(
    library: Library,
    scopes: Sequence[VideoSpan],
    query: str,
    channels: tuple[str, ...] | None,
    *,
    wait_s: float = 0.0,
    most: int | None = MOST_FOUND,
    on_step: OnStep | None = None,
) -> EntrySearchResult:
    """Entries of the asked spans that answer the query, best first.

    Args:
        channels: text channels to search; None for all.
        wait_s: how long to wait for the sentence encoder when it still loads; then words alone answer.
        most: entries that are brought back; None for all.
        on_step: called with (share of 0..1, sentence) before each video that has to be loaded, and before all are
            compared; may raise to end the search.
    """
    names = tuple(name for name in TEXT_CHANNELS if channels is None or name in channels)
    if not names or not scopes:
        return EntrySearchResult([], False, "")
    (on_step or silent)(0.0, f"comparing the words of {len(scopes)} video{'s' if len(scopes) != 1 else ''}")
    if library.models.text(wait_s) is None:
        why = words_only_because(library, None, query)
        return EntrySearchResult(_by_words(library, scopes, query, names)[:most], False, why)
    if scopes is library.everything():
        groups = library.kept.get(("by encoder", library.models.loaded), lambda: _by_encoder(library, scopes))
    else:
        groups = _by_encoder(library, scopes)
    parts = [_recall(library, group, query, names, by, most, on_step) for by, group in groups.items()]
    return parts[0] if len(parts) == 1 else _together(parts, most)


def _by_encoder(library: Library, scopes: Sequence[VideoSpan]) -> dict[TextEncoder, Sequence[VideoSpan]]:
    """The videos by the encoder whose vectors they have; the same sequence where all have those of one."""
    groups: dict[TextEncoder, list[VideoSpan]] = {}
    names = [one.video.id for one in scopes]
    encoders = library.kept.of_each(("encoder", library.models.loaded), names, library.text_encoder)
    for one, encoder in zip(scopes, encoders, strict=True):
        if encoder is not None:
            groups.setdefault(encoder, []).append(one)
    return {by: scopes if len(group) == len(scopes) else group for by, group in groups.items()}


def _together(parts: Sequence[EntrySearchResult], most: int | None) -> EntrySearchResult:
    """What was found by each encoder as one result: scores are judged against each video's own background."""
    found = _best_first([one for part in parts for one in part.found])[:most]
    nearest = () if found else _best_first([one for part in parts for one in part.nearest])[:MOST_NEAREST]
    by_meaning = any(part.by_meaning for part in parts)
    return EntrySearchResult(found, by_meaning, "" if by_meaning else parts[0].words_only, nearest)


def _recall(
    library: Library,
    scopes: Sequence[VideoSpan],
    query: str,
    names: tuple[str, ...],
    encoder: TextEncoder,
    most: int | None,
    on_step: OnStep | None,
) -> EntrySearchResult:
    """Of videos whose vectors are this encoder's."""
    words_only = words_only_because(library, encoder, query)
    if words_only:  # questions in a script that the encoder does not know are noise to it
        return EntrySearchResult(_by_words(library, scopes, query, names)[:most], False, words_only)
    from agent_tools.service.search.meaning import Comparison

    find = library.store.in_snapshot(word_hits)
    by_words = library.background_pool.submit(find, library, scopes, query, names)  # while the question is encoded
    vector = library.models.query_vector(encoder, query)
    compared = Comparison(library, scopes, names, encoder, vector, on_step or silent)
    hits = by_words.result()
    by = compared.judge(hits)
    rough = _fused(by, hits)
    by = compared.sharpen(by, sorted(rough, key=lambda id_: -rough[id_])[:SHARPENED])
    found = _scored(library, _fused(by, hits), by, hits, most)
    return EntrySearchResult(found, True, "", () if found else _nearest(library, by))


def _fused(by: Judged, hits: Sequence[WordHit]) -> dict[int, float]:
    words = {hit.entry.id: (hit.bm25, hit.idf) for hit in hits}
    return fuse(by.cosines, words, by.backgrounds, by.neighbours)


def _scored(
    library: Library, scores: Mapping[int, float], by: Judged, hits: Sequence[WordHit], most: int | None
) -> list[ScoredEntry]:
    """The best of the scored entries, best first, with their rows."""
    known = {hit.entry.id: hit.entry for hit in hits}
    shares = {hit.entry.id: hit.idf for hit in hits}
    unsure = {id_ for id_, entry in known.items() if entry.unsure}
    places = {**by.places, **{id_: (entry.video_id, entry.start_s) for id_, entry in known.items()}}
    capped = {id_: min(score, UNSURE_SCORE) if id_ in unsure else score for id_, score in scores.items()}
    best = sorted(capped, key=lambda id_: (id_ in unsure, -round(capped[id_], 9), *places[id_], id_))[:most]
    entries = known | {entry.id: entry for entry in library.store.entries_by_id(i for i in best if i not in known)}
    return [
        ScoredEntry(entries[id_], capped[id_], by.cosines.get(id_), shares.get(id_, 0.0), _line(by, entries[id_]))
        for id_ in best
        if id_ in entries  # else it was deleted a moment ago
    ]


def _nearest(library: Library, by: Judged) -> tuple[ScoredEntry, ...]:
    """The entries that lie highest above their video's background, although none passes the floor."""
    above = {id_: by.backgrounds[id_].deviations(cosine) for id_, cosine in by.cosines.items()}
    best = sorted(above, key=lambda id_: (-above[id_], id_))[:MOST_NEAREST]
    return tuple(
        ScoredEntry(entry, max(LEAST_SHOWN, score_of(above[entry.id])), by.cosines[entry.id], 0.0, _line(by, entry))
        for entry in library.store.entries_by_id(best)
    )


def _line(by: Judged, entry: Entry) -> ShownLine | None:
    place = by.lines.get(entry.id)
    lines = [] if place is None else shown_lines(entry)
    return lines[place] if place is not None and place < len(lines) else None


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
