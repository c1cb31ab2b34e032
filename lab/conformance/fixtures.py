"""The tools, resources and prompts that the MCP conformance suite calls by name, added to the server.

Each does what the suite's own description of its scenario asks for, and nothing more."""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import Callable
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    InputResponses,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import Field

from agent_tools.server.tasks import LongTool

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
LONG_TOOLS = {
    "slow_compute": LongTool(),
    "failing_job": LongTool(required=True),
    "protocol_error_job": LongTool(),
    "confirm_delete": LongTool(),
    "multi_input": LongTool(),
    "test_tool_with_task": LongTool(required=True, asks_first=True),
}
JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
Ctx = Context[Any, Any]
Result = CallToolResult | InputRequiredResult


def install(server: MCPServer[Any]) -> None:
    """Add every fixture to a server."""
    _contents(server)
    _conversations(server)
    _questions(server)
    _changes(server)
    _tasks(server)
    _resources_and_prompts(server)


def said(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)])


def wav() -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(160))
    return base64.b64encode(file.getvalue()).decode()


def png() -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(PNG).decode(), mime_type="image/png")


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def _contents(server: MCPServer[Any]) -> None:
    def tool(name: str, description: str, *blocks: Any) -> None:
        async def run() -> CallToolResult:
            return CallToolResult(content=list(blocks))

        server.add_tool(run, name=name, description=description)

    text = TextContent(type="text", text="This is a simple text response for testing.")
    tool("test_simple_text", "Returns a text.", text)
    tool("test_image_content", "Returns an image.", png())
    tool("test_audio_content", "Returns a sound.", AudioContent(type="audio", data=wav(), mime_type="audio/wav"))
    tool(
        "test_embedded_resource",
        "Returns a resource.",
        embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."),
    )
    tool(
        "test_multiple_content_types",
        "Returns three kinds of content.",
        TextContent(type="text", text="Multiple content types test:"),
        png(),
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    )

    async def test_error_handling() -> CallToolResult:
        """Always fails."""
        raise ToolError("This tool intentionally returns an error for testing")

    async def json_schema_2020_12_tool() -> CallToolResult:
        """Tool with JSON Schema 2020-12 features"""
        return said("ok")

    async def test_header(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "",
    ) -> CallToolResult:
        """Mirrors an argument into a header."""
        return said(f"region {region}")

    for fn in (test_error_handling, json_schema_2020_12_tool, test_header):
        server.add_tool(fn)
    schema_tool = server._tool_manager.get_tool("json_schema_2020_12_tool")
    assert schema_tool is not None
    schema_tool.parameters = JSON_SCHEMA


def _conversations(server: MCPServer[Any]) -> None:
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

    async def ask(ctx: Ctx, message: str, properties: dict[str, Any], required: list[str]) -> ElicitResult:
        schema = {"type": "object", "properties": properties, "required": required}
        return await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)

    async def test_elicitation(ctx: Ctx, message: str) -> CallToolResult:
        """Asks the user."""
        answer = await ask(
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
        answer = await ask(
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
        choices = [
            {"const": f"value{n}", "title": f"{w} Choice"} for n, w in enumerate(("First", "Second", "Third"), 1)
        ]
        answer = await ask(
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

    for fn in (
        test_tool_with_logging,
        test_logging_tool,
        test_tool_with_progress,
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
    ):
        server.add_tool(fn)


def elicit(message: str, **properties: str) -> ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, max_tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens))


def answered(responses: InputResponses | None, key: str, kind: type[Any]) -> Any:
    """The answer of that kind under that key, else None."""
    answer = (responses or {}).get(key)
    return answer if isinstance(answer, kind) else None


def content(answer: ElicitResult | None, name: str) -> Any:
    return None if answer is None or answer.action != "accept" else (answer.content or {}).get(name)


def _questions(server: MCPServer[Any]) -> None:
    name_request = elicit("What is your name?", name="string")

    async def test_input_required_result_elicitation(ctx: Ctx) -> Result:
        """Asks for a name."""
        name = content(answered(ctx.input_responses, "user_name", ElicitResult), "name")
        if not isinstance(name, str):
            return InputRequiredResult(input_requests={"user_name": name_request})
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
                    "user_name": name_request,
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
            requests["user_name"] = name_request
        if not requests or ctx.input_responses:
            return said("done")
        return InputRequiredResult(input_requests=requests)

    for fn in (
        test_input_required_result_elicitation,
        test_streaming_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_tampered_state,
        test_input_required_result_capabilities,
    ):
        server.add_tool(fn)


def _changes(server: MCPServer[Any]) -> None:
    async def test_missing_capability(ctx: Ctx) -> CallToolResult:
        """Needs sampling."""
        able = ctx.client_capabilities
        if able is None or able.sampling is None:
            raise MCPError(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                "The client did not declare sampling.",
                {"requiredCapabilities": {"sampling": {}}},
            )
        return said("sampling is there")

    async def test_trigger_tool_change(ctx: Ctx) -> CallToolResult:
        """Says that the list of tools changed."""
        await ctx.notify_tools_changed()
        return said("told")

    async def test_trigger_prompt_change(ctx: Ctx) -> CallToolResult:
        """Says that the list of prompts changed."""
        await ctx.notify_prompts_changed()
        return said("told")

    for fn in (test_missing_capability, test_trigger_tool_change, test_trigger_prompt_change):
        server.add_tool(fn)


def _tasks(server: MCPServer[Any]) -> None:
    async def greet(name: str) -> CallToolResult:
        """Greets at once."""
        return said(f"Hello, {name}!")

    async def slow_compute(seconds: float = 1.0) -> CallToolResult:
        """Takes its time."""
        await anyio.sleep(seconds)
        return said(f"computed for {seconds:g} s")

    async def failing_job() -> CallToolResult:
        """Fails after a second."""
        await anyio.sleep(1)
        raise ToolError("This job always fails")

    async def protocol_error_job() -> CallToolResult:
        """Ends in a protocol error."""
        raise MCPError(INTERNAL_ERROR, "This job breaks the protocol")

    async def confirm_delete(ctx: Ctx, filename: str = "file.txt") -> Result:
        """Asks before it deletes."""
        answer = answered(ctx.input_responses, "confirm", ElicitResult)
        if answer is None:
            return InputRequiredResult(input_requests={"confirm": elicit(f"Delete {filename}?", confirm="boolean")})
        return said(f"{filename}: {answer.action}")

    async def multi_input(ctx: Ctx) -> Result:
        """Asks two things at once."""
        keys = ("first", "second")
        if any(answered(ctx.input_responses, key, ElicitResult) is None for key in keys):
            return InputRequiredResult(input_requests={key: elicit(f"The {key}?", value="string") for key in keys})
        return said("both answered")

    async def test_tool_with_task(ctx: Ctx) -> Result:
        """Asks for a name, then works in the background."""
        name = content(answered(ctx.input_responses, "user_name", ElicitResult), "name")
        if name is None:
            return InputRequiredResult(
                input_requests={"user_name": elicit("What is your name?", name="string")}, request_state="asked"
            )
        return said(f"Hello, {name}!")

    for fn in (
        greet,
        slow_compute,
        failing_job,
        protocol_error_job,
        confirm_delete,
        multi_input,
        test_tool_with_task,
    ):
        server.add_tool(fn)


def _resources_and_prompts(server: MCPServer[Any]) -> None:
    resource: Callable[..., Callable[[Any], Any]] = server.resource
    prompt: Callable[..., Callable[[Any], Any]] = server.prompt

    @resource("test://static-text", name="static-text", description="A text.", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @resource("test://static-binary", name="static-binary", description="An image.", mime_type="image/png")
    def static_binary() -> bytes:
        return PNG

    @resource("test://watched-resource", name="watched", description="A text.", mime_type="text/plain")
    def watched() -> str:
        return "watched"

    @resource("test://template/{id}/data", name="template", description="Data.", mime_type="application/json")
    def template(id: str) -> str:
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @prompt("test_simple_prompt", description="A prompt without arguments.")
    def simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @prompt("test_prompt_with_arguments", description="A prompt with arguments.")
    def prompt_with_arguments(
        arg1: Annotated[str, Field(description="First test argument")],
        arg2: Annotated[str, Field(description="Second test argument")],
    ) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @prompt("test_prompt_with_embedded_resource", description="A prompt with a resource.")
    def prompt_with_resource(
        resourceUri: Annotated[str, Field(description="URI of the resource to embed")],
    ) -> list[UserMessage]:
        return [
            UserMessage(embedded(resourceUri, "text/plain", "Embedded resource content for testing.")),
            UserMessage("Please process the embedded resource above."),
        ]

    @prompt("test_prompt_with_image", description="A prompt with an image.")
    def prompt_with_image() -> list[UserMessage]:
        return [UserMessage(png()), UserMessage("Please analyze the image above.")]

    @prompt("test_input_required_result_prompt", description="A prompt that asks for its context.")
    async def asking_prompt(ctx: Ctx) -> Any:
        context = content(answered(ctx.input_responses, "user_context", ElicitResult), "context")
        if context is None:
            return InputRequiredResult(
                input_requests={"user_context": elicit("What context should the prompt use?", context="string")}
            )
        return f"Use this context: {context}"
