"""Tasks as rows of the store: what the server that runs one writes, and what the others read of it.

Over HTTP only: a task over stdio belongs to one connection, and ends with it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio.to_thread
from mcp.server.context import ServerRequestContext
from mcp.types import CallToolRequestParams

from agent_tools.errors import AgentToolsError
from agent_tools.server.app import App

if TYPE_CHECKING:
    from agent_tools.server.tasks import Task, TaskSettings
    from agent_tools.store import Store
    from agent_tools.store.tasks import TaskRow

log = logging.getLogger("agent_tools.server")
T = TypeVar("T")


@dataclass(frozen=True)
class Elsewhere:
    """A task that another server runs, or that has ended there."""

    row: TaskRow
    board: Board

    def view(self) -> dict[str, Any]:
        return self.row.view


@dataclass(frozen=True)
class Told:
    """What a server that runs a task learns when it writes the row."""

    order: Literal["go", "cancelled", "lost"]  # lost: another server runs the task, or ended it
    answers: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Board:
    """The rows of tasks, for one server."""

    def __init__(self, app: App) -> None:
        self._app = app

    @classmethod
    def of(cls, ctx: ServerRequestContext[App, Any]) -> Board | None:
        """The board of a request over HTTP; None over stdio."""
        return None if ctx.request is None else cls(ctx.lifespan_context)

    async def add(self, task: Task, params: CallToolRequestParams) -> None:
        limits, arguments = task.settings, params.arguments or {}
        await self._tried(
            lambda store: store.add_task(
                task.id,
                task.owner,
                params.name,
                arguments,
                task.view(),
                self._app.name,
                limits.lease_s,
                limits.ttl_s,
            )
        )

    async def row(self, number: str) -> TaskRow | None:
        return await self._tried(lambda store: store.task(number))

    async def take(self, row: TaskRow, limits: TaskSettings) -> bool:
        """Whether this server runs the task from now on."""
        return bool(await self._tried(lambda store: store.take_task(row.id, self._app.name, limits.lease_s)))

    async def tell(self, task: Task) -> Told:
        """Write what the task does now. Where the store is away, the task goes on."""
        limits, view, names = task.settings, task.view(), set(task.names)

        def tell(store: Store) -> Told:
            row = store.tell_task(task.id, self._app.name, view, names, limits.lease_s, limits.ttl_s)
            if row is not None:
                return Told("go", row.answers)
            row = store.task(task.id)
            return Told("cancelled" if row is not None and row.view.get("status") == "cancelled" else "lost")

        return await self._tried(tell) or Told("go")

    async def settle(self, task: Task) -> None:
        """Write the end of a task. One that had ended before stays as it was."""
        view, ttl_s = task.view(), task.settings.ttl_s
        await self._tried(lambda store: store.end_task(task.id, view, ttl_s))

    async def cancel(self, row: TaskRow, limits: TaskSettings) -> bool:
        """Cancel a task that another server runs, which hears of it at its next beat. False: it had ended."""
        view = {**row.view, "status": "cancelled"}
        view.pop("inputRequests", None)
        return bool(await self._tried(lambda store: store.end_task(row.id, view, limits.ttl_s)))

    async def answer(self, number: str, answers: Mapping[str, Any]) -> None:
        await self._tried(lambda store: store.answer_task(number, answers))

    async def drop(self, number: str) -> None:
        await self._tried(lambda store: store.drop_task(number))

    async def _tried(self, work: Callable[[Store], T]) -> T | None:
        """What the store says; None where it cannot be used, so that a server without it still runs its own tasks."""
        try:
            library = await self._app.library()
            return await anyio.to_thread.run_sync(work, library.store)
        except AgentToolsError as error:
            log.error("a task's row: %s", error.described)
            return None
