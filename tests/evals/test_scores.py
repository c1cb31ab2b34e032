"""What answers are worth, and what is kept of a run that breaks off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.evals.benchmarks.choices import Question
from agent_tools.evals.benchmarks.records import Records, same_run
from agent_tools.evals.benchmarks.scores import baselines, markdown, score


def question(
    name: str, answer: str, size: int = 4, task: str = "t", *groups: str, more: tuple[str, ...] = ()
) -> Question:
    return Question(name, ("a.mp4",), "?", tuple("wxyzv"[:size]), answer, (task, *more), groups)


def line(answer: str, **more: Any) -> dict[str, Any]:
    told = {"answer": answer, "ended": "answered" if answer else "no letter", "calls": 2, "seconds": 1.5}
    return {**told, "prompt_tokens": 100, "completion_tokens": 10, "price": 0.25, **more}


def test_accuracy_is_right_over_all_and_a_missing_answer_is_wrong() -> None:
    held = [
        question("1", "A"),
        question("2", "B"),
        question("3", "C", 4, "u", "long"),
        question("4", "D", 4, "u", "long"),
    ]
    report = score(held, {"1": line("A"), "2": line("C"), "3": line("C"), "4": line("")})
    assert [(row["name"], row["right"], row["n"], row["missing"]) for row in report["tasks"]] == [
        ("t", 1, 2, 0),
        ("u", 1, 2, 1),
    ]
    assert (report["all"]["accuracy"], report["all"]["missing"], report["missing"]) == (0.5, 1, {"no letter": 1})
    assert report["mean_of_tasks"] == 0.5
    assert [(row["name"], row["right"]) for row in report["groups"]] == [("long", 1)]
    low, high = report["all"]["low"], report["all"]["high"]
    assert (round(low, 3), round(high, 3)) == (0.150, 0.850)  # Wilson, 2 of 4
    assert report["cost"] == {
        "answers": 4,
        "calls": 8,
        "errors": 0,
        "prompt_tokens": 400,
        "completion_tokens": 40,
        "estimated": False,
        "price": 1.0,
        "seconds": 6.0,
    }


def test_a_question_of_several_tasks_counts_for_each_and_once_for_all() -> None:
    held = [question("1", "A", more=("u",)), question("2", "B")]
    report = score(held, {"1": line("A"), "2": line("A")})
    assert [(row["name"], row["right"], row["n"]) for row in report["tasks"]] == [("t", 1, 2), ("u", 1, 1)]
    assert report["all"]["n"] == 2


def test_pairs_are_right_where_both_are() -> None:
    held = [replace(question(f"{n}{part}", "A"), pair=str(n)) for n in range(3) for part in "ab"]
    given = dict(zip((q.id for q in held), map(line, ["A", "A", "A", "B", "B", "B"]), strict=True))
    report = score(held, given)
    assert report["pairs"] == {"n": 3, "both": 1}
    assert "| both of a pair | 3 | 0.333 |" in markdown({"benchmark": "niah", **report})
    assert "pairs" not in score([question("1", "A")], {"1": line("A")})


def test_a_question_without_a_label_is_not_scored() -> None:
    report = score([question("1", "A"), question("2", "")], {"1": line("A"), "2": line("B")})
    assert (report["all"]["n"], report["all"]["accuracy"], report["without_label"]) == (1, 1.0, 1)
    assert "1 questions have no label" in markdown({"benchmark": "x", **report})
    alone = score([question("2", "")], {"2": line("B")})
    assert markdown({"benchmark": "x", **alone})


def test_baselines_are_per_number_of_options() -> None:
    held = [
        *(question(f"a{n}", letter) for n, letter in enumerate("AAAB")),
        *(question(f"b{n}", letter, 5, "u") for n, letter in enumerate("EEDC")),
    ]
    told = baselines(held)
    assert told["chance"] == pytest.approx((1 / 4 + 1 / 5) / 2)
    assert [(row["options"], row["letter"], row["share"]) for row in told["constant_by_options"]] == [
        (4, "A", 0.75),
        (5, "E", 0.5),
    ]
    assert told["constant"] == pytest.approx(5 / 8)
    assert told["constant_by_task"] == pytest.approx(5 / 8)


def test_shuffling_takes_from_a_letter_what_it_was_worth() -> None:
    held = [question(str(n), "C") for n in range(400)]
    told = baselines(held)
    assert told["constant"] == 1.0
    assert 0.25 <= told["constant_shuffled"] <= 0.33
    assert baselines(held) == told  # the same each time


def test_the_table_shows_the_blind_model_and_the_costs() -> None:
    held = [question("1", "A"), question("2", "B")]
    report = score(held, {"1": line("A"), "2": line("B")}, {"1": line("A"), "2": line("C")})
    shown = markdown({"benchmark": "mlvu", "model": "tiny@host", **report})
    assert "| all | 2 | 1.000 | 0.342-1.000 | 0 | 0.500 |" in shown
    assert "| the model, blind | 0.500 |" in shown
    assert "| chance | 0.250 |" in shown
    assert "Model tiny@host" in shown
    assert "2.0 calls (0.0 answered by an error), 100 + 10 tokens (as the model's server counts), 1.5 s" in shown
    assert "0.5 at the given prices" in shown
    assert "Missing (counted as wrong): none." in shown


def test_without_a_model_the_baselines_are_shown_alone() -> None:
    shown = markdown({"benchmark": "mlvu", **score([question("1", "A"), question("2", "B")], None)})
    assert "best constant letter: A of 4 (0.500 of 2)" in shown
    assert "accuracy" not in shown


# records


def test_what_was_answered_stays_answered(tmp_path: Path) -> None:
    path = tmp_path / "run" / "answers.jsonl"
    records = Records(path)
    records.add({"id": "1", "answer": "A"})
    records.add({"id": "2", "answer": "é"})
    again = Records(path)
    assert "1" in again
    assert again.lines["2"]["answer"] == "é"
    assert "3" not in again


@pytest.mark.parametrize("torn", ['{"id": "3", "ans', '{"id": "3", "answer": "A"}', "{", "\ufffd"])
def test_a_torn_last_line_is_cut_and_asked_again(torn: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    Records(path).add({"id": "1", "answer": "A"})
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode()[:-1] + b"\xff")
    records = Records(path)
    assert list(records.lines) == ["1"]
    assert path.read_bytes() == whole
    records.add({"id": "3", "answer": "B"})
    assert list(Records(path).lines) == ["1", "3"]


def test_a_broken_line_before_the_last_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "1"}\nnothing\n{"id": "2"}\n')
    with pytest.raises(InvalidArgument, match=r"answers\.jsonl, line 2: not an answer of a run"):
        Records(path)


def test_what_may_be_otherwise_next_time_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    records = Records(path)
    records.add({"id": "1", "ended": "no video", "again": True})
    records.add({"id": "2", "answer": "B"})
    assert "1" in records  # in this run it is done
    assert list(Records(path).lines) == ["2"]
    assert len(path.read_text().splitlines()) == 1


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    same_run(tmp_path / "run", {"model": "a", "limits": {"calls": 3}})
    same_run(tmp_path / "run", {"model": "a", "limits": {"calls": 3}})
    with pytest.raises(InvalidArgument, match=r"a run with model 'a', not 'b'\. Give another: --out"):
        same_run(tmp_path / "run", {"model": "b", "limits": {"calls": 3}})
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(InvalidArgument, match="not a run of this program"):
        same_run(tmp_path / "run", {"model": "a"})
