"""Chat completions as a server would answer them, for the scripted model behind tests.models.test_endpoint's Fake."""

from __future__ import annotations

import json
from typing import Any

Reply = tuple[int, dict[str, str], bytes]


def said(text: str | None, *calls: tuple[str, Any], usage: tuple[int, int] | None = (100, 10)) -> Reply:
    """An answer of text, tool calls (name, arguments as object or as raw text), or both."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"c{number}",
                "type": "function",
                "function": {"name": name, "arguments": raw if isinstance(raw, str) else json.dumps(raw)},
            }
            for number, (name, raw) in enumerate(calls)
        ]
    body: dict[str, Any] = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return 200, {}, json.dumps(body).encode()


def refused(status: int, message: str, **headers: str) -> Reply:
    return status, headers, json.dumps({"error": {"message": message}}).encode()


def texts(asked: dict[str, Any], role: str) -> list[str]:
    """The texts of one role's messages in a request."""
    found = []
    for message in asked["messages"]:
        if message["role"] == role:
            content = message["content"]
            parts = [{"text": content}] if isinstance(content, str) else content
            found += [part["text"] for part in parts if "text" in part]
    return found


def pictures(asked: dict[str, Any]) -> list[str]:
    """The pictures of a request, as their data urls."""
    parts = [
        part for message in asked["messages"] if isinstance(message["content"], list) for part in message["content"]
    ]
    return [part["image_url"]["url"] for part in parts if "image_url" in part]
