"""The searches for one event in one video: by texts, by pictures that words can be compared with, by closer looks.

Each is a source of evidence with its own scores and its own calibration: a text's cosine, a picture's cosine and an
entropy are not on one scale."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from agent_tools.errors import EngineError
from agent_tools.progress import OnStep
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.comparable import words_only_because
from agent_tools.service.verdicts.close_looks import CloseLook, Pointer
from agent_tools.service.verdicts.meaning_evidence import (
    ONE_VIDEO,
    Survey,
    by_meaning,
    compared_texts,
    crowd_of_short,
    shares_of_words,
)
from agent_tools.service.verdicts.picture_bounds import refine_bounds
from agent_tools.service.verdicts.picture_evidence import PictureEvidence, picture_evidence
from agent_tools.service.verdicts.quoted_survey import quoted_survey
from agent_tools.service.verdicts.scored_entries import ScoredEntries, best_of, doubtful, localizer
from agent_tools.service.verdicts.segments import DENSE, SPARSE, MemoryPlaces, Segments, sparse_first
from agent_tools.service.verdicts.word_evidence import by_words
from agent_tools.types import CHANNELS, TEXT_CHANNELS

if TYPE_CHECKING:
    from agent_tools.grounding import Calibrator, EvidenceItem, Grounding, Named, Proposal, RelevanceCurveLocalizer
    from agent_tools.models.profiles import TextEncoder
    from agent_tools.models.segment_reader import SegmentReader

SecondLook = Callable[["Proposal"], tuple["Proposal", str]]
# names of calibrations
LOCALIZER = "relevance-curves"  # of events judged by meaning
FEW = "mentions"  # and over a few words that someone may have said, or said something like them
NAMED_WORDS = "named-words"  # the same localizer over words that the event names
PICTURES = "pictures"  # relevance curves over pictures
TRAINED = "trained-pictures"  # a trained adapter over pictures
CLOSER = "video-llm"  # the certainty of a language model that was shown pictures
FEW_WORDS = 4
GUESSES = 3  # named where nothing stands out
LOAD_S = 5.0
NOT_COMPARED = "pictures were not compared with the event: the model or its vectors are not there yet"
VERBATIM = "words as they stand are looked for in texts, not in pictures"
_FRAME = re.compile(
    r"^(?:(?:a|an|the) )?(?:slides?|screen|lecture|talk|text) (?:about|on|of|with|showing) (?=\w)", re.I
)
# Coarse to fine: (window s, stride s, best windows that go on). Stored entries are the evidence: nothing is decoded.
LEVELS = ((180.0, 120.0, 12), (45.0, 30.0, None))
SEGMENTS = LEVELS[0]  # of the trained search, whose windows are as long as its head's


def _nothing(margin_s: float) -> tuple[EvidenceItem, ...]:
    return ()


@dataclass(frozen=True)
class EvidenceSource:
    """What one kind of evidence gave, before anything is made of its scores."""

    calibration: str  # the name of the calibration that knows such scores
    ground: Callable[[], Grounding]  # the search over windows, done when its spans are first asked for
    producer: str  # who made the vectors or answers behind the scores, "" where words alone count
    second_look: SecondLook  # a second look, and what it changed
    score_of: Callable[[float], float] = float  # from a proposal's score to the one that is calibrated
    near: Callable[[], tuple[EvidenceItem, ...]] = tuple  # see `nearest`
    around: Callable[[float], tuple[EvidenceItem, ...]] = _nothing  # the nearest, and what stands so near it
    best: float | None = None  # the best proposal's score, where it is known without the search
    silent: bool = False  # whether it is known without the search that nothing speaks for the event at all
    channels: frozenset[str] = frozenset()  # of what was compared
    probable: bool = False  # whether a score is p(present) without a calibration, as a trained adapter's
    sure_score: float | None = None  # the score without doubtful speech; None where no speech is doubtful
    size: int | None = None  # of how many texts the best one is the best; None where that does not matter

    @cached_property
    def grounding(self) -> Grounding:
        return self.ground()

    @cached_property
    def nearest(self) -> tuple[EvidenceItem, ...]:
        """Of what was compared the nearest, best first, whether or not it stands out at all."""
        return self.near()

    @property
    def best_score(self) -> float | None:
        """Of the best proposal, else of the best refused one; None or 0 where nothing speaks for the event at all."""
        if self.silent:
            return None
        return self.grounding.best_score if self.best is None else self.best

    @property
    def score(self) -> float:
        """The raw score that is calibrated: that of 0 where nothing speaks for the event at all."""
        return self.score_of(self.best_score or 0.0)

    def confidence(self, calibrator: Calibrator | None, score: float) -> float:
        """0..1: p(present), or without a calibration an order alone, where the edge of the noise is .5."""
        if calibrator is None:
            return score if self.probable else score / (1.0 + score)
        return calibrator.probability(self.score_of(score), self.size)

    def probability(self, calibrator: Calibrator) -> float:
        """p(present) of the best proposal."""
        return calibrator.probability(self.score, self.size)

    def sure_probability(self, calibrator: Calibrator) -> float:
        """p(present) without speech that is doubtful."""
        return calibrator.probability(self.score if self.sure_score is None else self.sure_score, self.size)


@dataclass(frozen=True)
class EventSearch:
    """What the parts of one video gave."""

    sources: tuple[EvidenceSource, ...]
    channels: tuple[str, ...] | None  # those asked about: the caller's, or those that the event names
    words_only: str = ""
    scattered: bool = False  # the words that the event quotes stand in different places of the texts
    apart: dict[str, str] = field(default_factory=dict)  # channels left out, and why
    close: CloseLook | None = None  # that looked closer, with a result
    failed: str = ""  # why closer looks ended without a result
    has_nothing: bool = False  # no text that was searched, and no picture that was compared


def search(
    library: Library,
    scope: VideoSpan,
    event: str,
    channels: tuple[str, ...] | None,
    on_step: OnStep,
    *,
    use_video_llm: bool = True,
    survey: Survey = ONE_VIDEO,
) -> EventSearch:
    """Look for an event in one video's span, without a verdict.

    An event that names its channel is asked of that channel alone, as if the caller had.
    Args:
        use_video_llm: whether a model that pictures can be shown to is asked where the profile has one.
        survey: what is known already where many videos are searched; see survey_of."""
    from agent_tools.grounding import named

    on_step(0.05, "scoring entries")
    wording = named(event)
    channels = _asked_of(event, wording, channels)
    searched = channels or CHANNELS
    apart = {}
    seen: PictureEvidence | None = None
    if "frames" in searched:
        seen = picture_evidence(library, scope, event, wait_s=LOAD_S) if wording.rule is None else None
        if seen is None:
            apart["frames"] = VERBATIM if wording.rule is not None else NOT_COMPARED
    sources: list[EvidenceSource] = []
    pointers: list[Pointer] = []
    words_only, scattered = "", False
    has_texts = _has_texts(library, scope, searched)
    if has_texts or seen is None:
        evidence = _texts(library, scope, event, wording, searched, survey=survey)
        words_only, scattered = evidence.words_only, evidence.scattered
        apart |= evidence.foreign
        sources.append(_by_texts(library, scope, event, wording, searched, evidence, on_step, survey))
        curves = localizer()
        pointers.append(Pointer(evidence.look, curves, curves.settings.edge))
    if seen is not None:
        sources.append(_by_pictures(library, scope, event, seen, on_step))
        pointers.append(Pointer(seen.look, seen.localizer(), 0.0))
    failed = ""
    close: CloseLook | None = None
    if use_video_llm and "frames" in searched and library.models.has_closer and scope.video.width:
        close = CloseLook(library, scope, event, pointers, on_step, sighted=seen is not None)
        try:
            found = close.ground()
            sources = [one for one in sources if one.calibration not in (PICTURES, TRAINED)] if has_texts else []
            sources.append(EvidenceSource(CLOSER, partial(_itself, found), close.producer, close.second_look))
            apart.pop("frames", None)
        except EngineError as error:
            close, failed = None, f"closer looks failed: {error.described}"
            if seen is None:
                apart["frames"] = failed
    has_nothing = not has_texts and seen is None and close is None
    return EventSearch(tuple(sources), channels, words_only, scattered, apart, close, failed, has_nothing)


def _asked_of(event: str, wording: Named, channels: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The channels that the event names, among those that the caller asked of."""
    from agent_tools.grounding import could_show

    if wording.rule is None:
        return channels
    return tuple(name for name in CHANNELS if name in could_show(event, channels or CHANNELS))


def _by_texts(
    library: Library,
    scope: VideoSpan,
    event: str,
    wording: Named,
    channels: tuple[str, ...],
    evidence: ScoredEntries,
    on_step: OnStep,
    survey: Survey,
) -> EvidenceSource:
    """The search of the texts. Where speech is doubtful, it says what the rest scores, too."""
    curves, name = localizer(), calibration_of(wording)
    source = _by_curves(scope, event, name, evidence, curves, on_step)
    if not _has_doubts(library, scope, channels):
        return source
    sure = _texts(library, scope, event, wording, channels, sure_only=True, survey=survey)
    return replace(source, sure_score=_by_curves(scope, event, name, sure, curves, on_step).score)


def _by_pictures(
    library: Library, scope: VideoSpan, event: str, seen: PictureEvidence, on_step: OnStep
) -> EvidenceSource:
    """The search of the pictures: by a trained adapter where there is one, else by their relevance curves."""
    reader, memory = library.models.segment_reader, library.models.picture_memory
    places = None if memory is None else MemoryPlaces(seen, memory)
    if reader.seconds:
        return _by_training(scope, event, seen, reader, places, on_step)
    curves = seen.localizer()
    segments = Segments(seen, curves, reader, places)
    source = _by_curves(scope, event, PICTURES, seen, curves, on_step, seen.score, segments)
    return replace(source, second_look=_exactly(library, scope, seen, source.second_look, on_step))


def calibration_of(wording: Named) -> str:
    """The name of the calibration for events so worded: their scores mean different things."""
    if wording.rule is None:
        return LOCALIZER
    if wording.rule.verbatim:
        return NAMED_WORDS
    return FEW if len(" ".join(wording.words).split()) <= FEW_WORDS else LOCALIZER


def survey_of(library: Library, scopes: Sequence[VideoSpan], event: str, channels: tuple[str, ...] | None) -> Survey:
    """What is known of many videos before each is searched."""
    from agent_tools.grounding import named

    wording = named(event)
    text, asked = _compared(event, wording), _asked_of(event, wording, channels) or CHANNELS
    quotations = wording.as_they_stand
    quoted = quoted_survey(library, scopes, quotations, asked) if quotations else None
    if not text or library.models.text(LOAD_S) is None:
        return Survey(quoted=quoted)
    shares = shares_of_words(library, scopes, text, asked)
    groups: dict[TextEncoder, list[VideoSpan]] = {}
    for one in scopes:
        if (encoder := library.text_encoder(one.video.id)) is not None:
            groups.setdefault(encoder, []).append(one)
    comparisons = {
        encoder.producer: compared_texts(library, group, encoder, text)
        for encoder, group in groups.items()
        if not words_only_because(library, encoder, text)
    }
    own = library.models.text()
    if own is None or own.producer not in comparisons:
        return Survey(comparisons=comparisons, shares=shares, quoted=quoted)
    crowds = crowd_of_short(library, scopes, own, comparisons[own.producer], channels or CHANNELS)
    return Survey(crowds, comparisons, shares, quoted)


def _compared(event: str, wording: Named) -> str:
    """What texts are compared with by meaning; "" where they are not."""
    if wording.rule is None:
        return _FRAME.sub("", event)
    return "" if wording.rule.verbatim else " ".join(wording.words)


def _texts(
    library: Library,
    scope: VideoSpan,
    event: str,
    wording: Named,
    channels: tuple[str, ...],
    *,
    sure_only: bool = False,
    survey: Survey = ONE_VIDEO,
) -> ScoredEntries:
    text = _compared(event, wording)
    if not text:
        return by_words(library, scope, wording, channels, sure_only=sure_only, survey=survey.quoted)
    quoted = wording.words if wording.rule is None else ()
    return by_meaning(library, scope, text, channels, quoted, sure_only=sure_only, survey=survey)


def _has_doubts(library: Library, scope: VideoSpan, channels: tuple[str, ...]) -> bool:
    """Whether speech in the span is doubtful."""
    if "speech" not in channels or not any(row.name == "speech" for row in library.store.channels(scope.video.id)):
        return False
    span = scope.span

    def found() -> bool:
        heard = library.store.entries(scope.video.id, channels=("speech",), start_s=span.start_s, end_s=span.end_s)
        return any(doubtful(entry) for entry in heard)

    return library.of_video.get(scope.video.id, ("doubtful speech", span), found)


def _has_texts(library: Library, scope: VideoSpan, channels: tuple[str, ...]) -> bool:
    """Whether the video holds any text that could be searched."""
    rows = library.store.channels(scope.video.id)
    texts = [name for name in TEXT_CHANNELS if name in channels]
    return any(row.entries for row in rows if row.name in texts) or bool(
        "notes" in texts and library.store.count_notes(scope.video.id)
    )


def _by_curves(
    scope: VideoSpan,
    event: str,
    calibration: str,
    evidence: ScoredEntries | PictureEvidence,
    curves: RelevanceCurveLocalizer,
    on_step: OnStep,
    score_of: Callable[[float], float] = float,
    segments: Segments | None = None,
) -> EvidenceSource:
    from agent_tools.grounding import Grounder, Level, verify

    def on_look(done: int, total: int) -> None:
        on_step(0.1 + 0.2 * done / max(1, total), f"looked into {done} windows")

    def second_look(proposal: Proposal) -> tuple[Proposal, str]:
        second = verify(event, proposal, curves, evidence.look, scope.video.duration_s or proposal.end_s, fps=0.0)
        return second.after or proposal, second.text

    start_s, end_s = scope.span.start_s, scope.span.end_s

    def ground() -> Grounding:
        if segments is not None:
            return Grounder(sparse_first(LEVELS), segments).ground(event, start_s, end_s, segments.look, on_look)
        levels = [Level(length_s, stride_s, 0.0, top_k) for length_s, stride_s, top_k in LEVELS]
        return Grounder(levels, curves).ground(event, start_s, end_s, evidence.look, on_look)

    def nearest() -> tuple[EvidenceItem, ...]:
        if isinstance(evidence, ScoredEntries):
            return evidence.best(scope.span, GUESSES)
        return best_of(evidence.look(start_s, end_s).items, GUESSES)

    best, channels, size = None, frozenset[str](), None
    around: Callable[[float], tuple[EvidenceItem, ...]] = _nothing
    if isinstance(evidence, ScoredEntries):
        size, around = evidence.size, partial(evidence.around_best, scope.span)
        best, channels = evidence.highest(scope.span), evidence.channels_in(scope.span)
    else:
        channels = frozenset(item.channel for item in evidence.look(start_s, end_s).items)
    return EvidenceSource(
        calibration,
        ground,
        evidence.producer,
        second_look,
        score_of,
        nearest,
        around,
        None if best is None else curves.height(best, {}),
        channels=channels,
        size=size,
        silent=isinstance(evidence, ScoredEntries) and evidence.is_empty,
    )


def _by_training(
    scope: VideoSpan,
    event: str,
    seen: PictureEvidence,
    reader: SegmentReader,
    places: MemoryPlaces | None,
    on_step: OnStep,
) -> EvidenceSource:
    """The search of a trained adapter: segments first, then windows as long as its head's, by half a window."""
    from agent_tools.grounding import Grounder, Level
    from agent_tools.service.verdicts.trained_windows import TrainedWindows

    def on_look(done: int, total: int) -> None:
        on_step(0.1 + 0.2 * done / max(1, total), f"looked into {done} windows")

    length_s, stride_s, top_k = SEGMENTS
    window_s = float(reader.seconds)
    levels = [Level(max(length_s, window_s), stride_s, SPARSE, top_k), Level(window_s, window_s / 2, DENSE)]
    trained = TrainedWindows(seen, reader, places)
    found = Grounder(levels, trained, "raw").ground(event, scope.span.start_s, scope.span.end_s, trained.look, on_look)
    return EvidenceSource(
        TRAINED,
        partial(_itself, found),
        f"{seen.producer}, {reader.producer}",
        lambda proposal: (proposal, "found by the trained adapter; not looked at again"),
        channels=frozenset(["frames"]),
        probable=True,
    )


def _itself(found: Grounding) -> Grounding:
    return found


def _exactly(
    library: Library, scope: VideoSpan, seen: PictureEvidence, second_look: SecondLook, on_step: OnStep
) -> SecondLook:
    """A second look at pictures, then at the moments around each bound."""

    def look(proposal: Proposal) -> tuple[Proposal, str]:
        from agent_tools.grounding import changes

        held, change = second_look(proposal)
        fine = refine_bounds(library, scope, held, seen, lambda: on_step(0.9, "looking at the bounds"))
        return fine, change if fine == held else f"{change}; by pictures in between: {changes(held, fine)}"

    return look
