"""stdio: one JSON-RPC message per line. A malformed line gets an error reply, so the client does not hang.

The SDK drops a line that it cannot parse. Clients do send such lines: JSON.stringify writes half of a cut emoji as a
lone surrogate, which is not valid Unicode."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

NOT_JSON = "The line is not JSON, or its numbers or nesting are too large. Send one JSON-RPC message per line."
NOT_UNICODE = "A string holds half of a surrogate pair, which is not a character. Cut texts between characters."
NO_MESSAGE = "The line is JSON, but not a JSON-RPC message. Send jsonrpc and method, and id if you want an answer."


async def serve_lines(server: Server[Any], on_gone: Callable[[], None]) -> None:
    """Serve one client over stdin and stdout until it closes them.

    Args:
        on_gone: called when stdin has ended; calls may still run then."""
    async with stdio_server() as (read, write), anyio.create_task_group() as group:
        forwarded, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        group.start_soon(_forward, read, forwarded, write, on_gone)
        await server.run(messages, write, server.create_initialization_options())
        group.cancel_scope.cancel()


async def _forward(
    read: Any, forwarded: MemoryObjectSendStream[SessionMessage | Exception], write: Any, on_gone: Callable[[], None]
) -> None:
    async with forwarded:
        async for item in read:
            answer = refusal(item) if isinstance(item, ValidationError) else None
            if answer is None:
                await forwarded.send(item)
            else:
                await write.send(SessionMessage(answer))
        on_gone()


def refusal(error: ValidationError) -> JSONRPCError | None:
    """The error reply to a line that is not a message, with the request's id if it can be read.

    None for an empty line or a notification: no client waits for a reply to those.
    """
    line = next((fault["input"] for fault in error.errors() if fault["type"] == "json_invalid"), None)
    if line is None:
        return _error(None, INVALID_REQUEST, NO_MESSAGE)
    if not str(line).strip():
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return _error(None, PARSE_ERROR, NOT_JSON)
    if not isinstance(message, dict):
        return _error(None, PARSE_ERROR, NOT_JSON)
    if "id" not in message:
        return None
    number = message["id"]
    whole = isinstance(number, int | str) and not isinstance(number, bool)
    why = NOT_UNICODE if "\\ud" in str(line).casefold() else NOT_JSON
    return _error(number if whole and _is_unicode(number) else None, PARSE_ERROR, why)


def _error(number: int | str | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=code, message=message))


def _is_unicode(value: object) -> bool:
    return str(value).isascii() or not any("\ud800" <= character <= "\udfff" for character in str(value))
