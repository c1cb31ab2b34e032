"""A verdict on one video: what its searches found, joined, looked at again, calibrated and decided.

The likeliest of the searches decides for the event."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from agent_tools.channels import channel
from agent_tools.errors import EngineError
from agent_tools.progress import OnStep
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.replies import coverage
from agent_tools.service.verdicts import absence
from agent_tools.service.verdicts.calibrations import calibrator_for
from agent_tools.service.verdicts.counterparts import near_only
from agent_tools.service.verdicts.event_search import (
    CLOSER,
    GUESSES,
    PICTURES,
    TRAINED,
    EventSearch,
    EvidenceSource,
    search,
)
from agent_tools.service.verdicts.meaning_evidence import ONE_VIDEO, Survey
from agent_tools.timeline import Span, clock, rounded, video_uri
from agent_tools.types import CHANNELS, Coverage, LevelOut, NotJudged, SpanOut
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from agent_tools.grounding import Calibrator, Named, Proposal, Verdict

EVIDENCE_LENGTH = 160
ALSO, RAW = "; also ", " (confidence raw)"
FOUND_APART = "found apart: the quoted words stand in different places, not together in one"
DOUBTFUL = "only speech that the speech model is in doubt of speaks for it: look with zoom_segment, or ask the user"
NOTHING_TO_SEARCH = "nothing of the video could show this: "
NO_TEXT = "nothing was compared with the event: the video has no text in these channels"
BELOW = 0.5  # share of a raw confidence beside calibrated ones: it is no probability


Candidate = tuple[
    float, Callable[[float], float], EvidenceSource, "Proposal"
]  # confidence, how it is made of a score, ...


@dataclass(frozen=True)
class Judgement:
    """One video's outcome before it is written as a reply."""

    scope: VideoSpan
    verdict: Verdict
    kind: Literal["calibrated", "raw"]
    probability: float | None  # calibrated p(present) behind the verdict; None where scores are raw
    spans: list[SpanOut]
    more: int
    rejected: SpanOut | None
    judged: list[str]
    not_judged: list[NotJudged]
    coverage: Coverage
    levels: list[LevelOut]
    failed: str  # why closer looks ended without a result
    guesses: list[str]  # uris to look at, where nothing was found and pictures were not judged
    guessed: str  # what lies there: the nearest texts, or episodes of a level if there are no texts


@dataclass(frozen=True)
class Reached:
    """A verdict on one video before its spans are looked for: of a library, only a few are shown."""

    scope: VideoSpan
    event: str
    found: EventSearch
    weighted: Sequence[tuple[EvidenceSource, Calibrator | None]]
    verdict: Verdict
    probability: float | None
    judged: list[str]
    not_judged: dict[str, str]
    coverage: Coverage

    @property
    def raw(self) -> bool:
        return self.probability is None

    @property
    def confidence(self) -> float:
        """About that of the best span, found or refused."""
        comparable = [(source, one) for source, one in self.weighted if self.raw or one is not None]
        scores = [(source, one, source.best_score) for source, one in comparable]
        return max((source.confidence(one, score) for source, one, score in scores if score is not None), default=0.0)


def judge(
    library: Library,
    scope: VideoSpan,
    event: str,
    channels: tuple[str, ...] | None,
    max_spans: int,
    on_step: OnStep,
) -> Judgement:
    """Ground an event in one video's span and reach a verdict about the channels that were searched.

    Args:
        max_spans: how many spans are looked at a second time and returned."""
    return with_spans(library, reach(library, scope, event, channels, on_step), max_spans, on_step)


def reach(
    library: Library,
    scope: VideoSpan,
    event: str,
    channels: tuple[str, ...] | None,
    on_step: OnStep,
    *,
    use_video_llm: bool = True,
    survey: Survey = ONE_VIDEO,
) -> Reached:
    """The verdict about the channels that were searched.

    Args:
        survey: see event_search.search."""
    from agent_tools.grounding import PRESENT_AT_LEAST, could_show, decide, named

    found = search(library, scope, event, channels, on_step, use_video_llm=use_video_llm, survey=survey)
    calibrated = [(source, _calibrator(library, source, found.words_only)) for source in found.sources]
    likely = [source.probability(calibrator) for source, calibrator in calibrated if calibrator is not None]
    # one calibrated search suffices for "present"; nothing less than all of them for any other verdict
    raw = not likely or (len(likely) < len(calibrated) and max(likely) < PRESENT_AT_LEAST)
    notes = _notes(found)
    searched = coverage.coverage(library, [scope], found.channels, notes, short=True)
    judged, not_judged = _judged(library, scope, found.channels or CHANNELS, notes)
    kind: Literal["calibrated", "raw"] = "raw" if raw else "calibrated"
    probability = None if raw else max(likely)
    able = could_show(event, found.channels or CHANNELS)
    doubt = _doubt(found)
    if not judged and not not_judged:  # the file has no such channel, so a share and a probability say nothing
        views = [coverage.view(library, scope, name, notes) for name in sorted(able, key=CHANNELS.index)]
        doubt = NOTHING_TO_SEARCH + ", ".join(f"{view.name} ({view.phrase})" for view in views)
    verdict = decide(probability, kind, searched.share, judged, not_judged, able, doubt, _why_raw(found))
    if verdict.verdict == "absent":  # not found, so what matters now is whether it would have been found
        asked, able_judged = _asked(event, named(event)), [name for name in judged if name in able]
        missed = absence.missed(library, scope, asked, able_judged, survey.quoted)
        not_judged |= missed
        judged = [name for name in judged if name not in missed]
        verdict = decide(probability, kind, searched.share, judged, not_judged, able, doubt)
    if verdict.verdict == "present" and _surest(calibrated) < PRESENT_AT_LEAST:
        verdict = replace(verdict, verdict="uncertain", reason=DOUBTFUL)
    elif verdict.verdict == "present" and (why := near_only(library, scope, event, calibrated)):
        verdict = replace(verdict, verdict="uncertain", reason=why)
    weighted = [(source, None if raw else one) for source, one in calibrated]
    return Reached(scope, event, found, weighted, verdict, probability, judged, not_judged, searched)


def with_spans(library: Library, one: Reached, max_spans: int, on_step: OnStep) -> Judgement:
    """The judgement with its best spans, each looked at a second time."""
    scope, found, raw = one.scope, one.found, one.raw
    candidates = _candidates(one.weighted, beside_calibrated=not raw)
    accepted, spans = _looked_again(scope, candidates, max_spans, on_step)
    searched = one.coverage
    if found.close is not None:  # the second looks of a moment ago are looks too
        searched = coverage.coverage(library, [scope], found.channels, _notes(found), short=True)
    guesses, guessed = _guesses(library, scope, found.sources) if not spans and "frames" in one.not_judged else ([], "")
    return Judgement(
        scope,
        one.verdict,
        "raw" if raw else "calibrated",
        one.probability,
        sorted(spans, key=lambda span: -span.confidence),
        sum(all(_apart(candidate, kept) for kept in accepted) for _, _, _, candidate in candidates),
        _best_rejected(scope, [pair for pair in one.weighted if raw or pair[1] is not None], candidates),
        one.judged,
        [NotJudged(channel=name, why=why) for name, why in one.not_judged.items()],
        searched,
        _levels(found.sources),
        found.failed,
        guesses,
        guessed,
    )


def _notes(found: EventSearch) -> coverage.SearchNotes:
    looked = {} if found.close is None else {"frames": found.close.described()}
    return coverage.SearchNotes(found.words_only, apart=found.apart, looked=looked)


def _judged(
    library: Library, scope: VideoSpan, channels: Sequence[str], notes: coverage.SearchNotes
) -> tuple[list[str], dict[str, str]]:
    """The channels that were searched, and of those that were not, but could hold something, why."""
    views = [coverage.view(library, scope, name, notes) for name in channels]
    not_judged = {v.name: v.phrase for v in views if not v.searched and not _empty(library, scope, v.name)}
    searched = [view.name for view in views if view.searched]
    if "speech" in not_judged and coverage.subtitles_stand_for_speech(library, scope):
        del not_judged["speech"]
    if "subtitles" in not_judged and "speech" in searched:  # none was taken, but what is said was heard
        del not_judged["subtitles"]
    return searched, not_judged


def _surest(calibrated: Sequence[tuple[EvidenceSource, Calibrator | None]]) -> float:
    """The best calibrated p(present) without speech that is doubtful."""
    return max(source.sure_probability(calibrator) for source, calibrator in calibrated if calibrator is not None)


def _best_rejected(
    scope: VideoSpan,
    weighted: Sequence[tuple[EvidenceSource, Calibrator | None]],
    candidates: Sequence[Candidate],
) -> SpanOut | None:
    """The likeliest of the spans that the searches refused, apart from all candidates."""
    refused = [
        (source.confidence(calibrator, one.score), one)
        for source, calibrator in weighted
        if (one := source.grounding.best_rejected) is not None
        and all(_apart(one, kept) for _, _, _, kept in candidates)
    ]
    best = max(refused, key=lambda pair: pair[0], default=None)
    return None if best is None else _span(scope, best[1], best[0], None)


def _looked_again(
    scope: VideoSpan, candidates: Sequence[Candidate], max_spans: int, on_step: OnStep
) -> tuple[list[Proposal], list[SpanOut]]:
    """At most that many candidates, disjoint, as a second look left them."""
    accepted: list[Proposal] = []
    spans: list[SpanOut] = []
    for _, weigh, part, proposal in candidates:
        if len(spans) == max_spans or not all(_apart(proposal, one) for one in accepted):
            continue
        on_step(0.8 + 0.2 * len(spans) / max_spans, f"looking again at {clock(proposal.start_s)}")
        try:
            after, verified = part.second_look(proposal)
        except EngineError as error:
            after, verified = proposal, f"not looked at again: {error.described}"
        if all(_apart(after, one) for one in accepted):  # else it is the same, seen in two parts
            accepted.append(after)
            spans.append(_span(scope, after, weigh(after.score), verified))
    return accepted, spans


def _candidates(
    weighted: Sequence[tuple[EvidenceSource, Calibrator | None]], *, beside_calibrated: bool
) -> list[Candidate]:
    """The proposals of all sources, likeliest first; one that overlaps a likelier one only adds its evidence to it.

    Args:
        beside_calibrated: what has no calibration stands below what has one, and says so."""
    ranked: list[Candidate] = []
    for part, calibrator in weighted:
        below = beside_calibrated and calibrator is None
        weigh: Callable[[float], float] = functools.partial(_weighed, part, calibrator, BELOW if below else 1.0)
        ranked += [
            (weigh(one.score), weigh, part, replace(one, evidence=one.evidence + RAW) if below else one)
            for one in part.grounding.proposals
        ]
    kept: list[Candidate] = []
    for candidate in sorted(ranked, key=lambda each: (-each[0], -each[3].score, each[3].start_s)):
        beside = next((place for place, each in enumerate(kept) if not _apart(each[3], candidate[3])), None)
        if beside is None:
            kept.append(candidate)
            continue
        confidence, weigh, part, best = kept[beside]
        if part is not candidate[2] and ALSO not in best.evidence:
            kept[beside] = confidence, weigh, part, replace(best, evidence=best.evidence + ALSO + candidate[3].evidence)
    return kept


def _weighed(part: EvidenceSource, calibrator: Calibrator | None, share: float, score: float) -> float:
    return share * part.confidence(calibrator, score)


def _apart(one: Proposal, other: Proposal) -> bool:
    """Whether they share no moment."""
    return one.start_s >= other.end_s or one.end_s <= other.start_s


def _calibrator(library: Library, part: EvidenceSource, words_only: str) -> Calibrator | None:
    if words_only and part.calibration not in (PICTURES, TRAINED, CLOSER):
        return None
    if not all(channel(name).calibrated for name in part.channels):
        return None
    return calibrator_for(part.calibration, library.models.profile.name, part.producer, library.settings.home)


def _levels(sources: Sequence[EvidenceSource]) -> list[LevelOut]:
    """Coarse to fine; windows that several sources look into are counted once."""
    seen: dict[float, tuple[int, int]] = {}
    for source in sources:
        for level in source.grounding.levels:
            windows, frames = seen.get(level.window_s, (0, 0))
            seen[level.window_s] = max(windows, level.windows), frames + level.frames
    return [
        LevelOut(window_s=window_s, windows=windows, frames=frames)
        for window_s, (windows, frames) in sorted(seen.items(), reverse=True)
    ]


def _asked(event: str, wording: Named) -> absence.Asked:
    return absence.Asked(event, wording.as_they_stand, by_meaning=wording.rule is None or not wording.rule.verbatim)


def _doubt(found: EventSearch) -> str:
    """Why this search must not end in "absent", whatever its scores."""
    if found.scattered:
        return FOUND_APART
    if found.close is not None and found.close.left_out:
        return f"{found.close.left_out} windows were not looked into: the looks of one call are bounded"
    return ""


def _why_raw(found: EventSearch) -> str:
    """Why nothing has a calibrated score although lite's searches have calibrations; "" where none is fitted."""
    return NO_TEXT if found.words_only and found.has_nothing else found.words_only


def _guesses(library: Library, scope: VideoSpan, sources: Sequence[EvidenceSource]) -> tuple[list[str], str]:
    """Where to look, and what lies there: the nearest texts, else a few episodes from all over the span."""
    span = scope.span
    places = [Span(item.start_s, item.end_s) for item in sources[0].nearest]
    named = "nearest texts"
    for level in ("chapter", "scene"):
        if not places:
            named = f"{level}s"
            every = [
                Span(one.start_s, one.end_s)
                for one in library.store.episodes(scope.video.id, level, span.start_s, span.end_s)
            ]
            places = every[:: max(1, -(-len(every) // GUESSES))]
    nearest = [place.clipped(span.start_s, span.end_s) for place in places]
    return list(dict.fromkeys(video_uri(scope.video.id, one.start_s, one.end_s) for one in nearest if one)), named


def _span(scope: VideoSpan, proposal: Proposal, confidence: float, verified: str | None) -> SpanOut:
    part = Span(proposal.start_s, proposal.end_s).clipped(scope.span.start_s, scope.span.end_s) or scope.span
    times = f" {rounded(proposal.start_s):g}-{rounded(proposal.end_s):g}"
    evidence = clean(proposal.evidence, EVIDENCE_LENGTH - len(times)) + times
    return SpanOut(
        start_s=rounded(part.start_s),
        end_s=rounded(part.end_s),
        at=clock(part.start_s),
        confidence=round(min(1.0, max(0.0, confidence)), 3),
        evidence=evidence,
        verified=verified,
        uri=video_uri(scope.video.id, part.start_s, part.end_s),
    )


def _empty(library: Library, scope: VideoSpan, name: str) -> bool:
    """Whether the file has nothing that this channel could have searched."""
    video = scope.video
    match channel(name).derived_from:
        case "sound":
            return video.has_audio is False
        case "pictures":
            return not video.width
        case "file":
            row = library.store.channel(video.id, name)
            return row is not None and row.state == "absent" and not row.detail.not_taken
        case "agents":
            return False
