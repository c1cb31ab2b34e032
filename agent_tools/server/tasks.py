"""The tasks extension (SEP-2663): a long call becomes a handle that a client can poll, answer and cancel.

It is for clients that declare io.modelcontextprotocol/tasks; all others get the plain call. Tasks live in this process.
After a restart the client calls again, which costs nothing because long tools are idempotent."""

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

_ANSWER: TypeAdapter[InputResponse] = TypeAdapter(InputResponse)
SETTLED = ("completed", "failed", "cancelled")
Ctx = ServerRequestContext[App, Any]
# Names of work that goes on after the call, so that tasks/cancel can stop it. Tools fill it, in a task or not.
background_work: ContextVar[set[str]] = ContextVar("background_work")


@dataclass(frozen=True)
class TaskSettings:
    """Limits of the tasks extension."""

    ttl_s: int = 3600  # the result of a settled task is kept this long
    poll_s: float = 1.0  # between two calls of the tool, and the interval that clients get as advice
    max_tasks: int = 256  # beyond that the oldest settled task goes; without one the call is plain


@dataclass(frozen=True)
class LongTool:
    """How one tool runs as a task."""

    status_text: Callable[[CallToolResult], str | None] = lambda _: None  # a sentence while work is left: call again
    arguments: Mapping[str, Any] = field(default_factory=dict)  # in place of the caller's, while it is a task
    stop: Callable[[App, Iterable[str]], Awaitable[None]] | None = None  # ends the work in `background_work`
    required: bool = False  # clients without the extension are refused
    asks_first: bool = False  # questions to the user come before the task, not within it


class Task:
    """One running call: its status, its questions and its end."""

    def __init__(self, owner: str, settings: TaskSettings) -> None:
        self.owner = owner
        self.settings = settings
        self.id = secrets.token_hex(16)
        self.status = "working"
        self.message = ""
        self.scope = anyio.CancelScope()
        self._created = self._updated = datetime.now(UTC)
        self._settled_at: float | None = None
        self._outcome: dict[str, Any] = {}
        self._questions: dict[str, Any] = {}
        self._answers: InputResponses = {}
        self._answered = anyio.Event()

    @property
    def expired(self) -> bool:
        return self._settled_at is not None and time.monotonic() - self._settled_at > self.settings.ttl_s

    def set_message(self, message: str) -> None:
        self.message, self._updated = message, datetime.now(UTC)

    def settle(self, status: str, **outcome: Any) -> None:
        """End the task. Only the first end counts: a result after a cancel changes nothing."""
        if self.status not in SETTLED:
            self.status, self._outcome, self._settled_at = status, outcome, time.monotonic()
            self.set_message("")

    async def ask(self, questions: InputRequiredResult) -> InputResponses:
        """Wait with these questions until tasks/update has brought all the answers."""
        dumped = questions.model_dump(mode="json", by_alias=True, exclude_none=True)
        self._questions, self._answers, self._answered = dumped.get("inputRequests", {}), {}, anyio.Event()
        self.status = "input_required"
        self.set_message("")
        if self._questions:
            await self._answered.wait()
        self.status = "working"
        return self._answers

    def answer(self, responses: Mapping[str, Any]) -> None:
        """Take the answers to open questions. Other keys and malformed answers are ignored."""
        for key in responses.keys() & self._questions.keys():
            try:
                self._answers[key] = _ANSWER.validate_python(responses[key], by_name=False)
            except ValidationError:
                continue
            del self._questions[key]
        if not self._questions:
            self._answered.set()

    def view(self) -> dict[str, Any]:
        """The task as the wire shows it."""
        shown: dict[str, Any] = {
            "taskId": self.id,
            "status": self.status,
            "createdAt": _stamp(self._created),
            "lastUpdatedAt": _stamp(self._updated),
            "ttlMs": self.settings.ttl_s * 1000,
            "pollIntervalMs": int(self.settings.poll_s * 1000),
            **self._outcome,
        }
        if self.message:
            shown["statusMessage"] = self.message
        if self.status == "input_required":
            shown["inputRequests"] = dict(self._questions)
        return shown


class TaskParams(RequestParams):
    task_id: str


class UpdateParams(TaskParams):
    input_responses: dict[str, Any]


class Tasks(Extension):
    """Runs the named tools as tasks."""

    identifier = ID

    def __init__(self, long_tools: Mapping[str, LongTool], settings: TaskSettings | None = None) -> None:
        self._long_tools = dict(long_tools)
        self._settings = settings or TaskSettings()
        self._tasks: dict[str, Task] = {}

    def methods(self) -> Sequence[MethodBinding]:
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return (
            MethodBinding("tasks/get", TaskParams, self._get, versions),
            MethodBinding("tasks/update", UpdateParams, self._update, versions),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, versions),
        )

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: Ctx, call_next: CallNext) -> HandlerResult:
        tool = self._long_tools.get(params.name)
        if tool is None:
            return await call_next(ctx)
        if tool.required:
            require_client_extension(ctx, ID)
        if not _declared(ctx) or (tool.asks_first and not params.input_responses):
            return await call_next(ctx)
        self._tasks = {one.id: one for one in self._tasks.values() if not one.expired}
        if len(self._tasks) >= self._settings.max_tasks:
            settled = next((one.id for one in self._tasks.values() if one.status in SETTLED), None)  # the oldest
            if settled is None:
                return await call_next(ctx)
            del self._tasks[settled]
        task = Task(ctx.lifespan_context.owner(ctx), self._settings)
        self._tasks[task.id] = task
        ctx.lifespan_context.background.start_soon(_run, task, tool, params, ctx, call_next)
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
        """The task of that id. Raises: MCPError: the client did not declare the extension, header and body differ, or
        the id is unknown or another caller's."""
        require_client_extension(ctx, ID)
        if ctx.request is not None and ctx.request.headers.get("mcp-name") != params.task_id:
            raise MCPError(HEADER_MISMATCH, "Header mismatch: Mcp-Name must hold the taskId of the body.")
        task = self._tasks.get(params.task_id)
        if task is None or task.expired or task.owner != ctx.lifespan_context.owner(ctx):
            raise MCPError(INVALID_PARAMS, "No such task: it ended long ago, or the server has restarted. Call again.")
        return task


async def _run(task: Task, tool: LongTool, params: CallToolRequestParams, ctx: Ctx, call_next: CallNext) -> None:
    """Call the tool until its work is done. In between, its questions go to the client."""
    names: set[str] = set()
    background_work.set(names)
    params.arguments = {**(params.arguments or {}), **tool.arguments}
    try:
        with task.scope:
            while True:
                result = await call_next(ctx)
                if isinstance(result, InputRequiredResult):
                    params.input_responses = await task.ask(result)  # for the next call_next
                    params.request_state = result.request_state
                    continue
                assert isinstance(result, CallToolResult)
                status = None if result.is_error else tool.status_text(result)
                if status is None:
                    break
                task.set_message(status)
                await anyio.sleep(task.settings.poll_s)
            task.settle("completed", result=result.model_dump(mode="json", by_alias=True, exclude_none=True))
        if task.status == "cancelled" and tool.stop is not None:
            await tool.stop(ctx.lifespan_context, names)
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
