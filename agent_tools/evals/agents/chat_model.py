"""A language model with tools, which continues a conversation over the OpenAI chat protocol."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from agent_tools.budget import reply_tokens
from agent_tools.errors import EndpointError, InvalidArgument
from agent_tools.models.video_llm.chat import ANSWER_S, ATTEMPTS, MAX_WAIT_S, Chat

PICTURE_TOKENS = 1_000  # of a picture, where a server does not count
REFUSED = (400, 413, 422)  # this request, not this address
_WRAPPING = re.compile(r"```\w*|</?tools?(?:_calls?)?>|</?function_calls?>", re.IGNORECASE)
Message = dict[str, Any]


@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str
    arguments: Mapping[str, Any]
    broken: str = ""  # why the arguments could not be read
    written: bool = False  # the model wrote the call as text, and made none


@dataclass(frozen=True)
class ChatTurn:
    """What a model said next; `refused` where the server would not take the request."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False  # the server counts no tokens: these are by this package's own rule
    refused: str = ""

    @property
    def message(self) -> Message:
        """It, as the conversation goes on with it. Broken arguments become none: servers parse what they are sent."""
        message: Message = {"role": "assistant", "content": self.text}
        if self.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)},
                }
                for call in self.calls
            ]
        return message


class ChatModel:
    """One model at one address. What a server does not take (max_tokens, temperature, tool_choice) is learnt once."""

    def __init__(
        self,
        endpoint: str,
        *,
        key: str = "",
        answer_s: float = ANSWER_S,
        attempts: int = ATTEMPTS,
        wait: Callable[[float], object] = time.sleep,
        on_retry: Callable[[str], object] = lambda line: None,
    ) -> None:
        """
        Args:
            endpoint: URL#model, as in http://127.0.0.1:8000/v1#qwen; without a name the model is called "default".
            answer_s: the longest wait for one answer. A time-out is repeated once, other failures up to `attempts`.
            on_retry: told in a line why an attempt is repeated.
        Raises: InvalidArgument: no http(s) address.
        """
        url, hash_mark, name = endpoint.partition("#")
        if hash_mark and not name.strip():
            raise InvalidArgument("--model ends in #: name the model behind it, as in http://127.0.0.1:8000/v1#name")
        self._chat = Chat(
            url, name or "default", key=key, answer_s=answer_s, attempts=attempts, wait=wait, on_retry=on_retry
        )
        self._attempts, self._wait, self._on_retry = max(1, attempts), wait, on_retry
        self._without: set[str] = set()
        self.name = f"{self._chat.model}@{self._chat.host}"

    def close(self) -> None:
        self._chat.close()

    def next_turn(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
        choice: Literal["auto", "none"] = "auto",
        max_tokens: int = 1024,
    ) -> ChatTurn:
        """What the model says next, at temperature 0 where the server takes one.

        Raises: EndpointError: down, too slow, not accepting the key, or an answer that is not a chat completion."""
        for _ in range(4):  # the request as it is, and once without each of what a server may not know
            status, body = self._chat.post(self._request(messages, tools, choice, max_tokens))
            if status not in REFUSED or not self._learnt(body):
                break
        if status in REFUSED:
            return ChatTurn("", refused=self._chat.refusal(status, body))
        for attempt in range(self._attempts):
            try:
                return _turn(self._chat.completion(status, body), messages, tools)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                fault: EndpointError = self._chat.no_completion(error)
            except EndpointError as error:
                if status != 200:
                    raise
                fault = error
            if attempt + 1 < self._attempts:
                self._on_retry(f"{fault} It is asked again.")
                self._wait(min(MAX_WAIT_S, float(2**attempt)))
                status, body = self._chat.post(self._request(messages, tools, choice, max_tokens))
        raise fault

    def _request(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], choice: str, max_tokens: int
    ) -> dict[str, Any]:
        request: dict[str, Any] = {"messages": list(messages), "stream": False}
        if "temperature" not in self._without:
            request["temperature"] = 0
        request["max_completion_tokens" if "max_tokens" in self._without else "max_tokens"] = max_tokens
        if tools:
            request["tools"] = list(tools)
            if "tool_choice" not in self._without:
                request["tool_choice"] = choice
        return request

    def _learnt(self, body: bytes) -> bool:
        """Whether a refusal names something that can be left out, which it is from now on."""
        for name, sign in (
            ("max_tokens", b"max_completion_tokens"),
            ("temperature", b"temperature"),
            ("tool_choice", b"tool_choice"),
        ):
            if sign in body and name not in self._without:
                self._without.add(name)
                return True
        return False


def _turn(answer: Mapping[str, Any], messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> ChatTurn:
    """What the model said; a call that it wrote as plain JSON, also in a fence, is taken as a call.

    Raises: KeyError, TypeError, AttributeError, ValueError: not as the protocol has it."""
    message = answer["choices"][0]["message"]
    text = _text(message.get("content"))
    calls = tuple(_call(number, one) for number, one in enumerate(message.get("tool_calls") or ()))
    if not calls and tools:
        names = frozenset(str(tool["function"]["name"]) for tool in tools)
        calls = written_calls(text, names)
        text = "" if calls else text
    usage = answer.get("usage") or {}
    sent, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if isinstance(sent, int) and isinstance(made, int):
        return ChatTurn(text, calls, sent, made)
    written = text + "".join(json.dumps(dict(call.arguments)) for call in calls)
    return ChatTurn(text, calls, _tokens(messages), reply_tokens(written), estimated=True)


def _text(content: Any) -> str:
    """The text of a content: itself, or the parts of it that are text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in content)


def written_calls(text: str, names: Container[str]) -> tuple[ToolCall, ...]:
    """The calls that a text consists of: JSON objects {"name", "arguments"} of these tools, bare, fenced or in tags.

    () where the text says anything else: an answer may quote JSON."""
    bare = _WRAPPING.sub(" ", text).strip()
    calls: list[ToolCall] = []
    decoder = json.JSONDecoder(strict=False)
    while bare:
        try:
            value, end = decoder.raw_decode(bare)
        except ValueError:
            return ()
        for one in value if isinstance(value, list) else [value]:
            made = one.get("function", one) if isinstance(one, dict) else None
            made = one if isinstance(made, str) else made
            name = made.get("name") or made.get("function") if isinstance(made, dict) else None
            if not isinstance(made, dict) or name not in names:
                return ()
            given = made.get("arguments", made.get("parameters"))
            call = _call(len(calls), {"function": {"name": name, "arguments": given}})
            calls.append(replace(call, written=True))
        bare = bare[end:].lstrip(" \n,;")
    return tuple(calls)


def _call(number: int, made: Mapping[str, Any]) -> ToolCall:
    function = made["function"]
    name, given = str(function["name"]), function.get("arguments")
    mark = str(made.get("id") or f"call_{number}")
    if isinstance(given, str) and given.strip():
        try:
            given = json.loads(given)
        except ValueError as error:
            return ToolCall(mark, name, {}, f"not JSON ({error})")
    if given is None or given == "":
        given = {}
    if not isinstance(given, dict):
        return ToolCall(mark, name, {}, f"{json_type(given)}, not an object")
    return ToolCall(mark, name, given)


def json_type(value: Any) -> str:
    """What JSON calls a value: a model knows these names, not Python's."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    kinds = ((str, "a string"), (int | float, "a number"), (Mapping, "an object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "an array")


def _tokens(messages: Sequence[Message]) -> int:
    """About what a conversation costs, by this package's rule for text and a plain number for pictures."""
    text, pictures = "", 0
    for message in messages:
        content = message.get("content")
        for part in [{"text": content}] if isinstance(content, str) else content or ():
            text += str(part.get("text") or "")
            pictures += "image_url" in part
        text += json.dumps(message.get("tool_calls") or "")
    return reply_tokens(text, PICTURE_TOKENS * pictures)
