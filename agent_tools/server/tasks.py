"""The tasks extension (SEP-2663): a long call becomes a handle that a client can poll, answer and cancel.

It is for clients that declare io.modelcontextprotocol/tasks; all others get the plain call. A task runs in one process.
Over HTTP it is a row of the store too (see task_board), so that any server of the store answers for it, and takes it
over when the one that ran it is gone: long tools are idempotent. Over stdio it ends with its connection."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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
from agent_tools.server.task_board import Board, Elsewhere

if TYPE_CHECKING:
    from agent_tools.store.tasks import TaskRow

log = logging.getLogger("agent_tools.server")
ID = "io.modelcontextprotocol/tasks"

_ANSWER: TypeAdapter[InputResponse] = TypeAdapter(InputResponse)
SETTLED = ("completed", "failed", "cancelled")
Ctx = ServerRequestContext[App, Any]
CallTool = Callable[[Ctx, CallToolRequestParams], Awaitable[HandlerResult]]
# Names of work that goes on after the call, so that tasks/cancel can stop it. Tools fill it, in a task or not.
background_work: ContextVar[set[str]] = ContextVar("background_work")


@dataclass(frozen=True)
class TaskSettings:
    """Limits of the tasks extension."""

    ttl_s: int = 3600  # the result of a settled task is kept this long
    poll_s: float = 1.0  # between two calls of the tool, and the interval that clients get as advice
    max_tasks: int = 256  # beyond that the oldest settled task goes; without one the call is plain
    beat_s: float = 2.0  # between two times at which the row says what the task does
    lease_s: float = 10.0  # after the last of them another server may take the task over


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

    def __init__(self, owner: str, settings: TaskSettings, begun: TaskRow | None = None) -> None:
        """Args: begun: what another server, which is gone, wrote of it."""
        self.owner = owner
        self.settings = settings
        self.id = secrets.token_hex(16) if begun is None else begun.id
        self.names = set(() if begun is None else begun.names)  # of its work in the background
        self.status = "working"
        self.message = "" if begun is None else str(begun.view.get("statusMessage", ""))
        self.scope = anyio.CancelScope()
        self.lost = False  # another server has taken it over
        self._created = self._updated = datetime.now(UTC)
        if begun is not None:
            self._created = datetime.fromisoformat(begun.view["createdAt"])
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
        self.call_tool: CallTool | None = None  # the server's own, to go on with what another server began

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
        board = Board.of(ctx)
        self._tasks = {one.id: one for one in self._tasks.values() if not one.expired}
        if len(self._tasks) >= self._settings.max_tasks:
            settled = next((one.id for one in self._tasks.values() if one.status in SETTLED), None)  # the oldest
            if settled is None:
                return await call_next(ctx)
            del self._tasks[settled]
            if board is not None:
                await board.drop(settled)
        task = Task(ctx.lifespan_context.owner(ctx), self._settings)
        self._tasks[task.id] = task
        if board is not None:
            await board.add(task, params)
        ctx.lifespan_context.background.start_soon(_run, task, tool, params, ctx, call_next, board)
        return {"resultType": "task", **task.view()}

    async def _get(self, ctx: Ctx, params: TaskParams) -> HandlerResult:
        return {"resultType": "complete", **(await self._found(ctx, params)).view()}

    async def _update(self, ctx: Ctx, params: UpdateParams) -> HandlerResult:
        found = await self._found(ctx, params)
        if isinstance(found, Task):
            found.answer(params.input_responses)
        else:
            await found.board.answer(found.row.id, params.input_responses)
        return {"resultType": "complete"}

    async def _cancel(self, ctx: Ctx, params: TaskParams) -> HandlerResult:
        found = await self._found(ctx, params)
        if isinstance(found, Task):
            if found.status not in SETTLED:
                found.settle("cancelled")
                found.scope.cancel()
                if (board := Board.of(ctx)) is not None:
                    await board.settle(found)
        elif await found.board.cancel(found.row, self._settings):
            tool = self._long_tools.get(found.row.tool)
            if tool is not None and tool.stop is not None:
                await tool.stop(ctx.lifespan_context, found.row.names)
        return {"resultType": "complete"}

    async def _found(self, ctx: Ctx, params: TaskParams) -> Task | Elsewhere:
        """The task of that id: one that runs here, or one that another server runs or has ended.

        Raises: MCPError: the client did not declare the extension, header and body differ, or the id is unknown or
        another caller's."""
        require_client_extension(ctx, ID)
        if ctx.request is not None and ctx.request.headers.get("mcp-name") != params.task_id:
            raise MCPError(HEADER_MISMATCH, "Header mismatch: Mcp-Name must hold the taskId of the body.")
        owner, task = ctx.lifespan_context.owner(ctx), self._tasks.get(params.task_id)
        if task is not None and not task.expired and task.owner == owner:
            return task
        board = Board.of(ctx)
        row = None if board is None or task is not None else await board.row(params.task_id)
        if board is None or row is None or row.owner != owner:
            raise MCPError(INVALID_PARAMS, "No such task: it ended long ago, or the server has restarted. Call again.")
        tool = self._long_tools.get(row.tool)
        if row.settled or row.held or tool is None or self.call_tool is None:
            return Elsewhere(row, board)
        if not await board.take(row, self._settings):
            return Elsewhere(row, board)
        return self._taken_over(ctx, row, tool, board, self.call_tool)

    def _taken_over(self, ctx: Ctx, row: TaskRow, tool: LongTool, board: Board, call_tool: CallTool) -> Task:
        """Go on with the task of a server that is gone, by calling its tool again."""
        log.info("task %s goes on here: the server that ran it is gone", row.id)
        self._tasks[row.id] = task = Task(row.owner, self._settings, row)
        params = CallToolRequestParams(name=row.tool, arguments=row.arguments)

        async def call_next(ctx: Ctx) -> HandlerResult:
            return await call_tool(ctx, params)

        ctx.lifespan_context.background.start_soon(_run, task, tool, params, ctx, call_next, board)
        return task


async def _run(
    task: Task, tool: LongTool, params: CallToolRequestParams, ctx: Ctx, call_next: CallNext, board: Board | None
) -> None:
    """Call the tool until its work is done, while the row says so. In between, its questions go to the client."""
    background_work.set(task.names)
    params.arguments = {**(params.arguments or {}), **tool.arguments}
    try:
        async with anyio.create_task_group() as beside:
            if board is not None:
                beside.start_soon(_beat, task, board)
            await _settled(task, tool, params, ctx, call_next)
            beside.cancel_scope.cancel()
        if board is not None and not task.lost:
            await board.settle(task)
    except Exception as error:  # noqa: BLE001  # a task's outermost frame: it must not end the server
        log.error("task of %s: %s", params.name, where(error))


async def _settled(task: Task, tool: LongTool, params: CallToolRequestParams, ctx: Ctx, call_next: CallNext) -> None:
    """Run the task to its end, whatever that is."""
    try:
        with task.scope:
            await _call(task, tool, params, ctx, call_next)
        if task.status == "cancelled" and not task.lost and tool.stop is not None:
            await tool.stop(ctx.lifespan_context, task.names)
    except MCPError as error:
        task.settle("failed", error=error.error.model_dump(mode="json", by_alias=True, exclude_none=True))
    except Exception as error:  # noqa: BLE001  # the client learns that it failed
        log.error("task of %s: %s", params.name, where(error))
        message = "The task failed; the server's log says why."
        task.settle("failed", error={"code": INTERNAL_ERROR, "message": message})


async def _call(task: Task, tool: LongTool, params: CallToolRequestParams, ctx: Ctx, call_next: CallNext) -> None:
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


async def _beat(task: Task, board: Board) -> None:
    """Write the row again and again; end the task here when it was cancelled or is another server's now."""
    while True:
        await anyio.sleep(task.settings.beat_s)
        told = await board.tell(task)
        if told.order != "go":
            task.lost = told.order == "lost"
            task.settle("cancelled")  # here; the row says what became of it
            task.scope.cancel()
            return
        task.answer(told.answers)


def _declared(ctx: Ctx) -> bool:
    capabilities = ctx.session.client_capabilities
    extensions = capabilities.extensions if capabilities is not None else None
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and ID in (extensions or {})


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
