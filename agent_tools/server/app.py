"""The running server: it opens the library when a call first needs it, and runs each call in a thread.

A call reports its progress and can be cancelled. What a tool does is in service."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.abc import TaskGroup
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import principal_components
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context

from agent_tools.errors import AgentToolsError
from agent_tools.progress import OnStep
from agent_tools.server.limits import CLIENTS_OF_A_HOST, Kind, Rate, RateLimit, Slots
from agent_tools.server.logs import where
from agent_tools.server.notices import Notices
from agent_tools.settings import Settings
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from starlette.requests import Request

    from agent_tools.service.library.library import Library

log = logging.getLogger("agent_tools.server")
T = TypeVar("T")
Work = Callable[["Library", str, OnStep], T]

_serial = itertools.count(1)


@dataclass(frozen=True)
class AppSettings:
    """Times of the background work, and the rate limit of one caller."""

    after_greeting_s: float = 0.1  # the first answer leaves before imports compete with it for the interpreter
    tend_s: float = 2.0  # between two looks at the store for changes and orphaned jobs
    report_s: float = 1.0  # between two progress notices of one call
    rate: RateLimit = field(default_factory=RateLimit)


class App:
    """The state of one lifespan: one per process over HTTP, one per connection over stdio."""

    def __init__(
        self,
        settings: Settings,
        library: Library | None,
        notices: Notices,
        app_settings: AppSettings | None = None,
        describe: Callable[[list[str]], None] = lambda titles: None,
    ) -> None:
        """Args: describe: gets the titles of the videos in memory when they change."""
        self.settings = settings
        self.name = secrets.token_hex(8)  # of this server, where it shares a store with others
        self.notices = notices
        self.app_settings = app_settings or AppSettings()
        self.rate = Rate(self.app_settings.rate)
        self.slots = Slots()
        self._describe = describe
        self._described = False
        self.greeted = anyio.Event()
        self.background: TaskGroup  # the lifespan sets it and ends it
        self._borrowed = library is not None
        self._library = library
        self._opening = anyio.Lock()
        self._serial = next(_serial)

    @property
    def opened(self) -> Library | None:
        """The library, where a call has opened it."""
        return self._library

    async def library(self) -> Library:
        """The library. The first call opens it in a thread. Raises: StoreError: it cannot be opened."""
        if self._library is None:
            async with self._opening:
                if self._library is None:
                    self._library = await anyio.to_thread.run_sync(_open, self.settings)
        return self._library

    async def close(self) -> None:
        if self._library is not None and not self._borrowed:
            await anyio.to_thread.run_sync(self._library.close)

    async def call(self, context: Context[App, Any], kind: Kind, work: Work[T], within_s: float = math.inf) -> T:
        """Run a service function in a thread. Its steps become progress; a cancelled call ends at its next step.

        Args:
            within_s: how long the call may wait for a place of its kind before it runs as a quick one.

        Raises: LimitReached: too many calls at once; and whatever the work raises.
        """
        caller = self.caller(context.request_context)
        on_step, reporting = Steps(self.app_settings.report_s), anyio.CancelScope()
        self.background.start_soon(on_step.report, context, reporting)
        try:
            async with self.slots.place(kind, within_s):
                library = await self.library()
                on_step.now = (0.0, "working")
                return await anyio.to_thread.run_sync(functools.partial(work, library, caller, on_step))
        finally:
            reporting.cancel()

    def caller(self, request: ServerRequestContext[Any, Any]) -> str:
        """A key for the caller: the authenticated principal, else the HTTP session or client, else the connection."""
        http = request.request
        if http is None:
            return f"connection {self._serial}"
        return _principal(http) or f"{_host(http)} {http.headers.get('mcp-session-id') or client_name(request)}"

    def owner(self, request: ServerRequestContext[Any, Any]) -> str:
        """A key for the party that is responsible for a request: the authenticated principal, else the host, else the
        connection. It holds nothing that a client can invent."""
        http = request.request
        return f"connection {self._serial}" if http is None else _principal(http) or _host(http)

    def session(self, request: ServerRequestContext[Any, Any]) -> str:
        """A key for one client's session of the handshake eras. One principal may hold several sessions."""
        http = request.request
        return (http.headers.get("mcp-session-id") if http is not None else None) or self.caller(request)

    def count(self, request: ServerRequestContext[Any, Any]) -> None:
        """Count one request over HTTP. A stdio client is the user's own and has no limit. Raises: LimitReached."""
        http = request.request
        if http is not None:
            self.rate.take(self.owner(request), 1 if _principal(http) else CLIENTS_OF_A_HOST)

    async def tend(self) -> None:
        """Work in the background after the first answer.

        It loads the models, indexes notes that have no vectors yet, resumes orphaned jobs and publishes changes."""
        await self.greeted.wait()
        await anyio.sleep(self.app_settings.after_greeting_s)
        warmed = indexed = False
        while True:
            try:
                library = await self.library()
                if not warmed:
                    library.models.warm()
                    warmed = True
                if not indexed and library.models.loaded is not None:
                    await anyio.to_thread.run_sync(self._index_notes, library)
                    indexed = True
                changes = await anyio.to_thread.run_sync(self._look_after, library)
                await self.notices.publish(changes)
            except AgentToolsError as error:
                log.error("%s", error.described)
            except Exception as error:  # noqa: BLE001  # the background must not end the server
                log.error("background: %s", where(error))
            await anyio.sleep(self.app_settings.tend_s)

    def _index_notes(self, library: Library) -> None:
        from agent_tools.service.remember import index_all_notes

        if not self.settings.read_only:
            index_all_notes(library)

    def _look_after(self, library: Library) -> list[str]:
        if not self.settings.read_only:
            library.workers.ensure(library.store)
        changes = self.notices.changes(library.store)
        if changes or not self._described:
            self._described = True
            self._describe([video.title for video in library.store.videos()])
        return changes


class Steps:
    """The `on_step` of one call.

    The call's thread calls it, and it ends a cancelled call. The client gets the last message at a fixed interval,
    however long one step takes."""

    def __init__(self, report_s: float) -> None:
        self.now = (0.0, "waiting for other calls to end")
        self._report_s = report_s

    def __call__(self, progress: float, message: str) -> None:
        anyio.from_thread.check_cancelled()
        self.now = (progress, message)

    async def report(self, context: Context[App, Any], scope: anyio.CancelScope) -> None:
        """Send progress to a client that wants it, until the scope is cancelled."""
        reported = 0.0  # the protocol wants progress that increases strictly, whatever the work says
        with scope:
            try:
                while True:
                    await anyio.sleep(self._report_s)
                    progress, message = self.now
                    reported = progress if progress > reported else reported + (1.0 - reported) / 1000
                    await context.report_progress(reported, 1.0, clean(message, 200))
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                return  # the client has gone
            except Exception as error:  # noqa: BLE001  # a failed report must end neither the call nor the server
                log.error("progress: %s", where(error))


def _principal(http: Request) -> str:
    """The principal of the request's token; "" for a request without a token."""
    user = http.scope.get("user")
    if isinstance(user, AuthenticatedUser):
        return repr(principal_components(user.access_token))  # client, issuer and subject
    return str(http.scope.get("agent_tools.principal", ""))


def _host(http: Request) -> str:
    return http.client.host if http.client else "?"


def client_name(request: ServerRequestContext[Any, Any]) -> str:
    """The name that the client gives itself, or "". It does not prove an identity."""
    params = request.session.client_params
    return clean(params.client_info.name, 60) if params is not None else ""


def _open(settings: Settings) -> Library:
    from agent_tools.service.library.library import Library

    return Library(settings)
