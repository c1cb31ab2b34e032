"""Resource-updated notices: clients that subscribed learn what changed in the store, in both protocol eras."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourcesListChanged, ResourceUpdated
from mcp.shared.exceptions import MCPError

from agent_tools.timeline import video_uri

if TYPE_CHECKING:
    from agent_tools.store import Store

log = logging.getLogger("agent_tools.server")
LIBRARY = "video://library"
SEND_S = 1.0  # a client that takes longer loses its subscription
MOST_SUBSCRIPTIONS = 1000  # of all clients of the handshake eras together


class Notices:
    """Keeps the subscriptions, and the state of the store at the last comparison."""

    def __init__(self, send_s: float = SEND_S) -> None:
        self.bus = InMemorySubscriptionBus()  # serves subscriptions/listen of the 2026 era
        self._send_s = send_s
        # by (uri, client), for the handshake eras
        self._sessions: OrderedDict[tuple[str, str], ServerSession] = OrderedDict()
        self._version: int | None = None
        self._lengths: dict[str, float | None] = {}  # of the videos; that of a recording under way grows
        self._jobs: dict[str, tuple[object, ...]] = {}

    def subscribe(self, uri: str, client: str, session: ServerSession) -> None:
        """Keep a subscription of a handshake-era client. The oldest one is dropped when there are too many."""
        self._sessions.pop((uri, client), None)
        self._sessions[(uri, client)] = session
        while len(self._sessions) > MOST_SUBSCRIPTIONS:
            self._sessions.popitem(last=False)

    def unsubscribe(self, uri: str, client: str) -> None:
        self._sessions.pop((uri, client), None)

    def changes(self, store: Store) -> list[str]:
        """The uris whose content changed since the last call; "" stands for the list of resources."""
        version = store.data_version()
        if version == self._version:
            return []
        first, self._version = self._version is None, version
        lengths = {video.id: video.duration_s for video in store.videos()}
        jobs: dict[str, tuple[object, ...]] = {
            job.video_id: (job.state, round(job.progress, 2)) for job in store.open_jobs()
        }
        moved = {
            video_id for video_id in jobs.keys() | self._jobs.keys() if jobs.get(video_id) != self._jobs.get(video_id)
        }
        came_or_went = lengths.keys() ^ self._lengths.keys()
        moved |= {one for one in lengths.keys() & self._lengths.keys() if lengths[one] != self._lengths[one]}
        self._lengths, self._jobs = lengths, jobs
        if first:
            return []
        uris = [uri for video_id in sorted(moved | came_or_went) for uri in of_video(video_id)]
        return ([LIBRARY] if uris else []) + uris + ([""] if came_or_went else [])

    async def publish(self, uris: list[str]) -> None:
        """Send each change to the clients of both eras. A client that is too slow loses its subscription."""
        async with anyio.create_task_group() as sending:
            for uri in uris:
                await self.bus.publish(ResourceUpdated(uri=uri) if uri else ResourcesListChanged())
                for (wanted, client), session in list(self._sessions.items()):
                    if wanted == uri:
                        sending.start_soon(self._send, uri, client, session)

    async def _send(self, uri: str, client: str, session: ServerSession) -> None:
        with anyio.move_on_after(self._send_s) as patience:
            try:
                await session.send_resource_updated(uri)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError, MCPError):
                self.unsubscribe(uri, client)
        if patience.cancelled_caught:
            log.info("a client does not accept notices; its subscription to %s has ended", uri)
            self.unsubscribe(uri, client)


def of_video(video_id: str) -> list[str]:
    """The resources of a video that change when it is ingested or gets a note."""
    return [video_uri(video_id), f"{video_uri(video_id)}/episodes"]
