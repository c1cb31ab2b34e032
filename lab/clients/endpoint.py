"""A chat completions endpoint that plays the scripted model, so each example's MODEL setting runs without a key."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from examples.scripted import Call, Script, next_step


@contextmanager
def endpoint(script: Callable[[str], Script]) -> Iterator[str]:
    """The address of an endpoint, for OPENAI_BASE_URL; `script` is given the prompt."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(completion(asked, script)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def completion(asked: dict[str, Any], script: Callable[[str], Script]) -> dict[str, Any]:
    """The next message on what was asked; a tool that was not offered is not called."""
    prompt = next(str(message["content"]) for message in asked["messages"] if message["role"] == "user")
    replies = [message["content"] for message in asked["messages"] if message["role"] == "tool"]
    step = next_step(lambda: script(prompt), replies)
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(step, Call) and step.tool in {tool["function"]["name"] for tool in asked["tools"]}:
        function = {"name": step.tool, "arguments": json.dumps(step.arguments)}
        message["tool_calls"] = [{"id": f"call-{len(replies)}", "type": "function", "function": function}]
    else:
        message["content"] = str(step)
    return {
        "id": f"chat-{len(replies)}",
        "object": "chat.completion",
        "created": 0,
        "model": asked["model"],
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        ],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
