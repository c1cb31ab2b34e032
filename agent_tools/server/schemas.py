"""JSON schemas in the form that hosts show to a model: no titles, no null unions, only declared fields."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import BaseModel


def plain(schema: Any) -> Any:
    """The schema without pydantic's additions: no titles, X in place of `X or null`, no default of null.

    An optional field is then a plain type that may be left out, as arguments and replies do it.
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
    # A property may have the name "title": names are kept, and their schemas are cleaned.
    return {
        key: {name: plain(part) for name, part in value.items()} if key in ("properties", "$defs") else plain(value)
        for key, value in kept.items()
    }


def of_arguments(schema: dict[str, Any]) -> dict[str, Any]:
    """The published inputSchema, from pydantic's schema of a function's arguments. Unknown names are forbidden."""
    return {**plain(schema), "additionalProperties": False}


@functools.cache
def of_model(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of every argument that a tool accepts, published or not."""
    return of_arguments(model.model_json_schema())


def of_item(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of one item of a list, with the description of the list."""
    described = {"description": schema["description"]} if "description" in schema else {}
    return {**schema["items"], **described}


@functools.cache
def of_reply(model: type[BaseModel]) -> dict[str, Any]:
    """The published outputSchema: the schema of the serialised reply, as a client gets it."""
    schema: dict[str, Any] = plain(model.model_json_schema(mode="serialization", by_alias=True))
    return schema
