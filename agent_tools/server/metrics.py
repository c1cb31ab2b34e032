"""/metrics of a server over HTTP, where the extra `metrics` is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_tools.errors import ModelMissing, StoreError
from agent_tools.metrics import CONTENT_TYPE, Metrics

if TYPE_CHECKING:
    from agent_tools.server.protocol import VideoServer
    from agent_tools.store import Store

PATH = "/metrics"


def routes(server: VideoServer, protect: Callable[[ASGIApp], ASGIApp]) -> list[Route]:
    """The route, and from now on the server counts its calls; nothing where the extra is not installed.

    Args: protect: what stands before /mcp where access tokens are checked."""

    def gauges() -> Mapping[str, float]:
        library = server.running.opened if server.running is not None else None
        if library is None:
            return {}  # the server has just begun
        try:
            return queue_gauges(library.store)
        except StoreError:
            return {}  # the database is away: the process's own numbers are still read

    try:
        metrics = Metrics(gauges)
    except ModelMissing:
        return []
    server.metrics = metrics

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        text = await anyio.to_thread.run_sync(metrics.text)
        answer = Response(text, media_type=CONTENT_TYPE)
        await answer(scope, receive, send)

    return [Route(PATH, _Answered(protect(read)), methods=["GET"])]


class _Answered:
    """An ASGI application as an object. Starlette would call a plain function with a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def queue_gauges(store: Store) -> dict[str, float]:
    """The numbers of the store's queue, by the names of metrics.GAUGES."""
    state = store.queue_state()
    return {
        "jobs_queued": state.queued,
        "jobs_running": len(state.running),
        "jobs_failed": state.failures,
        "jobs_done_last_hour": state.ended,
        "hours_done_last_hour": state.ended_hours,
        "oldest_queued_seconds": state.oldest_wait_s,
        "workers": len(state.workers),
        "workers_idle": sum(worker.idle_s is not None for worker in state.workers),
        "videos": state.videos,
        "video_hours": state.hours,
    }
