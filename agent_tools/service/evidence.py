"""The evidence for ground_event: every text entry of a video scored against an event, by meaning or by its very words.

An event that names its words ("'Mitigation' on a slide") is about these words: an entry that only means the same does
not show it, and no sentence encoder is needed to find them. Any other event goes by meaning and by words.
Knows entries, vectors and the wording of events. Knows nothing of verdicts or replies."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.service.coverage import other_vectors
from agent_tools.service.library import Asked, Library
from agent_tools.service.occurrence import Occurrence
from agent_tools.service.recall import word_hits, words_only_because
from agent_tools.store import Entry, WordHit
from agent_tools.timeline import Span
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    from agent_tools.grounding import Background, Evidence, EvidenceItem, Named, RelevanceCurveLocalizer

FIT = "fit"  # scores that need no background: either there is none, or it is in them already
SHARED_WORDS = 0.5  # what an entry with all words of the event gains; squared, so that common words are little
QUOTED = 1.0  # as much as the best paraphrase has
CROWD, LEAST_USUAL = 8, 0.25  # the eighth best cosine is usual; never less than two unrelated sentences have
JOINED_GAP_S = 3.0  # a sentence that goes on in the next cue after no longer a pause


def localizer() -> RelevanceCurveLocalizer:
    """Relevance curves that know FIT: its edge of the noise is a score of .53, so words as they stand are 1.9 high."""
    from agent_tools.grounding import CurveSettings, Noise, RelevanceCurveLocalizer

    return RelevanceCurveLocalizer(CurveSettings(noise={**CurveSettings().noise, FIT: Noise(0.0, 0.2, 0.2)}))


@dataclass(frozen=True)
class ScoredEntries:
    """Entries of a video that speak of an event, with the video's own background."""

    items: tuple[EvidenceItem, ...]  # in time order
    background: dict[str, Background]
    words_only: str = ""  # why it went by words although meaning was asked for, "" if it did not
    producer: str = ""  # who made the vectors behind the scores, "" where words alone count

    def look(self, start_s: float, end_s: float, _fps: float = 0.0) -> Evidence:
        """What a look at [start_s, end_s) brings; nothing is decoded for it."""
        from agent_tools.grounding import Evidence

        inside = tuple(item for item in self.items if item.start_s < end_s and item.end_s > start_s)
        return Evidence(start_s, end_s, items=inside, background=self.background)


def by_meaning(
    library: Library,
    asked: Asked,
    text: str,
    channels: tuple[str, ...],
    quoted: tuple[str, ...] = (),
    *,
    wait_s: float = 5.0,
) -> ScoredEntries:
    """Every entry of the channels scored by meaning and by words, or by words alone without a fitting encoder.

    An entry fits by its cosine and by the words it shares. The video's eighth best cosine is what is usual there, in a
    sparse and in a dense transcript alike, and what an entry has above that counts a second time. Of the ways tried to
    judge scores against a video's own this one told present from absent best (AUC .86 on the calibration's queries;
    heights above median and deviation .80, which say little about the best of a thousand). What is usual is taken from
    the whole video, not from the span.
    Args:
        quoted: words that the event holds in quotation marks among others; an entry without them loses QUOTED."""
    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    encoder = library.models.text(wait_s)
    words_only = words_only_because(library, encoder, text)
    hits = word_hits(library, [_whole(asked)], text, names) if names else []
    if encoder is not None and not words_only:
        rows = [row for row in library.store.channels(asked.video.id) if row.name in names]
        words_only = next((told for row in rows if (told := other_vectors(row, encoder))), "")
    if encoder is None or words_only:
        return _by_shared_words(library, asked, hits, names, words_only)
    held = library.entries.get(library.store, asked.video.id, encoder)
    cosines = (held.matrix @ encoder.encode([text], query=True)[0]).tolist()
    shares = {hit.entry.id: hit.idf for hit in hits}
    known = [row for row, entry in enumerate(held.entries) if entry.channel in names and held.matrix[row].any()]
    best = sorted((cosines[row] for row in known), reverse=True)
    usual = max([LEAST_USUAL, *best[CROWD - 1 : CROWD]])
    sought = [Occurrence(words) for words in quoted]
    items = []
    for row in known:
        entry = held.entries[row]
        fit = cosines[row] + SHARED_WORDS * shares.get(entry.id, 0.0) ** 2
        lost = 1.0 - min((one.score(entry.text, 0.0, entry.channel == "screen_text") for one in sought), default=1.0)
        items.append(_item(entry, 2 * fit - usual - QUOTED * lost, FIT))
    return ScoredEntries(_in_time_order(items), {}, producer=encoder.producer)


def _by_shared_words(
    library: Library, asked: Asked, hits: Sequence[WordHit], names: tuple[str, ...], why: str
) -> ScoredEntries:
    from agent_tools.grounding import Background

    background = {
        f"{name}:words": Background(0.0, 0.0, len(library.store.entries(asked.video.id, channels=(name,))))
        for name in names
    }
    return ScoredEntries(_in_time_order([_item(hit.entry, hit.idf, "words") for hit in hits]), background, why)


def by_words(library: Library, asked: Asked, named: Named, channels: tuple[str, ...]) -> ScoredEntries:
    """Entries that hold the words an event names, wholly (score 1) or in part; see `Occurrence`.

    How surely words stand somewhere does not depend on the rest of the video: there is no background."""
    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    best: list[dict[tuple[float, float, str, str], float]] = []
    for words in named.words:
        found: dict[tuple[float, float, str, str], float] = {}
        occurrence = Occurrence(words)
        whole = {hit.entry.id for hit in word_hits(library, [asked], f'"{words}"', names)}
        share = {hit.entry.id: hit.idf for hit in word_hits(library, [asked], words, names)}
        for name in names:
            entries = library.store.entries(
                asked.video.id, channels=(name,), start_s=asked.span.start_s, end_s=asked.span.end_s
            )
            for entry in entries:
                stands = entry.id in whole
                score = 1.0 if stands else occurrence.score(entry.text, share.get(entry.id, 0.0), name == "screen_text")
                if score > 0:
                    found[_key(entry)] = score
            for one, other in itertools.pairwise(entries):
                if other.start_s - one.end_s <= JOINED_GAP_S and occurrence.across(one.text, other.text):
                    found[one.start_s, max(one.end_s, other.end_s), name, f"{one.text} {other.text}"] = 1.0
        best.append(found)
    keys = {key for found in best for key in found}
    items = []
    for start_s, end_s, channel, text in keys:
        scores = [found.get((start_s, end_s, channel, text), 0.0) for found in best]
        score = min(scores) if named.all_of_them else max(scores)
        if score > 0:
            items.append(_made(start_s, end_s, channel, score, text, FIT))
    return ScoredEntries(_in_time_order(items), {})


def _whole(asked: Asked) -> Asked:
    return Asked(asked.video, Span(0.0, asked.video.duration_s or asked.span.end_s))


def _key(entry: Entry) -> tuple[float, float, str, str]:
    return entry.start_s, entry.end_s, entry.channel, entry.text


def _item(entry: Entry, score: float, how: str) -> EvidenceItem:
    return _made(*_key(entry)[:3], score, entry.text, how)


def _made(start_s: float, end_s: float, channel: str, score: float, text: str, how: str) -> EvidenceItem:
    from agent_tools.grounding import EvidenceItem

    return EvidenceItem(start_s, max(end_s, start_s + 0.1), channel, score, text, how)


def _in_time_order(items: list[EvidenceItem]) -> tuple[EvidenceItem, ...]:
    return tuple(sorted(items, key=lambda item: (item.start_s, item.end_s, item.channel, item.text, item.how)))
