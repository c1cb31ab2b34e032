"""One call of a tool: its arguments as they were read, the notes that its reply gets, and the text of its refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio.to_thread
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent

from agent_tools.budget import reply_tokens
from agent_tools.errors import AgentToolsError, RequestError
from agent_tools.server import arguments, faults, remedies, schemas
from agent_tools.server.app import App
from agent_tools.untrusted import clean

LEAST_TOKENS = 200  # of max_tokens, as the schema has it


class ReadCall:
    """The arguments of one call. A tool outside the product's six gets its arguments as they came."""

    def __init__(self, name: str, raw: Mapping[str, Any], tool: Tool) -> None:
        self._name = name
        self._schema = schemas.of_model(tool.fn_metadata.arg_model)
        self._published = list(tool.parameters.get("properties", {}))
        self._required = tuple(tool.parameters.get("required", ()))
        self._ours = name in arguments.LEAN
        if not self._ours:
            self._given = arguments.Given(dict(raw))
            return
        self._given = arguments.read(name, raw, tuple(self._schema.get("required", ())), self._schema["properties"])
        if self._given.notes:
            self._leave_room()

    @property
    def values(self) -> dict[str, Any]:
        """The arguments by their names, as the handler takes them."""
        return self._given.values

    def check(self) -> None:
        """Raises: ToolError: a fault that the schema does not see."""
        if self._given.faults:
            raise ToolError("InvalidArgument: " + " ".join(self._given.faults))

    def noted(self, result: CallToolResult) -> CallToolResult:
        """The result, with the notes on its arguments before its other hints."""
        if not self._given.notes or result.is_error:
            return result
        content = list(result.content)
        for place, block in enumerate(content):
            facts = _facts(block)
            if facts is None:
                continue
            facts["hints"] = [*self._given.notes, *(facts.get("hints") or [])]
            facts["tokens"] = int(facts.get("tokens", 0)) + self._cost()
            content[place] = TextContent(type="text", text=_compact(facts))
            structured = facts if result.structured_content is not None else None
            return result.model_copy(update={"content": content, "structured_content": structured})
        return result

    async def refused(self, error: ToolError, app: App | None) -> str:
        """What the model is told: every fault of the call with its remedy, and a call that works."""
        text = str(faults.tool_error(self._name, error, self._schema, self._published))
        cause = error.__cause__
        ours = cause is None or not isinstance(cause, AgentToolsError) or isinstance(cause, RequestError)
        if not self._ours or app is None or not ours or text.startswith("InternalError"):
            return text
        try:
            library = await app.library()
            more, example = await anyio.to_thread.run_sync(self._remedies, library)
        except AgentToolsError:
            return text  # without a library there is nothing to give as an example
        others = [one for one in more if one not in text]
        parts = [part if part.endswith((".", "!", "?")) else f"{part}." for part in (text, *others, example)]
        return clean(" ".join(parts), faults.MOST_CHARACTERS)

    def _remedies(self, library: Any) -> tuple[list[str], str]:
        found = remedies.faults_of_names(library, self.values)
        return found, remedies.example(library, self._name, self.values, self._required)

    def _cost(self) -> int:
        return reply_tokens(_compact({"hints": self._given.notes}))

    def _leave_room(self) -> None:
        """Take the tokens of the notes off max_tokens, so that the whole reply stays within it."""
        rule = self._schema["properties"].get("max_tokens")
        most = self.values.get("max_tokens", rule["default"]) if rule else None
        if isinstance(most, int) and most >= LEAST_TOKENS:
            self.values["max_tokens"] = max(LEAST_TOKENS, most - self._cost())


def _facts(block: Any) -> dict[str, Any] | None:
    """The JSON object of a text block, else None."""
    if not isinstance(block, TextContent):
        return None
    try:
        value = json.loads(block.text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _compact(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
