"""The tools' replies over one drawn video: found, in order, within their tokens, every uri readable."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_tools.budget.reply import reply_tokens
from agent_tools.errors import AmbiguousVideo, InvalidArgument, NoteNotFound, SpanOutsideVideo, VideoNotFound
from agent_tools.evals.films.demo_video import DemoTruth
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import Library
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.read_resource import read_resource
from agent_tools.service.remember import remember
from agent_tools.service.replies.fit import compact_json
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.store import Episode

Course = tuple[Path, DemoTruth]
URI = re.compile(r'"(video://[^"]+)"')


def test_each_clue_is_the_first_hit_for_its_own_words(library: Library, course: Course) -> None:
    for hop in course[1].hops:
        words = re.sub(r"[^\w ]", " ", hop.text)[:120]
        reply = retrieve_memory(library, SearchRequest(query=words, channels=[hop.channel]))
        best = min(reply.hits, key=lambda hit: hit.rank)
        assert best.start_s <= hop.end_s, hop
        assert best.end_s >= hop.start_s, hop


def test_hits_stand_best_first_and_the_place_is_the_rank(library: Library) -> None:
    reply = retrieve_memory(library, SearchRequest(query="the gate code of the store room", limit=8))
    assert [hit.rank for hit in reply.hits] == list(range(1, len(reply.hits) + 1))
    assert [hit.score for hit in reply.hits] == sorted((hit.score for hit in reply.hits), reverse=True)
    assert reply.summary.startswith(f"{sum(hit.strength == reply.hits[0].strength for hit in reply.hits)} ")


def test_weak_hits_beside_a_strong_one_say_little(library: Library, course: Course) -> None:
    asked = SearchRequest(query=re.sub(r"[^\w ]", " ", course[1].hops[0].text)[:120], limit=20)
    hits = retrieve_memory(library, asked).hits
    weak = [hit for hit in hits if hit.strength == "weak"]
    assert hits[0].strength == "strong"
    assert weak
    assert all(hit.line is None and len(text) <= 90 for hit in weak for text in hit.texts().values())


def test_a_look_with_a_query_says_where_its_best_match_is(library: Library) -> None:
    def looked(query: str) -> str:
        request = ZoomRequest(video_id="week 3", query=query, layout="text")
        return str(zoom_segment(library, request).facts["summary"])

    hit = retrieve_memory(library, SearchRequest(query="the gate code of the store room")).hits[0]
    assert "; best match of the query: " in looked("the gate code of the store room")
    assert f" at {hit.at[2:].removeprefix('0')}" in looked("the gate code of the store room")
    assert looked("xylophone quartet zebra").endswith("; no text in it matches the query.")
    assert ";" not in looked("")


def test_pages_follow_each_other_without_repeats(library: Library) -> None:
    seen: list[int] = []
    cursor = ""
    for _ in range(20):
        reply = retrieve_memory(library, SearchRequest(query="slide about the plan", limit=3, cursor=cursor))
        seen += [hit.rank for hit in reply.hits]
        cursor = reply.cursor
        if not cursor:
            break
    assert sorted(seen) == list(range(1, len(seen) + 1))
    assert not reply.more


def test_a_cursor_of_another_question_is_refused(library: Library) -> None:
    cursor = retrieve_memory(library, SearchRequest(query="plan", limit=1)).cursor
    assert cursor
    with pytest.raises(InvalidArgument, match="other arguments"):
        retrieve_memory(library, SearchRequest(query="another", limit=1, cursor=cursor))
    with pytest.raises(InvalidArgument, match="not one that a reply gave"):
        retrieve_memory(library, SearchRequest(query="plan", limit=1, cursor="%%%"))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(max_tokens=st.integers(200, 3000), query=st.sampled_from(["plan", "gate code", "말", "the"]), full=st.booleans())
def test_no_reply_exceeds_its_tokens(library: Library, course: Course, max_tokens: int, query: str, full: bool) -> None:
    video_id = course[1].video_id
    replies: list[dict[str, Any]] = [
        retrieve_memory(
            library, SearchRequest(query=query, detail="full" if full else "concise", max_tokens=max_tokens, limit=20)
        ).compact(),
        list_episodes(library, video_id=video_id, max_tokens=max_tokens).compact(),
        list_episodes(library, max_tokens=max_tokens).compact(),
        ground_event(library, event=query, video_id=video_id, max_tokens=max_tokens).compact(),
        ground_event(library, event=query, max_tokens=max_tokens).compact(),
        zoom_segment(library, ZoomRequest(video_id=video_id, layout="text", query=query, max_tokens=max_tokens)).facts,
    ]
    for reply in replies:
        assert reply["tokens"] <= max_tokens, reply
        assert reply_tokens(compact_json(reply)) <= reply["tokens"]


def test_every_uri_of_every_reply_can_be_read(library: Library, course: Course) -> None:
    video_id = course[1].video_id
    note = remember(library, video_id=video_id, start_s=5, end_s=9, text="a note to read back")
    replies = [
        retrieve_memory(library, SearchRequest(query="plan", detail="full")).compact(),
        list_episodes(library, video_id=video_id).compact(),
        list_episodes(library).compact(),
        ground_event(library, event="the plan", video_id=video_id).compact(),
        zoom_segment(library, ZoomRequest(video_id=video_id, start_s=10, end_s=20, max_frames=2)).facts,
        note.compact(),
    ]
    uris = set(URI.findall(json.dumps(replies)))
    assert len(uris) > 8
    for uri in uris:
        resource = read_resource(library, uri)
        assert resource.text or resource.data, uri


def test_levels_get_finer_with_more_tokens(library: Library, course: Course) -> None:
    video_id = course[1].video_id
    assert list_episodes(library, video_id=video_id, max_tokens=8000).level == "chunk"
    chunks = list_episodes(library, video_id=video_id, level="chunk", max_tokens=8000).episodes or []
    assert [c.start_s for c in chunks] == [0.0, 60.0, 120.0, 180.0]
    assert chunks[-1].end_s == pytest.approx(240, abs=1)


def test_a_narrow_timeline_pages_to_its_end(library: Library, course: Course) -> None:
    seen: list[float] = []
    cursor = ""
    for _ in range(30):
        reply = list_episodes(library, video_id=course[1].video_id, level="scene", max_tokens=320, cursor_text=cursor)
        seen += [episode.start_s for episode in reply.episodes or []]
        cursor = reply.cursor
        if not cursor:
            break
    scenes = library.store.episodes(course[1].video_id, "scene")
    assert seen == [round(scene.start_s, 2) for scene in scenes]


def test_names_lead_to_the_video(library: Library, course: Course) -> None:
    video_id = course[1].video_id
    for name in (video_id, video_id[:6], "week 3", "WEEK 3", "week 3.mp4", f"video://{video_id}#t=3,9"):
        assert library.video(name).id == video_id
    asked = library.video_span(f"video://{video_id}#t=3,9")
    assert (asked.span.start_s, asked.span.end_s) == (3, 9)
    with pytest.raises(VideoNotFound, match="list_episodes without arguments shows"):
        library.video("nope")


def test_an_ambiguous_name_shows_the_candidates(library: Library) -> None:
    library.store.add_video("aaaa11111111", "same title", 1)
    library.store.add_video("aaaa22222222", "same title", 1)
    try:
        with pytest.raises(AmbiguousVideo, match=r"\(aaaa11111111\), same title \(aaaa22222222\)"):
            library.video("same title")
    finally:
        library.store.delete_video("aaaa11111111")
        library.store.delete_video("aaaa22222222")


@pytest.mark.parametrize(("start_s", "end_s"), [(300, 310), (10, 10), (20, 10)])
def test_a_span_outside_is_refused_with_the_length(
    library: Library, course: Course, start_s: float, end_s: float
) -> None:
    with pytest.raises(SpanOutsideVideo):
        zoom_segment(library, ZoomRequest(video_id=course[1].video_id, start_s=start_s, end_s=end_s))


def test_a_span_past_the_end_is_cut_and_says_so(library: Library, course: Course) -> None:
    facts = zoom_segment(library, ZoomRequest(video_id=course[1].video_id, start_s=200, end_s=500, layout="text")).facts
    assert facts["end_s"] == pytest.approx(240, abs=1)
    assert facts["hints"][0].startswith("end_s 500 is past the end: cut to")


def test_zoom_shows_pictures_within_tokens_and_says_what_stands_there(library: Library, course: Course) -> None:
    hop = next(hop for hop in course[1].hops if hop.channel == "screen_text")
    found = zoom_segment(
        library, ZoomRequest(video_id=course[1].video_id, start_s=hop.start_s, end_s=hop.end_s, max_frames=2)
    )
    assert found.facts["tokens"] <= 3000
    assert 1 <= len(found.pictures) <= 2  # a card that stands still needs no second picture
    assert {picture.jpeg[:2] for picture in found.pictures} == {b"\xff\xd8"}
    shown = " ".join(row["text"] for row in found.facts["text"] if row["channel"] == "screen_text").lower()
    assert any(word in shown for word in re.findall(r"[a-z]{5,}", hop.text.lower()))


def test_six_frames_come_as_one_sheet_with_their_times(library: Library, course: Course) -> None:
    found = zoom_segment(library, ZoomRequest(video_id=course[1].video_id, max_frames=6))
    assert len(found.pictures) == 1
    assert found.pictures[0].label.startswith("sheet of 6 frames")
    assert len(found.facts["frames"]) == 6


def test_zoom_without_the_file_shows_kept_frames_and_says_so(
    library: Library, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Library, "sources", lambda self, video_id: [])
    found = zoom_segment(library, ZoomRequest(video_id=course[1].video_id, max_frames=4))
    assert "kept frames" in found.facts["note"]
    assert found.pictures


def test_a_raw_score_is_never_more_than_uncertain(
    library: Library, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_tools.service.verdicts.judgement.calibrator_for", lambda *_: None)
    reply = ground_event(library, event="'zebra crossing' is mentioned", video_id=course[1].video_id)
    assert reply.verdict == "uncertain"
    assert reply.confidence_kind == "raw"


def test_a_sight_that_lite_cannot_judge_comes_with_the_nearest_texts_to_look_at(
    library: Library, course: Course
) -> None:
    reply = ground_event(library, event="a penguin slides down a snowy hill", video_id=course[1].video_id)
    assert reply.verdict == "uncertain"
    assert "frames (no words (lite))" in (reply.why or "")
    guesses = re.findall(r"video://[^\s,]+#t=[0-9.,]*[0-9]", " ".join(reply.hints))
    assert 1 <= len(guesses) <= 3
    for uri in guesses:
        assert read_resource(library, uri)


def test_the_same_note_is_written_once_and_found_at_once(library: Library, course: Course) -> None:
    video_id = course[1].video_id
    first = remember(
        library, video_id=video_id, start_s=30, end_s=40, text="the purple umbrella leans left", author="a"
    )
    again = remember(
        library, video_id=video_id, start_s=30, end_s=40, text="the purple umbrella leans left", author="a"
    )
    assert (again.note, again.same_as_before) == (first.note, True)
    hits = retrieve_memory(library, SearchRequest(query="purple umbrella")).hits
    assert min(hits, key=lambda hit: hit.rank).notes == "the purple umbrella leans left"


def test_a_replaced_note_is_history_and_no_longer_found(library: Library, course: Course) -> None:
    video_id = course[1].video_id
    old = remember(library, video_id=video_id, start_s=50, end_s=55, text="an orange kayak drifts by")
    new = remember(library, video_id=video_id, start_s=50, end_s=55, text="a red canoe drifts by", replaces=old.note)
    assert new.replaces == old.note
    texts = [hit.notes or "" for hit in retrieve_memory(library, SearchRequest(query="orange kayak")).hits]
    assert not any("kayak" in text for text in texts)
    assert json.loads(read_resource(library, old.note).text or "")["replaced_by"] == new.note
    with pytest.raises(NoteNotFound, match="was replaced by"):
        remember(library, video_id=video_id, start_s=50, end_s=55, text="again", replaces=old.note)


@pytest.mark.parametrize("number", ["\u00b2", "9" * 23, "x", ""])
def test_what_is_no_notes_number_is_refused(library: Library, course: Course, number: str) -> None:
    uri = f"video://{course[1].video_id}/note/{number}"
    with pytest.raises(InvalidArgument, match="must be a note's uri"):
        remember(library, video_id=course[1].video_id, start_s=50, end_s=55, text="again", replaces=uri)
    with pytest.raises((InvalidArgument, NoteNotFound)):
        read_resource(library, uri)


def test_a_query_that_nobody_can_see_is_empty(library: Library) -> None:
    with pytest.raises(InvalidArgument, match="query and like are both empty"):
        retrieve_memory(library, SearchRequest(query="\u200b \u00ad"))


def test_a_note_needs_a_span_and_text(library: Library, course: Course) -> None:
    with pytest.raises(SpanOutsideVideo, match="belongs to a span"):
        remember(library, video_id=course[1].video_id, text="where?")
    with pytest.raises(InvalidArgument, match="1 to 2000"):
        remember(library, video_id=course[1].video_id, start_s=1, end_s=2, text="\u200b\u202e")


def test_like_finds_other_moments_of_the_same_look(library: Library, course: Course) -> None:
    hop = next(hop for hop in course[1].hops if hop.channel == "screen_text")
    reply = retrieve_memory(library, SearchRequest(like=hop.uri))
    assert all(hit.matched == ["frames:likeness"] for hit in reply.hits)
    assert all(hit.end_s <= hop.start_s or hit.start_s >= hop.end_s for hit in reply.hits[:1])


def test_the_same_spans_three_times_in_a_row_are_pointed_out(library: Library) -> None:
    told: list[str] = []
    for _ in range(3):
        told = retrieve_memory(library, SearchRequest(query="gate code"), caller="one").hints
    assert any("last 3 searches returned the same spans" in hint for hint in told)
    assert not any(
        "last 3" in hint for hint in retrieve_memory(library, SearchRequest(query="gate code"), caller="two").hints
    )


def test_a_negation_is_pointed_out(library: Library) -> None:
    assert any(
        "negation" in hint for hint in retrieve_memory(library, SearchRequest(query="a slide without a title")).hints
    )


def test_the_first_line_of_a_short_list_stays(library: Library) -> None:
    for number in range(5):
        library.store.add_video(f"{number:012x}", f"another film {number}", 1)
    reply = list_episodes(library, max_tokens=300)
    assert reply.more
    assert reply.summary.startswith("6 videos in memory; ")
    assert reply.tokens <= 300


def test_a_short_timeline_of_a_video_with_chunks_alone_shows_the_first_of_them(library: Library) -> None:
    video = "0000000000aa"
    library.store.add_video(video, "chunks alone", 1)
    library.store.update_video(video, duration_s=600.0)
    rows = [
        Episode(i, video, "chunk", 10.0 * i, 10.0 * i + 10, f"chunk number {i}", "speech", 10.0 * i) for i in range(60)
    ]
    library.store.replace_episodes(video, "chunk", rows)
    reply = list_episodes(library, video_id=video, max_tokens=200)
    assert reply.episodes
    assert (reply.level, reply.episodes[0].title) == ("chunk", "chunk number 0")
    assert reply.more == 60 - len(reply.episodes)
    library.store.delete_video(video)


def test_an_ambiguous_name_is_told_with_titles_and_ids(library: Library) -> None:
    for number in range(10):
        library.store.add_video(f"a{number:011x}", f"twin film {number}", 1)
    with pytest.raises(AmbiguousVideo, match=r"means 10 videos: twin film 0 \(a00000000000\), .* and 2 more\."):
        list_episodes(library, video_id="twin")


@pytest.mark.parametrize("name", ["Gate code", "retrieve_memory", "groun_event", "video_id"])
def test_a_video_that_repeats_the_query_or_names_a_tool_is_left_out_with_a_note(library: Library, name: str) -> None:
    words = "the gate code of the store room"
    plain = retrieve_memory(library, SearchRequest(query=words))
    repeated = retrieve_memory(library, SearchRequest(query=words, video_ids=[name]))
    assert [hit.uri for hit in repeated.hits] == [hit.uri for hit in plain.hits]
    assert repeated.hints[0].startswith(f"video '{name}' names no video and says nothing more")


def test_a_name_that_says_something_is_refused_where_no_video_has_it(library: Library) -> None:
    words = "the gate code of the store room"
    asked = ground_event(library, event=words, video_id="store room")
    assert asked.videos is not None
    assert asked.hints[0].startswith("video 'store room' names no video")
    for name in ("lecture.mp4", "0123456789ab", "gate code 7", "video_7"):
        with pytest.raises(VideoNotFound):
            retrieve_memory(library, SearchRequest(query=words, video_ids=[name]))
    named = retrieve_memory(library, SearchRequest(query="week 3", video_ids=["week 3"]))
    assert not any("names no video" in hint for hint in named.hints)
