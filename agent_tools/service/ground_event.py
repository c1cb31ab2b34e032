"""ground_event: when does an event happen, or does it not; with a verdict that says no more than was searched.

The room verdicts/ reaches a judgement; this file turns judgements into the reply."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_tools.errors import InvalidArgument
from agent_tools.progress import OnStep, silent
from agent_tools.service.library.library import Library, VideoSpan, checked_channels
from agent_tools.service.replies.alike import counted
from agent_tools.service.replies.fit import check_tokens, clear, drop_gaps, drop_last, halve, thin, trim_to_tokens
from agent_tools.service.replies.hints import HINT_LENGTH, negation_hint
from agent_tools.service.replies.sentences import LEAST_GUESS
from agent_tools.service.verdicts.event_search import survey_of
from agent_tools.service.verdicts.judgement import Judgement, Reached, judge, reach, with_spans
from agent_tools.types import GroundReply, SpanOut, VerdictCounts, VideoVerdict
from agent_tools.untrusted import clean

EVENT_LENGTH = 500
_WRITTEN_OR_SAID = re.compile(
    r"\b(?:slides?|screen|title|caption|subtitles?|transcript|says|said|mentions|mentioned|the words?|text)\b", re.I
)
AS_QUOTED = "Quoted words only were looked for, as they stand; without quotation marks the event goes by meaning."
NOT_CLOSELY = "Over all videos no model looks closer: give a video for that."
LEAST_TOKENS = 75  # of a video in a reply: spans of more are not looked for, because they do not fit
MOST_UNCERTAIN = 3  # guesses shown of a search over all videos; the other videos are counted


def ground_event(
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
    visible = clean(event)
    if not 1 <= len(visible) <= EVENT_LENGTH:
        raise InvalidArgument(f"event has {len(visible)} visible characters; it must have 1 to {EVENT_LENGTH}.")
    if not 1 <= max_spans <= 10:
        raise InvalidArgument(f"max_spans is {max_spans}; it must be from 1 to 10.")
    check_tokens(max_tokens)
    searched = checked_channels(channels)
    step = on_step or silent
    with library.store.snapshot():
        named, notes = library.without_empty_names([video_id] if video_id.strip() else None, event)
        if named:
            scope = library.video_span(video_id, start_s, end_s)
            return _one(library, scope, event, searched, max_spans, max_tokens, step)
        return _each(library, library.chosen(None, start_s, end_s), event, searched, max_tokens, step, notes)


def _one(
    library: Library,
    scope: VideoSpan,
    event: str,
    channels: tuple[str, ...] | None,
    max_spans: int,
    max_tokens: int,
    on_step: OnStep,
) -> GroundReply:
    found = judge(library, scope, event, channels, max_spans, on_step)
    reply = GroundReply(
        verdict=found.verdict.verdict,
        why=found.verdict.reason,
        probability=None if found.probability is None else round(found.probability, 3),
        spans=found.spans,
        more=found.more,
        best_rejected=found.rejected,
        confidence_kind=found.kind,
        judged=found.judged,
        not_judged=found.not_judged,
        coverage=found.coverage,
        levels=found.levels,
        hints=[*([scope.note] if scope.note else []), *_hints(event, found)],
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
        *[halve(span, "evidence", 20, gone="", around=event) for span in reply.spans],
        thin(reply.coverage),
        drop_last(reply.not_judged, 0),
        clear(reply, "why"),
    ]
    return trim_to_tokens(reply, max_tokens, cuts)


def _each(
    library: Library,
    everything: Sequence[VideoSpan],
    event: str,
    channels: tuple[str, ...] | None,
    max_tokens: int,
    on_step: OnStep,
    notes: Sequence[str],
) -> GroundReply:
    found: list[Reached] = []
    survey = survey_of(library, everything, event, channels)
    for place, scope in enumerate(everything):
        on_step(place / max(1, len(everything)), f"judging video {place + 1} of {len(everything)}")
        found.append(reach(library, scope, event, channels, silent, use_video_llm=False, survey=survey))
    order = {"present": 0, "uncertain": 1, "absent": 2}
    found.sort(key=lambda one: (order[one.verdict.verdict], -one.confidence))
    chosen = [one for one in found if one.verdict.verdict == "present"][: max(1, max_tokens // LEAST_TOKENS)]
    guesses = [one for one in found if one.verdict.verdict == "uncertain"][:MOST_UNCERTAIN]
    chosen += [one for place, one in enumerate(guesses) if one.confidence >= LEAST_GUESS or (place == 0 and not chosen)]
    shown = [with_spans(library, one, 1, silent) for one in chosen or found[:1]]
    shown.sort(key=lambda one: (order[one.verdict.verdict], -(best.confidence if (best := _best(one)) else 0.0)))
    videos = [
        VideoVerdict(
            video_id=one.scope.video.id,
            title=one.scope.video.title,
            verdict=one.verdict.verdict,
            best=_best(one),
            coverage=one.coverage.share,
        )
        for one in shown
    ]
    verdicts = [one.verdict.verdict for one in found]
    reply = GroundReply(
        videos=videos,
        counts=VerdictCounts(
            present=verdicts.count("present"), absent=verdicts.count("absent"), uncertain=verdicts.count("uncertain")
        ),
        omitted=len(found) - len(shown) or None,
        hints=[*notes, *_commonest(found), *([NOT_CLOSELY] if library.models.has_closer else [])],
    )

    def count(_: object) -> None:
        reply.omitted = (reply.omitted or 0) + 1

    shrink = [halve(v.best, "evidence", 20, gone="", around=event) for v in reply.videos or [] if v.best]
    return trim_to_tokens(reply, max_tokens, [drop_last(reply.videos, 1, count), clear(reply, "hints", []), *shrink])


def _best(one: Judgement) -> SpanOut | None:
    return one.spans[0] if one.spans else one.rejected


def _commonest(found: Sequence[Reached]) -> list[str]:
    """Why most of the uncertain videos are that: their probabilities differ, what was not judged is often the same."""
    from agent_tools.grounding import UNJUDGED

    reasons = [one.verdict.reason for one in found if one.verdict.verdict == "uncertain"]
    causes = counted(why[why.find(UNJUDGED) :] if UNJUDGED in why else why for why in reasons)
    share = f"uncertain: {len(reasons)} of {len(found)} videos"
    return [clean(f"{share}, {n} of them because: {why}", HINT_LENGTH) for why, n in causes[:1]]


def _hints(event: str, found: Judgement) -> list[str]:
    from agent_tools.grounding import JUST_QUOTED, named

    wording = named(event)
    hints = [hint] if (hint := negation_hint(event)) else []
    if not wording.words and _WRITTEN_OR_SAID.search(event):
        hints.append(
            "Words in quotation marks are looked for as they stand, in their channel alone: "
            "'...' on a slide, the speaker says '...', or '...' by itself."
        )
    if wording.rule is JUST_QUOTED and found.verdict.verdict != "present":
        hints.append(AS_QUOTED)
    if found.failed:
        hints.append(clean(found.failed, HINT_LENGTH))
    if found.guesses:
        hints.append(f"Pictures were not judged. The {found.guessed}, to look at: {' '.join(found.guesses)}")
    return hints
