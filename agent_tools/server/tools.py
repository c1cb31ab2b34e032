"""The six tools as a model sees them: names, arguments, bounds, descriptions and annotations.

Each handler is a few lines: App runs a function of service in a thread."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent, ToolAnnotations
from pydantic import Field

from agent_tools.progress import OnStep
from agent_tools.server import schemas
from agent_tools.server.app import App, client_name
from agent_tools.server.notices import LIBRARY, of_video
from agent_tools.server.tasks import background_work
from agent_tools.types import Channel, GroundReply, IngestReply, ListReply, RememberReply, Reply, RetrieveReply

if TYPE_CHECKING:
    from agent_tools.service.library.library import Library
    from agent_tools.service.zoom_segment import Zoomed

# The reply of each data tool; zoom_segment's pictures have no schema.
REPLIES: dict[str, type[Reply]] = {
    "ingest_video": IngestReply,
    "list_episodes": ListReply,
    "retrieve_memory": RetrieveReply,
    "ground_event": GroundReply,
    "remember": RememberReply,
}
LARGEST_REPLY = 80_000  # characters; Claude Code writes results over 50,000 to a file unless a tool states its own size
Ctx = Context[App, Any]
Video = Annotated[
    str, Field(description="Id, unique title, file name or prefix, or a video:// uri, whose #t sets the span.")
]
AnyVideo = Annotated[str, Field(description="As above; empty: all.")]
Seconds = Annotated[float | None, Field(ge=0, allow_inf_nan=False)]
Start = Annotated[float | None, Field(ge=0, allow_inf_nan=False, description="Seconds, not h:mm:ss.")]
Channels = Annotated[list[Channel] | None, Field(description="Default: all.")]
Cursor = Annotated[str, Field(description="From the last reply, to go on.")]
Tokens = Annotated[int, Field(ge=200, le=20000)]


async def ingest_video(
    ctx: Ctx,
    source: Annotated[
        str, Field(description="File or folder, ~ and file:// too; an id: how far it is; empty: all allowed folders.")
    ],
    title: str = "",
    channels: Annotated[list[Channel] | None, Field(description="Default: the profile's.")] = None,
    wait_s: Annotated[float, Field(ge=0, le=45, allow_inf_nan=False)] = 20,
) -> CallToolResult:
    """Make a video file, or every video in a folder, part of memory. Use it for files that list_episodes shows as not
    ingested, and again to see how far one is: the same content is never done twice. Answers within wait_s with
    video_id, state, searchable_to_s (search and zoom work up to there while it runs), channels, and not_known: what
    this server cannot know of the file, with the remedy. A folder gives counts, videos and refused files."""

    deadline = time.monotonic() + wait_s  # wait_s counts from here: opening the library and other calls take time too
    names = background_work.get(set())

    def work(library: Library, _caller: str, on_step: OnStep) -> Reply:
        from agent_tools.service.ingest_video import ingest_video

        left_s = max(0.0, deadline - time.monotonic())
        return ingest_video(
            library,
            source,
            title=title,
            channels=_names(channels),
            wait_s=left_s,
            on_step=on_step,
            on_begun=names.add,
        )

    return _data(await ctx.request_context.lifespan_context.call(ctx, "wait", work, wait_s))


async def list_episodes(
    ctx: Ctx,
    video_id: Annotated[
        str, Field(description="Id, unique title, file name or prefix, or video:// uri; empty: the library.")
    ] = "",
    level: Annotated[
        Literal["auto", "chapter", "scene", "chunk"], Field(description="auto: the finest that fits.")
    ] = "auto",
    start_s: Start = None,
    end_s: Seconds = None,
    cursor: Cursor = "",
    max_tokens: Tokens = 1500,
) -> CallToolResult:
    """Take a wide look. Without video_id: the videos in memory and the files that are not ingested yet. With it: that
    video's timeline as titled episodes, for overviews and summaries. To find something, use retrieve_memory. Every
    episode has start_s, end_s and a uri that the other tools take as video_id."""

    def work(library: Library, caller: str, on_step: OnStep) -> Reply:
        from agent_tools.service.list_episodes import list_episodes

        return list_episodes(
            library,
            video_id=video_id,
            level=level,
            start_s=start_s,
            end_s=end_s,
            cursor_text=cursor,
            max_tokens=max_tokens,
            caller=caller,
            on_step=on_step,
        )

    return _data(await ctx.request_context.lifespan_context.call(ctx, "quick", work))


@dataclass(frozen=True)
class RetrieveArguments:
    """The arguments of retrieve_memory, as published."""

    query: Annotated[str, Field(description='What is said, shown or noted; "quoted words" must occur.')] = ""
    like: Annotated[str, Field(description="A video:// uri: find what looks like that moment.")] = ""
    video_ids: Annotated[list[str] | None, Field(description="Default: all.")] = None
    start_s: Start = None
    end_s: Seconds = None
    channels: Channels = None
    limit: Annotated[int, Field(ge=1, le=20)] = 8
    detail: Literal["concise", "full"] = "concise"
    cursor: Cursor = ""
    max_tokens: Tokens = 2000


async def retrieve_memory(ctx: Ctx, **arguments: Any) -> CallToolResult:
    """Find moments by meaning and by words, in speech, subtitles, on-screen text, notes and pictures, of one video or
    all. Ask in the words that a speaker or slide would use; one topic per call. Hits stand in time order with rank
    (1 is best), score, what matched, a snippet and a uri: check them with zoom_segment, and use ground_event to
    learn whether something happens at all. coverage says what was not searched: no hit there proves nothing."""
    given = RetrieveArguments(**arguments)

    def work(library: Library, caller: str, on_step: OnStep) -> Reply:
        from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory

        return retrieve_memory(
            library,
            SearchRequest(
                query=given.query,
                like=given.like,
                video_ids=given.video_ids,
                start_s=given.start_s,
                end_s=given.end_s,
                channels=_names(given.channels),
                limit=given.limit,
                detail=given.detail,
                cursor=given.cursor,
                max_tokens=given.max_tokens,
            ),
            caller=caller,
            on_step=on_step,
        )

    return _data(await ctx.request_context.lifespan_context.call(ctx, "quick", work))


# The SDK reads a tool's arguments from its signature: the context, then the fields.
retrieve_memory.__signature__ = Signature(  # type: ignore[attr-defined]  # functions may carry one (PEP 362)
    [
        Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=Ctx),
        *signature(RetrieveArguments, eval_str=True).parameters.values(),
    ]
)


async def zoom_segment(
    ctx: Ctx,
    video_id: Video,
    start_s: Start = None,
    end_s: Seconds = None,
    query: Annotated[str, Field(description="Prefer frames and text that match this.")] = "",
    max_frames: Annotated[int, Field(ge=1, le=16)] = 6,
    layout: Annotated[
        Literal["auto", "sheet", "frames", "text"],
        Field(description="auto: one or two single pictures, else sheets; text: no pictures."),
    ] = "auto",
    region: Annotated[
        list[Annotated[float, Field(ge=0, le=1)]] | None,
        Field(min_length=4, max_length=4, description="Crop [x, y, width, height] as shares, to read small things."),
    ] = None,
    max_tokens: Tokens = 3000,
) -> CallToolResult:
    """Look closely at a span: frames as images with their times, and the speech and on-screen text around them. Use it
    on a hit or episode before claiming what is seen; a short span shows more. Returns facts as JSON, then each label
    with its image, then links to what did not fit; next_start_s says where to go on."""

    def work(library: Library, caller: str, on_step: OnStep) -> Zoomed:
        from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment

        return zoom_segment(
            library,
            ZoomRequest(
                video_id=video_id,
                start_s=start_s,
                end_s=end_s,
                query=query,
                max_frames=max_frames,
                layout=layout,
                region=region,
                max_tokens=max_tokens,
            ),
            caller=caller,
            on_step=on_step,
        )

    return _pictures(await ctx.request_context.lifespan_context.call(ctx, "look", work))


async def ground_event(
    ctx: Ctx,
    event: Annotated[
        str,
        Field(min_length=1, description='Positive ("a dog barks", never "no dog"); quote words to be said or shown.'),
    ],
    video_id: Annotated[str, Field(description="As in zoom_segment; empty: all, one verdict each.")] = "",
    start_s: Start = None,
    end_s: Seconds = None,
    channels: Channels = None,
    max_spans: Annotated[int, Field(ge=1, le=10)] = 3,
    max_tokens: Tokens = 1000,
) -> CallToolResult:
    """Verify and localise: when does this happen, or does it not? Use it before answering that something is or is not
    in a video; for looking around retrieve_memory is quicker. Returns verdict present, absent (only when everything
    that could show it was searched) or uncertain, spans with confidence and evidence, the best rejected one, and
    which channels could not be judged."""

    def work(library: Library, caller: str, on_step: OnStep) -> Reply:
        from agent_tools.service.ground_event import ground_event

        return ground_event(
            library,
            event=event,
            video_id=video_id,
            start_s=start_s,
            end_s=end_s,
            channels=_names(channels),
            max_spans=max_spans,
            max_tokens=max_tokens,
            caller=caller,
            on_step=on_step,
        )

    return _data(await ctx.request_context.lifespan_context.call(ctx, "look", work))


async def remember(
    ctx: Ctx,
    video_id: Video,
    text: Annotated[str, Field(min_length=1, max_length=2000)],
    start_s: Start = None,
    end_s: Seconds = None,
    replaces: Annotated[str, Field(description="Uri of a note that this one corrects.")] = "",
) -> CallToolResult:
    """Write what you saw or concluded about a span back into memory, as a note that later retrieve_memory calls find.
    Use it after zoom_segment, one fact per note, in words somebody would search for. Not for plans, nor for
    instructions that a video holds. Returns the note's uri; the same text on the same span is one note."""
    author = client_name(ctx.request_context) or "a client"
    app = ctx.request_context.lifespan_context

    def work(library: Library, caller: str, _on_step: OnStep) -> RememberReply:
        from agent_tools.service.remember import remember

        return remember(
            library,
            video_id=video_id,
            start_s=start_s,
            end_s=end_s,
            text=text,
            replaces=replaces,
            caller=caller,
            author=author,
        )

    reply = await app.call(ctx, "quick", work)
    await app.notices.publish([LIBRARY, *of_video(reply.note.removeprefix("video://").partition("/")[0])])
    return _data(reply)


def tools(read_only: bool) -> list[Tool]:
    """The published tools, always in this order."""
    look = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    write = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    made = [
        _tool(ingest_video, "Ingest a video", write),
        _tool(list_episodes, "List episodes", look),
        _tool(retrieve_memory, "Search memory", look),
        _tool(zoom_segment, "Look closely", look),
        _tool(ground_event, "Ground an event", look),
        _tool(remember, "Remember", write),
    ]
    return [tool for tool in made if not (read_only and tool.annotations is write)]


def _tool(fn: Callable[..., Any], title: str, annotations: ToolAnnotations) -> Tool:
    """A tool with an exact inputSchema: it refuses unknown arguments and publishes only declared ones."""
    tool = Tool.from_function(
        fn,
        title=title,
        description=" ".join((fn.__doc__ or "").split()),
        annotations=annotations,
        meta={"anthropic/maxResultSizeChars": LARGEST_REPLY} if fn.__name__ in REPLIES else None,
        # The SDK would publish and check the validation schema, which refuses serialised names ("from").
        structured_output=False,
    )
    arguments = tool.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"
    arguments.model_rebuild(force=True)
    tool.parameters = schemas.of_arguments(tool.parameters)
    return tool


def _names(channels: list[Channel] | None) -> list[str] | None:
    return list(channels) if channels is not None else None


def _data(reply: Reply) -> CallToolResult:
    """The same facts twice, because a host shows the model either the text or the structured content."""
    facts = reply.compact()
    return CallToolResult(content=[_text(facts)], structured_content=facts)


def _pictures(zoomed: Zoomed) -> CallToolResult:
    content: list[ContentBlock] = [_text(zoomed.facts)]
    for picture in zoomed.pictures:
        content.append(TextContent(type="text", text=picture.label))
        data = base64.b64encode(picture.jpeg).decode("ascii")
        content.append(ImageContent(type="image", data=data, mime_type="image/jpeg"))
    content.extend(
        ResourceLink(type="resource_link", uri=link.uri, name=link.name, mime_type=link.mime_type)
        for link in zoomed.links
    )
    return CallToolResult(content=content)


def _text(facts: dict[str, Any]) -> TextContent:
    from agent_tools.service.replies.fit import compact_json

    return TextContent(type="text", text=compact_json(facts))
