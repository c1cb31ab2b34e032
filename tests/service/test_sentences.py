"""The one sentence at the beginning of a reply: it says what can be said, and nothing that was not searched."""

from __future__ import annotations

import pytest

from agent_tools.service.replies.sentences import LEAST_GUESS, summary_of
from agent_tools.types import (
    GroundReply,
    ListReply,
    NotIngested,
    NotJudged,
    SpanOut,
    VerdictCounts,
    VideoOut,
    VideoVerdict,
)

ID = "0123456789ab"


def span(confidence: float) -> SpanOut:
    return SpanOut(
        start_s=34.0, end_s=37.0, at="0:00:34", confidence=confidence, evidence="speech", uri=f"video://{ID}"
    )


def of_one(guess: SpanOut | None, not_judged: tuple[str, ...] = ()) -> str:
    left = [NotJudged(channel=name, why="not made") for name in not_judged]
    reply = GroundReply(
        verdict="uncertain",
        spans=[],
        best_rejected=guess,
        judged=["subtitles", "screen_text", "notes"],
        not_judged=left,
    )
    return summary_of(reply)


def test_uncertain_without_a_guess_says_what_shows_no_sign_and_what_was_not_searched() -> None:
    said = of_one(None, ("frames", "captions"))
    assert said.startswith("Uncertain: no sign of it in subtitles and screen text, but pictures and captions could ")
    assert "could show it" not in of_one(None)
    nothing = GroundReply(verdict="uncertain", judged=["notes"], not_judged=[NotJudged(channel="speech", why="")])
    assert "nothing that could show it was searched" in summary_of(nothing)


@pytest.mark.parametrize(("confidence", "named"), [(LEAST_GUESS, True), (LEAST_GUESS - 0.01, False)])
def test_a_guess_is_named_where_it_is_more_than_noise(confidence: float, named: bool) -> None:
    assert ("the best guess is 0:34" in of_one(span(confidence))) is named
    verdict = VideoVerdict(video_id=ID, title="a film", verdict="uncertain", best=span(confidence), coverage=1.0)
    many = summary_of(GroundReply(videos=[verdict], counts=VerdictCounts(present=0, absent=7, uncertain=1)))
    assert many.startswith("Present in none of 8 videos; absent in 7; uncertain in 1")
    assert ("a film at 0:34" in many) is named
    assert ("no sign of it" in many) is not named


def test_a_part_of_the_library_says_that_it_is_a_part() -> None:
    videos = [VideoOut(video_id=ID, title="a film", length="0:00:06", state="done", channels=[], uri=f"video://{ID}")]
    nothing = NotIngested(count=0, first=[])
    assert summary_of(ListReply(videos=videos, not_ingested=nothing, cursor="")) == "1 video in memory."
    part = ListReply(videos=videos, not_ingested=nothing, cursor="1-0", more=35)
    assert summary_of(part).startswith("36 videos in memory; 1 of them are listed here, and 35 follow")
