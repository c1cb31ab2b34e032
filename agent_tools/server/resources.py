"""Resources: the library, its videos, the templates of all uris, and the completion of video ids.

This module knows uris and media types; service reads the content."""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.types import Completion, CompletionArgument, Resource, ResourceTemplate

from agent_tools.errors import InvalidArgument
from agent_tools.progress import OnStep
from agent_tools.server.app import App
from agent_tools.server.notices import LIBRARY
from agent_tools.timeline import video_uri
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from agent_tools.service.library.library import Library

SCHEME = "video://"
JSON = "application/json"
PAGE = 100
MOST_COMPLETIONS = 100  # the protocol's own limit

TEMPLATES = (
    ResourceTemplate(
        uri_template="video://{id}",
        name="video",
        title="A video",
        description="Metadata, channels and state of one video; with #t=start,end the text of that span, "
        "with links to its frame and clip.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        uri_template="video://{id}/episodes",
        name="episodes",
        title="Its episodes",
        description="The timeline: chapters, scenes or chunks with titles.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        uri_template="video://{id}/budget",
        name="budget",
        title="What it would cost",
        description="Tokens of this video as plain frames against what this server sends.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        uri_template="video://{id}/transcript{?start_s,end_s}",
        name="transcript",
        title="What is said",
        description="Subtitles and speech with their times, of the whole video or from start_s to end_s.",
        mime_type="text/plain",
    ),
    ResourceTemplate(
        uri_template="video://{id}/frame/{t}",
        name="frame",
        title="A picture",
        description="The picture on screen at t seconds.",
        mime_type="image/jpeg",
    ),
    ResourceTemplate(
        uri_template="video://{id}/clip/{start}-{end}",
        name="clip",
        title="A clip",
        description="From start to end seconds as MP4, at most 60 s and 8 MiB; "
        "beyond that, the command line that exports it.",
        mime_type="video/mp4",
    ),
    ResourceTemplate(
        uri_template="video://{id}/note/{n}",
        name="note",
        title="A note",
        description="One note that an agent wrote about a span.",
        mime_type=JSON,
    ),
)


async def read(context: Context[App, Any], uri: str) -> ReadResourceContents:
    """The content of a video:// uri. Raises: what the library raises."""

    def work(library: Library, _caller: str, on_step: OnStep) -> ReadResourceContents:
        from agent_tools.service.read_resource import read_resource

        found = read_resource(library, uri, lambda: on_step(0.5, "decoding"))
        content = found.text if found.data is None else found.data
        held = None if found.span is None else {"start_s": found.span.start_s, "end_s": found.span.end_s}
        return ReadResourceContents(content=content or "", mime_type=found.mime_type, meta=held)

    return await context.request_context.lifespan_context.call(context, "look", work)


async def listed(app: App, cursor: str | None) -> tuple[list[Resource], str | None]:
    """One page of resources: first the library, then the videos in the order in which they were added.

    Raises: InvalidArgument: the cursor is not from resources/list. StoreError: the library cannot be opened.
    """
    offset = _offset(cursor)
    library = await app.library()
    videos = await anyio.to_thread.run_sync(library.store.videos)
    page = [
        Resource(
            uri=video_uri(video.id),
            name=video.id,
            title=clean(video.title, 120),
            description="A video in memory.",
            mime_type=JSON,
        )
        for video in videos[offset : offset + PAGE]
    ]
    if offset == 0:
        page.insert(0, _LIBRARY)
    more = offset + PAGE < len(videos)
    return page, base64.urlsafe_b64encode(str(offset + PAGE).encode()).decode() if more else None


async def complete(app: App, argument: CompletionArgument) -> Completion:
    """The ids of videos whose id, title or file name begins with the typed text, or their uris if a uri is typed.

    Works for every argument that names a video; other arguments get no completion."""
    if argument.name not in ("id", "video_id", "video", "videos"):
        return Completion(values=[], total=0, has_more=False)
    library = await app.library()
    typed = argument.value.rpartition(",")[2].strip().casefold()
    as_uri, typed = typed.startswith(SCHEME), typed.removeprefix(SCHEME)
    videos = await anyio.to_thread.run_sync(library.store.videos)
    names = {video.id: [video.id] if as_uri else [video.id, video.title.casefold()] for video in videos}
    if not as_uri:
        for source in await anyio.to_thread.run_sync(library.store.all_sources):
            names[source.video_id].append(PurePath(source.path).name.casefold())
    found = [
        video_uri(video_id) if as_uri else video_id
        for video_id, called in names.items()
        if any(name.startswith(typed) for name in called)
    ]
    return Completion(values=found[:MOST_COMPLETIONS], total=len(found), has_more=len(found) > MOST_COMPLETIONS)


def _offset(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        offset = int(base64.urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error) as error:
        raise InvalidArgument("cursor did not come from resources/list. Leave it out to begin again.") from error
    if offset < 0:
        raise InvalidArgument("cursor did not come from resources/list. Leave it out to begin again.")
    return offset


_LIBRARY = Resource(
    uri=LIBRARY,
    name="library",
    title="The library",
    description="All videos in memory, with their states.",
    mime_type=JSON,
)
