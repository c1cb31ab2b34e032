"""The running server: the library, opened when first needed; calls in threads with progress and cancellation.

Knows threads, limits and who calls. Knows nothing of what a tool does."""

from __future__ import annotations

import functools
import itertools
import logging
import math
from collections.abc import Callable
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
from agent_tools.server.limits import CLIENTS_OF_A_HOST, Kind, Rate, Slots
from agent_tools.server.logs import where
from agent_tools.server.notices import Notices
from agent_tools.settings import Settings
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from starlette.requests import Request

    from agent_tools.service.library.library import Library

log = logging.getLogger("agent_tools.server")
T = TypeVar("T")
OnStep = Callable[[float, str], None]
Work = Callable[["Library", str, OnStep], T]
AFTER_GREETING_S = 0.1  # the first answer leaves before imports compete with it for the interpreter
TEND_S = 2.0
REPORT_S = 1.0
_serial = itertools.count(1)


class App:
    """One lifespan's state: of a process over HTTP, of a connection over stdio."""

    def __init__(self, settings: Settings, library: Library | None, notices: Notices) -> None:
        self.settings = settings
        self.notices = notices
        self.rate = Rate()
        self.slots = Slots()
        self.greeted = anyio.Event()
        self.background: TaskGroup  # given by the lifespan; ends with it
        self._given = library is not None
        self._library = library
        self._opening = anyio.Lock()
        self._serial = next(_serial)

    async def library(self) -> Library:
        """The library, opened in a thread by whoever needs it first. Raises: StoreError: it cannot be opened."""
        if self._library is None:
            async with self._opening:
                if self._library is None:
                    self._library = await anyio.to_thread.run_sync(_open, self.settings)
        return self._library

    async def close(self) -> None:
        if self._library is not None and not self._given:
            await anyio.to_thread.run_sync(self._library.close)

    async def call(self, context: Context[App, Any], kind: Kind, work: Work[T], within_s: float = math.inf) -> T:
        """Run a service function in a thread: its steps become progress, a cancelled call ends it at the next step.

        Args:
            within_s: how long it may wait for a place of its kind before it runs as a quick one.

        Raises: LimitReached: too many calls at once; and whatever the work raises.
        """
        caller = self.caller(context.request_context)
        step, reporting = Steps(), anyio.CancelScope()
        self.background.start_soon(step.report, context, reporting)
        try:
            async with self.slots.place(kind, within_s):
                library = await self.library()
                step.now = (0.0, "working")
                return await anyio.to_thread.run_sync(functools.partial(work, library, caller, step))
        finally:
            reporting.cancel()

    def caller(self, request: ServerRequestContext[Any, Any]) -> str:
        """A key for whoever asks: the authenticated principal, else the HTTP session or client, else the connection."""
        http = request.request
        if http is None:
            return f"connection {self._serial}"
        return _principal(http) or f"{_host(http)} {http.headers.get('mcp-session-id') or client_name(request)}"

    def owner(self, request: ServerRequestContext[Any, Any]) -> str:
        """A key for whoever answers for a request, free of all that a client can make up: the authenticated
        principal, else the host, else the connection."""
        http = request.request
        return f"connection {self._serial}" if http is None else _principal(http) or _host(http)

    def session(self, request: ServerRequestContext[Any, Any]) -> str:
        """A key for one client's session of the handshake eras, of several that one principal may hold."""
        http = request.request
        return (http.headers.get("mcp-session-id") if http is not None else None) or self.caller(request)

    def count(self, request: ServerRequestContext[Any, Any]) -> None:
        """One request over HTTP. Raises: LimitReached. A stdio client is the user's own and not limited."""
        http = request.request
        if http is not None:
            self.rate.take(self.owner(request), 1 if _principal(http) else CLIENTS_OF_A_HOST)

    async def tend(self) -> None:
        """In the background, after the first answer: models load, notes written meanwhile become findable by meaning,
        orphaned jobs resume, changes are told."""
        await self.greeted.wait()
        await anyio.sleep(AFTER_GREETING_S)
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
                await self.notices.tell(changes)
            except AgentToolsError as error:
                log.error("%s", error.described)
            except Exception as error:  # noqa: BLE001  # the background must not end the server
                log.error("background: %s", where(error))
            await anyio.sleep(TEND_S)

    def _index_notes(self, library: Library) -> None:
        from agent_tools.service.remember import index_all_notes

        if not self.settings.read_only:
            index_all_notes(library)

    def _look_after(self, library: Library) -> list[str]:
        if not self.settings.read_only:
            library.workers.ensure(library.store)
        return self.notices.changes(library.store)


class Steps:
    """The `on_step` of one call. Called from its thread, it ends the call when cancelled; what was said last is
    reported every second, however far the steps lie apart."""

    def __init__(self) -> None:
        self.now = (0.0, "waiting for other calls to end")

    def __call__(self, progress: float, message: str) -> None:
        anyio.from_thread.check_cancelled()
        self.now = (progress, message)

    async def report(self, context: Context[App, Any], scope: anyio.CancelScope) -> None:
        """Tell whoever asked for progress, until the scope is cancelled."""
        told = 0.0  # progress must increase strictly, whatever the work says
        with scope:
            try:
                while True:
                    await anyio.sleep(REPORT_S)
                    progress, message = self.now
                    told = progress if progress > told else told + (1.0 - told) / 1000
                    await context.report_progress(told, 1.0, clean(message, 200))
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                return  # who asked has gone
            except Exception as error:  # noqa: BLE001  # what cannot be told must end neither the call nor the server
                log.error("progress: %s", where(error))


def _principal(http: Request) -> str:
    """Whom a token speaks for, "" without one."""
    user = http.scope.get("user")
    if isinstance(user, AuthenticatedUser):
        return repr(principal_components(user.access_token))  # client, issuer and subject
    return str(http.scope.get("agent_tools.principal", ""))


def _host(http: Request) -> str:
    return http.client.host if http.client else "?"


def client_name(request: ServerRequestContext[Any, Any]) -> str:
    """The client's own name for itself, "" where it gives none. Never an identity."""
    params = request.session.client_params
    return clean(params.client_info.name, 60) if params is not None else ""


def _open(settings: Settings) -> Library:
    from agent_tools.service.library.library import Library

    return Library(settings)
