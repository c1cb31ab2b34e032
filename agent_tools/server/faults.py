"""Turns exceptions into text that a model can act on.

Only text that was written for a caller leaves the server: the messages of the error tree, and pydantic's argument
errors in plain words."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from pydantic import ValidationError

from agent_tools.errors import AgentToolsError, RequestError
from agent_tools.server.logs import where
from agent_tools.untrusted import clean

log = logging.getLogger("agent_tools.server")
MOST_CHARACTERS = 4000  # of one error; hosts cut longer ones without saying so
MOST_FAULTS = 6
MASKED = "InternalError: {name} failed unexpectedly; the server's log says why. Try other arguments."


def tool_error(
    name: str, error: ToolError, schema: Mapping[str, Any], published: Sequence[str] | None = None
) -> ToolError:
    """The text of a failed call for the model: our own errors by code and message; others are masked and logged.

    Args:
        schema: of all arguments that the tool accepts.
        published: the arguments that a message names; None for all of the schema.
    """
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return ToolError("InvalidArgument: " + " ".join(_faults(name, cause, schema, published)))
    if isinstance(cause, AgentToolsError):
        return ToolError(described(cause))
    if isinstance(cause, ToolError):
        return ToolError(str(cause))
    if cause is None:
        return error
    log.error("%s: %s", name, where(cause))
    return ToolError(MASKED.format(name=name))


def resource_error(uri: str, error: Exception) -> ResourceError:
    """The error for a resource that cannot be read: -32602 for a mistake of the caller, -32603 for all others."""
    if isinstance(error, RequestError):
        return ResourceNotFoundError(described(error))
    if isinstance(error, AgentToolsError):
        return ResourceError(described(error))
    log.error("%s: %s", clean(uri, 120), where(error))
    return ResourceError(MASKED.format(name="reading"))


def described(error: AgentToolsError) -> str:
    """`Code: message`, cut to the length that hosts show."""
    return clean(error.described, MOST_CHARACTERS)


def _faults(
    name: str, error: ValidationError, schema: Mapping[str, Any], published: Sequence[str] | None
) -> Iterator[str]:
    properties: dict[str, Any] = schema.get("properties", {})
    faults = error.errors(include_url=False, include_context=False)
    for fault in faults[:MOST_FAULTS]:
        argument, *inner = fault["loc"] or ("arguments",)
        argument = str(argument)
        shown = argument + "".join(f"[{part}]" for part in inner if isinstance(part, int))
        if fault["type"] == "extra_forbidden":
            yield _unknown(name, argument, list(properties), published)
        elif fault["type"] == "missing":
            yield f"{argument} is missing. Give {argument} as {_rule(properties.get(argument, {}))}."
        else:
            yield _wrong(shown, fault["input"], properties.get(argument, {}), inner)
    if len(faults) > MOST_FAULTS:
        yield f"{len(faults) - MOST_FAULTS} more arguments are wrong."


def _unknown(name: str, argument: str, known: list[str], published: Sequence[str] | None) -> str:
    near = difflib.get_close_matches(argument, known, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]}?" if near else ""
    return f"{clean(argument, 60)!r} is not an argument of {name}, which takes: {', '.join(published or known)}.{guess}"


def _wrong(shown: str, value: object, schema: Mapping[str, Any], inner: list[Any]) -> str:
    of_item = bool(inner) and schema.get("type") == "array"
    rule = _rule(schema["items"] if of_item else schema)
    text = clean(value if isinstance(value, str) else json.dumps(value, default=str), 80)
    text = f"'{text}'" if isinstance(value, str) else text
    if schema.get("type") == "array" and not of_item and not isinstance(value, list):
        remedy = f"Give a list, as in [{text.replace(chr(39), chr(34))}]"
    else:
        remedy = f"Give {rule}"
    if "default" in schema and not of_item:
        remedy += f", or leave it out for {json.dumps(schema['default'])}"
    return f"{shown}: {text} is not {rule}. {remedy}."


def _rule(schema: Mapping[str, Any]) -> str:
    """An argument's schema in words: "a whole number from 1 to 20"."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return repr(schema["const"])
    kind = schema.get("type")
    if kind in ("number", "integer"):
        return ("a whole number" if kind == "integer" else "a number") + _range(
            schema.get("minimum"), schema.get("maximum")
        )
    if kind == "string":
        return "text" + _range(schema.get("minLength"), schema.get("maxLength"), " of", " characters")
    if kind == "array":
        minimum, maximum = schema.get("minItems"), schema.get("maxItems")
        size = f"{minimum} items" if minimum is not None and minimum == maximum else "items"
        return f"a list of {size}, each {_rule(schema.get('items', {}))}"
    return {"boolean": "true or false", "object": "an object"}.get(str(kind), "of the published type")


def _range(minimum: object, maximum: object, before: str = " from", after: str = "") -> str:
    if minimum is not None and maximum is not None:
        return f"{before} {minimum} to {maximum}{after}"
    if minimum is not None:
        return f", {minimum} or more"
    return f" of at most {maximum}{after}" if maximum is not None else ""
