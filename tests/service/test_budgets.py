"""Budgets on hours of 33,000 tokens of speech in English, Korean and Chinese: whatever is asked, no reply costs more
than max_tokens, its first hit is there, and what was cut can be had by going on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_tools.budget.cost import token_cost
from agent_tools.budget.reply import reply_tokens, text_tokens
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.remember import remember
from agent_tools.service.replies.fit import compact_json
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import Zoomed, ZoomRequest, zoom_segment
from agent_tools.settings import Settings
from tests.library import start_no_worker
from tests.service.spoken_hour import (
    CHINESE,
    CUES,
    ENGLISH,
    HOUR_S,
    KOREAN,
    NEEDLE_AT,
    TALKS,
    TOKENS,
    Talk,
    ToyEncoder,
    fill,
    spoken,
)

NEEDLE_S = NEEDLE_AT * HOUR_S / CUES
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
slow = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
few = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
tokens = st.integers(200, 20_000) | st.integers(200, 600)
videos = st.sampled_from([talk.video_id for talk in TALKS])
queries = st.sampled_from(
    [
        *(talk.needle for talk in TALKS),
        *(" ".join(talk.words[:3]) for talk in TALKS),
        *(f'"{talk.words[5]}"' for talk in TALKS),
        "memory without a window",
        "nothing of the kind",
        "기억 window 记忆",
    ]
)
spans = st.tuples(st.floats(0, HOUR_S - 1), st.floats(1, HOUR_S)).map(lambda pair: (pair[0], min(HOUR_S, sum(pair))))
bounds = st.none() | spans


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with pytest.MonkeyPatch.context() as patch:
        start_no_worker(patch)
        opened = Library(Settings.load({}, home=tmp_path_factory.mktemp("hours"), profile="lite"))
        patch.setattr(opened.models, "text", lambda wait_s=0.0: ToyEncoder())
        fill(opened.store)
        yield opened
        opened.close()


def cost(facts: dict[str, Any]) -> int:
    """By the one rule, of what a client gets."""
    return reply_tokens(compact_json(facts))


def timed(bounds: tuple[float, float] | None) -> dict[str, float]:
    return {} if bounds is None else {"start_s": bounds[0], "end_s": bounds[1]}


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.title)
def test_an_hour_holds_as_much_as_it_says(talk: Talk) -> None:
    cues = spoken(talk)
    assert len({cue.text for cue in cues}) == CUES
    assert TOKENS <= sum(text_tokens(cue.text) for cue in cues) <= 1.1 * TOKENS


@quick
@given(
    query=queries,
    max_tokens=tokens,
    limit=st.integers(1, 20),
    detail=st.sampled_from(["concise", "full"]),
    chosen=st.none() | st.lists(videos, min_size=1, max_size=3, unique=True),
    span=bounds,
    channels=st.none() | st.just(["speech", "notes"]),
)
def test_a_search_costs_no_more_than_asked_and_gives_its_first_hit(
    hours: Library,
    query: str,
    max_tokens: int,
    limit: int,
    detail: Any,
    chosen: list[str] | None,
    span: tuple[float, float] | None,
    channels: list[str] | None,
) -> None:
    asked: dict[str, Any] = {"query": query, "video_ids": chosen, "channels": channels, "detail": detail, **timed(span)}
    reply = retrieve_memory(hours, SearchRequest(**asked, limit=limit, max_tokens=max_tokens))
    assert cost(reply.compact()) <= reply.tokens <= max_tokens
    assert 0 <= reply.coverage.share <= 1
    everything = retrieve_memory(hours, SearchRequest(**asked, limit=20, max_tokens=20_000))
    assert bool(reply.hits) is bool(everything.hits)
    assert len(reply.hits) <= limit
    if reply.hits:
        best = {hit.rank: hit for hit in everything.hits}[1]
        shown = {hit.rank: hit for hit in reply.hits}[1]
        assert (shown.uri, shown.matched, shown.score) == (best.uri, best.matched, best.score)
        assert shown.speech or max_tokens < 400
    assert len(reply.hits) + reply.more == len(everything.hits) + everything.more
    assert bool(reply.cursor) is bool(reply.more)


@few
@given(
    query=queries,
    chosen=st.none() | videos.map(lambda one: [one]),
    budgets=st.lists(st.integers(450, 4000), min_size=1, max_size=4),
)
def test_cursors_lead_through_every_hit_exactly_once(
    hours: Library, query: str, chosen: list[str] | None, budgets: list[int]
) -> None:
    def walked(limit: int, budgets: list[int]) -> list[tuple[int, str]]:
        found, cursor = [], ""
        for turn in range(400):
            reply = retrieve_memory(
                hours,
                SearchRequest(
                    query=query, video_ids=chosen, limit=limit, cursor=cursor, max_tokens=budgets[turn % len(budgets)]
                ),
            )
            found += sorted((hit.rank, hit.uri) for hit in reply.hits)
            if not (cursor := reply.cursor):
                return found
        raise AssertionError("it does not end")

    whole = walked(20, [20_000])
    assert [rank for rank, _ in whole] == list(range(1, len(whole) + 1))
    assert len({uri for _, uri in whole}) == len(whole)
    assert walked(20, budgets) == whole


@quick
@given(video=st.just("") | videos, level=st.sampled_from(["auto", "chunk", "scene", "chapter"]), max_tokens=tokens)
def test_a_timeline_costs_no_more_than_asked_and_is_paged_through_once(
    hours: Library, video: str, level: str, max_tokens: int
) -> None:
    seen, cursor = [], ""
    for _ in range(100):
        reply = list_episodes(hours, video_id=video, level=level, cursor_text=cursor, max_tokens=max_tokens)
        assert cost(reply.compact()) <= reply.tokens <= max_tokens
        page = [row.uri for row in (reply.videos if video == "" else reply.episodes) or []]
        assert page
        seen += page
        if not (cursor := reply.cursor):
            break
    count = 3 if video == "" else len(hours.store.episodes(video, reply.level or ""))
    assert len(seen) == len(set(seen)) == count


def texts_and_pictures(found: Zoomed) -> int:
    """What a zoom costs: its facts, its pictures' labels, and its pictures."""
    import io

    from PIL import Image

    images = 0
    for picture in found.pictures:
        with Image.open(io.BytesIO(picture.jpeg)) as image:
            images += token_cost(*image.size, "claude")
    return reply_tokens(compact_json(found.facts) + "".join(picture.label for picture in found.pictures), images)


@slow
@given(
    video=videos,
    span=bounds,
    query=st.just("") | queries,
    max_tokens=tokens,
    frames=st.integers(1, 16),
    layout=st.sampled_from(["text", "text", "frames", "sheet"]),
)
def test_a_look_costs_no_more_than_asked(
    hours: Library,
    video: str,
    span: tuple[float, float] | None,
    query: str,
    max_tokens: int,
    frames: int,
    layout: str,
) -> None:
    found = zoom_segment(
        hours,
        ZoomRequest(
            video_id=video, query=query, max_tokens=max_tokens, max_frames=frames, layout=layout, **timed(span)
        ),
    )
    assert texts_and_pictures(found) <= found.facts["tokens"] <= max_tokens
    assert 0 <= found.facts["coverage"]["share"] <= 1
    spoken_there = hours.store.entries(video, start_s=found.facts["start_s"], end_s=found.facts["end_s"])
    if layout == "text":
        assert bool(found.facts["text"]) is bool(spoken_there)


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.title)
@pytest.mark.parametrize("max_tokens", [200, 700, 3000])
def test_next_start_s_leads_through_all_that_is_said(hours: Library, talk: Talk, max_tokens: int) -> None:
    start_s: float | None = 1200.0
    end_s = 1200.0 + 0.3 * max_tokens
    shown: list[float] = []
    for _ in range(200):
        found = zoom_segment(
            hours,
            ZoomRequest(video_id=talk.video_id, start_s=start_s, end_s=end_s, layout="text", max_tokens=max_tokens),
        )
        shown += [row["start_s"] for row in found.facts["text"]]
        following = found.facts.get("next_start_s")
        assert following is None or following > (start_s or 0.0)
        if (start_s := following) is None:
            break
    said = [round(e.start_s, 2) for e in hours.store.entries(talk.video_id, start_s=1200.0, end_s=end_s)]
    assert sorted(set(shown)) == said


@slow
@given(
    event=queries,
    video=st.just("") | videos,
    span=bounds,
    max_spans=st.integers(1, 10),
    max_tokens=tokens,
)
def test_a_verdict_costs_no_more_than_asked(
    hours: Library, event: str, video: str, span: tuple[float, float] | None, max_spans: int, max_tokens: int
) -> None:
    reply = ground_event(
        hours, event=event, video_id=video, max_spans=max_spans, max_tokens=max_tokens, **timed(span if video else None)
    )
    assert cost(reply.compact()) <= reply.tokens <= max_tokens
    if video:
        assert reply.verdict in ("present", "absent", "uncertain")
    else:
        assert reply.counts is not None
        assert sum(reply.counts.model_dump().values()) == 3
        assert len(reply.videos or []) + (reply.omitted or 0) == 3
        assert reply.videos


@quick
@given(text=st.sampled_from(["a fact", "사실 " * 600, "事实" * 1000]), video=videos, start_s=st.floats(0, HOUR_S - 2))
def test_replies_without_max_tokens_are_small(hours: Library, text: str, video: str, start_s: float) -> None:
    note = remember(hours, video_id=video, start_s=start_s, end_s=start_s + 1, text=text).compact()
    assert cost(note) <= note["tokens"] <= 150
    told = ingest_video(hours, video, wait_s=0).compact()
    assert cost(told) <= told["tokens"] <= 2000


@pytest.mark.parametrize(
    ("query", "talk"),
    [
        ("kingfisher", ENGLISH),
        ("the kingfisher on a drainpipe", ENGLISH),
        ("물총새", KOREAN),
        ("홈통 위에", KOREAN),
        ("총새가", KOREAN),
        ('"물총새가 홈통"', KOREAN),
        ("翠鸟", CHINESE),
        ("鸟停在", CHINESE),
        ("翠", CHINESE),
        ("排水管", CHINESE),
    ],
)
def test_words_are_found_in_each_language(hours: Library, query: str, talk: Talk) -> None:
    reply = retrieve_memory(hours, SearchRequest(query=query))
    best = min(reply.hits, key=lambda hit: hit.rank)
    assert best.video_id == talk.video_id
    assert best.start_s <= NEEDLE_S < best.end_s
    assert "speech:words" in best.matched
    assert talk.needle[:2] in (best.speech or "")
    english_only = any(ord(letter) > 0x24F for letter in query)
    assert ("meaning: English only" in (reply.coverage.channels.speech or "")) is english_only


def test_hints_and_what_is_not_known_are_facts_of_the_hours(hours: Library) -> None:
    reply = retrieve_memory(hours, SearchRequest(query="memory without a window", max_tokens=20_000))
    told = " ".join(reply.hints)
    assert "negation ('without')" in told
    assert f"{KOREAN.video_id} is still being ingested (50%)" in told
    assert f"The ingest of {CHINESE.video_id} failed: the disk was full" in told
    assert reply.coverage.channels.speech == "all"
    assert "running, searched to 0:30:00" in (reply.coverage.channels.screen_text or "")
    assert len(reply.coverage.gaps) + (reply.coverage.gaps_omitted or 0) == 3 * 120
    nothing = retrieve_memory(hours, SearchRequest(query="aardvark", video_ids=[ENGLISH.video_id], channels=["speech"]))
    assert {hit.strength for hit in nothing.hits} == {"weak"}
    assert len(nothing.hits) <= 3
    assert nothing.hints[0].startswith("No text comes near")
    assert "do not conclude from them" in nothing.summary
    assert [one.channel for one in nothing.not_known or []] == ["frames"]


def test_the_same_hits_three_times_in_a_row_are_told_with_what_nobody_looked_at(hours: Library) -> None:
    asked = SearchRequest(query=ENGLISH.needle, video_ids=[ENGLISH.video_id])
    assert not any(
        "returned the same" in hint for _ in range(2) for hint in retrieve_memory(hours, asked, caller="somebody").hints
    )
    assert any("returned the same spans" in hint for hint in retrieve_memory(hours, asked, caller="somebody").hints)
    zoom_segment(hours, ZoomRequest(video_id=ENGLISH.video_id, start_s=0, end_s=1800, layout="text"), caller="somebody")
    (hint,) = [hint for hint in retrieve_memory(hours, asked, caller="somebody").hints if "returned the same" in hint]
    assert "0:30:00-1:00:00" in hint
    assert not retrieve_memory(hours, asked, caller="somebody else").hints


def test_a_search_can_be_ended_before_it_compares(hours: Library) -> None:
    told: list[str] = []

    def step(_share: float, sentence: str) -> None:
        told.append(sentence)
        if sentence == "comparing the words of 3 videos":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        retrieve_memory(hours, SearchRequest(query="memory"), on_step=step)
    assert told == ["searching 3 videos", "comparing the words of 3 videos"]
