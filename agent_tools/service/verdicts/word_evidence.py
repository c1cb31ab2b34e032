"""Evidence by words: the entries that hold the words that an event names, in one entry or over several.

An event that names its words ("'Mitigation' on a slide") is about these words: an entry that only means the same does
not show it, and no sentence encoder is needed to find them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.recall import ALL_WORDS, word_hits
from agent_tools.service.verdicts.quoted_survey import QuotedSurvey
from agent_tools.service.verdicts.quoted_words import PART, Occurrence, compact_ascii
from agent_tools.store import Entry, spelling, timed_words
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    from agent_tools.grounding import EvidenceItem, Named
from agent_tools.service.verdicts.scored_entries import FIT, Fits, Place, ScoredEntries, doubtful, key_of, made_item

JOINED_GAP_S = 3.0  # a sentence that goes on in the next cue after no longer a pause
STANDS = 0.53  # from this score on words stand somewhere: the edge of the noise of FIT


def by_words(
    library: Library,
    scope: VideoSpan,
    named: Named,
    channels: tuple[str, ...],
    *,
    sure_only: bool = False,
    survey: QuotedSurvey | None = None,
) -> ScoredEntries:
    """Entries that hold the words an event names, wholly (score 1) or in part; see `Occurrence`.

    How surely words stand somewhere does not depend on the rest of the video: there is no background. Several
    quotations that are asked for together may stand in two entries that follow each other. Where they stand farther
    apart, each of their places is named, as one that shows a part.
    Args:
        sure_only: leave out speech that the speech model is unsure of.
        survey: what is known already where many videos are judged."""
    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    known = survey if survey is not None and survey.knows(scope, names) else None
    if known is not None:
        enough = all if named.all_of_them else any
        if not enough(known.may_stand(words, scope.video.id, names) for words in named.words):
            return ScoredEntries(lambda rows: [], {}, fits=_fits([]))
    whole = {words: _phrases(library, scope, words, names, known) for words in named.words}
    if known is not None and not sure_only:
        stretches = known.stretches(named.words, scope.video.id, names, set[int]().union(*whole.values()))
        tracks = _stretches(library, stretches)
    else:
        tracks = _tracks(library, scope, names, sure_only=sure_only)
    best = [_places(library, scope, words, names, tracks, whole[words], known) for words in named.words]
    together = min if named.all_of_them else max
    scores = {place: together(found.get(place, 0.0) for found in best) for found in best for place in found}
    if named.all_of_them:
        for one, other in (pair for entries in tracks for pair in itertools.pairwise(entries)):
            score = min(max(found.get(key_of(one), 0.0), found.get(key_of(other), 0.0)) for found in best)
            if _follows(other, one) and score > max(scores.get(key_of(one), 0.0), scores.get(key_of(other), 0.0)):
                scores[_run((one, other))] = score
    scattered = max(scores.values(), default=0.0) < STANDS <= min(max(found.values(), default=0.0) for found in best)
    if scattered:
        scores |= {place: PART for found in best for place, score in found.items() if score >= STANDS}
    spoken = {key_of(entry): entry for entries in tracks for entry in entries if timed_words.WORDS in entry.extra}
    items = []
    for place, score in scores.items():
        said = timed_words.span_of(spoken[place], named.words) if score == 1.0 and place in spoken else None
        start_s, end_s = (place[0], place[1]) if said is None else (said.start_s, said.end_s)
        if score > 0:
            items.append(made_item(start_s, end_s, place[2], score, place[3], FIT))
    once = len({(item.start_s, item.end_s, item.channel, item.text) for item in items}) == len(items)
    return ScoredEntries(
        lambda rows: items if rows is None else [items[row] for row in rows],
        {},
        scattered=scattered,
        fits=_fits(items) if once else None,
    )


def _phrases(
    library: Library, scope: VideoSpan, words: str, names: tuple[str, ...], survey: QuotedSurvey | None
) -> set[int]:
    """The ids of entries that hold a quotation as the word index has it: forms of a word count."""
    if not names or (survey is not None and scope.video.id not in survey.phrases[words]):
        return set()
    return {hit.entry.id for hit in word_hits(library, [scope], f'"{words}"', names)}


def _tracks(library: Library, scope: VideoSpan, names: tuple[str, ...], *, sure_only: bool) -> list[list[Entry]]:
    """The entries of the span, track by track."""
    tracks: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    span = scope.span
    for entry in library.store.entries(
        scope.video.id, channels=names, start_s=span.start_s, end_s=span.end_s, unsure=True
    ):
        if not (sure_only and doubtful(entry)):
            tracks[entry.channel, str(entry.extra.get("track", ""))].append(entry)
    return list(tracks.values())


def _stretches(library: Library, ids: Sequence[Sequence[int]]) -> list[list[Entry]]:
    """The entries with these ids, in the same stretches."""
    known = {entry.id: entry for entry in library.store.entries_by_id(id_ for stretch in ids for id_ in stretch)}
    return [[known[id_] for id_ in stretch if id_ in known] for stretch in ids]


def _fits(items: Sequence[EvidenceItem]) -> Fits:
    import numpy as np

    spans = np.array([(item.start_s, item.end_s) for item in items], np.float64).reshape(-1, 2)
    return Fits(spans, [item.channel for item in items], np.array([item.score for item in items], np.float64))


def _places(
    library: Library,
    scope: VideoSpan,
    words: str,
    names: tuple[str, ...],
    tracks: Sequence[Sequence[Entry]],
    whole: Collection[int],
    survey: QuotedSurvey | None,
) -> dict[Place, float]:
    """Where one quotation stands, in one entry or running over several, and how surely.

    Args:
        whole: the ids of entries that hold it as the word index has it."""
    found: dict[Place, float] = {}
    occurrence = Occurrence(words)
    share: Mapping[int, float] = {}
    if survey is not None:
        there = survey.shares[words].get(scope.video.id, {})
        unsure = {entry.id for entries in tracks for entry in entries if entry.unsure}
        share = {id_: part for id_, part in there.items() if part >= ALL_WORDS or id_ not in unsure}
    elif names:
        share = {hit.entry.id: hit.idf for hit in word_hits(library, [scope], words, names)}
    for entries in tracks:
        for entry in entries:
            is_read = entry.channel == "screen_text"
            score = occurrence.score(entry.text, share.get(entry.id, 0.0), is_read) if entry.id not in whole else 1.0
            if score > 0:
                found[key_of(entry)] = score
        found |= {_run(run): 1.0 for run in _runs(occurrence, entries)}
    return found


def _runs(occurrence: Occurrence, entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Entries in a row over which the words run: a sentence in two cues, or captions of a word each."""
    if len(occurrence.tokens) < 2:
        return
    worded = [entry for entry in entries if _has_words(entry.text)]
    for place in range(len(worded)):
        if not occurrence.may_begin_in(worded[place].text):
            continue
        run = worded[place : place + 1]
        for one, other in itertools.pairwise(worded[place : place + len(occurrence.tokens)]):
            if not _follows(other, one):
                break
            run.append(other)
        if count := occurrence.across([entry.text for entry in run]):
            yield run[:count]


def _has_words(text: str) -> bool:
    compact = compact_ascii(text)
    return bool(spelling.words(text) if compact is None else compact)


def _follows(other: Entry, one: Entry) -> bool:
    return other.start_s - one.end_s <= JOINED_GAP_S


def _run(entries: Sequence[Entry]) -> Place:
    end_s = max(entry.end_s for entry in entries)
    return entries[0].start_s, end_s, entries[0].channel, " ".join(entry.text for entry in entries)


def stand_apart(
    library: Library, scope: VideoSpan, quoted: tuple[str, ...], names: tuple[str, ...], survey: QuotedSurvey | None
) -> bool:
    """Whether words that no entry holds stand over several."""
    from agent_tools.grounding import Named

    found = by_words(library, scope, Named(None, quoted, True), names, survey=survey)
    return any(one.score >= STANDS for one in found.items)
