"""VideoServer: the SDK's MCPServer with its gaps and errors mended, through its public methods where there is one.

Unknown tools and prompts are protocol errors (-32602). Errors reach the model as `Code: message`. The library reads
video:// uris. Methods of the handshake eras that the SDK leaves out are served."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool as RegisteredTool
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    LOG_LEVEL_META_KEY,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    EmptyResult,
    GetPromptResult,
    InputRequiredResult,
    ListResourcesResult,
    ListToolsResult,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    PaginatedRequestParams,
    ResourceTemplate,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    Tool,
    UnsubscribeRequestParams,
)
from mcp.types import Prompt as PublishedPrompt
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

from agent_tools.errors import AgentToolsError, LimitReached
from agent_tools.metrics import NO_METRICS, NoMetrics
from agent_tools.server import faults, resources, schemas
from agent_tools.server.app import App
from agent_tools.server.calls import ReadCall
from agent_tools.server.lines import serve_lines
from agent_tools.server.logs import where
from agent_tools.server.viewer import page as viewer_page
from agent_tools.untrusted import clean

log = logging.getLogger("agent_tools.server")
CALL_LOG_LEVELS = ("debug", "info")  # a client with one of these log levels gets a line about each of its calls
MOST_SESSIONS = 1000  # the server keeps the log levels of so many sessions
AnyContext = Context[App, Any]


class VideoServer(MCPServer[App]):
    """The product's server class; the conformance fixture is the same class with more tools."""

    def __init__(
        self,
        name: str,
        *,
        replies: Mapping[str, type[BaseModel]],
        prompts: Callable[[], list[Prompt]],
        tools: Iterable[RegisteredTool] = (),
        page_tools: Iterable[RegisteredTool] = (),
        **options: Any,
    ) -> None:
        """
        Args:
            replies: the model of each data tool's outputSchema.
            prompts: reads the prompts; called when a client first needs them.
            page_tools: tools that only the viewer's page may call; clients that show no pages do not have them.
        """
        page_tools = list(page_tools)
        super().__init__(name, middleware=[_admit, viewer_page.announce], tools=[*tools, *page_tools], **options)
        self.running: App | None = None  # the state of the lifespan; over HTTP there is one
        self.metrics: NoMetrics = NO_METRICS
        self._page_tools = {tool.name for tool in page_tools}
        self._replies = dict(replies)
        self._unread: Callable[[], list[Prompt]] | None = prompts
        self._levels: OrderedDict[str, str] = OrderedDict()  # least log level per session of the handshake eras
        lowlevel = self._lowlevel_server
        lowlevel.add_request_handler("tools/list", PaginatedRequestParams, self._list_tools)
        lowlevel.add_request_handler("resources/list", PaginatedRequestParams, self._list_resources)
        lowlevel.add_request_handler("completion/complete", CompleteRequestParams, _complete)
        # Spec methods of the handshake eras that MCPServer does not serve; the runner refuses them at 2026-07-28.
        lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, _subscribe)
        lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, _unsubscribe)
        lowlevel.add_request_handler("logging/setLevel", SetLevelRequestParams, self._set_level)

    def say(self, instructions: str) -> None:
        """Give other instructions to the clients that connect from now on."""
        self._lowlevel_server.instructions = instructions

    async def run_stdio_async(self, on_gone: Callable[[], None] = lambda: None) -> None:
        """Serve one client over stdin and stdout. A malformed line gets an error reply.

        Args:
            on_gone: called when the client has closed stdin."""
        await serve_lines(self._lowlevel_server, on_gone)

    # The first list makes the output schemas and prompts, so the answer to `initialize` does not wait for them.

    async def list_tools(self) -> list[Tool]:
        """The tools of every client."""
        return [
            tool.model_copy(update={"output_schema": schemas.of_reply(self._replies[tool.name])})
            if tool.name in self._replies
            else tool
            for tool in await super().list_tools()
            if tool.name not in self._page_tools
        ]

    async def _list_tools(
        self, ctx: ServerRequestContext[App, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """The tools; a client that shows pages also gets the page's own, and learns which results the page shows."""
        tools = await self.list_tools()
        if not viewer_page.shown_to(ctx):
            return ListToolsResult(tools=tools)
        own = [tool for tool in await super().list_tools() if tool.name in self._page_tools]
        # "private": a cache that clients share must not give this list to a client without pages.
        return ListToolsResult(tools=[*map(viewer_page.opened_by, tools), *own], cache_scope="private")

    async def list_prompts(self) -> list[PublishedPrompt]:
        self._read_prompts()
        return await super().list_prompts()

    def _read_prompts(self) -> None:
        read, self._unread = self._unread, None
        for prompt in read() if read is not None else ():
            self.add_prompt(prompt)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: AnyContext | None = None
    ) -> CallToolResult | InputRequiredResult:
        """The SDK's method, but arguments are read as models write them, an unknown name is -32602, and every error is
        text that says what to do."""
        tool = self._tool_manager.get_tool(name)
        hidden = name in self._page_tools and (context is None or not viewer_page.shown_to(context))
        if tool is None or hidden:
            tools = self._tool_manager.list_tools()
            known = ", ".join(one.name for one in tools if one.name not in self._page_tools)
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {clean(name, 80)}. The tools are {known}.")
        began, outcome = time.monotonic(), "ok"
        call = ReadCall(name, arguments, tool)
        try:
            if context is not None:
                context.request_context.lifespan_context.count(context.request_context)
            call.check()
            result = await super().call_tool(name, call.values, context)
            return call.noted(result) if isinstance(result, CallToolResult) else result
        except ToolError as error:
            outcome = "error"
            app = context.request_context.lifespan_context if context is not None else None
            return _refusal(await call.refused(error, app))
        except LimitReached as error:
            outcome = "limit"
            return _refusal(faults.described(error))
        finally:
            self.metrics.call(name, outcome, time.monotonic() - began)
            if context is not None:
                await self._log_call(context, f"{name} took {time.monotonic() - began:.3f} s")

    async def answer_call(self, ctx: ServerRequestContext[App, Any], params: CallToolRequestParams) -> HandlerResult:
        """What tools/call answers, without the extensions: for a task that goes on with another server's call."""
        return await self._handle_call_tool(ctx, params)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: AnyContext | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """The SDK's method, but an unknown name and a missing or unknown argument are -32602."""
        self._read_prompts()
        prompt = self._prompt_manager.get_prompt(name)
        if prompt is None:
            known = ", ".join(one.name for one in self._prompt_manager.list_prompts())
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {clean(name, 80)}. Prompts: {known}.")
        declared = {argument.name: argument.required for argument in prompt.arguments or ()}
        given = set(arguments or {})
        if missing := sorted(one for one, required in declared.items() if required and one not in given):
            raise MCPError(INVALID_PARAMS, f"Prompt {name} needs: {', '.join(missing)}.")
        if unknown := sorted(given - declared.keys()):
            raise MCPError(
                INVALID_PARAMS,
                f"Prompt {name} has no argument {clean(unknown[0], 60)!r}. It takes: {', '.join(declared) or 'none'}.",
            )
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:
            log.error("prompt %s: %s", name, where(error.__cause__ or error))
            raise MCPError(INTERNAL_ERROR, f"Prompt {name} could not be made.") from error

    async def read_resource(
        self, uri: object, context: AnyContext | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read any video:// uri of a reply, with or without #t; the SDK reads other schemes."""
        name = str(uri)
        if name == viewer_page.URI:
            return [viewer_page.content()]
        if context is None or not name.startswith(resources.SCHEME):
            return await super().read_resource(name, context)
        try:
            return [await resources.read(context, name)]
        except Exception as error:
            raise faults.resource_error(name, error) from error

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        return [*resources.TEMPLATES, *await super().list_resource_templates()]

    async def _list_resources(
        self, ctx: ServerRequestContext[App, Any], params: PaginatedRequestParams
    ) -> ListResourcesResult:
        try:
            page, cursor = await resources.listed(ctx.lifespan_context, params.cursor)
        except AgentToolsError as error:
            code = INVALID_PARAMS if params.cursor else INTERNAL_ERROR
            raise MCPError(code, faults.described(error)) from error
        registered = [] if params.cursor else await self.list_resources()
        if not params.cursor and viewer_page.shown_to(ctx):
            registered = [*registered, viewer_page.RESOURCE]
        return ListResourcesResult(resources=[*registered, *page], next_cursor=cursor)

    async def _set_level(self, ctx: ServerRequestContext[App, Any], params: SetLevelRequestParams) -> EmptyResult:
        session = ctx.lifespan_context.session(ctx)
        self._levels.pop(session, None)
        self._levels[session] = params.level
        while len(self._levels) > MOST_SESSIONS:
            self._levels.popitem(last=False)
        return EmptyResult()

    async def _log_call(self, context: AnyContext, line: str) -> None:
        """Send one line per call to a client with a log level, from logging/setLevel or (since 2026) the request."""
        ctx = context.request_context
        level: object = None
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            level = (ctx.meta or {}).get(LOG_LEVEL_META_KEY)
        elif self._levels:
            level = self._levels.get(ctx.lifespan_context.session(ctx))
        if level not in CALL_LOG_LEVELS:
            return
        note = LoggingMessageNotificationParams(level="info", logger="agent_tools", data=line)
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):  # the client has gone
            await ctx.session.send_notification(
                LoggingMessageNotification(params=note), related_request_id=ctx.request_id
            )


async def _admit(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: count the request, and note that an answer has left. call_tool counts tool calls itself, because
    their refusal is text for the model."""
    if ctx.request_id is not None and ctx.method != "tools/call":
        try:
            ctx.lifespan_context.count(ctx)
        except LimitReached as error:
            raise MCPError(INTERNAL_ERROR, faults.described(error)) from error
    try:
        return await call_next(ctx)
    finally:
        ctx.lifespan_context.greeted.set()


def _refusal(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


async def _complete(ctx: ServerRequestContext[App, Any], params: CompleteRequestParams) -> CompleteResult:
    try:
        return CompleteResult(completion=await resources.complete(ctx.lifespan_context, params.argument))
    except AgentToolsError as error:
        raise MCPError(INTERNAL_ERROR, faults.described(error)) from error


async def _subscribe(ctx: ServerRequestContext[App, Any], params: SubscribeRequestParams) -> EmptyResult:
    app = ctx.lifespan_context
    app.notices.subscribe(str(params.uri), app.session(ctx), ctx.session)
    return EmptyResult()


async def _unsubscribe(ctx: ServerRequestContext[App, Any], params: UnsubscribeRequestParams) -> EmptyResult:
    app = ctx.lifespan_context
    app.notices.unsubscribe(str(params.uri), app.session(ctx))
    return EmptyResult()
