"""Evidence by meaning and by words: every text entry of a video scored against an event that names no words.

An event that names its words goes by them alone: see word_evidence. judgement.py makes verdicts from the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.comparable import limit, other_vectors, words_only_because
from agent_tools.service.search.recall import TOP_WORDS, word_hits
from agent_tools.service.verdicts.quoted_survey import QuotedSurvey
from agent_tools.service.verdicts.quoted_words import Occurrence
from agent_tools.service.verdicts.scored_entries import FIT, Fits, ScoredEntries, doubtful, items_of
from agent_tools.service.verdicts.text_facts import TextFacts, read_enough, text_facts
from agent_tools.service.verdicts.word_evidence import STANDS, stand_apart
from agent_tools.store import Entry
from agent_tools.timeline import Span
from agent_tools.types import TEXT_CHANNELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.grounding import EvidenceItem
    from agent_tools.models.profiles import TextEncoder
    from agent_tools.service.verdicts.text_comparison import ComparedTexts, TextComparison


SHARED_WORDS = 0.5  # what an entry with all words of the event gains; squared, so that common words are little
QUOTED = 1.0  # as much as the best paraphrase has
CROWD = 4  # the fourth best cosine is usual: an event may be told a few times
USUAL_OF_FEW = 0.3  # of fewer texts, which have no crowd; more than two unrelated sentences have, to be cautious
# Vectors of lite's older encoder are judged as their calibrations were fitted: by the eighth best, and at least this.
OLDER_ENCODER, OLDER_CROWD, OLDER_LEAST = "minilm-l6-v2@53aa5117/1", 8, 0.25
SHORT = 64  # lines; a film of fewer has no crowd of its own


@dataclass(frozen=True)
class Crowd:
    """What the best text of a video is judged beside: a cosine that is usual at least, and at least so many texts."""

    usual: float = 0.0
    size: int = 1


@dataclass(frozen=True)
class Survey:
    """What is known of an event and of many videos before each of them is judged; of a single one nothing is."""

    crowds: Mapping[str, Crowd] = field(default_factory=dict)  # by video; see crowd_of_short
    comparisons: Mapping[str, TextComparison] = field(default_factory=dict)  # by the producer of the vectors
    shares: Mapping[str, Mapping[int, float]] | None = None  # by video and entry; see shares_of_words
    quoted: QuotedSurvey | None = None  # of the words that the event quotes

    def crowd(self, scope: VideoSpan) -> Crowd:
        return self.crowds.get(scope.video.id, ALONE)

    def comparison(self, library: Library, scope: VideoSpan, encoder: TextEncoder, text: str) -> TextComparison:
        """What compared the video's texts with the event; made here for a single one."""
        return self.comparisons.get(encoder.producer) or compared_texts(library, [scope], encoder, text)


ALONE = Crowd()  # a video by itself
ONE_VIDEO = Survey()


def compared_texts(library: Library, scopes: Sequence[VideoSpan], encoder: TextEncoder, text: str) -> TextComparison:
    from agent_tools.service.verdicts.text_comparison import TextComparison

    return TextComparison(library, scopes, encoder, library.models.query_vector(encoder, text))


def by_meaning(
    library: Library,
    scope: VideoSpan,
    text: str,
    channels: tuple[str, ...],
    quoted: tuple[str, ...] = (),
    *,
    wait_s: float = 5.0,
    sure_only: bool = False,
    survey: Survey = ONE_VIDEO,
) -> ScoredEntries:
    """Every entry of the channels scored by meaning and by words, or by words alone without a fitting encoder.

    An entry fits by its cosine and by the words it shares. The video's fourth best cosine is what is usual there, and
    what an entry has above that counts a second time. Of the ways tried to judge scores against a video's own this one
    parted present from absent best (AUC on the calibration's queries .81; the eighth best with a least of .25, or the
    median, .79); beside it the number of lines adds nothing. What is usual is taken from the whole video, not from the
    span. Texts in a language that the encoder does not know are left out.
    Args:
        quoted: words that the event holds in quotation marks among others; an entry without them loses QUOTED.
        sure_only: leave out speech that the speech model is unsure of.
        survey: what is known already where many videos are judged."""
    import numpy as np

    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    encoder = library.text_encoder(scope.video.id, wait_s)
    words_only = words_only_because(library, encoder, text)
    if encoder is not None and not words_only:
        rows = [row for row in library.store.channels(scope.video.id) if row.name in names]
        words_only = next((why for row in rows if (why := other_vectors(row, encoder))), "")
    if encoder is None or words_only:
        return _by_shared_words(library, scope, text, names, words_only, sure_only)
    texts = survey.comparison(library, scope, encoder, text).of(scope.video.id, names)
    facts = text_facts(library, encoder, scope.video.id)
    limited = limit(encoder.languages)
    foreign = {n: limited for n in names if facts.unread and not read_enough(library, scope, n, facts)}
    known = _known(texts, facts, tuple(foreign), sure_only)
    if foreign and not known.any():
        return _by_shared_words(library, scope, text, names, limited, sure_only)
    ids, cosines = texts.ids[known].tolist(), texts.cosines[known]
    usual = max(survey.crowd(scope).usual, _usual(np.sort(cosines)[::-1].tolist(), encoder.producer))
    shares = _shares(library, scope, text, names) if survey.shares is None else survey.shares.get(scope.video.id, {})
    shared = np.array([shares.get(id_, 0.0) for id_ in ids])
    scores = 2 * (cosines.astype(np.float64) + SHARED_WORDS * shared**2) - usual
    scattered = False
    if quoted:
        stands = _standing(library, scope, ids, quoted, names, survey.quoted)
        scores -= QUOTED * (1.0 - stands)
        scattered = float(stands.max(initial=0.0)) < STANDS and stand_apart(
            library, scope, quoted, names, survey.quoted
        )

    def items(rows: Sequence[int] | None) -> list[EvidenceItem]:
        entries = (
            _entries(library, scope, ids) if rows is None else library.store.entries_by_id([ids[row] for row in rows])
        )
        known = dict(zip(ids, scores.tolist(), strict=True))
        return items_of(((entry, known[entry.id]) for entry in entries), FIT)

    there = frozenset(ids) if facts.repeated else frozenset()
    once = all(len(same & there) < 2 for same in facts.repeated)  # the same text twice would count more than its best
    fits = Fits(texts.spans[known], texts.channels[known].tolist(), scores) if once else None
    size = max(survey.crowd(scope).size, len(ids))
    return ScoredEntries(items, {}, "", encoder.producer, foreign, scattered, fits, size)


def _usual(falling: Sequence[float], producer: str) -> float:
    """The cosine that is usual among these, the best first."""
    if producer == OLDER_ENCODER:
        return max([OLDER_LEAST, *falling[OLDER_CROWD - 1 : OLDER_CROWD]])
    return max(0.0, falling[CROWD - 1]) if len(falling) >= CROWD else USUAL_OF_FEW


def _known(texts: ComparedTexts, facts: TextFacts, foreign: tuple[str, ...], sure_only: bool) -> NDArray[np.bool_]:
    """The texts that meaning can judge, (n,): those with a vector, in a channel and a language that are known."""
    import numpy as np

    left_out = facts.unread | facts.doubtful if sure_only else facts.unread
    known: NDArray[np.bool_] = texts.has_vector & ~np.isin(texts.channels, foreign)
    if left_out:
        known &= ~np.isin(texts.ids, np.fromiter(left_out, np.int64, len(left_out)))
    return known


def _entries(library: Library, scope: VideoSpan, ids: Sequence[int]) -> list[Entry]:
    """The video's entries with these ids, in their order."""
    there = {entry.id: entry for entry in library.store.entries(scope.video.id)}
    return [there[id_] for id_ in ids if id_ in there]


def _standing(
    library: Library,
    scope: VideoSpan,
    ids: Sequence[int],
    quoted: tuple[str, ...],
    names: Sequence[str],
    survey: QuotedSurvey | None,
) -> NDArray[np.float64]:
    """How far the quoted words stand in each of the entries: 1 where they stand as they are."""
    import numpy as np

    sought = [Occurrence(words) for words in quoted]
    if survey is not None and survey.knows(scope, names):
        first = sought[0].letters  # a text without one of the quotations has 0
        some = [(one.channel, *text) for one in survey.texts[scope.video.id] for text in one.holding(first)]
    else:
        some = [(entry.channel, entry.id, entry.text) for entry in _entries(library, scope, ids)]
    stands = {id_: min(one.score(text, 0.0, name == "screen_text") for one in sought) for name, id_, text in some}
    return np.array([stands.get(id_, 0.0) for id_ in ids], dtype=np.float64)


def crowd_of_short(
    library: Library,
    scopes: Sequence[VideoSpan],
    encoder: TextEncoder,
    comparison: TextComparison,
    channels: tuple[str, ...],
) -> dict[str, Crowd]:
    """Of a search over many videos: what the best text of each short one is judged beside, by the video's id.

    A film of few lines has no crowd of its own: what its best line would have among a thousand others is not known, and
    of hundreds of such films some come near any event. So all short ones count as one film, whose fourth best cosine is
    usual in each. Videos with SHORT lines or more go by their own.
    Args:
        comparison: of the videos' texts with the event."""
    if len(scopes) <= OLDER_CROWD:
        return {}
    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    best: list[float] = []
    short: list[str] = []
    size = 0
    overview = library.store.overview()
    for scope in scopes:
        known = overview.get(scope.video.id)
        counted = sum(row.entries or 0 for row in known.channels.values() if row.name in TEXT_CHANNELS) if known else 0
        if counted >= SHORT:
            continue  # known without reading its entries
        texts = comparison.of(scope.video.id, names)
        facts = text_facts(library, encoder, scope.video.id)
        if facts.count >= SHORT:
            continue
        short.append(scope.video.id)
        others = sum(facts.without_vector.get(name, 0) for name in names)
        size += len(texts.ids) + others
        best = sorted([*best, *texts.cosines.tolist(), *[0.0] * others], reverse=True)[: max(CROWD, OLDER_CROWD)]
    return dict.fromkeys(short, Crowd(_usual(best, encoder.producer), max(1, size)))


def shares_of_words(
    library: Library, scopes: Sequence[VideoSpan], text: str, channels: tuple[str, ...]
) -> Mapping[str, Mapping[int, float]] | None:
    """By video and entry the share of the event's words; None where each video has to be asked by itself."""
    spans = {one.video.id: (one.span.start_s, one.span.end_s) for one in map(_whole, scopes)}
    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    return library.store.word_shares(text, spans, names, TOP_WORDS)


def _shares(library: Library, scope: VideoSpan, text: str, names: tuple[str, ...]) -> Mapping[int, float]:
    hits = word_hits(library, [_whole(scope)], text, names) if names else []
    return {hit.entry.id: hit.idf for hit in hits}


def _by_shared_words(
    library: Library, scope: VideoSpan, text: str, names: tuple[str, ...], why: str, sure_only: bool
) -> ScoredEntries:
    from agent_tools.grounding import Background

    background = {
        f"{name}:words": Background(0.0, 0.0, len(library.store.entries(scope.video.id, channels=(name,))))
        for name in names
    }
    hits = word_hits(library, [_whole(scope)], text, names) if names else []
    hits = [hit for hit in hits if not (sure_only and doubtful(hit.entry))]
    items = items_of(((hit.entry, hit.idf) for hit in hits), "words")
    return ScoredEntries(lambda rows: items, background, why)


def _whole(scope: VideoSpan) -> VideoSpan:
    return VideoSpan(scope.video, Span(0.0, scope.video.duration_s or scope.span.end_s))
