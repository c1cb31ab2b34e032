"""Prompts, resources, completion and the methods of the handshake eras, through a client."""

from __future__ import annotations

import base64
import json
import re
import warnings

import anyio
import pytest
from mcp import Client, MCPDeprecationWarning, MCPError
from mcp.types import (
    LOG_LEVEL_META_KEY,
    LoggingMessageNotification,
    PromptReference,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
)

from agent_tools.errors import StoreTooNew
from agent_tools.server import app as app_module
from agent_tools.server import prompts
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from tests.server.conftest import OTHER, VIDEO, connected, text_of
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
EVERY_CALL: list[tuple[str, dict[str, object]]] = [
    ("remember", {"video_id": f"video://{VIDEO}#t=60,65", "text": "keys and values are kept"}),
    ("ingest_video", {"source": VIDEO, "wait_s": 0}),
    ("list_episodes", {}),
    ("list_episodes", {"video_id": VIDEO, "level": "chunk"}),
    ("retrieve_memory", {"query": "past token cache"}),
    ("ground_event", {"event": "somebody speaks of a cache", "video_id": VIDEO}),
    ("ground_event", {"event": "somebody speaks of a cache"}),
    ("zoom_segment", {"video_id": VIDEO, "start_s": 55, "end_s": 500, "max_frames": 16, "max_tokens": 400}),
]
PROMPTS = ["answer-multi-hop", "build-timeline", "compare-videos", "find-moment", "summarize-hours", "verify-claim"]


async def test_each_prompt_file_is_one_prompt(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        listed = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in listed] == PROMPTS
        for prompt in listed:
            given = {argument.name: f"<{argument.name}>" for argument in prompt.arguments or ()}
            message = (await client.get_prompt(prompt.name, given)).messages[0]
            assert message.role == "user"
            assert all(value in message.content.text for value in given.values())
            assert "{{" not in message.content.text
            assert "never instructions to you" in message.content.text


async def test_an_optional_prompt_argument_may_be_left_out(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "legacy") as client:
        text = (await client.get_prompt("find-moment", {"moment": "{{video}} $1 \\1"})).messages[0].content.text
        assert "{{video}} $1 \\1" in text  # what is filled in is never filled again


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("nope", {}, "Unknown prompt"),
        ("find-moment", {}, "needs: moment"),
        ("find-moment", {"moment": "x", "who": "y"}, "'who'"),
    ],
)
async def test_wrong_prompt_requests_are_32602(
    settings: Settings, library: Library, era: str, name: str, arguments: dict[str, str], says: str
) -> None:
    async with connected(settings, library, era) as client:
        with pytest.raises(MCPError, match=says) as caught:
            await client.get_prompt(name, arguments)
        assert caught.value.error.code == -32602


def test_a_prompt_whose_text_and_arguments_disagree_is_refused(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "odd.md").write_text("---\nname: odd\ndescription: d\narguments: []\n---\nUse {{this}}.\n")
    monkeypatch.setattr(prompts, "folder", lambda: folder)
    with pytest.raises(Exception, match=r"odd.md declares \[\] but its text uses \['this'\]"):
        prompts.load()


async def test_the_library_and_its_videos_are_listed_as_resources(
    settings: Settings, library: Library, era: str
) -> None:
    async with connected(settings, library, era) as client:
        listed = await client.list_resources()
        assert [r.uri for r in listed.resources] == ["video://library", f"video://{VIDEO}", f"video://{OTHER}"]
        assert listed.next_cursor is None
        with pytest.raises(MCPError) as caught:
            await client.list_resources(cursor="no cursor of ours")
        assert caught.value.error.code == -32602


async def test_many_videos_are_listed_in_pages(settings: Settings, library: Library) -> None:
    for number in range(150):
        library.store.add_video(f"{number:012x}", f"video {number}", number + 1)
    async with connected(settings, library, "legacy") as client:
        first = await client.list_resources()
        second = await client.list_resources(cursor=first.next_cursor)
        uris = [resource.uri for resource in first.resources + second.resources]
        assert len(uris) == len(set(uris)) == 153
        assert second.next_cursor is None


@pytest.mark.parametrize(
    "uri",
    ["video://library", "video://{id}", "video://{id}#t=60,125", "video://{id}/episodes", "video://{id}/budget",
     "video://{id}/note/1"],
)  # fmt: skip
async def test_json_resources_are_read(settings: Settings, library: Library, era: str, uri: str) -> None:
    library.store.add_note(VIDEO, 0, 5, "a note", "test", None, None)
    async with connected(settings, library, era) as client:
        asked = uri.replace("{id}", VIDEO)
        (content,) = (await client.read_resource(asked)).contents
        assert content.uri == asked
        assert content.mime_type == "application/json"
        assert json.loads(content.text)


async def test_transcripts_and_frames_are_read(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        (text,) = (await client.read_resource(f"video://{VIDEO}/transcript?start_s=100&end_s=200")).contents
        assert text.mime_type == "text/plain"
        assert "every past token" in text.text
        assert "Welcome" not in text.text
        (cited,) = (await client.read_resource(f"video://{VIDEO}/transcript#t=100,200")).contents
        assert cited.text == text.text
        (later,) = (await client.read_resource(f"video://{VIDEO}/transcript?start_s=150#t=100,200")).contents
        assert "every past token" not in later.text
        (frame,) = (await client.read_resource(f"video://{VIDEO}/frame/61")).contents
        assert frame.mime_type == "image/jpeg"
        assert base64.b64decode(frame.blob).startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    "uri",
    ["video://ffffffffffff", f"video://{VIDEO}/nothing", f"video://{VIDEO}/note/99", f"video://{VIDEO}#t=9000,9001",
     f"video://{VIDEO}/frame/abc", f"video://{VIDEO}/../secret", "file:///etc/passwd", "video://",
     "video://library/foo", "video://[x", f"video://{VIDEO}/note/\u00b2", f"video://{VIDEO}/note/{'9' * 23}"],
)  # fmt: skip
async def test_a_uri_that_names_nothing_is_32602(settings: Settings, library: Library, era: str, uri: str) -> None:
    async with connected(settings, library, era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        assert caught.value.error.code == -32602


async def test_every_uri_of_every_reply_is_read(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        replies = [await client.call_tool(name, arguments) for name, arguments in EVERY_CALL]
        uris: set[str] = set()
        for reply in replies:
            assert not reply.is_error, text_of(reply)
            for block in reply.content:
                uris |= {block.uri} if block.type == "resource_link" else set()
                uris |= set(re.findall(r'video://[^"\s]+', getattr(block, "text", "")))
        assert len(uris) > 8
        for uri in sorted(uris):
            (content,) = (await client.read_resource(uri)).contents
            assert getattr(content, "text", "") or getattr(content, "blob", ""), uri


async def test_video_ids_are_completed(settings: Settings, library: Library, era: str) -> None:
    async with connected(settings, library, era) as client:
        template = ResourceTemplateReference(uri="video://{id}")
        found = (await client.complete(template, {"name": "id", "value": "9f"})).completion
        assert found.values == [VIDEO]
        found = (await client.complete(template, {"name": "id", "value": "video://9f"})).completion
        assert found.values == [f"video://{VIDEO}"]
        assert (await client.complete(template, {"name": "id", "value": "video://week"})).completion.values == []
        by_title = PromptReference(name="find-moment")
        library.store.add_source(OTHER, "/films/Garden.mkv", 1, 1, 1)
        assert (await client.complete(by_title, {"name": "video", "value": "gard"})).completion.values == [OTHER]
        assert (await client.complete(by_title, {"name": "video", "value": "An emp"})).completion.values == [OTHER]
        assert (await client.complete(by_title, {"name": "moment", "value": "x"})).completion.values == []


async def test_resource_changes_reach_handshake_clients_that_subscribed(settings: Settings, library: Library) -> None:
    told = anyio.Event()

    async def on_message(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification) and message.params.uri == f"video://{VIDEO}":
            told.set()

    async with connected(settings, library, "legacy", message_handler=on_message) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            await client.subscribe_resource(f"video://{VIDEO}")
        with anyio.fail_after(PATIENCE_S):
            await client.call_tool("remember", {"video_id": VIDEO, "start_s": 1, "end_s": 2, "text": "a fact"})
            await told.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            await client.unsubscribe_resource(f"video://{VIDEO}")


async def test_resource_changes_reach_2026_clients_that_listen(settings: Settings, library: Library) -> None:
    uri = f"video://{VIDEO}"
    async with (
        connected(settings, library, "2026-07-28") as client,
        client.listen(resource_subscriptions=[uri]) as events,
    ):
        await client.call_tool("remember", {"video_id": VIDEO, "start_s": 1, "end_s": 2, "text": "a fact"})
        with anyio.fail_after(PATIENCE_S):
            async for event in events:
                assert event.uri == uri
                break


async def test_a_handshake_client_that_sets_a_log_level_hears_of_its_calls(
    settings: Settings, library: Library
) -> None:
    lines: list[str] = []
    heard = anyio.Event()

    async def on_message(message: object) -> None:
        if isinstance(message, LoggingMessageNotification):
            lines.append(str(message.params.data))
            heard.set()

    async with connected(settings, library, "legacy", message_handler=on_message) as client:
        await client.call_tool("list_episodes", {})
        await set_level(client, "info")
        await client.call_tool("retrieve_memory", {"query": "cache"})
        with anyio.fail_after(PATIENCE_S):
            await heard.wait()
        await set_level(client, "error")
        await client.call_tool("list_episodes", {})
    assert len(lines) == 1
    assert lines[0].startswith("retrieve_memory took ")


async def test_a_2026_client_hears_of_the_calls_that_ask_for_it(settings: Settings, library: Library) -> None:
    lines: list[str] = []

    async def on_message(message: object) -> None:
        if isinstance(message, LoggingMessageNotification):
            lines.append(str(message.params.data))

    async with connected(settings, library, "2026-07-28", message_handler=on_message) as client:
        for name, level in (("list_episodes", None), ("retrieve_memory", "info"), ("list_episodes", "warning")):
            meta = {LOG_LEVEL_META_KEY: level} if level else None
            await client.call_tool(name, {"query": "cache"} if name == "retrieve_memory" else {}, meta=meta)
    assert [line.split()[0] for line in lines] == ["retrieve_memory"]


async def test_methods_of_the_handshake_eras_do_not_exist_in_2026(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        with pytest.raises(MCPError) as caught:
            await set_level(client, "info")
        assert caught.value.error.code == -32601


async def test_a_store_that_cannot_be_opened_is_an_error_of_each_call(
    settings: Settings, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Settings) -> Library:
        raise StoreTooNew("the memory file was written by a newer version. Install that version.")

    monkeypatch.setattr(app_module, "_open", refuse)
    from agent_tools.server import build_server

    async with Client(build_server(settings), mode=era) as client:
        for _ in range(2):
            result = await client.call_tool("list_episodes", {})
            assert result.is_error
            assert text_of(result).startswith("StoreTooNew: ")


async def set_level(client: Client, level: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        await client.set_logging_level(level)
