"""The viewer over MCP: who gets the page and its tools, and that nobody else sees any of it."""

from __future__ import annotations

import base64
import io
import json
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.client.extension import ClientExtension
from PIL import Image

from agent_tools.server.viewer import page
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from tests.server.conftest import OTHER, VIDEO, connected

pytestmark = pytest.mark.anyio
OWN = ["view_library", "view_video", "view_lanes", "view_entries", "view_frames", "view_search"]


class ShowsPages(ClientExtension):
    """A client that shows MCP Apps."""

    identifier = page.EXTENSION_ID

    def settings(self) -> dict[str, Any]:
        return {"mimeTypes": [page.APP_MIME_TYPE]}


def showing(settings: Settings, library: Library, era: str) -> AbstractAsyncContextManager[Client]:
    return connected(settings, library, era, extensions=[ShowsPages()])


async def facts(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    reply = await client.call_tool(tool, arguments)
    assert not reply.is_error, reply.content
    assert isinstance(reply.structured_content, dict)
    return reply.structured_content


async def test_four_tools_open_the_page_and_its_own_tools_are_hidden_from_models(
    settings: Settings, library: Library, era: str
) -> None:
    async with showing(settings, library, era) as client:
        tools = {tool.name: tool.meta or {} for tool in (await client.list_tools()).tools}
        opened = [name for name, meta in tools.items() if meta.get("ui", {}).get("resourceUri") == page.URI]
        assert sorted(opened) == sorted(page.SHOWN_BY)
        assert [name for name, meta in tools.items() if meta.get("ui", {}).get("visibility") == ["app"]] == OWN
        (found,) = (await client.read_resource(page.URI)).contents
        assert found.mime_type == "text/html;profile=mcp-app"
        assert found.text == page.html()
        assert page.URI in [str(one.uri) for one in (await client.list_resources()).resources]


async def test_a_client_without_pages_sees_nothing_of_them(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        assert "io.modelcontextprotocol/ui" not in json.dumps(client.server_capabilities.model_dump(mode="json"))
        listed = json.dumps([tool.model_dump(mode="json", by_alias=True) for tool in (await client.list_tools()).tools])
        assert "view_" not in listed
        assert "ui" not in {key for tool in (await client.list_tools()).tools for key in tool.meta or {}}
        assert page.URI not in [str(one.uri) for one in (await client.list_resources()).resources]
        with pytest.raises(MCPError, match="Unknown tool: view_library"):
            await client.call_tool("view_library", {})


async def test_replies_are_the_same_bytes_with_and_without_the_page(
    settings: Settings, library: Library, era: str
) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_episodes", {}),
        ("list_episodes", {"video": VIDEO}),
        ("retrieve_memory", {"query": "cache of keys"}),
        ("zoom_segment", {"video": VIDEO, "start_s": 0, "end_s": 60}),
        ("ground_event", {"event": "'cache'", "video": VIDEO}),
    ]
    async with connected(settings, library, era) as plain, showing(settings, library, era) as shown:
        for tool, arguments in calls:
            without = (await plain.call_tool(tool, arguments)).model_dump_json(by_alias=True)
            assert (await shown.call_tool(tool, arguments)).model_dump_json(by_alias=True) == without


async def test_the_library_names_each_video_with_its_state(settings: Settings, library: Library, era: str) -> None:
    async with showing(settings, library, era) as client:
        shown = await facts(client, "view_library")
    assert shown["total"] == 2
    assert shown["open"] == 0
    assert shown["read_only"] is False
    assert [one["video_id"] for one in shown["videos"]] == [OTHER, VIDEO]  # newest first
    assert shown["videos"][1]["duration_s"] == 600.0
    assert sorted(shown["videos"][1]["channels"]) == ["frames", "subtitles"]


async def test_a_video_has_bands_channels_and_the_span_of_its_uri(settings: Settings, library: Library) -> None:
    async with showing(settings, library, "2026-07-28") as client:
        shown = await facts(client, "view_video", video=f"video://{VIDEO}#t=60,75")
    assert (shown["start_s"], shown["end_s"]) == (60.0, 75.0)
    assert [len(shown["chapters"]), len(shown["scenes"])] == [2, 5]
    assert shown["file"] is False
    assert "the file is gone" in shown["closed"]


async def test_lanes_join_what_is_nearer_than_a_bin(settings: Settings, library: Library) -> None:
    async with showing(settings, library, "2026-07-28") as client:
        fine = await facts(client, "view_lanes", video=VIDEO, bins=600)
        coarse = await facts(client, "view_lanes", video=VIDEO, bins=5)
    assert [run[2] for run in fine["lanes"]["subtitles"]] == [1, 1, 1, 1, 1]
    assert coarse["lanes"]["subtitles"] == [[0.0, 245.0, 5]]


async def test_entries_come_page_by_page_each_once(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_tools.service.viewer.entries.PAGE", 2)
    texts, cursor = [], ""
    async with showing(settings, library, "2026-07-28") as client:
        while True:
            shown = await facts(client, "view_entries", video=VIDEO, more=cursor)
            texts.append([one["text"][:7] for one in shown["entries"]])
            if not (cursor := shown.get("cursor", "")):
                break
    assert texts == [["Welcome", "Attenti"], ["so we k", "the cac"], ["questio"]]


async def test_frames_are_jpegs_of_the_asked_width(settings: Settings, library: Library, era: str) -> None:
    async with showing(settings, library, era) as client:
        reply = await client.call_tool("view_frames", {"video": VIDEO, "times_s": [0, 61.5, 599], "width": 96})
    assert reply.structured_content == {"times_s": [0.0, 61.5, 599.0], "omitted": 0}
    for block in reply.content:
        assert block.type == "resource"
        with Image.open(io.BytesIO(base64.b64decode(block.resource.blob))) as picture:  # type: ignore[union-attr]
            assert (picture.format, picture.size) == ("JPEG", (96, 54))


async def test_a_persons_search_does_not_make_the_models_next_one_look_repeated(
    settings: Settings, library: Library
) -> None:
    async with showing(settings, library, "2026-07-28") as client:
        for _ in range(3):
            assert (await facts(client, "view_search", query="cache", video=VIDEO))["hits"]
        assert not (await facts(client, "retrieve_memory", query="cache", video=VIDEO))["hints"]


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("view_frames", {"video": VIDEO, "times_s": [1.0], "width": 9000}, "width"),
        ("view_frames", {"video": VIDEO, "times_s": [float(k) for k in range(25)]}, "times_s"),
        ("view_lanes", {"video": VIDEO, "bins": 5000}, "bins"),
        ("view_entries", {"video": VIDEO, "more": "bm9uZQ"}, "cursor"),
        ("view_video", {"video": "nope"}, "VideoNotFound"),
        ("view_video", {"video": VIDEO, "page": 2}, "not an argument"),
    ],
)
async def test_what_is_out_of_bounds_is_refused_in_words(
    settings: Settings, library: Library, tool: str, arguments: dict[str, Any], says: str
) -> None:
    async with showing(settings, library, "2026-07-28") as client:
        reply = await client.call_tool(tool, arguments)
    assert reply.is_error
    assert says in reply.content[0].text  # type: ignore[union-attr]
