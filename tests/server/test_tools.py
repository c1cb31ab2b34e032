"""The six tools through a client, in both protocol eras, over a filled library."""

from __future__ import annotations

import base64
import json
from typing import Any

import jsonschema
import pytest
from mcp import MCPError
from mcp.types import Implementation

from agent_tools.service import zoom_segment
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from tests.server.conftest import OTHER, VIDEO, connected, text_of

pytestmark = pytest.mark.anyio

DATA_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("ingest_video", {"source": VIDEO, "wait_s": 0}),
    ("list_episodes", {}),
    ("list_episodes", {"video_id": "Week 3 Memory", "level": "chapter"}),
    ("retrieve_memory", {"query": "past token cache"}),
    ("retrieve_memory", {"query": "cache", "video_ids": [VIDEO], "channels": ["subtitles"], "detail": "full"}),
    ("ground_event", {"event": "somebody speaks of a cache", "video_id": VIDEO}),
    ("ground_event", {"event": "a dog barks"}),
    ("remember", {"video_id": f"video://{VIDEO}#t=60,65", "text": "keys and values are kept"}),
]


@pytest.mark.parametrize(("name", "arguments"), DATA_CALLS)
async def test_data_tools_give_the_same_facts_as_text_and_structured(
    settings: Settings, library: Library, era: str, name: str, arguments: dict[str, Any]
) -> None:
    async with connected(settings, library, era) as client:
        result = await client.call_tool(name, arguments)
        assert not result.is_error, text_of(result)
        sentence, facts = result.content
        assert sentence.text == result.structured_content["summary"]
        assert sentence.text.endswith(".")
        assert "\n" not in sentence.text
        assert json.loads(facts.text) == result.structured_content
        schema = next(t.output_schema for t in (await client.list_tools()).tools if t.name == name)
        jsonschema.validate(result.structured_content, schema)  # and the client has, with the same schema
        assert result.structured_content["tokens"] > 0


async def test_an_episode_says_where_its_title_is_from(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        reply = (await client.call_tool("list_episodes", {"video_id": VIDEO, "level": "chapter"})).structured_content
        assert reply["episodes"][0]["from"] == "subtitles"


async def test_null_for_an_optional_argument_is_as_if_left_out(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "legacy") as client:
        arguments = {"query": "cache", "video_ids": None, "start_s": None, "channels": None}
        assert not (await client.call_tool("retrieve_memory", arguments)).is_error


async def test_a_list_given_as_json_text_is_understood(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "legacy") as client:
        result = await client.call_tool("retrieve_memory", {"query": "cache", "video_ids": json.dumps([VIDEO])})
        assert result.structured_content["hits"]


async def test_zoom_gives_facts_then_labelled_pictures_then_links(
    settings: Settings, library: Library, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = zoom_segment.Zoomed(
        facts={"summary": "Week 3 from 1:00 to 1:30.", "video_id": VIDEO, "tokens": 10},
        pictures=[zoom_segment.ZoomedPicture(b"\xff\xd8jpeg", "0:01:00", 60.0, 61.0)],
        links=[zoom_segment.ZoomedLink(f"video://{VIDEO}/frame/90", "0:01:30", "image/jpeg")],
    )
    monkeypatch.setattr(zoom_segment, "zoom_segment", lambda library, request, **more: shown)
    async with connected(settings, library, era) as client:
        result = await client.call_tool("zoom_segment", {"video_id": VIDEO})
        assert [block.type for block in result.content] == ["text", "text", "text", "image", "resource_link"]
        assert result.structured_content is None
        sentence, facts, label, image, link = (block.model_dump(mode="json") for block in result.content)
        assert sentence["text"] == shown.facts["summary"]
        assert json.loads(facts["text"]) == shown.facts
        assert label["text"] == "0:01:00"
        assert base64.b64decode(image["data"]) == b"\xff\xd8jpeg"
        assert link["uri"] == f"video://{VIDEO}/frame/90"


async def test_zoom_shows_kept_frames_when_the_file_is_gone(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        result = await client.call_tool("zoom_segment", {"video_id": VIDEO, "start_s": 55, "end_s": 130})
        assert not result.is_error, text_of(result)
        pictures = [block for block in result.content if block.type == "image"]
        assert pictures
        assert all(base64.b64decode(picture.data).startswith(b"\xff\xd8\xff") for picture in pictures)


async def test_a_note_names_the_client_that_wrote_it(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era, client_info=Implementation(name="desk", version="2")) as client:
        await client.call_tool("remember", {"video_id": VIDEO, "start_s": 1, "end_s": 2, "text": "a fact"})
        (note,) = library.store.notes(VIDEO)
        assert note.author == "desk"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("list_episodes", {"start_s": "soon"}, "start_s: 'soon' is not a number, 0 or more."),
    ("retrieve_memory", {"query": "x", "limit": 50}, "limit: 50 is not a whole number from 1 to 20."),
    ("retrieve_memory", {"query": "x", "limit": 0}, "leave it out for 8"),
    ("retrieve_memory", {"query": "x", "start_s": -1}, "start_s: -1 is not a number, 0 or more."),
    ("retrieve_memory", {"query": "x", "lim": 3}, "'lim' is not an argument of retrieve_memory, which takes: query,"),
    ("retrieve_memory", {"query": "x", "lim": 3}, "Did you mean limit?"),
    ("retrieve_memory", {"query": "x", "channels": ["sound"]}, "channels[0]: 'sound' is not one of frames, subtitles,"),
    ("retrieve_memory", {"query": "x", "video": VIDEO, "video_ids": [OTHER]}, "video is given twice"),
    ("retrieve_memory", {"query": 5}, "query: 5 is not text."),
    ("list_episodes", {"level": "act"}, "level: 'act' is not one of auto, chapter, scene, chunk."),
    ("zoom_segment", {}, "video is missing."),
    ("zoom_segment", {"video_id": VIDEO, "region": [0, 0.5, 2, 1]}, "it must be [x, y, w, h] in 0..1"),
    ("zoom_segment", {"video_id": VIDEO, "region": [900, 0, 90, 90]}, "lies outside the frame, which has 640 x 360"),
    ("zoom_segment", {"video_id": VIDEO, "region": [0, 1]}, "region: [0, 1] is not a list of 4 items"),
    ("zoom_segment", {"video_id": VIDEO, "max_tokens": 5}, "max_tokens: 5 is not a whole number from 200 to 20000."),
    ("ingest_video", {"source": "x", "wait_s": 46}, "wait_s: 46 is not a number from 0 to 45."),
    ("remember", {"video_id": VIDEO, "text": ""}, "text: '' is not text of 1 to 2000 characters."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "says"), WRONG)
async def test_a_wrong_argument_is_told_with_value_rule_and_remedy(
    settings: Settings, library: Library, name: str, arguments: dict[str, Any], says: str
) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        result = await client.call_tool(name, arguments)
        assert result.is_error
        assert text_of(result).startswith("InvalidArgument: ")
        assert says in text_of(result)
        assert "pydantic" not in text_of(result)


async def test_an_error_of_ours_is_its_code_and_message(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        result = await client.call_tool("list_episodes", {"video_id": "nope"})
        assert result.is_error
        assert text_of(result) == (
            "VideoNotFound: No video 'nope'. Give a title or an id; "
            "list_episodes without arguments shows the 2 there are. "
            'Example of a call that works: retrieve_memory {"query": "nope"}, '
            "which says in which video it is, and when."
        )


async def test_an_unforeseen_error_is_masked_and_logged_in_one_line(
    settings: Settings, library: Library, era: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("secret\ndetail")

    monkeypatch.setattr("agent_tools.service.retrieve_memory.retrieve_memory", broken)
    async with connected(settings, library, era) as client:
        result = await client.call_tool("retrieve_memory", {"query": "x"})
    assert result.is_error
    assert text_of(result).startswith("InternalError: retrieve_memory failed")
    assert "secret" not in text_of(result)
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    (record,) = [record for record in errors if "retrieve_memory" in record.getMessage()]
    assert "KeyError" in record.getMessage()
    assert "test_tools.py" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert record.exc_info is None


async def test_an_unknown_tool_is_a_protocol_error(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("delete_video", {})
        assert caught.value.error.code == -32602
        assert caught.value.error.message.startswith("Unknown tool: delete_video. The tools are ingest_video, ")


async def test_a_tool_that_read_only_leaves_out_is_unknown(settings: Settings, library: Library) -> None:
    from dataclasses import replace

    async with connected(replace(settings, read_only=True), library, "2026-07-28") as client:
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("remember", {"video_id": VIDEO, "text": "x"})
