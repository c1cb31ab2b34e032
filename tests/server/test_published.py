"""What a host shows a model: the definitions, their cost, and that nothing in them changes unnoticed.

AGENT_TOOLS_TEST_WRITE=1 writes the snapshot anew."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_tools.budget import reply_tokens
from agent_tools.server import build_server
from agent_tools.server.build import INSTRUCTIONS
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from tests.server.conftest import connected

pytestmark = pytest.mark.anyio
SNAPSHOT = Path(__file__).parent / "published.json"
NAMES = ["ingest_video", "list_episodes", "retrieve_memory", "zoom_segment", "ground_event", "remember"]


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def published(settings: Settings, library: Library, era: str) -> dict[str, Any]:
    async with connected(settings, library, era) as client:
        lists = {
            "tools": (await client.list_tools()).tools,
            "resource_templates": (await client.list_resource_templates()).resource_templates,
            "prompts": (await client.list_prompts()).prompts,
        }
        dumped = {
            name: [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in items]
            for name, items in lists.items()
        }
        return {"instructions": INSTRUCTIONS, **dumped}


async def test_everything_published_is_as_in_the_snapshot(settings: Settings, library: Library, era: str) -> None:
    now = json.loads(json.dumps(await published(settings, library, era)))
    if os.environ.get("AGENT_TOOLS_TEST_WRITE"):
        SNAPSHOT.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert now == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


async def test_tools_stand_in_one_order_and_read_only_leaves_out_those_that_write(settings: Settings) -> None:
    assert [tool.name for tool in await build_server(settings).list_tools()] == NAMES
    reading = build_server(replace(settings, read_only=True))
    left = [tool.name for tool in await reading.list_tools()]
    assert left == [name for name in NAMES if name not in ("ingest_video", "remember")]
    assert "ingest_video and remember are not offered" in (reading.instructions or "")


async def test_definitions_cost_at_most_1000_tokens_lean_2000_full_and_output_schemas_4000(settings: Settings) -> None:
    for tool_set, most in (("lean", 1000), ("full", 2000)):
        tools = await build_server(replace(settings, tools=tool_set)).list_tools()  # type: ignore[arg-type]  # a literal
        shown = [{"name": t.name, "description": t.description, "inputSchema": t.input_schema} for t in tools]
        assert sum(reply_tokens(compact(one)) for one in shown) <= most
        assert sum(len(compact(t.output_schema)) for t in tools if t.output_schema) / 4 <= 4000
        assert all(len((t.description or "").encode()) < 2000 for t in tools)
    assert len(INSTRUCTIONS.encode()) < 2048


async def test_schemas_have_no_titles_no_null_unions_and_no_further_properties(settings: Settings) -> None:
    for tool in await build_server(settings).list_tools():
        for schema in (tool.input_schema, tool.output_schema or {}):
            for part in objects(schema):
                assert "anyOf" not in part, tool.name
                assert not isinstance(part.get("title"), str), tool.name
                assert part.get("default", 0) is not None, tool.name
                if part.get("type") == "object":
                    assert part["additionalProperties"] is False, tool.name


async def test_arguments_and_defaults_are_those_of_the_contract(settings: Settings) -> None:
    assert await defaults_of(settings) == {
        "ingest_video": {},
        "list_episodes": {},
        "retrieve_memory": {"limit": 8},
        "zoom_segment": {"start_s": 0, "end_s": 0, "frames": 6},
        "ground_event": {},
        "remember": {},
    }
    assert await arguments_of(settings) == {
        "ingest_video": ["source"],
        "list_episodes": ["video", "start_s", "end_s", "more"],
        "retrieve_memory": ["query", "video", "start_s", "end_s", "limit", "more"],
        "zoom_segment": ["video", "query", "start_s", "end_s", "frames"],
        "ground_event": ["event", "video", "start_s", "end_s"],
        "remember": ["video", "start_s", "end_s", "text"],
    }


async def test_the_full_set_publishes_the_rare_arguments_too(settings: Settings) -> None:
    full = replace(settings, tools="full")
    assert await defaults_of(full) == {
        "ingest_video": {"title": "", "wait_s": 20},
        "list_episodes": {"video": "", "level": "auto", "more": "", "max_tokens": 1500},
        "retrieve_memory": {"query": "", "like": "", "limit": 8, "detail": "concise", "more": "", "max_tokens": 2000},
        "zoom_segment": {"query": "", "start_s": 0, "end_s": 0, "frames": 6, "layout": "auto", "max_tokens": 3000},
        "ground_event": {"video": "", "max_spans": 3, "max_tokens": 1000},
        "remember": {"replaces": ""},
    }
    assert await arguments_of(full) == {
        "ingest_video": ["source", "title", "channels", "wait_s"],
        "list_episodes": ["video", "level", "start_s", "end_s", "more", "max_tokens"],
        "retrieve_memory": [
            "query", "like", "video", "start_s", "end_s", "channels", "limit", "detail", "more", "max_tokens",
        ],
        "zoom_segment": ["video", "query", "start_s", "end_s", "frames", "layout", "region", "max_tokens"],
        "ground_event": ["event", "video", "start_s", "end_s", "channels", "max_spans", "max_tokens"],
        "remember": ["video", "text", "start_s", "end_s", "replaces"],
    }  # fmt: skip


async def arguments_of(settings: Settings) -> dict[str, list[str]]:
    return {tool.name: list(tool.input_schema["properties"]) for tool in await build_server(settings).list_tools()}


async def defaults_of(settings: Settings) -> dict[str, dict[str, Any]]:
    return {
        tool.name: {
            argument: rule["default"] for argument, rule in tool.input_schema["properties"].items() if "default" in rule
        }
        for tool in await build_server(settings).list_tools()
    }


async def test_zoom_alone_has_no_output_schema(settings: Settings) -> None:
    without = [tool.name for tool in await build_server(settings).list_tools() if tool.output_schema is None]
    assert without == ["zoom_segment"]


async def test_tools_that_only_read_say_so(settings: Settings) -> None:
    for tool in await build_server(settings).list_tools():
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (tool.name not in ("ingest_video", "remember"))
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every schema inside a schema, itself included; the names of properties are not schemas."""
    if isinstance(schema, list):
        return [part for item in schema for part in objects(item)]
    if not isinstance(schema, dict):
        return []
    found = [schema]
    for key, value in schema.items():
        inner = value.values() if key in ("properties", "$defs") and isinstance(value, dict) else [value]
        found += [part for one in inner for part in objects(one)]
    return found
