"""JSON schemas as hosts show them to a model: no titles, no null unions, nothing but what was declared.

Knows JSON schema. Knows nothing of tools or replies."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import BaseModel


def plain(schema: Any) -> Any:
    """The schema less pydantic's noise: titles go, `X or null` becomes X, a default of null goes.

    An optional field is then a plain type that may be left out, which is how arguments are taken and replies given.
    """
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    if kept.get("default", 0) is None:
        del kept["default"]
    branches = kept.get("anyOf")
    if branches is not None and {"type": "null"} in branches:
        rest = [branch for branch in branches if branch != {"type": "null"}]
        del kept["anyOf"]
        kept |= rest[0] if len(rest) == 1 else {"anyOf": rest}
    # A property may itself be named "title": names are kept, their schemas are cleaned.
    return {
        key: {name: plain(part) for name, part in value.items()} if key in ("properties", "$defs") else plain(value)
        for key, value in kept.items()
    }


def of_arguments(schema: dict[str, Any]) -> dict[str, Any]:
    """The published inputSchema, out of what pydantic made of a function's arguments; unknown names are forbidden."""
    return {**plain(schema), "additionalProperties": False}


@functools.cache
def of_reply(model: type[BaseModel]) -> dict[str, Any]:
    """The published outputSchema: what the reply is when serialised, which is what a client gets."""
    schema: dict[str, Any] = plain(model.model_json_schema(mode="serialization", by_alias=True))
    return schema
