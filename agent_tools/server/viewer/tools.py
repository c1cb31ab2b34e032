"""The tools that only the page may call: bounded, paged, and hidden from models (visibility "app").

A client that shows no pages does not have them at all."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.types import BlobResourceContents, CallToolResult, ContentBlock, EmbeddedResource, TextContent, ToolAnnotations
from pydantic import Field

from agent_tools.progress import OnStep
from agent_tools.server import schemas
from agent_tools.server.app import App
from agent_tools.timeline import seconds_text, video_uri
from agent_tools.types import Channel, Reply

if TYPE_CHECKING:
    from agent_tools.service.library.library import Library

MOST_BYTES = 700_000  # of the pictures of one reply, before base64: hosts cut results near 1 MB
SEARCH_TOKENS = 8000
HITS = 20
VISIBILITY = {"ui": {"visibility": ["app"]}}
Ctx = Context[App, Any]
Name = Annotated[str, Field(min_length=1, max_length=400)]
Seconds = Annotated[float | None, Field(ge=0, allow_inf_nan=False)]
Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Cursor = Annotated[str, Field(max_length=400)]


async def view_library(ctx: Ctx, more: Cursor = "") -> CallToolResult:
    """The videos in memory, a page at a time."""

    def work(library: Library, _caller: str, _on_step: OnStep) -> Reply:
        from agent_tools.service.viewer.videos import shown_videos

        return shown_videos(library, more)

    return _facts(await ctx.request_context.lifespan_context.call(ctx, "quick", work))


async def view_video(ctx: Ctx, video: Name) -> CallToolResult:
    """One video: length, channels, chapters, scenes and gaps."""

    def work(library: Library, _caller: str, _on_step: OnStep) -> Reply:
        from agent_tools.service.viewer.hour import shown_hour

        return shown_hour(library, video)

    return _facts(await ctx.request_context.lifespan_context.call(ctx, "quick", work))


async def view_lanes(
    ctx: Ctx,
    video: Name,
    start_s: Seconds = None,
    end_s: Seconds = None,
    bins: Annotated[int, Field(ge=1, le=2000)] = 1000,
) -> CallToolResult:
    """Where something stands on each lane of a span."""

    def work(library: Library, _caller: str, _on_step: OnStep) -> Reply:
        from agent_tools.service.viewer.entries import lanes

        return lanes(library, video, start_s, end_s, bins)

    return _facts(await ctx.request_context.lifespan_context.call(ctx, "quick", work))


async def view_entries(
    ctx: Ctx,
    video: Name,
    start_s: Seconds = None,
    end_s: Seconds = None,
    channels: list[Channel] | None = None,
    more: Cursor = "",
) -> CallToolResult:
    """The entries of a span in time order, a page at a time."""

    def work(library: Library, _caller: str, _on_step: OnStep) -> Reply:
        from agent_tools.service.viewer.entries import shown_entries

        return shown_entries(library, video, start_s, end_s, list(channels) if channels else None, more)

    return _facts(await ctx.request_context.lifespan_context.call(ctx, "quick", work))


async def view_frames(
    ctx: Ctx,
    video: Name,
    times_s: Annotated[list[Time], Field(min_length=1, max_length=24)],
    width: Annotated[int, Field(ge=48, le=1568)] = 160,
    exact: bool = False,
) -> CallToolResult:
    """Pictures at these times as JPEG, so many px wide. exact: decoded at that very time; else kept frames."""

    def work(library: Library, _caller: str, on_step: OnStep) -> list[Any]:
        from agent_tools.service.viewer.pictures import pictures

        return list(pictures(library, video, times_s, width, exact=exact, check=lambda: on_step(0.5, "decoding")))

    app = ctx.request_context.lifespan_context
    found = await app.call(ctx, "look" if exact else "quick", work)
    content: list[ContentBlock] = []
    shown_s: list[float] = []
    size = 0
    for one in found:
        size += len(one.jpeg)
        if content and size > MOST_BYTES:
            break
        uri = f"{video_uri(video)}/frame/{seconds_text(one.time_s)}?width={width}"
        blob = base64.b64encode(one.jpeg).decode("ascii")
        resource = BlobResourceContents(uri=uri, mime_type="image/jpeg", blob=blob)
        content.append(EmbeddedResource(type="resource", resource=resource))
        shown_s.append(one.time_s)
    return CallToolResult(
        content=content, structured_content={"times_s": shown_s, "omitted": len(found) - len(shown_s)}
    )


async def view_search(
    ctx: Ctx,
    query: Annotated[str, Field(min_length=1, max_length=2000)],
    video: Annotated[str, Field(max_length=400)] = "",
    more: Cursor = "",
) -> CallToolResult:
    """Moments that answer a query, with whole excerpts."""

    def work(library: Library, caller: str, on_step: OnStep) -> Reply:
        from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory

        request = SearchRequest(
            query=query,
            video_ids=[video] if video else None,
            limit=HITS,
            detail="full",
            cursor=more,
            max_tokens=SEARCH_TOKENS,
        )
        # A person's searches are not the model's: they must not make its next search look repeated.
        return retrieve_memory(library, request, caller=f"viewer of {caller}", on_step=on_step, wait_s=2.0)

    return _facts(await ctx.request_context.lifespan_context.call(ctx, "quick", work))


def tools() -> list[Tool]:
    """The page's own tools, always in this order."""
    return [_tool(one) for one in (view_library, view_video, view_lanes, view_entries, view_frames, view_search)]


def _tool(fn: Callable[..., Any]) -> Tool:
    tool = Tool.from_function(
        fn,
        title=fn.__name__.replace("_", " ").capitalize(),
        description=" ".join((fn.__doc__ or "").split()),
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
        meta=VISIBILITY,
        structured_output=False,
    )
    model = tool.fn_metadata.arg_model
    model.model_config["extra"] = "forbid"
    model.model_rebuild(force=True)
    tool.parameters = schemas.of_arguments(tool.parameters)
    return tool


def _facts(reply: Reply) -> CallToolResult:
    """The structured content alone: a program reads it, and a second copy in text would double every reply."""
    facts = reply.compact()
    return CallToolResult(content=[TextContent(type="text", text="for the viewer")], structured_content=facts)
