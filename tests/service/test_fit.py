"""Replies cut to size: a required field is cut to nothing, an optional one left out."""

from __future__ import annotations

from agent_tools.service.replies.fit import halve, trim_to_tokens
from agent_tools.types import GroundReply, SpanOut


def test_evidence_may_be_cut_to_nothing_but_not_left_out() -> None:
    span = SpanOut(start_s=0, end_s=1, at="0:00:00", confidence=0.5, evidence="word " * 200, uri="video://x")
    cuts = [halve(span, "evidence", 20, gone="")]
    told = trim_to_tokens(GroundReply(verdict="uncertain", spans=[span]), 20, cuts).compact()
    assert told["spans"][0]["evidence"] == ""
    GroundReply.model_validate(told)


def test_an_optional_field_is_left_out() -> None:
    reply = GroundReply(verdict="uncertain", why="word " * 200)
    assert "why" not in trim_to_tokens(reply, 10, [halve(reply, "why", 20)]).compact()
