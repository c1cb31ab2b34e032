"""ingest_video as a task: it ends when no video of its reply is queued or running. tasks/cancel stops it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anyio.to_thread
from mcp.types import CallToolResult

from agent_tools.server.app import App
from agent_tools.server.tasks import LongTool

OPEN = ("queued", "running")


def status_text(result: CallToolResult) -> str | None:
    """A sentence for the client while there is work left, else None."""
    reply: dict[str, Any] = result.structured_content or {}
    if "folder" in reply:
        left = reply.get("queued", 0) + reply.get("running", 0)
        return f"{left} of {reply.get('found', left)} videos left" if left else None
    if reply.get("state") not in OPEN:
        return None
    return f"{reply['state']}, searchable to {reply.get('searchable_to_s', 0):g} s of {reply.get('duration_s', 0):g} s"


async def stop(app: App, names: Iterable[str]) -> None:
    """Stop the workers of these videos and the downloads of these addresses. Finished parts are kept."""
    from agent_tools.service.library.addresses import is_address

    library = await app.library()
    for name in names:
        if is_address(name):
            library.fetcher.stop(name)
        else:
            await anyio.to_thread.run_sync(library.store.request_stop, name)


INGEST = LongTool(status_text=status_text, arguments={"wait_s": 2}, stop=stop)
