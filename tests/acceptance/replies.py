"""Reading replies as a client does: facts, pictures and uris of a tool result."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mcp import Client
from mcp.types import (
    BlobResourceContents,
    CallToolResult,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from PIL import Image

from agent_tools.budget.cost import token_cost
from agent_tools.budget.reply import reply_tokens

CALL_LIMIT_S = 300.0
URI = re.compile(r"video://[0-9a-z]+(?:/[\w./-]*)?(?:#t=[\d.,]+)?")


@dataclass
class Conversation:
    """Calls tools and gathers every uri that a reply held; checks what must hold of each reply."""

    client: Client
    uris: dict[str, None] = field(default_factory=dict)  # in order of first sight

    @classmethod
    @asynccontextmanager
    async def over(cls, server: Any, era: str = "2026-07-28") -> AsyncIterator[Conversation]:
        """A conversation with a server in memory."""
        async with Client(server, mode=era) as client:
            yield cls(client)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The facts of a reply; a refused call fails the test."""
        return (await self.seen(tool, **arguments))[0]

    async def seen(self, tool: str, **arguments: Any) -> tuple[dict[str, Any], list[Image.Image]]:
        """Facts and opened pictures of a reply."""
        result = await self.client.call_tool(tool, arguments, read_timeout_seconds=CALL_LIMIT_S)
        told = " ".join(block.text for block in result.content if isinstance(block, TextContent))
        assert not result.is_error, f"{tool}({arguments}): {told}"
        self.uris.update(dict.fromkeys(URI.findall(told)))
        self.uris.update(dict.fromkeys(str(b.uri) for b in result.content if isinstance(b, ResourceLink)))
        facts, pictures = _facts(result), pictures_of(result)
        _check_tokens(facts, pictures, arguments.get("max_tokens", 20_000))
        return facts, pictures

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The text of a call that must be an error."""
        result = await self.client.call_tool(tool, arguments, read_timeout_seconds=CALL_LIMIT_S)
        assert result.is_error, f"{tool}({arguments}) was not refused"
        return str(result.content[0].text)  # type: ignore[union-attr]  # an error is text

    async def read_all(self) -> dict[str, str]:
        """Read every uri that was seen; each must hold something of its kind. Returns the mime type of each."""
        kinds: dict[str, str] = {}
        for uri in list(self.uris):
            kinds[uri] = await self.read(uri)
        return kinds

    async def read(self, uri: str) -> str:
        (content,) = (await self.client.read_resource(uri)).contents
        kind = content.mime_type or ""
        if isinstance(content, TextResourceContents):
            assert content.text.strip(), uri
            if kind == "application/json":
                assert isinstance(json.loads(content.text), dict), uri
        else:
            assert isinstance(content, BlobResourceContents)
            data = base64.b64decode(content.blob)
            if kind == "image/jpeg":
                Image.open(io.BytesIO(data)).load()
            else:
                assert (kind, data[4:8]) == ("video/mp4", b"ftyp"), uri
        return kind


def pictures_of(result: CallToolResult) -> list[Image.Image]:
    """The images of a result, opened and decoded."""
    pictures = []
    for block in result.content:
        if isinstance(block, ImageContent):
            picture = Image.open(io.BytesIO(base64.b64decode(block.data)))
            picture.load()
            pictures.append(picture)
    return pictures


def _facts(result: CallToolResult) -> dict[str, Any]:
    """The JSON object of a reply; where it comes twice, both are the same."""
    sentence, told, *_ = (block.text for block in result.content if isinstance(block, TextContent))
    facts: dict[str, Any] = json.loads(told)
    assert facts["summary"] == sentence
    assert result.structured_content is None or result.structured_content == facts
    return facts


def _check_tokens(facts: dict[str, Any], pictures: list[Image.Image], most: int) -> None:
    images = sum(token_cost(*picture.size, "claude") for picture in pictures)
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    assert reply_tokens(text, images) <= facts["tokens"] <= most
