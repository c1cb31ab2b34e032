"""What a model reaches while it answers: never another video, never anything behind the end of its sight.

A library in which every word tells where it stands: "dawn" words before the end, "dusk" words behind it, "border" words
across it. A model that tries everything must not be shown a dusk or a border word."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp.types import CallToolResult, ImageContent, TextContent, Tool
from PIL import Image

from agent_tools.errors import InvalidArgument
from agent_tools.evals.agents.session import Session
from agent_tools.evals.benchmarks.reach import BEFORE_AN_END, OFFERED, Reach, words_until
from agent_tools.server import build_server
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.settings import Settings
from agent_tools.store import EntryIn, Episode, FrameRow

VIDEO, OTHER = "9f6cbced0247", "0123456789ab"
UNTIL_S = 120.0
NAMES = frozenset({"Week 3 Memory", "week3.mp4", "week3"})
HIDDEN = ("dusk", "border", "elsewhere")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QueryModels, "warm", lambda self: None)
    monkeypatch.setattr(QueryModels, "text", lambda self, wait_s=0.0: None)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(Settings(home=tmp_path / "home"))
    store = made.store
    for video, title in ((VIDEO, "Week 3 Memory dusk"), (OTHER, "elsewhere")):
        store.add_video(video, title, 1_000)
        store.update_video(video, duration_s=600.0, width=320, height=180, fps=25.0, container="mp4", has_audio=True)
    said = [
        EntryIn(10.0, 15.0, "memory dawn kettle one"),
        EntryIn(60.0, 64.0, "memory dawn kettle two"),
        EntryIn(108.0, 112.0, "memory dawn kettle three"),
        EntryIn(118.0, 123.0, "memory border kettle"),
        EntryIn(130.0, 134.0, "memory dusk kettle"),
    ]
    shown = [EntryIn(20.0, 40.0, "kettle slide dawn"), EntryIn(100.0, 180.0, "kettle slide border")]
    store.add_entries(VIDEO, "subtitles", "subtitles/1", said)
    store.add_entries(VIDEO, "screen_text", "ocr/1", shown)
    store.add_entries(OTHER, "subtitles", "subtitles/1", [EntryIn(10.0, 15.0, "memory elsewhere kettle")])
    for video in (VIDEO, OTHER):
        for name in ("subtitles", "screen_text", "frames"):
            store.set_channel(video, name, state="done", producer=f"{name}/1", done_to_s=600.0, entries=5)
    jpeg = io.BytesIO()
    Image.new("RGB", (320, 180), (90, 100, 50)).save(jpeg, "JPEG")
    kept = (30, 300)  # the nearest kept frame to 119 s is before the end, to 170 s behind it
    store.add_frames(VIDEO, [FrameRow(VIDEO, k, float(k), k, True) for k in kept], {k: jpeg.getvalue() for k in kept})
    titles = {
        "chunk": [
            (0.0, 60.0, "dawn"),
            (60.0, 117.0, "dawn late"),
            (117.0, 119.0, "border title"),
            (119.0, 180.0, "dusk"),
        ],
        "scene": [(0.0, 100.0, "dawn"), (100.0, 300.0, "border scene")],
        "chapter": [(0.0, 600.0, "dusk chapter")],
    }
    for level, spans in titles.items():
        rows = [Episode(n, VIDEO, level, a, b, title, "subtitles", 0.0) for n, (a, b, title) in enumerate(spans)]
        store.replace_episodes(VIDEO, level, rows)
    yield made
    made.close()


TRIED: list[tuple[str, dict[str, Any]]] = [
    ("list_episodes", {}),
    ("list_episodes", {"video_id": VIDEO}),
    *(("list_episodes", {"video_id": VIDEO, "level": level}) for level in ("chunk", "scene", "chapter")),
    ("list_episodes", {"video_id": VIDEO, "level": "chunk", "start_s": 0, "end_s": 600, "max_tokens": 20000}),
    ("list_episodes", {"video_id": f"video://{VIDEO}#t=0,600"}),
    ("retrieve_memory", {"query": "memory kettle"}),
    ("retrieve_memory", {"query": "memory kettle", "end_s": 600, "limit": 20, "max_tokens": 20000}),
    ("retrieve_memory", {"query": "memory kettle", "end_s": "600"}),
    ("retrieve_memory", {"query": "dusk"}),
    ("retrieve_memory", {"query": "border slide", "video_ids": [f"video://{VIDEO}#t=0,600"], "detail": "full"}),
    ("retrieve_memory", {"query": "kettle", "channels": ["screen_text"], "detail": "full"}),
    ("retrieve_memory", {"query": "memory kettle", "video_ids": [VIDEO[:6], "Week 3 memory"], "start_s": 100}),
    ("zoom_segment", {"video_id": VIDEO, "layout": "text"}),
    ("zoom_segment", {"video_id": VIDEO, "layout": "text", "start_s": 100, "end_s": 200, "max_tokens": 20000}),
    ("zoom_segment", {"video_id": f"video://{VIDEO}#t=110,600", "layout": "text"}),
    ("zoom_segment", {"video_id": f"video://{VIDEO}#t=,600", "layout": "text", "query": "kettle"}),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("tool", "arguments"), TRIED, ids=[f"{tool} {args}"[:70] for tool, args in TRIED])
async def test_nothing_behind_the_end_is_shown(library: Library, tool: str, arguments: dict[str, Any]) -> None:
    async with Client(build_server(library.settings, library)) as client:
        told = await words_until(Session(client), VIDEO, UNTIL_S)
        assert told == 100.0  # the slide that stays past the end
        reach = Reach(VIDEO, NAMES, UNTIL_S, told)
        sent = reach.arguments(tool, arguments)
        assert sent["end_s"] <= UNTIL_S
        result = await client.call_tool(tool, sent)
        assert not result.is_error
        shown = reach.shown(tool, result)
    assert not [word for word in HIDDEN if word in shown.text]
    assert all(value <= UNTIL_S for value in _times(json.loads(shown.text)))
    assert not shown.pictures


@pytest.mark.anyio
async def test_without_an_end_the_same_calls_do_show_it(library: Library) -> None:
    """The control: what the guard leaves out is there."""
    reach = Reach(VIDEO, NAMES)
    leaks: dict[str, int] = {}
    async with Client(build_server(library.settings, library)) as client:
        for tool, arguments in TRIED:
            sent = reach.arguments(tool, arguments) | ({"end_s": UNTIL_S} if tool != "list_episodes" else {})
            text = reach.shown(tool, await client.call_tool(tool, sent)).text
            leaks[tool] = leaks.get(tool, 0) + any(word in text for word in HIDDEN)
    assert set(leaks) == set(BEFORE_AN_END)
    assert min(leaks.values()) >= 1  # also where end_s alone is cut: the words of a cue go on


def _times(value: Any) -> Iterator[float]:
    """Every time in a reply, also those inside uris."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key.endswith("_s"):
                yield float(part)
            elif key == "uri":
                yield from map(float, part.partition("#t=")[2].split(","))
            else:
                yield from _times(part)
    elif isinstance(value, list):
        for part in value:
            yield from _times(part)


@pytest.mark.anyio
async def test_what_lies_before_the_end_is_shown(library: Library) -> None:
    async with Client(build_server(library.settings, library)) as client:
        reach = Reach(VIDEO, NAMES, UNTIL_S, await words_until(Session(client), VIDEO, UNTIL_S))

        async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, reach.arguments(tool, arguments))
            return dict(json.loads(reach.shown(tool, result).text))

        found = await ask("retrieve_memory", query="memory kettle", limit=20)
        assert {hit["start_s"] for hit in found["hits"]} >= {10.0, 60.0, 108.0}
        listed = await ask("list_episodes", level="chunk")
        assert [episode.get("title") for episode in listed["episodes"]] == ["dawn", None, None]
        looked = await ask("zoom_segment", layout="text")
        assert len([row for row in looked["text"] if "dawn" in row["text"]]) == 4


@pytest.mark.anyio
async def test_a_cursor_leads_no_further_than_its_call(library: Library) -> None:
    async with Client(build_server(library.settings, library)) as client:
        reach = Reach(VIDEO, NAMES, UNTIL_S)
        asked = {"query": "memory kettle", "limit": 1}
        free = await client.call_tool("retrieve_memory", {**asked, "video_ids": [VIDEO]})
        assert free.structured_content is not None
        taken = reach.arguments("retrieve_memory", {**asked, "cursor": free.structured_content["cursor"]})
        refused = await client.call_tool("retrieve_memory", taken)
        assert refused.is_error
        assert "cursor belongs to a call with other arguments" in reach.shown("retrieve_memory", refused).text
        cursor = ""
        for _ in range(10):
            sent = reach.arguments("retrieve_memory", {**asked, "cursor": cursor})
            shown = json.loads(reach.shown("retrieve_memory", await client.call_tool("retrieve_memory", sent)).text)
            assert not [word for word in HIDDEN if word in json.dumps(shown)]
            if not (cursor := shown.get("cursor", "")):
                break
        assert not cursor


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("ingest_video", {"source": "week3.mp4"}, "There is no tool 'ingest_video'. There are list_episodes"),
    ("remember", {"video_id": VIDEO, "text": "dusk"}, "There is no tool 'remember'"),
    ("ground_event", {"event": "'memory dawn kettle'"}, "There is no tool 'ground_event'"),
    ("read_resource", {"uri": f"video://{VIDEO}/transcript"}, "There is no tool"),
    ("resources/read", {"uri": f"video://{VIDEO}#t=200,300"}, "There is no tool"),
    ("zoom_segment", {"video_id": OTHER}, "is about video 9f6cbced0247 alone"),
    ("zoom_segment", {"video_id": "elsewhere"}, "is about video"),
    ("zoom_segment", {"video_id": f"video://{OTHER}#t=1,2"}, "is about video"),
    ("zoom_segment", {"video_id": f"video://{VIDEO}#t=130,140"}, "130 s is later than this question may see: 0 to 120"),
    ("zoom_segment", {"video_id": VIDEO, "start_s": 120}, "120 s is later"),
    ("zoom_segment", {"video_id": VIDEO, "start_s": "0:02:10"}, "130 s is later"),
    ("zoom_segment", {"video_id": VIDEO, "start_s": "soon"}, "must be a number of seconds"),
    ("zoom_segment", {"video_id": VIDEO, "end_s": float("inf")}, "must be a number of seconds"),
    ("zoom_segment", {"video_id": VIDEO, "end_s": True}, "must be a number of seconds"),
    ("zoom_segment", {"video_id": VIDEO, "end_s": [1, 2]}, "must be a number of seconds"),
    ("zoom_segment", {"video_id": 7}, "named by a text"),
    ("retrieve_memory", {"query": "x", "video_ids": [VIDEO, OTHER]}, "is about video"),
    ("retrieve_memory", {"query": "x", "video_ids": OTHER}, "is about video"),
    ("retrieve_memory", {"query": "x", "video_ids": json.dumps([OTHER])}, "is about video"),
    ("retrieve_memory", {"like": f"video://{VIDEO}#t=10,12"}, "like is not there"),
    ("retrieve_memory", {"like": f"video://{VIDEO}/frame/300"}, "like is not there"),
]


@pytest.mark.parametrize(("tool", "arguments", "told"), REFUSED)
def test_what_lies_out_of_reach_is_refused(tool: str, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        Reach(VIDEO, NAMES, UNTIL_S).arguments(tool, arguments)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(
    [VIDEO, OTHER, f"video://{VIDEO}#t=0,600", f"video://{OTHER}#t=1,2", f"video://{VIDEO}/frame/300", "600", "0:05:00"]
)  # fmt: skip


@given(
    st.sampled_from(BEFORE_AN_END),
    st.dictionaries(
        st.sampled_from(["video_id", "video_ids", "start_s", "end_s", "like", "query", "cursor", "level", "limit"]),
        VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=3), VALUES, max_size=2),
    ),
)
def test_whatever_is_asked_is_refused_or_kept_to_the_video_and_its_end(tool: str, asked: dict[str, Any]) -> None:
    try:
        sent = Reach(VIDEO, NAMES, UNTIL_S).arguments(tool, asked)
    except InvalidArgument:
        return
    assert sent["video"] == VIDEO
    assert not {"video_id", "video_ids"} & sent.keys()
    assert type(sent["end_s"]) is float
    assert sent["end_s"] <= UNTIL_S
    assert "start_s" not in sent or 0 <= sent["start_s"] < UNTIL_S
    assert not sent.get("like")


def test_without_an_end_the_call_keeps_its_times_and_its_video() -> None:
    reach = Reach(VIDEO, NAMES)
    assert reach.arguments("zoom_segment", {"video_id": f"video://{VIDEO}#t=5,9", "query": "x"}) == {
        "video": VIDEO,
        "start_s": 5.0,
        "end_s": 9.0,
        "query": "x",
    }
    assert reach.arguments("list_episodes", {}) == {"video": VIDEO}
    like = f"video://{VIDEO}#t=5,9"
    assert reach.arguments("retrieve_memory", {"like": like}) == {"like": like, "video": VIDEO}
    with pytest.raises(InvalidArgument, match="like must be a uri"):
        reach.arguments("retrieve_memory", {"like": f"video://{OTHER}#t=5,9"})
    with pytest.raises(InvalidArgument, match="alone"):
        reach.arguments("retrieve_memory", {"query": "x", "video_ids": [OTHER]})


def test_a_field_that_nobody_knows_yet_is_not_shown_before_an_end() -> None:
    facts = {"hits": [{"start_s": 1.0, "end_s": 2.0, "matched": ["subtitles:words"], "subtitles": "a", "soon": "dusk"}]}
    result = CallToolResult(
        content=[TextContent(text="{}")], structured_content={**facts, "title": "dusk", "next": 500}
    )
    shown = Reach(VIDEO, NAMES, UNTIL_S).shown("retrieve_memory", result)
    assert json.loads(shown.text) == {
        "hits": [{"start_s": 1.0, "end_s": 2.0, "matched": ["subtitles:words"], "subtitles": "a"}]
    }


@pytest.mark.parametrize(("at_s", "note", "count"), [(119.0, None, 1), (120.0, None, 0), (119.0, "kept frames", 0)])
def test_a_picture_is_shown_where_its_time_is_before_the_end(at_s: float, note: str | None, count: int) -> None:
    facts = {"frames": [{"at_s": at_s, "at": "0:01:59"}], "text": [], **({"note": note} if note else {})}
    shown = Reach(VIDEO, NAMES, UNTIL_S).shown("zoom_segment", _zoomed(facts, "0:01:59"))
    assert len(shown.pictures) == count


def test_pictures_come_with_their_labels_and_hints_are_shown() -> None:
    facts = {"frames": [{"at_s": 500.0}], "text": [], "hints": ["of the question before"]}
    shown = Reach(VIDEO, NAMES).shown("zoom_segment", _zoomed(facts, "0:08:20"))
    assert [(picture.label, picture.mime_type) for picture in shown.pictures] == [("0:08:20", "image/jpeg")]
    assert "hints" in shown.text


def test_an_error_before_an_end_does_not_tell_how_long_the_video_is() -> None:
    text = "SpanOutsideVideo: 5-700 s is outside the video, which lasts 600 s (0:10:00)."
    result = CallToolResult(content=[TextContent(text=text)], is_error=True)
    assert "600" not in Reach(VIDEO, NAMES, UNTIL_S).shown("zoom_segment", result).text
    assert Reach(VIDEO, NAMES).shown("zoom_segment", result).text == text


def test_the_offered_tools_are_those_that_only_look() -> None:
    tools = [
        Tool(name=name, input_schema={"type": "object", "properties": {"query": {}, "like": {}}})
        for name in ("ingest_video", *OFFERED, "remember")
    ]
    offered = Reach(VIDEO, NAMES).offered(tools)
    assert [tool["function"]["name"] for tool in offered] == list(OFFERED)
    assert "like" in offered[1]["function"]["parameters"]["properties"]
    offered = Reach(VIDEO, NAMES, 5.0).offered(tools)
    assert [tool["function"]["name"] for tool in offered] == ["list_episodes", "retrieve_memory", "zoom_segment"]
    assert "like" not in offered[1]["function"]["parameters"]["properties"]


def _zoomed(facts: dict[str, Any], label: str) -> CallToolResult:
    image = ImageContent(data="AA==", mime_type="image/jpeg")
    return CallToolResult(content=[TextContent(text=json.dumps(facts)), TextContent(text=label), image])
