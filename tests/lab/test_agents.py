"""The questions that language models are asked: their rules, the loop, and the numbers of a run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from agent_tools.evals.agents.chat_model import ChatModel
from agent_tools.evals.films.demo_story import tell
from lab.agents import report
from lab.agents.__main__ import part
from lab.agents.conversation import MOST_CALLS, Done, WithTools, from_transcript
from lab.agents.questions import HELD_OUT, Memory, Question, is_right, read_questions, times_in
from tests.evals.chat_server import said, texts
from tests.evals.fake_server import VIDEO_ID, FakeLibrary, build
from tests.models.test_endpoint import Fake

MEMORY = Memory({"friday_film": VIDEO_ID, "sonnet_speech": "229b0c019816"})


def question(right: dict[str, Any]) -> Question:
    return Question("q-1", "where", "en", "Which?", right)


def test_there_are_sixty_questions_of_ten_kinds_in_six_languages() -> None:
    questions = read_questions()
    assert len({one.id for one in questions}) == len({one.text for one in questions}) == 60
    kinds = Counter(one.kind for one in questions)
    assert len(kinds) == 10
    assert min(kinds.values()) >= 3
    assert {one.language for one in questions} == {"en", "de", "es", "fr", "ko", "zh"}
    assert all(len(one.right) == 1 for one in questions)


def test_the_questions_kept_for_checking_are_other_questions() -> None:
    kept = read_questions(HELD_OUT)
    assert len({one.id for one in kept}) == 20
    assert not {one.text for one in kept} & {one.text for one in read_questions()}
    assert {one.kind for one in kept} == {one.kind for one in read_questions()}


@pytest.mark.parametrize(("text", "ids"), [("1/2", ["where-1", "where-3"]), ("2/3", ["where-2", "where-5"])])
def test_a_slice_holds_each_nth_question(text: str, ids: list[str]) -> None:
    first, step = part(text)
    assert [one.id for one in read_questions()[first - 1 :: step]][:2] == ids


WORDS = {"words": [["friday film"]]}
FIRST = {"first": ["omega", "with our lives"]}


@pytest.mark.parametrize(
    ("right", "answer", "expected"),
    [
        (WORDS, "It is said there.\nAnswer: `friday_film`", True),
        (WORDS, "**Answer:** Friday Film.", True),
        (WORDS, "Answer: sonnet_speech", False),
        (WORDS, f"Answer: {VIDEO_ID}", True),
        (WORDS, "Answer: 229b0c019816", False),
        (WORDS, "I looked into friday_film.\nAnswer: sonnet_speech", False),
        (WORDS, "friday_film " * 40, False),  # no answer: it repeats its sources
        (WORDS, "", False),
        ({"words": [["one", "1"]]}, "Answer: only one", True),
        ({"words": [["one", "1"]]}, "Answer: 10", False),
        ({"words": [["lighthouse"], ["compliment bot"]]}, "Answer: the lighthouse", False),
        ({"at": [5.88, 9.24]}, "Answer: at 0:06", True),
        ({"at": [5.88, 9.24]}, "Answer: 7.5 s", True),
        ({"at": [5.88, 9.24]}, "Answer: video://229b0c019816#t=5.88,9.24", True),
        ({"at": [5.88, 9.24]}, "Answer: at 0:34, or at 0:06", False),  # the first time counts
        ({"at": [14.6, 22.0]}, 'Answer: the slide "Folie Nummer 2" is on the screen at 0:00:14', True),
        ({"at": [5.88, 9.24]}, "Answer: early", False),
        (FIRST, "Answer: echo the omega", True),
        (FIRST, 'Answer: "omega" appears before "with our lives"', True),
        (FIRST, 'Answer: "with our lives" comes first, then "omega"', False),
        (FIRST, "Answer: with our lives", False),
        ({"absent": True}, "Answer: none of the videos mentions it", True),
        ({"absent": True}, "Answer: it isn\u2019t there", True),
        ({"absent": True}, "Answer: Riesling", False),
        ({"videos": True}, "Answer: 2 videos", True),
        ({"videos": True}, "Answer: 12 videos", False),
    ],
)
def test_a_rule_grades_an_answer(right: dict[str, Any], answer: str, expected: bool) -> None:
    assert is_right(question(right), answer, [], MEMORY) is expected


@pytest.mark.parametrize(
    ("uri", "error", "expected"),
    [
        (f"video://{VIDEO_ID}#t=4.3,6.1", False, True),
        (f"video://{VIDEO_ID}#t=40,50", False, False),
        ("video://229b0c019816#t=4.3,6.1", False, False),
        (f"video://{VIDEO_ID}#t=4.3,6.1", True, False),
    ],
)
def test_a_note_is_right_where_a_call_wrote_it_on_its_span(uri: str, error: bool, expected: bool) -> None:
    wanted = question({"note": {"video": "friday_film", "span": [4.3, 6.2], "words": "jewels stolen"}})
    call = {"tool": "remember", "arguments": {"text": "Jewels stolen."}, "data": {"uri": uri}, "error": error}
    assert is_right(wanted, "I noted it.", [call], MEMORY) is expected


def test_times_are_read_in_usual_forms() -> None:
    assert times_in("0:34, 1:02:03, 5.5 s, 1 min 5 s and 34초") == [34.0, 3723.0, 5.5, 65.0, 34.0]


@pytest.fixture
def fake() -> Any:
    made = Fake()
    yield made
    made.close()


async def answered(fake: Fake, *replies: Any) -> Done:
    fake.replies = list(replies)
    model = ChatModel(f"{fake.url}#tiny", wait=fake.waits.append)
    async with Client(build(FakeLibrary(tell(1), polls=0, asked=1))) as client:
        tools = [{"type": "function", "function": {"name": one.name}} for one in (await client.list_tools()).tools]
        done = await WithTools(model, client, tools).answer("Which?")
    model.close()
    return done


@pytest.mark.anyio
async def test_a_model_calls_reads_and_answers(fake: Fake) -> None:
    search = ("retrieve_memory", {"query": "gave"})
    done = await answered(fake, said(None, search), said("Answer: a lamp"))
    assert (done.said, done.ended, done.prompt_tokens) == ("Answer: a lamp", "answered", 200)
    (call,) = done.calls
    assert (call["tool"], call["error"]) == ("retrieve_memory", False)
    assert call["text"] == texts(fake.asked[1], "tool")[0]
    line = report.line_of(question(WORDS), "lean", done, right=True)
    assert (line["first_valid"], line["faults"], line["calls"]) == (True, [], 1)


@pytest.mark.anyio
async def test_the_first_call_alone_is_asked_for_once_and_has_no_answer(fake: Fake) -> None:
    fake.replies = [said(None, ("retrieve_memory", {"query": "x", "limit": "many"}), ("list_episodes", {}))]
    model = ChatModel(f"{fake.url}#tiny", wait=fake.waits.append)
    async with Client(build(FakeLibrary(tell(1), polls=0, asked=1))) as client:
        done = await WithTools(model, client, [{"type": "function"}]).first_call("Which?")
    model.close()
    assert [call["tool"] for call in done.calls] == ["retrieve_memory"]
    line = report.line_of(question(WORDS), "lean", done, right=False)
    summary = report.summary([line])
    assert (line["first_valid"], summary["faults"]["lean"][0][1]) == (False, 1)
    table = report.markdown([{"model": "tiny", "questions": "60 questions", "videos": 1, "hours": 0.1, **summary}])
    assert "| lean, first call alone | - | - | 0 of 1 |" in table
    assert "right answers by kind" not in table


@pytest.mark.anyio
async def test_a_failing_call_is_a_fault_and_is_recovered_by_a_later_one(fake: Fake) -> None:
    wrong, right = ("retrieve_memory", {"query": "x", "limit": "many"}), ("list_episodes", {})
    done = await answered(fake, said(None, wrong), said(None, right), said("Answer: no"))
    assert [call["error"] for call in done.calls] == [True, False]
    line = report.line_of(question(WORDS), "lean", done, right=False)
    assert (line["first_valid"], len(line["faults"])) == (False, 1)
    assert line["faults"][0].startswith("retrieve_memory: ")


@pytest.mark.anyio
async def test_a_model_that_never_answers_is_asked_for_its_answer(fake: Fake) -> None:
    done = await answered(fake, said(None, ("list_episodes", {})))
    assert len(done.calls) == MOST_CALLS
    assert fake.asked[-1]["tool_choice"] == "none"
    assert done.ended == "no answer"


@pytest.mark.anyio
async def test_a_model_that_says_nothing_is_asked_once_more(fake: Fake) -> None:
    done = await answered(fake, said(None, ("list_episodes", {})), said("Answer:"), said("Answer: a lamp"))
    assert (done.said, len(done.calls)) == ("Answer: a lamp", 1)
    assert fake.asked[2]["messages"][-1]["role"] == "user"
    done = await answered(fake, said(""))
    assert (done.ended, len(fake.asked)) == ("no answer", 5)


@pytest.mark.anyio
async def test_a_transcript_stands_before_the_question(fake: Fake) -> None:
    fake.replies = [said("Answer: x")]
    model = ChatModel(f"{fake.url}#tiny")
    await from_transcript(model, "# a\n[0:01] hello", "Which?")
    model.close()
    (asked,) = fake.asked
    assert "tools" not in asked
    assert asked["messages"][0]["content"].endswith("# a\n[0:01] hello")
    assert asked["messages"][1]["content"] == "Which?"


def line(condition: str, kind: str, right: bool, **more: Any) -> dict[str, Any]:
    done = Done(said="Answer: x")
    done.calls = more.pop("calls", [])
    made = report.line_of(Question(f"{kind}-1", kind, "en", "?", {}), condition, done, right)
    return {**made, **more}


def test_a_report_counts_rights_faults_and_ids_that_were_made_up() -> None:
    lost = {"tool": "zoom_segment", "error": True, "text": "VideoNotFound: No video 'film.mp4'. There are 3."}
    found = {"tool": "list_episodes", "error": False, "text": "{}"}
    lines = [
        line("lean", "where", True, calls=[lost, found]),
        line("lean", "absent", False, calls=[lost]),
        line("lean", "absent", False),
        line("transcript", "where", True),
    ]
    made = report.summary(lines)
    lean, transcript = made["conditions"]
    assert (lean["right"], lean["questions"], lean["called"], lean["first_valid"]) == (1, 3, 2, 0)
    assert (lean["made_up"], lean["not_recovered"], lean["no_call"]) == (2, 1, 1)
    assert 0 < lean["low"] < 1 / 3 < lean["high"] < 1
    assert made["kinds"]["lean"] == {"where": "1 of 1", "absent": "0 of 2"}
    assert made["faults"]["lean"][0] == ("zoom_segment: VideoNotFound: No video …", 2)
    assert "transcript" not in made["faults"]
    assert transcript["right"] == 1


def test_runs_stand_in_one_table_with_what_was_asked_of_what(tmp_path: Path) -> None:
    report.describe(tmp_path, "tiny@localhost", "held_out", {"videos": 2, "hours": 0.5})
    answers = [line("lean", "where", True), line("lean", "absent", False), line("transcript", "where", True)]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in answers))
    table = report.markdown(json.loads(json.dumps([report.of_folder(tmp_path)])))
    assert "| tiny | 2 videos, 0.5 h | held out | lean | 1 of 2 |" in table
    assert "| absent | 0 of 1 | - |" in table
    assert "2 x no call: the model answered without the tools" in table


def test_a_copy_of_a_memory_keeps_notes_out_of_the_memory(tmp_path: Path) -> None:
    from lab.agents.memory import copied

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "memory.sqlite3").write_bytes(b"x")
    copy = copied(tmp_path / "home", tmp_path / "run" / "home-lean")
    (copy / "memory.sqlite3").write_bytes(b"y")
    assert (tmp_path / "home" / "memory.sqlite3").read_bytes() == b"x"
