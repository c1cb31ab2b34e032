"""stdio: one JSON-RPC message a line; a line that is none is answered, so that nobody waits for ever.

Knows lines and ids. Knows nothing of methods. The SDK drops what it cannot parse; a client may well send such a line:
JSON.stringify writes half of a cut emoji as a lone surrogate, which is no Unicode."""

from __future__ import annotations

import json
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

NOT_JSON = "The line is not JSON, or holds a number or nesting beyond all bounds. Send one JSON-RPC message a line."
NOT_UNICODE = "A string in it holds half of a surrogate pair, which is no character. Cut texts between characters."
NO_MESSAGE = "The line is JSON, but no JSON-RPC message. Send jsonrpc, method and, for an answer, id."


async def serve_lines(server: Server[Any]) -> None:
    """Serve one client over stdin and stdout until it closes them."""
    async with stdio_server() as (read, write), anyio.create_task_group() as group:
        passed_on, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        group.start_soon(_pass_on, read, passed_on, write)
        await server.run(messages, write, server.create_initialization_options())
        group.cancel_scope.cancel()


async def _pass_on(read: Any, passed_on: MemoryObjectSendStream[SessionMessage | Exception], write: Any) -> None:
    async with passed_on:
        async for item in read:
            answer = refusal(item) if isinstance(item, ValidationError) else None
            if answer is None:
                await passed_on.send(item)
            else:
                await write.send(SessionMessage(answer))


def refusal(error: ValidationError) -> JSONRPCError | None:
    """The answer to a line that was no message, with the request's id where one can be made out.

    None where nobody waits for one: an empty line, or a notification.
    """
    line = next((fault["input"] for fault in error.errors() if fault["type"] == "json_invalid"), None)
    if line is None:
        return _error(None, INVALID_REQUEST, NO_MESSAGE)
    if not str(line).strip():
        return None
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return _error(None, PARSE_ERROR, NOT_JSON)
    if not isinstance(told, dict):
        return _error(None, PARSE_ERROR, NOT_JSON)
    if "id" not in told:
        return None
    number = told["id"]
    whole = isinstance(number, int | str) and not isinstance(number, bool)
    why = NOT_UNICODE if "\\ud" in str(line).casefold() else NOT_JSON
    return _error(number if whole and _is_unicode(number) else None, PARSE_ERROR, why)


def _error(number: int | str | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=code, message=message))


def _is_unicode(value: object) -> bool:
    return str(value).isascii() or not any("\ud800" <= character <= "\udfff" for character in str(value))
