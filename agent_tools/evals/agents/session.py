"""One agent's conversation with the server: calls tools through an MCP client and records the cost of each call."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp import Client
from mcp.types import CallToolResult, ImageContent, TextContent

from agent_tools.budget import reply_tokens
from agent_tools.progress import OnStep, silent
from agent_tools.timeline import clock
from agent_tools.types import TEXT_CHANNELS

CALL_LIMIT_S = 300.0  # a server that says nothing for so long has died


@dataclass(frozen=True)
class Reply:
    """What a model would see: `data` is the JSON object of the reply, `text` its plain form."""

    data: Mapping[str, Any]
    text: str
    images: int
    error: bool


@dataclass(frozen=True)
class Call:
    """One finished call and its cost; `tokens` as the reply itself states them, else counted by the same rule."""

    tool: str
    arguments: Mapping[str, Any]
    summary: str
    tokens: int
    seconds: float


@dataclass
class Session:
    """Calls in order. `on_call` gets each call when it ends, `on_progress` each step of one (share, sentence)."""

    client: Client
    on_call: Callable[[Call], None] = lambda _call: None
    on_progress: OnStep = silent
    calls: list[Call] = field(default_factory=list)

    async def call(self, tool: str, **arguments: Any) -> Reply:
        """Call a tool. An error of the tool is a reply with `error`; a broken connection raises MCPError."""
        begun = time.perf_counter()

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            self.on_progress(progress / (total or 1.0), message or "")

        result = await self.client.call_tool(
            tool, arguments, read_timeout_seconds=CALL_LIMIT_S, progress_callback=on_progress
        )
        seconds = time.perf_counter() - begun
        reply = _reply(result)
        tokens = reply.data.get("tokens")
        if not isinstance(tokens, int):
            tokens = reply_tokens(reply.text)
        done = Call(tool, arguments, summary(reply), tokens, seconds)
        self.calls.append(done)
        self.on_call(done)
        return reply

    @property
    def tokens(self) -> int:
        return sum(call.tokens for call in self.calls)

    @property
    def tools(self) -> dict[str, int]:
        """Calls per tool, in the order of first use."""
        return dict(Counter(call.tool for call in self.calls))


def _reply(result: CallToolResult) -> Reply:
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    images = sum(isinstance(block, ImageContent) for block in result.content)
    data = result.structured_content
    if data is None:
        data = next((found for text in texts if (found := _json_object(text)) is not None), {})
    return Reply(data, "\n".join(texts), images, bool(result.is_error))


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def summary(reply: Reply) -> str:
    """A reply in one short line, for a person who watches."""
    data = reply.data
    if reply.error:
        return _short(reply.text, 160)
    if "hits" in data:
        best = min(data["hits"], key=lambda hit: hit["rank"], default=None)
        first = "nothing" if best is None else f"best at {best['at']}: {_short(' / '.join(texts_of(best)), 90)}"
        return f"{len(data['hits'])} hits, {first}"
    if "verdict" in data:
        best = next(iter(data.get("spans") or ()), None)
        place = "" if best is None else f", best at {best['at']}: {_short(best['evidence'], 90)}"
        return f"{data['verdict']}, {len(data.get('spans') or ())} spans{place}"
    if "note" in data and "stored" in data:
        return f"{data['note']}, findable {data['findable']}"
    if "state" in data:
        reached = data.get("searchable_to_s")
        return f"{data['state']}" + ("" if reached is None else f", searchable to {clock(reached)}")
    if isinstance(data.get("text"), list):
        words = " / ".join(row["text"] for row in data["text"])
        return f"{reply.images} pictures, {len(data['text'])} texts: {_short(words, 90)}"
    return _short(reply.text, 120)


def texts_of(part: Mapping[str, Any]) -> Iterator[str]:
    """The texts out of the video that a hit carries, one per channel."""
    for channel in TEXT_CHANNELS:
        if part.get(channel):
            yield str(part[channel])


def _short(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
