"""The looker's messages: what is written to the pipe is read as the same value."""

from __future__ import annotations

import pytest

from agent_tools.ingestion.look_messages import (
    Clip,
    ClipRequest,
    Failure,
    KeptSheetsRequest,
    KeyTimesRequest,
    PicturesRequest,
    PlayableRequest,
    Reply,
    Request,
    SheetsRequest,
    Shot,
    Shots,
    Times,
    reply_of,
    request_of,
    to_line,
)

REQUESTS: list[Request] = [
    PicturesRequest("a \n b.mp4", (0.0, 1.5), 320),
    PicturesRequest("a.mp4", (0.0,), 320, (0.0, 0.25, 0.5, 0.75)),
    SheetsRequest("a.mp4", (), 480),
    KeyTimesRequest("a.mp4", (1.0, 2.5), 0.5),
    KeptSheetsRequest(((2.0, b"\xff\xd8\n"), (3.0, b"")), 480),
    ClipRequest("a.mp4", 1.0, 2.5, 1000),
    PlayableRequest("a.mkv", 1.0, 2.5, 1000),
]
REPLIES: list[Reply] = [
    Shots((Shot(b"\xff\n", 320, 180, (1.0,)), None)),
    Times((0.0, 2.5)),
    Clip(b"\x00\n", 4.0, 9.5, "video/webm"),
    Failure("DecodeError", "the file cannot be read"),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_is_one_line_and_reads_as_it_was(request_: Request) -> None:
    line = to_line(request_)
    assert line.count(b"\n") == 1
    assert request_of(line) == request_


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_is_one_line_and_reads_as_it_was(reply: Reply) -> None:
    line = to_line(reply)
    assert line.count(b"\n") == 1
    assert reply_of(line) == reply
