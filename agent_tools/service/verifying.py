"""ground_event: when does an event happen, or does it not; with a verdict that says no more than was searched.

Knows the grounding engine, scored entries, coverage and replies. Knows nothing of MCP."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.errors import InvalidArgument
from agent_tools.service import coverage
from agent_tools.service.calibrated import calibrator_for
from agent_tools.service.evidence import ScoredEntries, by_meaning, by_words, localizer
from agent_tools.service.fit import check_tokens, clear, drop_gaps, drop_last, fitted, halve, thin
from agent_tools.service.hints import negation_hint
from agent_tools.service.library import Asked, Library, checked_channels
from agent_tools.timeline import Span, clock, rounded, video_uri
from agent_tools.types import (
    CHANNELS,
    TEXT_CHANNELS,
    GroundReply,
    LevelOut,
    NotJudged,
    SpanOut,
    VerdictCounts,
    VideoVerdict,
)
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from agent_tools.grounding import Evidence, Grounding, Named, Proposal, RelevanceCurveLocalizer, Verdict

OnStep = Callable[[float, str], None]
EVENT_LENGTH = 500
EVIDENCE_LENGTH = 160
LOCALIZER = "relevance-curves"  # a name of calibrations: of events judged by meaning
FEW = "mentions"  # and over a few words that someone may have said, or said something like them
FEW_WORDS = 4
_FRAME = re.compile(
    r"^(?:(?:a|an|the) )?(?:slides?|screen|lecture|talk|text) (?:about|on|of|with|showing) (?=\w)", re.I
)
PICTURES = "pictures are not compared with the event"
NAMED_WORDS = "named-words"  # the same localizer over words that the event names
_WRITTEN_OR_SAID = re.compile(
    r"\b(?:slides?|screen|title|caption|subtitles?|transcript|says|said|mentions|mentioned|the words?|text)\b", re.I
)
# Coarse to fine: (window s, stride s, best windows that go on). Stored entries are the evidence: nothing is decoded.
LEVELS = ((180.0, 120.0, 12), (45.0, 30.0, None))


@dataclass(frozen=True)
class Search:
    """What one video's evidence gave, before anything is made of its scores."""

    grounding: Grounding
    calibration: str  # the name of the calibration that knows such scores
    names: tuple[str, ...] | None  # channels asked about: the caller's, or those that the event names
    words_only: str
    producer: str  # who made the vectors behind the scores, "" where words alone count
    localizer: RelevanceCurveLocalizer
    look: Callable[[float, float, float], Evidence]

    @property
    def score(self) -> float:
        """The raw score that is calibrated: 0 where nothing speaks for the event at all."""
        return self.grounding.best_score or 0.0


@dataclass(frozen=True)
class Judgement:
    """One video's outcome before it is written as a reply."""

    asked: Asked
    grounding: Grounding
    names: tuple[str, ...] | None
    verdict: Verdict
    spans: list[SpanOut]
    probability: float | None
    rejected: SpanOut | None
    judged: list[str]
    not_judged: list[NotJudged]
    words_only: str


def ground(
    library: Library,
    *,
    event: str,
    video_id: str = "",
    start_s: float | None = None,
    end_s: float | None = None,
    channels: list[str] | None = None,
    max_spans: int = 3,
    max_tokens: int = 1000,
    caller: str = "",
    on_step: OnStep | None = None,
) -> GroundReply:
    """Verdict and spans for one video, or one verdict for each of all. Raises: RequestError for names and bounds."""
    told = clean(event)
    if not 1 <= len(told) <= EVENT_LENGTH:
        raise InvalidArgument(f"event has {len(told)} visible characters; it must have 1 to {EVENT_LENGTH}.")
    if not 1 <= max_spans <= 10:
        raise InvalidArgument(f"max_spans is {max_spans}; it must be from 1 to 10.")
    check_tokens(max_tokens)
    names = checked_channels(channels)
    step = on_step or (lambda _progress, _message: None)
    if video_id.strip():
        return _one(library, library.asked(video_id, start_s, end_s), event, names, max_spans, max_tokens, step)
    return _each(library, library.chosen(None, start_s, end_s), event, names, max_tokens, step)


def _one(
    library: Library,
    asked: Asked,
    event: str,
    names: tuple[str, ...] | None,
    max_spans: int,
    max_tokens: int,
    step: OnStep,
) -> GroundReply:
    found = judge(library, asked, event, names, max_spans, step)
    reply = GroundReply(
        verdict=found.verdict.verdict,
        why=found.verdict.reason,
        spans=found.spans,
        more=len(found.grounding.proposals) - len(found.spans),
        best_rejected=found.rejected,
        confidence_kind="calibrated" if found.probability is not None else "raw",
        judged=found.judged,
        not_judged=found.not_judged,
        coverage=coverage.coverage(
            library, [asked], found.names, words_only=found.words_only, apart={"frames": PICTURES}
        ),
        levels=[
            LevelOut(window_s=level.window_s, windows=level.windows, frames=level.frames)
            for level in found.grounding.levels
        ],
        hints=_hints(event),
    )
    assert reply.spans is not None

    def count(_: object) -> None:
        reply.more = (reply.more or 0) + 1

    cuts = [
        drop_gaps(reply.coverage),
        clear(reply.coverage, "producers"),
        drop_last(reply.spans, 1, count),
        clear(reply, "best_rejected"),
        clear(reply, "levels"),
        clear(reply, "hints", []),
        *[halve(span, "evidence", 20) for span in reply.spans],
        thin(reply.coverage),
        drop_last(reply.not_judged, 0),
        clear(reply, "why"),
    ]
    return fitted(reply, max_tokens, cuts)


def _each(
    library: Library,
    everything: Sequence[Asked],
    event: str,
    names: tuple[str, ...] | None,
    max_tokens: int,
    step: OnStep,
) -> GroundReply:
    found = []
    for place, asked in enumerate(everything):
        step(place / max(1, len(everything)), f"judging video {place + 1} of {len(everything)}")
        found.append(judge(library, asked, event, names, 1, lambda _progress, _message: None))
    order = {"present": 0, "uncertain": 1, "absent": 2}
    found.sort(key=lambda one: (order[one.verdict.verdict], -(one.spans[0].confidence if one.spans else 0.0)))
    videos = [
        VideoVerdict(
            video_id=one.asked.video.id,
            title=one.asked.video.title,
            verdict=one.verdict.verdict,
            best=one.spans[0] if one.spans else None,
            coverage=coverage.coverage(library, [one.asked], one.names, apart={"frames": PICTURES}).share,
        )
        for one in found
    ]
    verdicts = [one.verdict.verdict for one in found]
    reply = GroundReply(
        videos=videos,
        counts=VerdictCounts(
            present=verdicts.count("present"), absent=verdicts.count("absent"), uncertain=verdicts.count("uncertain")
        ),
    )

    def count(_: object) -> None:
        reply.omitted = (reply.omitted or 0) + 1

    shrink = [halve(v.best, "evidence", 20) for v in reply.videos or [] if v.best]
    return fitted(reply, max_tokens, [drop_last(reply.videos, 1, count), *shrink])


def search(library: Library, asked: Asked, event: str, names: tuple[str, ...] | None, step: OnStep) -> Search:
    """Look for an event in one video's span, without a verdict.

    An event that names its channel is asked of that channel alone, as if the caller had."""
    from agent_tools.grounding import Grounder, Level, could_show, named

    step(0.05, "scoring entries")
    told = named(event)
    if told.rule is not None:
        names = tuple(name for name in CHANNELS if name in could_show(event, names or CHANNELS))
    evidence: ScoredEntries
    if told.rule is None:
        evidence = by_meaning(library, asked, _FRAME.sub("", event), names or CHANNELS, told.words)
    elif told.rule.verbatim:
        evidence = by_words(library, asked, told, names or CHANNELS)
    else:
        evidence = by_meaning(library, asked, " ".join(told.words), names or CHANNELS)
    curves = localizer()

    def look(start_s: float, end_s: float, fps: float) -> Evidence:
        return evidence.between(start_s, end_s)

    def on_look(done: int, total: int) -> None:
        step(0.1 + 0.7 * done / max(1, total), f"looked into {done} windows")

    levels = [Level(length_s, stride_s, 0.0, top_k) for length_s, stride_s, top_k in LEVELS]
    grounding = Grounder(levels, curves).ground(event, asked.span.start_s, asked.span.end_s, look, on_look)
    return Search(grounding, calibration_of(told), names, evidence.words_only, evidence.producer, curves, look)


def calibration_of(told: Named) -> str:
    """The name of the calibration for events so worded: their scores mean different things."""
    if told.rule is None:
        return LOCALIZER
    if told.rule.verbatim:
        return NAMED_WORDS
    return FEW if len(" ".join(told.words).split()) <= FEW_WORDS else LOCALIZER


def judge(
    library: Library, asked: Asked, event: str, names: tuple[str, ...] | None, most: int, step: OnStep
) -> Judgement:
    """Ground an event in one video's span and reach a verdict about the channels that were searched.

    Args:
        most: spans that are looked at a second time and returned."""
    from agent_tools.grounding import could_show, decide

    found = search(library, asked, event, names, step)
    names, words_only = found.names, found.words_only
    calibrator = None
    if not words_only:
        calibrator = calibrator_for(found.calibration, library.models.profile.name, found.producer)
    probability = None if calibrator is None else calibrator.probability(found.score)
    apart = {"frames": PICTURES}
    views = [coverage.view(library, asked, name, words_only=words_only, apart=apart) for name in names or CHANNELS]
    judged = [v.name for v in views if v.searched and v.name in TEXT_CHANNELS]
    not_judged = {v.name: v.phrase for v in views if not v.searched and not _empty(library, asked, v.name)}
    if "speech" in not_judged and coverage.subtitles_stand_for_speech(library, asked):
        del not_judged["speech"]
    verdict = decide(
        probability,
        "raw" if probability is None else "calibrated",
        coverage.coverage(library, [asked], names, apart={"frames": PICTURES}).share,
        judged,
        not_judged,
        could_show(event, names or CHANNELS),
    )
    step(0.9, "verifying the best spans")
    confidence = _squashed if calibrator is None else calibrator.probability
    grounding = found.grounding
    spans = [
        _verified(asked, event, one, found.localizer, found.look, confidence) for one in grounding.proposals[:most]
    ]
    rejected = grounding.best_rejected
    return Judgement(
        asked,
        grounding,
        names,
        verdict,
        sorted(spans, key=lambda span: -span.confidence),
        probability,
        None if rejected is None else _span(asked, rejected, confidence, None),
        judged,
        [NotJudged(channel=name, why=why) for name, why in not_judged.items()],
        words_only,
    )


def _verified(
    asked: Asked,
    event: str,
    proposal: Proposal,
    localizer: RelevanceCurveLocalizer,
    look: Callable[[float, float, float], Evidence],
    confidence: Callable[[float], float],
) -> SpanOut:
    from agent_tools.grounding import verify

    second = verify(event, proposal, localizer, look, asked.video.duration_s or proposal.end_s, fps=0.0)
    return _span(asked, second.after or proposal, confidence, second.text)


def _span(asked: Asked, proposal: Proposal, confidence: Callable[[float], float], verified: str | None) -> SpanOut:
    part = Span(proposal.start_s, proposal.end_s).clipped(asked.span.start_s, asked.span.end_s) or asked.span
    times = f" {rounded(proposal.start_s):g}-{rounded(proposal.end_s):g}"
    told = clean(proposal.evidence, EVIDENCE_LENGTH - len(times)) + times
    return SpanOut(
        start_s=rounded(part.start_s),
        end_s=rounded(part.end_s),
        at=clock(part.start_s),
        confidence=round(min(1.0, max(0.0, confidence(proposal.score))), 3),
        evidence=told,
        verified=verified,
        uri=video_uri(asked.video.id, part.start_s, part.end_s),
    )


def _hints(event: str) -> list[str]:
    from agent_tools.grounding import named

    told = named(event)
    hints = [hint] if (hint := negation_hint(event)) else []
    if not told.words and _WRITTEN_OR_SAID.search(event):
        hints.append(
            "Words in quotation marks are looked for as they stand, in their channel alone: "
            "'...' on a slide, the speaker says '...', or '...' by itself."
        )
    return hints


def _squashed(score: float) -> float:
    """A raw height in 0..1, order kept: 1 (the edge of the noise) is .5. Not a probability."""
    return score / (1.0 + score)


def _empty(library: Library, asked: Asked, name: str) -> bool:
    """Whether the file has nothing that this channel could have searched."""
    video = asked.video
    if name == "speech":
        return video.has_audio is False
    if name in ("frames", "screen_text", "captions"):
        return not video.width
    row = library.store.channel(video.id, name)
    return name == "subtitles" and row is not None and row.state == "absent"
