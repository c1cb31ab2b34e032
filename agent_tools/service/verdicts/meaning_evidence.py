"""Evidence by meaning and by words: every text entry of a video scored against an event that names no words.

An event that names its words goes by them alone: see word_evidence. judgement.py makes verdicts from the evidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.ingestion.screen_text.trust import worth
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.comparable import (
    limit,
    other_vectors,
    sound_strange,
    understands,
    words_only_because,
)
from agent_tools.service.search.compared import compare
from agent_tools.service.search.recall import word_hits
from agent_tools.service.verdicts.quoted_words import Occurrence
from agent_tools.service.verdicts.scored_entries import FIT, Fits, ScoredEntries, doubtful, item_of, key_of
from agent_tools.service.verdicts.word_evidence import STANDS, stand_apart
from agent_tools.store import Entry, WordHit
from agent_tools.timeline import Span, merged
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.grounding import EvidenceItem
    from agent_tools.service.library.entry_cache import LoadedVideo


SHARED_WORDS = 0.5  # what an entry with all words of the event gains; squared, so that common words are little
QUOTED = 1.0  # as much as the best paraphrase has
CROWD = 4  # the fourth best cosine is usual: an event may be told a few times
USUAL_OF_FEW = 0.3  # of fewer texts, which have no crowd; more than two unrelated sentences have, to be cautious
# Vectors of lite's older encoder are judged as their calibrations were fitted: by the eighth best, and at least this.
OLDER_ENCODER, OLDER_CROWD, OLDER_LEAST = "minilm-l6-v2@53aa5117/1", 8, 0.25
SHORT = 64  # lines; a film of fewer has no crowd of its own
SOME_OTHER = "mul"  # a language that is not known, but not English
READ_SHARE = (
    0.9  # of the time (on screen: of the words) of a channel's texts, for those in a known language to judge it
)


@dataclass(frozen=True)
class Crowd:
    """What the best text of a video is judged beside: a cosine that is usual at least, and at least so many texts."""

    usual: float = 0.0
    size: int = 1


ALONE = Crowd()  # a video by itself


def by_meaning(
    library: Library,
    scope: VideoSpan,
    text: str,
    channels: tuple[str, ...],
    quoted: tuple[str, ...] = (),
    *,
    wait_s: float = 5.0,
    sure_only: bool = False,
    crowd: Crowd = ALONE,
) -> ScoredEntries:
    """Every entry of the channels scored by meaning and by words, or by words alone without a fitting encoder.

    An entry fits by its cosine and by the words it shares. The video's fourth best cosine is what is usual there, and
    what an entry has above that counts a second time. Of the ways tried to judge scores against a video's own this one
    parted present from absent best (AUC on the calibration's queries .81; the eighth best with a least of .25, or the
    median, .79); beside it the number of lines adds nothing. What is usual is taken from the whole video, not from the
    span. Texts in a language that the encoder does not know are left out.
    Args:
        quoted: words that the event holds in quotation marks among others; an entry without them loses QUOTED.
        sure_only: leave out speech of which the model that heard it is in doubt.
        crowd: what the best text is judged beside, if more than its own video; see crowd_of_short."""
    import numpy as np

    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    encoder = library.text_encoder(scope.video.id, wait_s)
    words_only = words_only_because(library, encoder, text)
    hits = word_hits(library, [_whole(scope)], text, names) if names else []
    hits = [hit for hit in hits if not (sure_only and doubtful(hit.entry))]
    if encoder is not None and not words_only:
        rows = [row for row in library.store.channels(scope.video.id) if row.name in names]
        words_only = next((why for row in rows if (why := other_vectors(row, encoder))), "")
    if encoder is None or words_only:
        return _by_shared_words(library, scope, hits, names, words_only)
    held = library.entries.get(library.store, scope.video.id, encoder)
    limited = limit(encoder.languages)
    unread = _unread(library, scope, held, encoder.languages) if limited else frozenset()
    foreign = {name: limited for name in names if unread and not _read_enough(held, scope.span, name, unread)}
    known = _known(held, names, frozenset(foreign), unread, sure_only)
    if foreign and not known:
        return _by_shared_words(library, scope, hits, names, limited)
    cosines = compare(held, library.models.query_vector(encoder, text), names).cosines[known]
    usual = max(crowd.usual, _usual(np.sort(cosines)[::-1].tolist(), encoder.producer))
    entries = [held.entries[row] for row in known]
    shares = {hit.entry.id: hit.idf for hit in hits}
    shared = np.array([shares.get(entry.id, 0.0) for entry in entries])
    stands = _standing(entries, quoted)
    scores = 2 * (cosines.astype(np.float64) + SHARED_WORDS * shared**2) - usual - QUOTED * (1.0 - stands)
    scattered = bool(quoted) and float(stands.max(initial=0.0)) < STANDS and stand_apart(library, scope, quoted, names)

    def items() -> list[EvidenceItem]:
        return [item_of(entry, score, FIT) for entry, score in zip(entries, scores.tolist(), strict=True)]

    # The same text twice would count more than its best.
    once = len({key_of(entry) for entry in entries}) == len(entries)
    fits = Fits(held.spans[known], [entry.channel for entry in entries], scores) if once else None
    size = max(crowd.size, len(known))
    return ScoredEntries(items, {}, "", encoder.producer, foreign, scattered, fits, size)


def _usual(falling: Sequence[float], producer: str) -> float:
    """The cosine that is usual among these, the best first."""
    if producer == OLDER_ENCODER:
        return max([OLDER_LEAST, *falling[OLDER_CROWD - 1 : OLDER_CROWD]])
    return max(0.0, falling[CROWD - 1]) if len(falling) >= CROWD else USUAL_OF_FEW


def _known(
    held: LoadedVideo, names: tuple[str, ...], foreign: frozenset[str], unread: frozenset[int], sure_only: bool
) -> list[int]:
    """Rows of the entries that meaning can judge: those with a vector, in a channel and a language that are known."""
    import numpy as np

    has_vectors: NDArray[np.bool_] = np.asarray(held.matrix.any(axis=1))
    return [
        row
        for row, (entry, has_vector) in enumerate(zip(held.entries, has_vectors.tolist(), strict=True))
        if has_vector
        and entry.channel in names
        and entry.channel not in foreign
        and entry.id not in unread
        and not (sure_only and doubtful(entry))
    ]


def _standing(entries: Sequence[Entry], quoted: tuple[str, ...]) -> NDArray[np.float64]:
    """How far the quoted words stand in each entry: 1 where they stand as they are, and where nothing is quoted."""
    import numpy as np

    sought = [Occurrence(words) for words in quoted]
    shares = [min((one.score(e.text, 0.0, e.channel == "screen_text") for one in sought), default=1.0) for e in entries]
    return np.array(shares, dtype=np.float64)


def crowd_of_short(
    library: Library, scopes: Sequence[VideoSpan], text: str, channels: tuple[str, ...]
) -> dict[str, Crowd]:
    """Of a search over many videos: what the best text of each short one is judged beside, by the video's id.

    A film of few lines has no crowd of its own: what its best line would have among a thousand others is not known, and
    of hundreds of such films some come near any event. So all short ones count as one film, whose fourth best cosine is
    usual in each. Videos with SHORT lines or more go by their own.
    Args:
        text: what the lines are compared with, as in by_meaning."""
    encoder = library.models.text(0.0)
    if encoder is None or words_only_because(library, encoder, text) or len(scopes) <= OLDER_CROWD:
        return {}
    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    asked = library.models.query_vector(encoder, text)
    best: list[float] = []
    short: list[str] = []
    size = 0
    overview = library.store.overview()
    for scope in scopes:
        known = overview.get(scope.video.id)
        counted = sum(row.entries or 0 for row in known.channels.values() if row.name in TEXT_CHANNELS) if known else 0
        if counted >= SHORT:
            continue  # known without reading its entries
        held = library.entries.get(library.store, scope.video.id, encoder)
        if len(held.entries) >= SHORT:
            continue
        short.append(scope.video.id)
        cosines = compare(held, asked, names).cosines
        rows = [row for row, entry in enumerate(held.entries) if entry.channel in names]
        size += len(rows)
        best = sorted([*best, *cosines[rows].tolist()], reverse=True)[: max(CROWD, OLDER_CROWD)]
    return dict.fromkeys(short, Crowd(_usual(best, encoder.producer), max(1, size)))


def _unread(library: Library, scope: VideoSpan, held: LoadedVideo, known: str) -> frozenset[int]:
    """Ids of the entries that the encoder does not understand, by what is known of their language, else by what they
    hold. Kept until somebody commits: the next question is about the same texts.

    Args:
        known: the languages that it understands."""
    return library.kept.get(("unread", scope.video.id, known), lambda: _not_understood(library, scope, held, known))


def _not_understood(library: Library, scope: VideoSpan, held: LoadedVideo, known: str) -> frozenset[int]:
    languages = {row.name: row.language for row in library.store.channels(scope.video.id)}
    for name, rows in held.by_channel.items():
        if not languages.get(name) and sound_strange(known, [entry.text for entry in held.entries[rows]]):
            languages[name] = SOME_OTHER
    return frozenset(
        entry.id
        for entry in held.entries
        if not understands(known, str(entry.extra.get("language") or languages.get(entry.channel) or ""), entry.text)
    )


def _read_enough(held: LoadedVideo, span: Span, name: str, unread: Collection[int]) -> bool:
    """Whether a channel's other entries cover nearly all that its entries cover: of two whole tracks one suffices.

    On screen words count instead, weighted by how sure the OCR is of them: a sign may stand for long."""

    def covered_s(entries: Sequence[Entry]) -> float:
        return sum(one.length_s for one in merged(Span(e.start_s, max(e.end_s, e.start_s + 0.1)) for e in entries))

    entries = [entry for entry in held.overlapping(span) if entry.channel == name]
    if name == "screen_text":
        weights = {entry.id: worth(entry.text) * float(entry.extra.get("confidence", 1.0)) for entry in entries}
        return sum(weights[one] for one in weights if one not in unread) >= READ_SHARE * sum(weights.values())
    return covered_s([entry for entry in entries if entry.id not in unread]) >= READ_SHARE * covered_s(entries)


def _by_shared_words(
    library: Library, scope: VideoSpan, hits: Sequence[WordHit], names: tuple[str, ...], why: str
) -> ScoredEntries:
    from agent_tools.grounding import Background

    background = {
        f"{name}:words": Background(0.0, 0.0, len(library.store.entries(scope.video.id, channels=(name,))))
        for name in names
    }
    return ScoredEntries(lambda: [item_of(hit.entry, hit.idf, "words") for hit in hits], background, why)


def _whole(scope: VideoSpan) -> VideoSpan:
    return VideoSpan(scope.video, Span(0.0, scope.video.duration_s or scope.span.end_s))
