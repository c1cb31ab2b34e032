"""The scripted agents against a test double: they find the answer by replies alone, within the calls they may make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mcp import Client

from agent_tools.evals.agents.agent import ITEM_CARD, ChainAgent, EvidenceAgent, Finding, card_value
from agent_tools.evals.agents.session import Call, Session
from agent_tools.evals.films.demo_story import Story, tell
from agent_tools.timeline import parse_uri
from tests.evals.fake_server import FakeLibrary, build

SOURCE = Path("hour.mp4")


def asked(library: FakeLibrary, question: str) -> tuple[Finding, Session]:
    """The chain agent's finding and its session against a server over `library`."""

    async def run() -> tuple[Finding, Session]:
        async with Client(build(library)) as client:
            session = Session(client)
            return await ChainAgent(session, SOURCE).answer(question), session

    return anyio.run(run)


@pytest.mark.parametrize("seed", range(12))
def test_agent_answers_every_seed_within_ten_calls(seed: int) -> None:
    story = tell(seed)
    library = FakeLibrary(story)
    finding, session = asked(library, story.question)
    assert finding.answer == story.answer
    assert len(session.calls) <= 10
    assert session.tokens <= 25_000
    assert {"ingest_video", "retrieve_memory", "ground_event", "zoom_segment", "remember"} <= set(session.tools)
    assert sum(session.tools.values()) == len(session.calls)


def test_each_citation_covers_its_hop() -> None:
    story = tell(2)
    finding, _ = asked(FakeLibrary(story), story.question)
    for uri, hop in zip(finding.citations, story.hops, strict=True):
        reference = parse_uri(uri)
        assert reference is not None
        assert (reference.start_s, reference.end_s) == pytest.approx((hop.start_s, hop.end_s))


def test_answer_follows_the_replies_and_not_the_seed() -> None:
    """The same question over a video whose last card says another code gets that code."""
    story = tell(2)
    changed = tuple(
        replace(scene, lines=tuple(line.replace(story.answer, "0000") for line in scene.lines))
        for scene in story.scenes
    )
    finding, _ = asked(FakeLibrary(replace(story, scenes=changed)), story.question)
    assert finding.answer == "0000"


@pytest.mark.parametrize(("hop", "told"), [(0, "gave away"), (1, "kept"), (2, "gate code")])
def test_agent_without_a_clue_says_which_and_answers_nothing(hop: int, told: str) -> None:
    story = tell(3)
    lost = story.hops[hop]
    without = replace(
        story,
        scenes=tuple(s for s in story.scenes if s.start_s != lost.start_s or not s.lines),
        cues=tuple(c for c in story.cues if c.text != lost.text),
    )
    finding, session = asked(FakeLibrary(without), story.question)
    assert finding.answer == ""
    assert told in finding.explanation
    assert len(finding.citations) == hop
    assert "remember" not in session.tools


def test_agent_waits_on_for_a_clue_that_is_not_searchable_yet() -> None:
    story = tell(4)
    finding, session = asked(FakeLibrary(story, polls=20), story.question)
    assert finding.answer == story.answer
    assert session.tools["ingest_video"] > 4


def test_agent_comes_back_after_half_of_the_time_that_the_server_said() -> None:
    story = tell(4)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> Finding:
        async with Client(build(FakeLibrary(story, polls=2, eta_s=120))) as client:
            return await ChainAgent(Session(client), SOURCE, pause=pause).answer(story.question)

    assert anyio.run(run).answer == story.answer
    assert pauses == [15, 15]  # of 60 s the next call itself waits 45


def test_search_that_finds_nothing_while_models_load_is_asked_again() -> None:
    story = tell(4)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> Finding:
        async with Client(build(FakeLibrary(story, polls=0, cold=3))) as client:
            return await ChainAgent(Session(client), SOURCE, pause=pause).answer(story.question)

    assert anyio.run(run).answer == story.answer
    assert len(pauses) == 3


def test_failed_ingest_ends_the_search_with_its_reason() -> None:
    story = tell(5)
    empty = replace(story, scenes=(), cues=())
    finding, session = asked(FakeLibrary(empty, polls=0, state="failed"), story.question)
    assert finding.answer == ""
    assert session.tools["ingest_video"] == 1


def test_call_is_told_as_it_ends_with_its_cost_and_a_short_reply() -> None:
    story = tell(6)
    told: list[Call] = []

    async def run() -> None:
        async with Client(build(FakeLibrary(story))) as client:
            await ChainAgent(Session(client, on_call=told.append), SOURCE).answer(story.question)

    anyio.run(run)
    assert [call.tool for call in told][:2] == ["ingest_video", "ingest_video"]
    assert all(call.tokens > 0 and call.seconds >= 0 and 0 < len(call.summary) < 250 for call in told)


def test_tool_error_is_a_reply_and_not_an_exception() -> None:
    story = tell(6)

    async def run() -> bool:
        async with Client(build(FakeLibrary(story))) as client:
            return (await Session(client).call("ground_event")).error

    assert anyio.run(run)


def evidence_for(story: Story, question: str) -> str:
    async def run() -> str:
        async with Client(build(FakeLibrary(story))) as client:
            found = await EvidenceAgent(Session(client), SOURCE).evidence(question)
            return "\n".join(f"{one.at} {one.uri} {one.text}" for one in found)

    return anyio.run(run)


def test_evidence_of_a_users_own_question_quotes_the_passage_and_its_uri() -> None:
    story = tell(7)
    clue = story.hops[0]
    shown = evidence_for(story, clue.text)
    assert clue.text in shown
    assert f"#t={clue.start_s:g}" in shown
    assert "close up, 1 pictures" in shown


def test_no_evidence_is_an_empty_list() -> None:
    assert evidence_for(tell(7), "zzzz qqqq") == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Inventory card / Item: brass compass / Kept at: Lindholm", "Lindholm"),
        ("Inventory card Item: brass compass Kept at: Lindholm", "Lindholm"),
        ("Item:brasscompass Keptat:Lindholm", "Lindholm"),
        ("Item: glass heron / Kept at: Tarbert / Item: Brass Compass / Kept at: Lindholm", "Lindholm"),
        ("Item: glass heron / Kept at: Tarbert", ""),
        ("Item: brass compass / Gate code: 1234", ""),
    ],
)
def test_a_card_is_read_however_its_lines_are_joined(text: str, value: str) -> None:
    assert card_value(ITEM_CARD, text, "brass compass") == value
