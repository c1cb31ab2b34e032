"""A model with tools over the chat protocol: what it says, what it costs, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agent_tools.errors import EndpointError, InvalidArgument
from agent_tools.evals.agents.chat_model import ChatModel, Message, ToolCall
from tests.evals.chat_server import refused, said
from tests.models.test_endpoint import Fake

ASKED: list[Message] = [{"role": "user", "content": "Which?"}]
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.close()


def model(fake: Fake, *replies: Any, name: str = "tiny", **more: Any) -> ChatModel:
    fake.replies = list(replies)
    return ChatModel(f"{fake.url}#{name}", wait=fake.waits.append, **more)


def test_tools_go_out_and_calls_come_back(fake: Fake) -> None:
    asking = model(fake, said(None, ("look", {"at": 5}), ("look", {})), key="secret")
    answer = asking.next_turn(ASKED, TOOLS)
    assert answer.calls == (ToolCall("c0", "look", {"at": 5}), ToolCall("c1", "look", {}))
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens, answer.estimated) == ("", 100, 10, False)
    (asked,) = fake.asked
    assert (asked["model"], asked["path"], asked["tools"], asked["tool_choice"]) == (
        "tiny",
        "/v1/chat/completions",
        TOOLS,
        "auto",
    )
    assert (asked["temperature"], asked["max_tokens"], asked["stream"]) == (0, 1024, False)
    assert fake.headers[0]["authorization"] == "Bearer secret"
    assert json.loads(answer.message["tool_calls"][0]["function"]["arguments"]) == {"at": 5}
    asking.close()


@pytest.mark.parametrize(
    ("given", "arguments", "broken"),
    [
        ({"at": 1}, {"at": 1}, ""),
        ("", {}, ""),
        ('{"at": ', {}, "not JSON"),
        ("[1, 2]", {}, "an array, not an object"),
        ("5", {}, "a number, not an object"),
        ("true", {}, "a boolean, not an object"),
        ('"at"', {}, "a string, not an object"),
        ("null", {}, ""),
    ],
)
def test_arguments_that_are_none_are_told_and_not_sent_back(
    fake: Fake, given: Any, arguments: dict[str, Any], broken: str
) -> None:
    asking = model(fake, said("", ("look", given)))
    answer = asking.next_turn(ASKED, TOOLS)
    assert answer.calls[0].arguments == arguments
    assert answer.calls[0].broken.startswith(broken)
    assert bool(answer.calls[0].broken) == bool(broken)
    assert json.loads(answer.message["tool_calls"][0]["function"]["arguments"]) == arguments
    asking.close()


def test_arguments_may_come_as_an_object_and_text_in_parts(fake: Fake) -> None:
    status, headers, body = said("x", ("look", {}), usage=None)
    changed = json.loads(body)
    message = changed["choices"][0]["message"]
    message["content"] = [{"type": "text", "text": "Let me "}, {"type": "text", "text": "look."}]
    message["tool_calls"][0] = {"function": {"name": "look", "arguments": {"at": 2}}}
    asking = model(fake, (status, headers, json.dumps(changed).encode()))
    answer = asking.next_turn(ASKED, TOOLS)
    assert (answer.text, answer.calls[0].arguments, answer.calls[0].id) == ("Let me look.", {"at": 2}, "call_0")
    asking.close()


def test_tokens_are_estimated_where_a_server_counts_none(fake: Fake) -> None:
    asking = model(fake, said("word " * 70, usage=None))
    picture = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + "A" * 99_999}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "w" * 350}, picture]}]
    answer = asking.next_turn(asked)
    assert answer.estimated
    assert 1_040 <= answer.prompt_tokens <= 1_110  # a picture counts by number, not by its letters
    assert 70 <= answer.completion_tokens <= 75
    asking.close()


@pytest.mark.parametrize(
    ("message", "field", "instead"),
    [
        ("No 'max_tokens': use 'max_completion_tokens'.", "max_tokens", "max_completion_tokens"),
        ("'temperature' does not support 0 with this model.", "temperature", None),
        ("tool_choice is not supported by this template", "tool_choice", None),
    ],
)  # fmt: skip
def test_what_a_server_does_not_take_is_left_out_from_then_on(
    fake: Fake, message: str, field: str, instead: str | None
) -> None:
    asking = model(fake, refused(400, message), said("B"))
    assert asking.next_turn(ASKED, TOOLS).text == "B"
    assert asking.next_turn(ASKED, TOOLS).text == "B"
    assert [field in asked for asked in fake.asked] == [True, False, False]
    if instead is not None:
        assert fake.asked[1][instead] == 1024
    asking.close()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_not_taken_is_an_answer_not_an_end(fake: Fake, status: int) -> None:
    asking = model(fake, refused(status, "This model's maximum context length is 8192 tokens"))
    answer = asking.next_turn(ASKED)
    assert f"answered {status}" in answer.refused
    assert len(fake.asked) == 1
    asking.close()


def test_a_busy_server_is_asked_again_after_the_time_it_asks_for(fake: Fake) -> None:
    asking = model(fake, refused(429, "slow down", **{"retry-after": "7"}), refused(500, "oops"), said("C"))
    assert asking.next_turn(ASKED).text == "C"
    assert fake.waits == [7.0, 2.0]
    asking.close()


def test_an_answer_that_is_broken_is_asked_for_again(fake: Fake) -> None:
    asking = model(fake, (200, {}, b'{"choices": [{"mess'), (200, {}, b"[]"), said("D"))
    assert asking.next_turn(ASKED).text == "D"
    assert fake.waits == [1.0, 2.0]
    asking.close()


@pytest.mark.parametrize(
    ("reply", "told", "count"),
    [
        (refused(401, "bad key"), "does not accept the key", 1),
        (refused(404, "no model"), "knows no model 'tiny'", 1),
        (refused(429, "quota"), "it is too busy", 3),
        (refused(503, "loading"), "it failed", 3),
        ((200, {}, b"<html>"), "something else than a chat completion", 3),
        ((200, {}, b'{"choices": [{"message": {"content": 5}}]}'), "something else than a chat completion", 3),
        ((200, {}, b'{"choices": [{"message": {"tool_calls": [{}]}}]}'), "something else than a chat completion", 3),
    ],
)
def test_a_server_that_cannot_answer_ends_the_run(fake: Fake, reply: Any, told: str, count: int) -> None:
    asking = model(fake, reply, key="secret")
    with pytest.raises(EndpointError, match=told) as caught:
        asking.next_turn(ASKED)
    assert len(fake.asked) == count
    assert "secret" not in str(caught.value)
    asking.close()


def test_an_address_without_a_name_asks_for_default(fake: Fake) -> None:
    fake.replies = [said("B")]
    asking = ChatModel(fake.url)
    asking.next_turn(ASKED)
    assert fake.asked[0]["model"] == "default"
    assert "secret" not in asking.name
    asking.close()


@pytest.mark.parametrize("endpoint", ["", "ftp://x", "http://me:pw@host/v1#m", "http://127.0.0.1:1/v1#"])
def test_what_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidArgument):
        ChatModel(endpoint)


WRITTEN = '{"name": "look", "arguments": {"at": 5}}'


@pytest.mark.parametrize(
    "text",
    [
        WRITTEN,
        f"```json\n{WRITTEN}\n```",
        f"<tool_call>\n{WRITTEN}\n</tool_call>",
        f"[{WRITTEN}]",
        '{"name": "look", "parameters": {"at": 5}}',
        '{"type": "function", "function": {"name": "look", "arguments": "{\\"at\\": 5}"}}',
        '{"function": "look", "arguments": {"at": 5}}',
    ],
)
def test_a_call_that_is_written_as_plain_json_is_taken_as_a_call(fake: Fake, text: str) -> None:
    asking = model(fake, said(text))
    answer = asking.next_turn(ASKED, TOOLS)
    assert answer.calls == (ToolCall("call_0", "look", {"at": 5}, written=True),)
    assert answer.text == ""
    assert answer.message["tool_calls"][0]["function"]["name"] == "look"
    asking.close()


@pytest.mark.parametrize(
    "text",
    [
        f"I would call {WRITTEN}",
        '{"name": "watch", "arguments": {}}',
        '{"answer": "B"}',
        "```\nB\n```",
        "[]",
        "5",
        '{"name": "look", ',
    ],
)
def test_json_in_an_answer_is_no_call(fake: Fake, text: str) -> None:
    asking = model(fake, said(text))
    answer = asking.next_turn(ASKED, TOOLS)
    assert (answer.calls, answer.text) == ((), text)
    asking.close()


def test_a_written_call_is_an_answer_where_no_tools_were_offered(fake: Fake) -> None:
    asking = model(fake, said(WRITTEN))
    assert asking.next_turn(ASKED).text == WRITTEN
    asking.close()


def test_a_time_out_is_tried_twice_and_told(fake: Fake) -> None:
    def late(_: dict[str, Any]) -> Any:
        fake.go.wait(10)
        return said("too late")

    told: list[str] = []
    asking = model(fake, late, attempts=8, answer_s=0.2, on_retry=told.append)
    with pytest.raises(EndpointError, match=r"did not answer in time \(0\.2 s.*after 2 attempts\. Allow more time"):
        asking.next_turn(ASKED)
    assert len(fake.asked) == 2
    assert len(told) == 1
    assert "did not answer in time (0.2 s" in told[0]
    assert "attempt 2 follows in 1 s" in told[0]
    asking.close()


def test_each_repeat_says_why(fake: Fake) -> None:
    told: list[str] = []
    asking = model(fake, refused(503, "loading the model"), (200, {}, b"[]"), said("C"), on_retry=told.append)
    assert asking.next_turn(ASKED).text == "C"
    assert ["answered 503 It says: loading the model; attempt 2" in told[0], "is asked again" in told[1]] == [
        True,
        True,
    ]
    asking.close()
