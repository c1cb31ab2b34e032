"""The page: one HTML file that loads nothing, as the resource of an MCP App (SEP-1865) and as an answer over HTTP.

`make viewer` builds the file out of viewer/."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID, ResourceCsp, client_supports_apps
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.types import Resource, Tool

URI = "ui://agent-tools/viewer.html"
FILE = "viewer.html"
SHOWN_BY = ("list_episodes", "retrieve_memory", "zoom_segment", "ground_event")  # their results open the page
# The page connects to no host, loads from none and frames none. Clips come as data: addresses, by the chat client.
META: dict[str, Any] = {
    "ui": {
        "csp": ResourceCsp(
            connect_domains=[], resource_domains=["data:"], frame_domains=[], base_uri_domains=[]
        ).model_dump(by_alias=True),
        "prefersBorder": False,
    }
}
RESOURCE = Resource(
    uri=URI,
    name="viewer",
    title="Viewer",
    description="The page that shows videos, hits and verdicts on a timeline.",
    mime_type=APP_MIME_TYPE,
    _meta=META,
)
_GREETINGS = ("initialize", "server/discover")


@functools.cache
def html() -> str:
    """The page."""
    return files("agent_tools.server.viewer").joinpath(FILE).read_text(encoding="utf-8")


def content() -> ReadResourceContents:
    """The page as resources/read gives it."""
    return ReadResourceContents(content=html(), mime_type=APP_MIME_TYPE, meta=META)


def shown_to(ctx: Any) -> bool:
    """Whether the client of a request shows pages: it named the extension and the page's media type."""
    return client_supports_apps(ctx)


def opened_by(tool: Tool) -> Tool:
    """The tool, with the page that shows its result."""
    if tool.name not in SHOWN_BY:
        return tool
    return tool.model_copy(update={"meta": {**(tool.meta or {}), "ui": {"resourceUri": URI}}})


async def announce(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: the server names the extension to clients that name it; all others get the greeting without it."""
    result = await call_next(ctx)
    if ctx.method in _GREETINGS and isinstance(result, dict) and _declared(ctx):
        capabilities = dict(result.get("capabilities") or {})
        capabilities["extensions"] = {**(capabilities.get("extensions") or {}), EXTENSION_ID: {}}
        return {**result, "capabilities": capabilities}
    return result


def _declared(ctx: ServerRequestContext[Any, Any]) -> bool:
    if ctx.method != "initialize":
        return shown_to(ctx)
    given: Any = (ctx.params or {}).get("capabilities")  # the handshake has not filled the session yet
    extensions = given.get("extensions") if isinstance(given, dict) else None
    return isinstance(extensions, dict) and EXTENSION_ID in extensions
