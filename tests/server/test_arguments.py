"""What a model may write: older names, empty values, times in usual forms, names nearly right; and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_tools.errors import VideoNotFound
from agent_tools.server.arguments import LEAN, OLDER_NAMES, read
from agent_tools.service.library.library import Library
from agent_tools.service.library.video_names import one_edit_apart
from agent_tools.settings import Settings
from tests.server.conftest import OTHER, VIDEO, connected, text_of

TITLE = "Week 3 Memory"
SPAN = {"start_s": 60, "end_s": 65}

# Each older name beside the new one: both calls must give the same reply.
BOTH_NAMES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("list_episodes", {"video_id": VIDEO}, {"video": VIDEO}),
    ("retrieve_memory", {"query": "cache", "video_ids": [VIDEO]}, {"query": "cache", "video": VIDEO}),
    ("retrieve_memory", {"query": "cache", "video_ids": [VIDEO, OTHER]}, {"query": "cache", "video": [VIDEO, OTHER]}),
    ("zoom_segment", {"video_id": VIDEO, **SPAN, "max_frames": 1}, {"video": VIDEO, **SPAN, "frames": 1}),
    ("ground_event", {"event": "a cache", "video_id": VIDEO}, {"event": "a cache", "video": VIDEO}),
    ("retrieve_memory", {"query": "cache", "video_id": VIDEO}, {"query": "cache", "video": VIDEO}),
    *(
        (tool, {**more, "video_ids": [VIDEO]}, {**more, "video": VIDEO})
        for tool, more in (
            ("list_episodes", {}),
            ("zoom_segment", SPAN),
            ("ground_event", {"event": "a"}),
            ("remember", {**SPAN, "text": "a"}),
        )
    ),
    ("remember", {"video_id": VIDEO, **SPAN, "text": "a"}, {"video": VIDEO, **SPAN, "text": "a"}),
]
NEARLY = [
    "week 3 memory", "WEEK_3_MEMORY", "Week-3-Memory.mp4", "Week 3 Memroy", "Week 3 Memor", "video://Week_3_Memory",
    f"video://{VIDEO}#t=0:00:05", f"video://{VIDEO}", "video://Week%203%20Memory#t=0,9",
]  # fmt: skip
LEFT_OUT: list[dict[str, Any]] = [
    {"start_s": None, "end_s": ""},
    {"query": "", "region": []},
    {"region": [0, 0, 0, 0]},
    {"region": ["0", "0", "0", "0"], "layout": ""},
    {"frames": None, "start_s": "null"},
]


@pytest.mark.anyio
@pytest.mark.parametrize(("tool", "older", "newer"), BOTH_NAMES)
async def test_an_older_name_means_the_same_for_ever(
    settings: Settings, library: Library, tool: str, older: dict[str, Any], newer: dict[str, Any]
) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        first = await client.call_tool(tool, older)
        second = await client.call_tool(tool, newer)
    assert not first.is_error, text_of(first)
    assert not second.is_error, text_of(second)
    if tool != "remember":  # the second of two equal notes says so
        assert first.content[1] == second.content[1]


def test_every_older_name_stands_in_the_tests_of_both_sets() -> None:
    tested = {(tool, name) for tool, older, _ in BOTH_NAMES for name in older}
    replaced = {(tool, name) for tool, names in OLDER_NAMES.items() for name in names}
    assert replaced - tested == {
        ("list_episodes", "cursor"),
        ("retrieve_memory", "cursor"),
    }  # these need a first page: see the test below


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["cursor", "more"])
async def test_a_list_goes_on_by_both_names_of_the_cursor(settings: Settings, library: Library, name: str) -> None:
    first = {"query": "cache", "video_id": VIDEO, "limit": 1}
    async with connected(settings, library, "legacy") as client:
        page = (await client.call_tool("retrieve_memory", first)).structured_content
        following = (await client.call_tool("retrieve_memory", {**first, name: page["cursor"]})).structured_content
    assert [hit["rank"] for hit in following["hits"]] == [2]


@pytest.mark.anyio
async def test_words_in_place_of_a_cursor_begin_again_with_a_note_and_another_cursor_is_refused(
    settings: Settings, library: Library
) -> None:
    first = {"query": "cache", "video": VIDEO}
    async with connected(settings, library, "2026-07-28") as client:
        begun = (await client.call_tool("retrieve_memory", {**first, "more": "0:04 in friday_film"})).structured_content
        other = text_of(await client.call_tool("retrieve_memory", {**first, "more": "8-67d147c5"}))
        older = text_of(await client.call_tool("retrieve_memory", {**first, "cursor": "next"}))
    assert begun["hits"][0]["rank"] == 1
    assert begun["hints"][0] == 'more "0:04 in friday_film" is no cursor of a reply: this is the beginning.'
    assert "cursor belongs to a call with other arguments" in other
    assert "cursor is not one that a reply gave" in older


@pytest.mark.anyio
@pytest.mark.parametrize("name", NEARLY)
async def test_a_video_is_found_by_a_name_that_is_nearly_right(settings: Settings, library: Library, name: str) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        result = await client.call_tool("list_episodes", {"video": name})
    assert not result.is_error, text_of(result)
    assert result.structured_content["video_id"] == VIDEO


@pytest.mark.anyio
@pytest.mark.parametrize("empty", LEFT_OUT)
async def test_an_empty_value_counts_as_left_out(settings: Settings, library: Library, empty: dict[str, Any]) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        plain = await client.call_tool("zoom_segment", {"video": TITLE})
        result = await client.call_tool("zoom_segment", {"video": TITLE, **empty})
    assert not result.is_error, text_of(result)
    assert [block.type for block in result.content] == [block.type for block in plain.content]


@pytest.mark.parametrize(
    ("written", "seconds", "noted"),
    [("0:10", 10.0, True), ("1:02:03", 3723.0, True), ("1m5s", 65.0, True), ("12.5", 12.5, False), ([7], 7, False)],
)
def test_a_time_in_a_usual_form_is_read_and_echoed_in_seconds(written: Any, seconds: float, noted: bool) -> None:
    given = read("zoom_segment", {"video": TITLE, "start_s": written}, ("video",))
    assert given.values["start_s"] == seconds
    assert bool(given.notes) is noted
    assert all(f"{seconds:g} s" in note for note in given.notes)


@pytest.mark.anyio
async def test_how_a_time_was_read_stands_in_the_hints_within_max_tokens(settings: Settings, library: Library) -> None:
    arguments = {"query": "cache", "start_s": "0:10", "max_tokens": 400}
    async with connected(settings, library, "2026-07-28") as client:
        reply = (await client.call_tool("retrieve_memory", arguments)).structured_content
    assert reply["hints"][0] == 'start_s "0:10" is read as 10 s.'
    assert reply["tokens"] <= 400


@pytest.mark.anyio
async def test_a_span_past_the_end_is_cut_with_a_note_and_one_outside_is_an_error(
    settings: Settings, library: Library
) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        cut = (
            await client.call_tool("list_episodes", {"video": TITLE, "start_s": 500, "end_s": 9000})
        ).structured_content
        outside = await client.call_tool("list_episodes", {"video": TITLE, "start_s": 900, "end_s": 9000})
    assert "end_s 9000 is past the end: cut to 600 s, where the video ends." in cut["hints"]
    assert text_of(outside).startswith("SpanOutsideVideo: 900-9000 s is outside the video, which lasts 600 s")
    assert 'Example of a call that works: list_episodes {"video": "Week 3 Memory", "start_s": 0.0' in text_of(outside)


@pytest.mark.anyio
async def test_every_fault_of_a_call_is_told_at_once_with_a_call_that_works(
    settings: Settings, library: Library
) -> None:
    wrong = {"video": "video://12345#t=0,120", "region": [1, 2], "frames": 99}
    async with connected(settings, library, "2026-07-28") as client:
        text = text_of(await client.call_tool("zoom_segment", wrong))
        called = text.partition("Example of a call that works: zoom_segment ")[2]

        example = json.loads(called.removesuffix("."))
        result = await client.call_tool("zoom_segment", example)
    assert "region: [1, 2] is not a list of 4 items" in text
    assert "frames: 99 is not a whole number from 1 to 16" in text
    assert "VideoNotFound" in text
    assert not result.is_error


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("zoom_segment", {"video": "https://example.com/video1", "query": "KV cache"}),
        ("zoom_segment", {"video": "the_kv_cache_lecture"}),
        ("retrieve_memory", {"video": "lecture.mp4", "query": "KV cache"}),
        ("ground_event", {"video": "lecture.mp4", "event": "KV cache"}),
        ("list_episodes", {"video": "KV cache"}),
    ],
)
async def test_a_call_that_makes_up_its_video_is_told_where_a_search_finds_its_words(
    settings: Settings, library: Library, tool: str, arguments: dict[str, Any]
) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        refused = await client.call_tool(tool, arguments)
        text = text_of(refused)
        query = json.loads("{" + text.partition("More: retrieve_memory {")[2].partition("}")[0] + "}")
        found = (await client.call_tool("retrieve_memory", query)).structured_content
    assert refused.is_error
    assert text.startswith("VideoNotFound: ")
    assert f"finds: {found['summary']}" in text
    shown = json.JSONDecoder().raw_decode(text[text.index('{"hits"') :])[0]["hits"]
    assert [hit["title"] for hit in shown] == [hit["title"] for hit in found["hits"] if hit["strength"] != "weak"][:2]
    assert all(set(hit) > {"title", "at"} for hit in shown)  # with the words that were found


@pytest.mark.anyio
async def test_the_texts_beside_a_refusal_are_cut_around_the_words(settings: Settings, library: Library) -> None:
    text = "Nothing of note happens on this long and quiet afternoon. " * 6 + "A velvet umbrella stands by the door."
    async with connected(settings, library, "2026-07-28") as client:
        await client.call_tool("remember", {"video": VIDEO, "start_s": 1, "end_s": 2, "text": text})
        refused = await client.call_tool("zoom_segment", {"video": "umbrella_film", "query": "velvet umbrella"})
    assert refused.is_error
    assert "velvet umbrella stands" in text_of(refused).partition("finds: ")[2]


@pytest.mark.anyio
async def test_a_region_in_pixels_is_scaled_to_the_frame(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        whole = await client.call_tool("zoom_segment", {"video": TITLE, **SPAN, "region": [0, 0, 1, 1]})
        pixels = await client.call_tool("zoom_segment", {"video": TITLE, **SPAN, "region": [0, 0, 640, 360]})
    assert not pixels.is_error, text_of(pixels)
    assert [block.type for block in whole.content] == [block.type for block in pixels.content]


@pytest.mark.anyio
async def test_the_instructions_name_twelve_videos_however_long_their_titles_are(
    settings: Settings, library: Library
) -> None:
    for number in range(10):
        library.store.add_video(
            f"{number:012x}", f"A title of sixty letters, so that twelve are too long, talk {number}", 1
        )
    async with connected(settings, library, "legacy") as client:
        assert (client.instructions or "").count("A title of sixty letters") == 10
    library.store.add_video(f"{99:012x}", "The thirteenth", 1)
    async with connected(settings, library, "legacy") as client:
        assert "A title of sixty letters" not in (client.instructions or "")


@pytest.mark.anyio
async def test_the_instructions_name_the_videos_while_they_are_few(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "legacy") as client:
        assert '"Week 3 Memory", "An empty afternoon"' in (client.instructions or "")
    for number in range(12):
        library.store.add_video(f"{number:012x}", f"Talk {number}", 1)
    async with connected(settings, library, "legacy") as client:
        assert '"Week 3 Memory"' in (client.instructions or "")
        assert len((client.instructions or "").encode()) <= 2048  # some hosts show no more
    for number in range(12, 36):
        library.store.add_video(f"{number:012x}", f"A longer title of talk {number}", 1)
    async with connected(settings, library, "legacy") as client:
        assert "Week 3 Memory" not in (client.instructions or "")


@pytest.mark.parametrize(
    ("a", "b", "near"),
    [("ab", "ab", True), ("abc", "abd", True), ("abc", "acb", True), ("abc", "abcd", True), ("abc", "adcb", False)],
)
def test_one_edit_is_a_letter_more_less_or_other_or_two_swapped(a: str, b: str, near: bool) -> None:
    assert one_edit_apart(a, b) is near
    assert one_edit_apart(b, a) is near


def test_both_tables_name_the_same_tools() -> None:
    assert list(LEAN) == list(OLDER_NAMES)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "written", "meant", "noted"),
    [
        ("ground_event", {"query": "a cache", "video": VIDEO}, {"event": "a cache", "video": VIDEO}, "query is taken"),
        ("retrieve_memory", {"question": "cache"}, {"query": "cache"}, "question is taken as query."),
        ("retrieve_memory", {"query": "cache", "video": "all"}, {"query": "cache"}, 'video "all" is left out'),
        ("ground_event", {"event": "a cache", "video": ["*"]}, {"event": "a cache"}, 'video "*" is left out'),
        ("retrieve_memory", {"query": ["K", "V"]}, {"query": "K V"}, ""),
        ("zoom_segment", {"video": VIDEO, "start_s": "00:01:00,500"}, {"video": VIDEO, "start_s": 60.5}, "60.5 s."),
    ],
)
async def test_what_models_write_in_its_place_is_taken_with_a_note(
    settings: Settings, library: Library, tool: str, written: dict[str, Any], meant: dict[str, Any], noted: str
) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        first, second = await client.call_tool(tool, written), await client.call_tool(tool, meant)
    assert not first.is_error, text_of(first)
    told, plain = (json.loads(getattr(reply.content[1], "text", "")) for reply in (first, second))
    hints = told.pop("hints", [])
    assert not noted or any(noted in hint for hint in hints)
    plain.pop("hints", None)
    assert told.pop("tokens") >= plain.pop("tokens")
    assert told == plain


@pytest.mark.anyio
async def test_an_argument_and_another_name_for_it_are_a_fault(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        both = await client.call_tool("ground_event", {"event": "a cache", "query": "a cup", "video": VIDEO})
    assert both.is_error
    assert "'query' is not an argument of ground_event" in text_of(both)


@pytest.mark.anyio
async def test_a_made_up_video_leads_to_the_search_that_finds_the_right_one(
    settings: Settings, library: Library
) -> None:
    call = {"video": "https://example.com/video1", "start_s": 120, "end_s": 150, "query": "the cache"}
    async with connected(settings, library, "2026-07-28") as client:
        refused = text_of(await client.call_tool("zoom_segment", call))
        near = text_of(await client.call_tool("zoom_segment", {**call, "video": "Week 4 Memories"}))
        named = text_of(await client.call_tool("list_episodes", {"video": "starship_dashboard"}))
    assert 'retrieve_memory {"query": "starship dashboard"}' in named
    assert 'More: retrieve_memory {"query": "the cache"}' in refused
    assert "zoom_segment" in near
    assert TITLE in near


@pytest.mark.anyio
async def test_the_example_after_a_missing_file_is_not_the_refused_call(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        text = text_of(await client.call_tool("ingest_video", {"source": "no such talk.mp4"}))
    assert text.startswith("SourceNotFound: ")
    assert "Example of a call that works: " in text
    assert "no such talk" not in text.partition("Example of a call that works: ")[2]


@pytest.mark.anyio
@pytest.mark.parametrize("tool", ["zoom_segment", "retrieve_memory"])
async def test_words_in_a_span_outside_the_video_are_refused_with_its_length_and_the_call_without_the_span(
    settings: Settings, library: Library, tool: str
) -> None:
    size = {"zoom_segment": {"frames": 3}, "retrieve_memory": {"limit": 3}}[tool]
    outside = {"video": TITLE, "start_s": 700, "end_s": 720, "query": "KV cache", **size}
    async with connected(settings, library, "2026-07-28") as client:
        refused = await client.call_tool(tool, outside)
        text = text_of(refused)
        called = json.loads(text.partition(f"Example of a call that works: {tool} ")[2].rstrip("."))
        second = await client.call_tool(tool, called)
    assert refused.is_error
    assert text.startswith("SpanOutsideVideo: 700-720 s is outside the video, which lasts 600 s (0:10:00). ")
    assert "In that video the query matches best at " in text
    assert called == {"video": TITLE, "query": "KV cache", **size}
    assert not second.is_error


@pytest.mark.anyio
async def test_a_span_outside_the_wrong_video_is_told_which_one_matches(settings: Settings, library: Library) -> None:
    outside = {"video": OTHER, "start_s": 700, "end_s": 720, "query": "the cache grows with the length of the text"}
    async with connected(settings, library, "2026-07-28") as client:
        looked = text_of(await client.call_tool("zoom_segment", outside))
    assert f"The query matches in another video: {TITLE} at " in looked


@pytest.mark.anyio
async def test_a_look_at_a_whole_video_without_the_words_is_told_which_one_matches(
    settings: Settings, library: Library
) -> None:
    query = {"query": "the cache grows with the length of the text"}
    async with connected(settings, library, "2026-07-28") as client:
        whole = await client.call_tool("zoom_segment", {"video": OTHER, **query, "start_s": 0, "end_s": 0})
        part = await client.call_tool("zoom_segment", {"video": OTHER, **query, "start_s": 5, "end_s": 20})
    told, plain = (json.loads(getattr(reply.content[1], "text", "")) for reply in (whole, part))
    assert f"no text in it matches the query, but another video does: {TITLE} at " in told["summary"]
    assert any(f"The query matches in another video: {TITLE} at " in hint for hint in told["hints"])
    assert not any("another video" in hint for hint in plain.get("hints", []))  # a part that was chosen is meant


@pytest.mark.anyio
async def test_the_ends_of_a_look_at_0_mean_the_whole_video_or_the_span_of_the_uri(
    settings: Settings, library: Library
) -> None:
    zeros = {"start_s": 0, "end_s": 0}
    async with connected(settings, library, "2026-07-28") as client:
        whole = await client.call_tool("zoom_segment", {"video": TITLE, **zeros})
        part = await client.call_tool("zoom_segment", {"video": f"video://{VIDEO}#t=120,150", **zeros})
        begun = await client.call_tool("zoom_segment", {"video": TITLE, "start_s": 500, "end_s": 0})
    spans = [json.loads(getattr(reply.content[1], "text", "")) for reply in (whole, part, begun)]
    assert [(one["start_s"], one["end_s"]) for one in spans] == [(0, 600), (120, 150), (500, 600)]


@pytest.mark.anyio
async def test_a_span_outside_is_refused_by_every_tool_and_the_example_repeats_what_was_asked(
    settings: Settings, library: Library
) -> None:
    late = {"video": TITLE, "start_s": 700}
    async with connected(settings, library, "2026-07-28") as client:
        several = text_of(
            await client.call_tool("retrieve_memory", {"query": "KV cache", **late, "video": [TITLE, OTHER]})
        )
        uri = text_of(await client.call_tool("zoom_segment", {"video": f"video://{VIDEO}#t=700,720", "query": "cache"}))
        verdict = text_of(await client.call_tool("ground_event", {"event": "KV cache", **late}))
        note = text_of(await client.call_tool("remember", {**late, "end_s": 710, "text": "a cache"}))
    for refused in (several, uri, verdict, note):
        assert refused.startswith("SpanOutsideVideo: ")
    assert f'retrieve_memory {{"query": "KV cache", "video": ["{TITLE}", "An empty afternoon"]}}' in several
    assert f'zoom_segment {{"video": "{TITLE}", "query": "cache"}}' in uri
    assert f'ground_event {{"event": "KV cache", "video": "{TITLE}"}}' in verdict
    assert '"start_s": 0.0' in note  # a note belongs to a span


@pytest.mark.anyio
async def test_a_search_in_the_wrong_video_is_told_which_one_holds_the_words(
    settings: Settings, library: Library
) -> None:
    words = {"query": "the cache grows with the length of the text"}
    async with connected(settings, library, "2026-07-28") as client:
        reply = (await client.call_tool("retrieve_memory", {**words, "video": OTHER})).structured_content
        right = (await client.call_tool("retrieve_memory", {**words, "video": TITLE})).structured_content
        none = await client.call_tool("retrieve_memory", {"query": "xylophone quartet", "video": OTHER})
    assert reply is not None
    assert right is not None
    assert none.structured_content is not None
    assert f"another video does: {TITLE} at " in reply["summary"]
    assert reply["elsewhere"]["uri"] == right["hits"][0]["uri"]
    assert "elsewhere" not in right
    assert "elsewhere" not in none.structured_content


@pytest.mark.parametrize(
    ("name", "video"),
    [("in the video Week 3 Memory", VIDEO), ("memory_week_3", VIDEO), ("empty afternoon.mp4", OTHER)],
)
def test_a_name_with_words_around_a_title_or_in_another_order_finds_it(library: Library, name: str, video: str) -> None:
    assert library.video(name).id == video


@pytest.mark.parametrize("name", ["Week of Memory", "memory", "a long afternoon"])
def test_a_name_that_shares_only_some_words_with_a_title_finds_nothing(library: Library, name: str) -> None:
    with pytest.raises(VideoNotFound):
        library.video(name)


@pytest.mark.anyio
async def test_an_example_of_a_note_holds_no_words_of_another_video(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        text = text_of(await client.call_tool("remember", {"video": OTHER, "text": ""}))
    assert '"text": "what is seen or said there, in one sentence"' in text


@pytest.mark.anyio
async def test_a_start_past_the_end_is_told_with_the_length_and_sentences_end_before_the_example(
    settings: Settings, library: Library
) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        late = text_of(await client.call_tool("zoom_segment", {"video": TITLE, "start_s": 700}))
        closed = text_of(await client.call_tool("ingest_video", {"source": "/etc/hostname"}))
    assert late.startswith("SpanOutsideVideo: start_s 700 is outside the video, which lasts 600 s (0:10:00). ")
    assert '--allow "/etc/hostname". Example' in closed


@pytest.mark.parametrize("written", [0, 0.0, "0"])
def test_an_end_at_0_is_left_out_with_a_note_where_a_start_is_given(written: Any) -> None:
    late = read("retrieve_memory", {"query": "keys", "start_s": 5, "end_s": written}, ("query",))
    assert late.values == {"query": "keys", "start_s": 5}
    assert late.notes[0].startswith("end_s 0 is left out")
    given = read("retrieve_memory", {"query": "keys", "start_s": 0, "end_s": written}, ("query",))
    assert given.values == {"query": "keys", "start_s": 0}
    assert given.notes == []


def test_an_end_of_minus_one_means_the_end() -> None:
    given = read("zoom_segment", {"video": TITLE, "start_s": 0, "end_s": -1}, ("video",))
    assert given.values == {"video": TITLE, "start_s": 0}
    assert given.notes == ["end_s -1 is left out: nothing ends there, so the span goes to the end of the video."]


@pytest.mark.parametrize(
    ("written", "taken", "note"),
    [
        ((20, 10), (10, 20), "start_s 20 is behind end_s 10: 10 to 20 s is taken."),
        (("0:20", 12.5), (12.5, 20.0), "start_s 20 is behind end_s 12.5: 12.5 to 20 s is taken."),
        ((10, 10), (10, 11), "start_s and end_s are both 10: 10 to 11 s is taken."),
        ((10, 20), (10, 20), None),
        ((-5, -9), (-5, -9), None),  # the schema refuses both
    ],
)
def test_the_ends_of_a_span_are_put_in_order_with_a_note(
    written: tuple[Any, Any], taken: tuple[float, float], note: str | None
) -> None:
    start_s, end_s = written
    given = read("zoom_segment", {"video": TITLE, "start_s": start_s, "end_s": end_s}, ("video",))
    assert (given.values["start_s"], given.values["end_s"]) == taken
    assert given.notes[-1:] == ([note] if note else [])


@pytest.mark.anyio
async def test_a_note_is_never_written_on_a_span_in_another_order(settings: Settings, library: Library) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        refused = await client.call_tool("remember", {"video": TITLE, "start_s": 20, "end_s": 10, "text": "a cup"})
    assert text_of(refused).startswith("SpanOutsideVideo: 20-10 s is empty")
    assert library.store.notes(VIDEO) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "arguments", "size"),
    [
        ("list_episodes", {"video": TITLE}, "limit"),
        ("zoom_segment", {"video": TITLE, **SPAN}, "limit"),
        ("ground_event", {"event": "a cache", "video": TITLE}, "frames"),
        ("retrieve_memory", {"query": "cache"}, "max_spans"),
    ],
)
async def test_a_size_that_another_tool_takes_is_left_out_with_a_note(
    settings: Settings, library: Library, tool: str, arguments: dict[str, Any], size: str
) -> None:
    async with connected(settings, library, "2026-07-28") as client:
        reply = await client.call_tool(tool, {**arguments, size: 3})
    assert not reply.is_error, text_of(reply)
    facts = json.loads(getattr(reply.content[1], "text", ""))
    assert facts["hints"][0] == f"{size} is left out: {tool} does not take it."


def test_an_end_that_a_call_needs_stays_as_it_is() -> None:
    given = read("remember", {"video": TITLE, "start_s": 0, "end_s": 0, "text": "x"}, ("video", "end_s", "text"))
    assert given.values["end_s"] == 0
    assert not given.notes


@pytest.mark.anyio
@pytest.mark.parametrize("start_s", [0, 500])
async def test_a_look_to_the_end_is_no_fault_beside_another_one(
    settings: Settings, library: Library, start_s: int
) -> None:
    look = {"video": TITLE, "start_s": start_s, "end_s": 0, "layout": "mosaic"}
    async with connected(settings, library, "2026-07-28") as client:
        refused = await client.call_tool("zoom_segment", look)
    assert refused.is_error
    assert "layout" in text_of(refused)
    assert "is empty" not in text_of(refused)
