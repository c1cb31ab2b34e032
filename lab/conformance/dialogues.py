"""The fixtures that talk with the client while a tool runs: logs, progress, questions, and rounds of input requests."""

from __future__ import annotations

import json
from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    CreateMessageResult,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)

from lab.conformance.replies import Ctx, Result, answered, content, elicit, said, sample

NAME_REQUEST = elicit("What is your name?", name="string")


def add_dialogues(server: MCPServer[Any]) -> None:
    """Add every fixture of this module to a server."""
    _logs_and_sampling(server)
    _elicitations(server)
    _single_requests(server)
    _rounds_of_requests(server)


def _logs_and_sampling(server: MCPServer[Any]) -> None:
    """Tools that log, report progress or ask the client's model."""

    async def test_tool_with_logging(ctx: Ctx) -> CallToolResult:
        """Sends three log lines."""
        for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.info(line)
            await anyio.sleep(0.05)
        return said("logged")

    async def test_logging_tool(ctx: Ctx) -> CallToolResult:
        """Sends a log line to whoever asked for them."""
        await ctx.info("a line")
        return said("logged")

    async def test_tool_with_progress(ctx: Ctx) -> CallToolResult:
        """Reports progress."""
        for progress in (0, 50, 100):
            await ctx.report_progress(progress, 100)
            await anyio.sleep(0.05)
        return said("progressed")

    async def test_sampling(ctx: Ctx, prompt: str) -> CallToolResult:
        """Asks the client's model."""
        message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        reply = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
        assert isinstance(reply.content, TextContent)
        return said(f"LLM response: {reply.content.text}")

    for fn in (
        test_tool_with_logging,
        test_logging_tool,
        test_tool_with_progress,
        test_sampling,
    ):
        server.add_tool(fn)


async def _ask(ctx: Ctx, message: str, properties: dict[str, Any], required: list[str]) -> ElicitResult:
    schema = {"type": "object", "properties": properties, "required": required}
    return await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)


async def test_elicitation(ctx: Ctx, message: str) -> CallToolResult:
    """Asks the user."""
    answer = await _ask(
        ctx,
        message,
        {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        },
        ["username", "email"],
    )
    return said(f"User response: action={answer.action}, content={json.dumps(answer.content)}")


async def test_elicitation_sep1034_defaults(ctx: Ctx) -> CallToolResult:
    """Asks with a default of each primitive type."""
    answer = await _ask(
        ctx,
        "Please review",
        {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": True},
        },
        [],
    )
    return said(f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}")


async def test_elicitation_sep1330_enums(ctx: Ctx) -> CallToolResult:
    """Asks with each way to write an enum."""
    options = ["option1", "option2", "option3"]
    titled = [{"const": f"value{n}", "title": f"{w} Option"} for n, w in enumerate(("First", "Second", "Third"), 1)]
    choices = [{"const": f"value{n}", "title": f"{w} Choice"} for n, w in enumerate(("First", "Second", "Third"), 1)]
    answer = await _ask(
        ctx,
        "Please choose",
        {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {"type": "array", "items": {"anyOf": choices}},
        },
        [],
    )
    return said(f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}")


def _elicitations(server: MCPServer[Any]) -> None:
    """Tools that ask the user in a form while they run."""
    for fn in (
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
    ):
        server.add_tool(fn)


def _single_requests(server: MCPServer[Any]) -> None:
    """Tools that end once with a request for input."""

    async def test_input_required_result_elicitation(ctx: Ctx) -> Result:
        """Asks for a name."""
        name = content(answered(ctx.input_responses, "user_name", ElicitResult), "name")
        if not isinstance(name, str):
            return InputRequiredResult(input_requests={"user_name": NAME_REQUEST})
        return said(f"Hello, {name}!")

    async def test_streaming_elicitation(ctx: Ctx) -> Result:
        """Asks for a name."""
        return await test_input_required_result_elicitation(ctx)

    async def test_input_required_result_sampling(ctx: Ctx) -> Result:
        """Asks the client's model."""
        reply = answered(ctx.input_responses, "capital_question", CreateMessageResult)
        if reply is None:
            return InputRequiredResult(
                input_requests={"capital_question": sample("What is the capital of France?", 100)}
            )
        return said(reply.content.text)

    async def test_input_required_result_list_roots(ctx: Ctx) -> Result:
        """Asks for the roots."""
        reply = answered(ctx.input_responses, "client_roots", ListRootsResult)
        if reply is None:
            return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
        return said("Roots: " + ", ".join(str(root.uri) for root in reply.roots))

    for fn in (
        test_input_required_result_elicitation,
        test_streaming_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
    ):
        server.add_tool(fn)


async def test_input_required_result_request_state(ctx: Ctx) -> Result:
    """Sends a state round."""
    if content(answered(ctx.input_responses, "confirm", ElicitResult), "ok") is None:
        return InputRequiredResult(
            input_requests={"confirm": elicit("Please confirm", ok="boolean")}, request_state="confirming"
        )
    if ctx.request_state != "confirming":
        raise MCPError(INVALID_PARAMS, "requestState is not the one that was given.")
    return said("state-ok")


async def test_input_required_result_multiple_inputs(ctx: Ctx) -> Result:
    """Asks three things at once."""
    name = content(answered(ctx.input_responses, "user_name", ElicitResult), "name")
    greeting = answered(ctx.input_responses, "greeting", CreateMessageResult)
    roots = answered(ctx.input_responses, "client_roots", ListRootsResult)
    if name is None or greeting is None or roots is None:
        return InputRequiredResult(
            input_requests={
                "user_name": NAME_REQUEST,
                "greeting": sample("Generate a greeting", 50),
                "client_roots": ListRootsRequest(),
            },
            request_state="three",
        )
    return said(f"{greeting.content.text} {name}, {len(roots.roots)} roots")


async def test_input_required_result_multi_round(ctx: Ctx) -> Result:
    """Asks twice."""
    colour = content(answered(ctx.input_responses, "step2", ElicitResult), "color")
    if ctx.request_state and ctx.request_state.startswith("name:") and colour is not None:
        return said(f"{ctx.request_state.removeprefix('name:')} likes {colour}")
    name = content(answered(ctx.input_responses, "step1", ElicitResult), "name")
    if name is not None:
        return InputRequiredResult(
            input_requests={"step2": elicit("Step 2: What is your favorite color?", color="string")},
            request_state=f"name:{name}",
        )
    return InputRequiredResult(
        input_requests={"step1": elicit("Step 1: What is your name?", name="string")}, request_state="step1"
    )


async def test_input_required_result_tampered_state(ctx: Ctx) -> Result:
    """Its state is sealed by the server: a changed one never gets here."""
    if content(answered(ctx.input_responses, "confirm", ElicitResult), "ok") is None:
        return InputRequiredResult(
            input_requests={"confirm": elicit("Please confirm", ok="boolean")}, request_state="sealed"
        )
    return said("state-ok")


async def test_input_required_result_capabilities(ctx: Ctx) -> Result:
    """Asks only what the client can answer."""
    able = ctx.client_capabilities
    requests: dict[str, Any] = {}
    if able is not None and able.sampling is not None:
        requests["greeting"] = sample("Generate a greeting", 50)
    if able is not None and able.elicitation is not None:
        requests["user_name"] = NAME_REQUEST
    if not requests or ctx.input_responses:
        return said("done")
    return InputRequiredResult(input_requests=requests)


def _rounds_of_requests(server: MCPServer[Any]) -> None:
    """Tools that carry a state from one round of requests to the next."""
    for fn in (
        test_input_required_result_request_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_tampered_state,
        test_input_required_result_capabilities,
    ):
        server.add_tool(fn)
