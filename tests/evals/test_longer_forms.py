"""Benchmarks whose answers are words, and questions about days: LongVidSearch and EgoLifeQA, read and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import EndpointError, InvalidArgument
from agent_tools.evals.agents.chat_model import ChatModel
from agent_tools.evals.benchmarks.answers import given_words
from agent_tools.evals.benchmarks.choices import Question
from agent_tools.evals.benchmarks.judge import Judges, is_majority
from agent_tools.evals.benchmarks.run import Run, read, run_benchmark
from agent_tools.evals.benchmarks.scores import markdown, score
from tests.evals.benchmark_files import EGOLIFE, LONGVIDSEARCH, write_egolife, write_longvidsearch
from tests.evals.chat_server import said
from tests.models.test_endpoint import Fake

VIDEO = "-7wwfGJXEZg"


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.close()


def of_words() -> Question:
    return Question(
        "q", ("v",), "What?", (), "", ("sum",), reference="A red lamp.", evidence=((0.0, 30.0), (60.0, 90.0))
    )


@pytest.mark.parametrize("whole", [False, True])
def test_longvidsearch_is_read_by_video_and_as_one_file(whole: bool, tmp_path: Path) -> None:
    data = write_longvidsearch(tmp_path, VIDEO)
    if whole:
        data = tmp_path / "full-QA(3000).json"
        data.write_text(json.dumps([{**row, "vid": VIDEO} for row in LONGVIDSEARCH]))
    (question,), _ = read("longvidsearch", data)
    assert question.video == (VIDEO,)
    assert (question.options, question.answer) == ((), "")
    assert question.reference == LONGVIDSEARCH[0]["answer"]
    assert question.evidence == ((0.0, 30.0), (60.0, 90.0))
    assert (question.tasks, question.groups) == (("Global_Summary",), ("hops: 2",))


def test_egolife_is_read_with_the_second_of_the_joined_file_at_which_it_is_asked(tmp_path: Path) -> None:
    (question,), _ = read("egolife", write_egolife(tmp_path))
    assert (question.id, question.video, question.answer) == ("A1_JAKE/1", ("A1_JAKE",), "B")
    assert question.options == ("Tasha", "Alice", "Shure", "Lucia")
    assert question.until_s == pytest.approx(30.0 + 29.5 + 12.0)  # 11:21:02 is 12 s into the clip of 11:20:50
    assert question.groups == ("day: 2",)


LONE = {"query_time": {"date": "DAY1", "time": "112102"}}


@pytest.mark.parametrize(
    ("row", "clips", "told"),
    [
        (LONE, None, r"EgoLifeQA_A1_JAKE.json, item 0: key 'query_time'"),
        ({"answer": "E"}, None, "key 'answer'"),
        ({}, "", "join the clips of a person to one file"),
        ({}, "file 'a.mp4'\nduration 30\n", "line 1: \"file 'a.mp4'\" is not the next line"),
        ({}, "file 'DAY1_A1_JAKE_11094208.mp4'\n", "each with its duration"),
    ],
)
def test_a_broken_file_of_egolife_is_refused_with_its_place(
    row: dict[str, Any], clips: str | None, told: str, tmp_path: Path
) -> None:
    write_egolife(tmp_path) if clips is None else write_egolife(tmp_path, clips)
    (tmp_path / "EgoLifeQA_A1_JAKE.json").write_text(json.dumps([{**EGOLIFE[0], **row}]))
    with pytest.raises(InvalidArgument, match=told):
        read("egolife", tmp_path)


def test_slices_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    data = write_longvidsearch(tmp_path, VIDEO) / "dataset" / f"{VIDEO}_qa.json"
    data.write_text(json.dumps([{**LONGVIDSEARCH[0], "evidence_slices": ["1"]}]))
    with pytest.raises(InvalidArgument, match="key 'evidence_slices'"):
        read("longvidsearch", data)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I looked.\nAnswer: a red lamp.", "a red lamp."),
        ("**Answer:** one\nAnswer: two\nand three", "two and three"),
        ("<think>Answer: no</think>\nFinal answer: yes", "yes"),
        ("It is a lamp.", ""),
    ],
)
def test_the_words_behind_the_last_answer_count(text: str, words: str) -> None:
    assert given_words(text) == words


def test_judges_see_question_right_answer_and_answer_and_the_majority_decides(fake: Fake) -> None:
    fake.replies = [said("right"), said("It is incorrect, so: wrong"), said("<b>Right</b>")]
    judges = Judges([ChatModel(f"{fake.url}#judge{number}") for number in range(3)])
    verdicts = judges.verdicts(of_words(), "a lamp that is red")
    assert verdicts == [True, False, True]
    assert is_majority(verdicts)
    assert not is_majority([True, False, False])
    assert all(
        part in fake.asked[0]["messages"][1]["content"] for part in ("What?", "A red lamp.", "a lamp that is red")
    )
    assert judges.verdicts(of_words(), "") == [False] * 3
    fake.replies = [said("I cannot say.")]
    with pytest.raises(EndpointError, match="neither right nor wrong"):
        judges.verdicts(of_words(), "x")
    judges.close()


def test_a_score_of_answers_in_words_counts_judged_answers_and_evidence_that_was_seen() -> None:
    line = {"answer": "a lamp", "right": True, "spans": [[25.0, 31.0], [95.0, 99.0]]}
    report = score([of_words()], {"q": line})
    assert report["all"]["accuracy"] == 1.0
    assert report["evidence"] == 0.5
    assert report["baselines"] == {}
    table = markdown({**report, "judges": ["judge@here"]})
    assert "| sum | 1 | 1.000 |" in table
    assert "0.500 of what the questions need" in table
    assert "judge@here" in table


@pytest.mark.parametrize("judges", [(), ("http://127.0.0.1:9/v1#a", "http://127.0.0.1:9/v1#b")])
def test_answers_in_words_need_an_odd_number_of_judges(judges: tuple[str, ...], tmp_path: Path) -> None:
    run = Run("longvidsearch", write_longvidsearch(tmp_path / "data", VIDEO), tmp_path / "out")
    with pytest.raises(InvalidArgument, match="--judge URL#NAME"):
        run_benchmark(run, "http://127.0.0.1:9/v1#m", judges=judges)
