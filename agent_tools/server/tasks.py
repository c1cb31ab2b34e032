"""The tasks extension (SEP-2663): a long call becomes a handle that a client polls, answers and cancels.

For clients that declare io.modelcontextprotocol/tasks; all others get the plain call. Tasks live in this process:
after a restart the call is made again, which costs nothing because long tools are idempotent.
Knows calls, their results and their questions. Knows nothing of what a tool does."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    InputResponse,
    InputResponses,
    RequestParams,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from agent_tools.server.app import App
from agent_tools.server.logs import where

log = logging.getLogger("agent_tools.server")
ID = "io.modelcontextprotocol/tasks"
TTL_S = 3600  # a settled task's result is kept this long
POLL_S = 1.0
MOST_TASKS = 256
_ANSWER: TypeAdapter[InputResponse] = TypeAdapter(InputResponse)
SETTLED = ("completed", "failed", "cancelled")
Ctx = ServerRequestContext[App, Any]
# Names of what goes on without the call, for tasks/cancel to stop; filled by a tool, whether or not it is a task.
begun: ContextVar[set[str]] = ContextVar("begun")


@dataclass(frozen=True)
class Long:
    """How one tool is run as a task."""

    going: Callable[[CallToolResult], str | None] = lambda _: None  # a sentence while the work goes on: call again
    arguments: Mapping[str, Any] = field(default_factory=dict)  # in place of the caller's, while it is a task
    stop: Callable[[App, Iterable[str]], Awaitable[None]] | None = None  # ends what the call has put into `begun`
    required: bool = False  # clients without the extension are refused
    asks_first: bool = False  # questions to the user come before the task, not within it


class Task:
    """One call under way: its status, what it asks, and how it ended."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.id = secrets.token_hex(16)
        self.status = "working"
        self.message = ""
        self.scope = anyio.CancelScope()
        self._created = self._updated = datetime.now(UTC)
        self._settled_at: float | None = None
        self._outcome: dict[str, Any] = {}
        self._asked: dict[str, Any] = {}
        self._answers: InputResponses = {}
        self._answered = anyio.Event()

    @property
    def expired(self) -> bool:
        return self._settled_at is not None and time.monotonic() - self._settled_at > TTL_S

    def says(self, message: str) -> None:
        self.message, self._updated = message, datetime.now(UTC)

    def settle(self, status: str, **outcome: Any) -> None:
        """The first end counts: a result that comes after a cancel changes nothing."""
        if self.status not in SETTLED:
            self.status, self._outcome, self._settled_at = status, outcome, time.monotonic()
            self.says("")

    async def ask(self, questions: InputRequiredResult) -> InputResponses:
        """Park with these questions until tasks/update has brought all the answers."""
        dumped = questions.model_dump(mode="json", by_alias=True, exclude_none=True)
        self._asked, self._answers, self._answered = dumped.get("inputRequests", {}), {}, anyio.Event()
        self.status = "input_required"
        self.says("")
        if self._asked:
            await self._answered.wait()
        self.status = "working"
        return self._answers

    def answer(self, responses: Mapping[str, Any]) -> None:
        """Take the answers to what is still asked; others, and what is not an answer, are ignored."""
        for key in responses.keys() & self._asked.keys():
            try:
                self._answers[key] = _ANSWER.validate_python(responses[key], by_name=False)
            except ValidationError:
                continue
            del self._asked[key]
        if not self._asked:
            self._answered.set()

    def view(self) -> dict[str, Any]:
        """The task as the wire shows it."""
        shown: dict[str, Any] = {
            "taskId": self.id,
            "status": self.status,
            "createdAt": _stamp(self._created),
            "lastUpdatedAt": _stamp(self._updated),
            "ttlMs": TTL_S * 1000,
            "pollIntervalMs": int(POLL_S * 1000),
            **self._outcome,
        }
        if self.message:
            shown["statusMessage"] = self.message
        if self.status == "input_required":
            shown["inputRequests"] = dict(self._asked)
        return shown


class TaskParams(RequestParams):
    task_id: str


class UpdateParams(TaskParams):
    input_responses: dict[str, Any]


class Tasks(Extension):
    """Runs the named tools as tasks."""

    identifier = ID

    def __init__(self, long: Mapping[str, Long]) -> None:
        self._long = dict(long)
        self._tasks: dict[str, Task] = {}

    def methods(self) -> Sequence[MethodBinding]:
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return (
            MethodBinding("tasks/get", TaskParams, self._get, versions),
            MethodBinding("tasks/update", UpdateParams, self._update, versions),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, versions),
        )

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: Ctx, call_next: CallNext) -> HandlerResult:
        long = self._long.get(params.name)
        if long is None:
            return await call_next(ctx)
        if long.required:
            require_client_extension(ctx, ID)
        if not _declared(ctx) or (long.asks_first and not params.input_responses):
            return await call_next(ctx)
        self._tasks = {one.id: one for one in self._tasks.values() if not one.expired}
        if len(self._tasks) >= MOST_TASKS:
            settled = next((one.id for one in self._tasks.values() if one.status in SETTLED), None)  # the oldest
            if settled is None:
                return await call_next(ctx)
            del self._tasks[settled]
        task = Task(ctx.lifespan_context.owner(ctx))
        self._tasks[task.id] = task
        ctx.lifespan_context.background.start_soon(_run, task, long, params, ctx, call_next)
        return {"resultType": "task", **task.view()}

    async def _get(self, ctx: Ctx, params: TaskParams) -> HandlerResult:
        return {"resultType": "complete", **self._found(ctx, params).view()}

    async def _update(self, ctx: Ctx, params: UpdateParams) -> HandlerResult:
        self._found(ctx, params).answer(params.input_responses)
        return {"resultType": "complete"}

    async def _cancel(self, ctx: Ctx, params: TaskParams) -> HandlerResult:
        task = self._found(ctx, params)
        if task.status not in SETTLED:
            task.settle("cancelled")
            task.scope.cancel()
        return {"resultType": "complete"}

    def _found(self, ctx: Ctx, params: TaskParams) -> Task:
        """The task asked for. Raises: MCPError: extension not declared, header and body differ, unknown id
        or another's."""
        require_client_extension(ctx, ID)
        if ctx.request is not None and ctx.request.headers.get("mcp-name") != params.task_id:
            raise MCPError(HEADER_MISMATCH, "Header mismatch: Mcp-Name must hold the taskId of the body.")
        task = self._tasks.get(params.task_id)
        if task is None or task.expired or task.owner != ctx.lifespan_context.owner(ctx):
            raise MCPError(INVALID_PARAMS, "No such task: it ended long ago, or the server was restarted. Call again.")
        return task


async def _run(task: Task, long: Long, params: CallToolRequestParams, ctx: Ctx, call_next: CallNext) -> None:
    """Call the tool until it has finished; its questions are put to the client in between."""
    names: set[str] = set()
    begun.set(names)
    params.arguments = {**(params.arguments or {}), **long.arguments}
    try:
        with task.scope:
            while True:
                result = await call_next(ctx)
                if isinstance(result, InputRequiredResult):
                    params.input_responses = await task.ask(result)  # the next call_next is made with these
                    params.request_state = result.request_state
                    continue
                assert isinstance(result, CallToolResult)
                going = None if result.is_error else long.going(result)
                if going is None:
                    break
                task.says(going)
                await anyio.sleep(POLL_S)
            task.settle("completed", result=result.model_dump(mode="json", by_alias=True, exclude_none=True))
        if task.status == "cancelled" and long.stop is not None:
            await long.stop(ctx.lifespan_context, names)
    except MCPError as error:
        task.settle("failed", error=error.error.model_dump(mode="json", by_alias=True, exclude_none=True))
    except Exception as error:  # noqa: BLE001  # a task's outermost frame: the client learns that it failed
        log.error("task of %s: %s", params.name, where(error))
        task.settle("failed", error={"code": INTERNAL_ERROR, "message": "The task failed; the server's log says why."})


def _declared(ctx: Ctx) -> bool:
    capabilities = ctx.session.client_capabilities
    extensions = capabilities.extensions if capabilities is not None else None
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and ID in (extensions or {})


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
