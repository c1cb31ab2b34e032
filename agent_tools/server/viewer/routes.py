"""The viewer over HTTP: the page at /view, and the bytes of a video's file in ranges for its player."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_tools.errors import AgentToolsError, RequestError, SourceNotFound
from agent_tools.media.plain_file import Plain, open_plain
from agent_tools.server import faults
from agent_tools.server.viewer import page
from agent_tools.server.viewer.door import PRIVATE, VIEW

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_tools.server.protocol import VideoServer
    from agent_tools.service.library.library import Library

TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",  # browsers play its usual codecs, and refuse its own media type
    ".webm": "video/webm",
    ".ogv": "video/ogg",
    ".mkv": "video/x-matroska",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
}
OTHER = "application/octet-stream"
BLOCK = 1 << 18  # bytes of a file that are read and sent at once
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')


def routes(server: VideoServer, protect: Callable[[ASGIApp], ASGIApp]) -> list[Route]:
    """Args: protect: what stands before /mcp where access tokens are checked."""

    async def show(_: Request) -> Response:
        html = page.html()
        stated = _POLICY.search(html)  # a header holds also where a browser would not read it from the page
        policy = f"{stated[1]}; frame-ancestors 'none'" if stated else "default-src 'none'"
        return HTMLResponse(html, headers={**PRIVATE, "Content-Security-Policy": policy})

    async def media(request: Request) -> Response:
        app = server.running
        if app is None:
            return JSONResponse({"error": "The server is starting."}, 503)
        try:
            library = await app.library()
            opened = await anyio.to_thread.run_sync(_opened, library, request.path_params["video"])
        except RequestError as error:
            return JSONResponse({"error": faults.described(error)}, 404)
        except AgentToolsError as error:
            return JSONResponse({"error": faults.described(error)}, 500)
        return _file(opened, request)

    return [
        Route(VIEW, protect(_Endpoint(show)), methods=["GET"]),
        Route(f"{VIEW}/media/{{video:str}}", protect(_Endpoint(media)), methods=["GET"]),
    ]


class _Endpoint:
    """A handler of a request as an ASGI application, which middleware can stand around."""

    def __init__(self, handle: Callable[[Request], object]) -> None:
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._handle(Request(scope, receive))  # type: ignore[misc]  # handlers are async
        await response(scope, receive, send)


def _opened(library: Library, name: str) -> tuple[Plain, str]:
    """A file that holds the video and may be read now, and its media type. Raises: VideoNotFound, SourceNotFound."""
    video = library.video(name)
    paths = library.sources(video.id)
    if not paths:
        raise SourceNotFound(f"{library.closed(video.id)}.")
    return open_plain(paths[0]), TYPES.get(paths[0].suffix.lower(), OTHER)


def _file(opened: tuple[Plain, str], request: Request) -> Response:
    """The file, or the one range of it that was asked for (RFC 9110, Sec. 14); several ranges get the whole file."""
    file, media_type = opened
    size = file.size
    headers = {**PRIVATE, "Accept-Ranges": "bytes", "Content-Type": media_type}
    start, stop, status = 0, size, 200
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked and (asked[1] or asked[2]):
        first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
        last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
        if first > last:
            file.close()
            return Response(status_code=416, headers={**PRIVATE, "Content-Range": f"bytes */{size}"})
        start, stop, status = first, last + 1, 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        file.close()
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_blocks(file, start, stop), status, headers)


async def _blocks(file: Plain, start: int, stop: int) -> AsyncIterator[bytes]:
    try:
        file.seek(start)
        while start < stop:
            block = await anyio.to_thread.run_sync(file.read, min(BLOCK, stop - start))
            if not block:
                return  # the file became shorter
            start += len(block)
            yield block
    finally:
        file.close()
