"""Questions about time have one answer each; an agent finds it through the server; without the times it is chance."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from agent_tools.errors import InvalidArgument
from agent_tools.evals.agents.session import Session
from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.evals.reasoning.film import CARD_S, SLOT_S, Arrivals, plan
from agent_tools.evals.reasoning.questions import (
    CHANCE,
    COUNTED,
    GAPS_S,
    TIMELESS,
    Question,
    decide,
    questions,
)
from agent_tools.evals.reasoning.reasoning import TimeAgent, control, markdown, read_truth, run_reasoning, tells
from agent_tools.models.profiles import ModelSettings, text_encoder
from agent_tools.server import build_server
from agent_tools.settings import Settings
from agent_tools.store import Store


def rng() -> random.Random:
    return random.Random(0)


def times_of(arrivals: Arrivals, question: Question) -> dict[str, list[float]]:
    return {
        name: [one.start_s for one in arrivals.happenings if one.name == name]
        for name in (*question.anchors, *question.names)
    }


@pytest.fixture(scope="module", params=[0, 1, 2])
def asked(request: pytest.FixtureRequest) -> tuple[Arrivals, list[Question]]:
    arrivals = plan(request.param, 3600)
    return arrivals, questions(arrivals.happenings, arrivals.absent, random.Random(request.param), each=8)


def test_whoever_knows_every_time_answers_every_question(asked: tuple[Arrivals, list[Question]]) -> None:
    arrivals, held = asked
    assert {(one.kind, one.gap_s) for one in held} == {(kind, gap_s) for kind in CHANCE for gap_s in GAPS_S}
    assert [one for one in held if decide(one, times_of(arrivals, one), rng()) != one.answer] == []


def test_with_the_times_dealt_anew_it_is_chance(asked: tuple[Arrivals, list[Question]]) -> None:
    arrivals, held = asked
    dealt = control([times_of(arrivals, one) for one in held], held)
    for kind, share in dealt.items():
        assert share == pytest.approx(1.0 if kind in TIMELESS else CHANCE[kind], abs=0.09), kind


def test_who_finds_nothing_guesses_and_no_option_is_a_better_guess(asked: tuple[Arrivals, list[Question]]) -> None:
    _, held = asked
    guesses, times = rng(), 40
    for kind in set(CHANCE) - {"before or not at all"}:  # whose answer, where nothing is found, is "not at all"
        own = [one for one in held if one.kind == kind]
        drawn = [decide(one, {name: [] for name in one.names}, guesses) == one.answer for one in own * times]
        assert sum(drawn) / len(drawn) == pytest.approx(CHANCE[kind], abs=0.08), kind


def test_with_the_times_dealt_anew_it_is_chance_also_where_every_answer_stands_first(
    asked: tuple[Arrivals, list[Question]],
) -> None:
    arrivals, held = asked
    first = [
        one
        for one in held
        if one.kind in ("order", "between", "first after", "never in between") and one.answer == one.options[0]
    ]
    for kind, share in control([times_of(arrivals, one) for one in first], first).items():
        assert share == pytest.approx(CHANCE[kind], abs=0.12), kind


@pytest.mark.parametrize(
    ("kind", "times", "left"),
    [
        ("between", {"a": [1.0], "b": [9.0], "p": [4.0], "q": [5.0], "r": [20.0], "s": []}, {"p", "q"}),
        ("between", {"a": [1.0], "b": [], "p": [4.0], "q": [5.0], "r": [20.0], "s": []}, {"p", "q", "r", "s"}),
        ("never in between", {"a": [1.0], "b": [9.0], "p": [], "q": [5.0], "r": [20.0], "s": [5.0]}, {"r"}),
        ("never in between", {"a": [1.0], "b": [9.0], "p": [], "q": [5.0], "r": [], "s": [5.0]}, {"p", "r"}),
        ("first after", {"a": [9.0], "p": [4.0], "q": [5.0], "r": [], "s": [8.0]}, {"p", "q", "r", "s"}),
        ("never", {"p": [4.0], "q": [], "r": [], "s": [8.0]}, {"q", "r"}),
    ],
)
def test_what_times_leave_open_is_guessed_among_what_they_leave(
    kind: str, times: dict[str, list[float]], left: set[str]
) -> None:
    names = tuple("pqrs")
    question = Question(kind, 60.0, "?", tuple(name for name in times if name not in names), names, names, "p")
    assert {decide(question, times, random.Random(seed)) for seed in range(60)} == left


def test_gaps_and_answers_are_what_the_question_says(asked: tuple[Arrivals, list[Question]]) -> None:
    arrivals, held = asked
    for one in held:
        at = times_of(arrivals, one)
        assert one.answer in one.options
        if one.kind in ("order", "before or not at all"):
            (first,), (second,) = (at[name] for name in (*one.names, *one.anchors))
            assert abs(first - second) == pytest.approx(one.gap_s, rel=0.25)
        if one.kind == "count":
            assert len(at[one.names[0]]) == COUNTED
        if one.kind == "never":
            assert at[one.answer] == []


def test_arrivals_never_meet_and_half_are_shown() -> None:
    arrivals = plan(5, 3600)
    starts = [one.start_s for one in arrivals.happenings]
    assert min(b - a for a, b in pairwise(starts)) > CARD_S
    assert len(arrivals.shown) == len(starts) // 2
    assert not {one.name for one in arrivals.happenings} & set(arrivals.absent)
    assert plan(5, 3600) == arrivals
    with pytest.raises(InvalidArgument, match="no gap of 2400"):
        plan(5, 2400)


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("Harbour log / Arrival of the ship / AmberHeron", "Amber Heron", True),
        ("Look there, the Amber Heran comes in.", "Amber Heron", True),
        ("Look there, the Amber Falcon comes in.", "Amber Heron", False),
        ("nothing", "Amber Heron", False),
    ],
)
def test_a_text_tells_of_a_name_that_a_reader_misspells(text: str, name: str, told: bool) -> None:
    assert tells(text, name) is told


def test_truth_of_a_film_leaves_out_what_is_told_twice_or_flashes_by(tmp_path: Path) -> None:
    shown = [
        {"text": "The Title / by somebody", "start_s": 3.0, "end_s": 9.0},
        {"text": "gone at once", "start_s": 4.0, "end_s": 5.0},
        {"text": "the same thing", "start_s": 20.0, "end_s": 25.0},
        {"text": "the same thing", "start_s": 40.0, "end_s": 45.0},
        {"text": "OLD BOTTLE (a label)", "start_s": 50.0, "end_s": 55.0},
    ]
    said = [{"text": "Who stole the jewels?", "start_s": 60.0, "end_s": 61.0}]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps([{"speech": said, "on_screen_text": shown}]))
    assert [one.name for one in read_truth(path)] == ["Who stole the jewels?", "The Title", "OLD BOTTLE"]
    path.write_text("{}")
    with pytest.raises(InvalidArgument, match="not a list of clips"):
        read_truth(path)


def test_agent_finds_when_things_happen_through_the_server(tmp_path: Path) -> None:
    """The real server over a store written directly: lines that touch, so that moments are merged and looked into."""
    arrivals = plan(3, 900, GAPS_S[:1])
    said = [
        Line(one.start_s, one.start_s + SLOT_S / 5, f"Look there, the {one.name} comes in.")
        for one in arrivals.happenings
    ]
    talk = [Line(at + 8.0, at + 11.0, f"number {at:.0f} of the fishing boats is late") for at in range(0, 880, 15)]
    settings = Settings.load({}, home=tmp_path / "home", profile="lite")
    store = Store.open(settings.home)
    lines = tuple(sorted([*said, *talk], key=lambda line: line.start_s))
    encoder = text_encoder(ModelSettings(profile="lite"))
    video_id = lay_down(store, Film("harbour", 900.0, lines, ()), Remembered(encoder))
    store.close()
    held = questions(arrivals.happenings, arrivals.absent, random.Random(3), GAPS_S[:1], each=2)

    async def answers() -> list[tuple[str, dict[str, list[float]], int]]:
        async with Client(build_server(settings)) as client:
            agent = TimeAgent(Session(client), tmp_path / "no-file.mp4", pause=anyio.sleep)
            agent.video_id, agent.whole = video_id, True
            return [
                (decide(one, found := await agent.find(one), rng()), found, len(agent.session.calls)) for one in held
            ]

    found = anyio.run(answers)
    assert [one.text for one, (said_, _, _) in zip(held, found, strict=True) if said_ != one.answer] == []
    assert found[-1][2] <= 2 * sum(len(one.anchors) + len(one.names) for one in held)


def test_report_shows_kinds_by_gap_with_chance_and_control() -> None:
    row: dict[str, Any] = {
        "kind": "never",
        "chance": 0.25,
        "right": {"60": [3, 4]},
        "times_dealt_anew": 0.75,
        "calls": 4.0,
        "tokens": 1234.0,
    }
    report = {"gaps_s": [60.0, 600.0], "films": [{"film": "drawn", "questions": 4, "rows": [row]}]}
    shown = markdown(report).splitlines()
    assert "| never | 3 of 4 | - | 25% | 75% (asks no time) | 4.0 | 1,234 |" in shown
    assert shown[-1] == "No two things asked about begin 10 min apart."
    with pytest.raises(InvalidArgument, match=r"truth\.json is not a list of clips"):
        run_reasoning(film=Path("film.mp4"))
