"""The tools, resources and prompts that the MCP conformance suite calls by name, added to the server.

Each does what the suite's own description of its scenario asks for, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    ElicitResult,
    InputRequiredResult,
    TextContent,
)
from pydantic import Field

from agent_tools.server.tasks import LongTool
from lab.conformance.dialogues import add_dialogues
from lab.conformance.replies import PNG, Ctx, Result, answered, content, elicit, embedded, png, said, wav

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


def install(server: MCPServer[Any]) -> None:
    """Add every fixture to a server."""
    _contents(server)
    add_dialogues(server)
    _changes(server)
    _tasks(server)
    _resources_and_prompts(server)


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
        return said("the clients got a notice")

    async def test_trigger_prompt_change(ctx: Ctx) -> CallToolResult:
        """Says that the list of prompts changed."""
        await ctx.notify_prompts_changed()
        return said("the clients got a notice")

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
