"""Benchmarks' own files, as they are published, become questions; broken ones are refused with the place."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.evals.benchmarks.choices import READERS, Question, Videos, read_choices
from agent_tools.evals.benchmarks.hourvideo import canary, read_hourvideo, write_tables
from tests.evals.benchmark_files import (
    CANARY,
    EGOSCHEMA,
    LONGVIDEOBENCH,
    LVBENCH,
    MLVU,
    UID,
    VIDEOMME,
    VIDEOMME_TEMPLATE,
    hourvideo_item,
    write_choices,
    write_hourvideo,
)

EXPECTED: dict[str, list[Question]] = {
    "mlvu": [
        Question(
            "1_plotQA/0",
            ("1_plotQA/en_tv_1.mp4", "en_tv_1.mp4"),
            "What colour is the kettle?",
            ("Red", "Blue", "Green", "Grey"),
            "C",
            ("plotQA",),
        ),
        Question(
            "1_plotQA/1",
            ("1_plotQA/en_tv_2.mp4", "en_tv_2.mp4"),
            "How often is it lifted?",
            ("1", "2", "3", "4"),
            "A",
            ("plotQA",),
        ),
    ],
    "longvideobench": [
        Question(
            "86CxyhFV9MI_0",
            ("86CxyhFV9MI.mp4", "86CxyhFV9MI"),
            "When the kettle is lifted, what is said?",
            ("Nothing", "A name", "A number"),
            "B",
            ("TOS",),
            ("up to s: 600", "level: L2-Relation"),
            subtitles="86CxyhFV9MI_en.json",
        )
    ],
    "videomme": [
        Question(
            "001-1",
            ("fFjv93ACGo8", "001"),
            "How many candles are lit?",
            ("Apples.", "Candles.", "Berries.", "The three kinds are of the same number."),
            "C",
            ("Counting Problem",),
            ("length: short",),
        )
    ],
    "egoschema": [
        Question(
            row["q_uid"],
            (row["q_uid"],),
            "What is C doing?",
            tuple(f"C does thing {k}." for k in range(5)),
            answer,
            ("egoschema",),
        )
        for row, answer in zip(EGOSCHEMA, ("", "E"), strict=True)
    ],
    "lvbench": [
        Question(
            "2169",
            ("Cm73ma6Ibcs",),
            "What year is it (on the sign)?",
            ("1636", "1366", "1363", "1633"),
            "D",
            ("key information retrieval", "entity recognition"),
        )
    ],
    "niah": [
        Question(
            f"0/{part}",
            ("niah-coco-multihop-100", "haystack"),
            "Find the frame of two cats on a wall. Locate the final frame based on the instructions in the image, and "
            "choose the captions that best describe the frame:",
            ("A plate with (some) food", "a horse.", "a boat, and a pier", "two men"),
            answer,
            (part,),
            ("hops: 2",),
            pair="0",
        )
        for part, answer in (("caption", "B"), ("question", "D"))
    ],
}


def test_every_form_has_a_tiny_file() -> None:
    assert set(EXPECTED) == set(READERS)


@pytest.mark.parametrize("form", EXPECTED)
def test_an_official_file_becomes_questions(form: str, tmp_path: Path) -> None:
    data = write_choices(form, tmp_path / form)
    assert read_choices(form, data) == EXPECTED[form]
    one = next(path for path in sorted(data.rglob("*")) if path.suffix in (".json", ".jsonl") and path.is_file())
    assert read_choices(form, one) == EXPECTED[form]  # the file itself may be named, too


def test_the_results_template_of_videomme_is_read_though_it_is_not_strict_json(tmp_path: Path) -> None:
    path = tmp_path / "output_test_template.json"
    path.write_text(VIDEOMME_TEMPLATE)
    (question,) = read_choices("videomme", path)
    assert question.text == "How many, or [none],]?"
    assert (question.video, question.options[3], question.answer) == (("001",), "Four.", "D")


def test_a_table_of_videomme_is_read_as_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "videomme" / "test-00000-of-00001.parquet"
    path.parent.mkdir()
    parquet.write_table(pyarrow.Table.from_pylist(VIDEOMME), path)
    assert read_choices("videomme", tmp_path) == EXPECTED["videomme"]


def test_the_table_form_of_longvideobench_is_padded(tmp_path: Path) -> None:
    row = {key: value for key, value in LONGVIDEOBENCH[0].items() if key != "candidates"}
    padded = dict(zip((f"option{k}" for k in range(5)), ["Nothing", "A name", "A number", "N/A", "N/A"], strict=True))
    path = tmp_path / "validation.json"
    path.write_text(json.dumps([row | padded]))
    assert read_choices("longvideobench", path) == EXPECTED["longvideobench"]


def test_a_file_without_labels_gives_questions_without_answers(tmp_path: Path) -> None:
    row = {key: value for key, value in LONGVIDEOBENCH[0].items() if key != "correct_choice"}
    (tmp_path / "lvb_test_wo_gt.json").write_text(json.dumps([row]))
    assert [question.answer for question in read_choices("longvideobench", tmp_path)] == [""]


BROKEN: list[tuple[str, str, Any, str]] = [
    ("mlvu", "1_plotQA.json", {}, "1_plotQA.json holds dict; it must be a list of objects"),
    ("mlvu", "1_plotQA.json", [3], r"1_plotQA.json, item 0: is 3; it must be an object"),
    ("mlvu", "1_plotQA.json", [MLVU[0] | {"answer": "green"}], "item 0: key 'answer' is 'green'; it must be one of"),
    ("mlvu", "1_plotQA.json", [MLVU[0] | {"candidates": ["Red"]}], "item 0: key 'candidates' is .*; it must hold 2"),
    ("mlvu", "1_plotQA.json", [MLVU[0], {"candidates": ["1", "2"]}], "item 1: key 'video' is missing"),
    ("mlvu", "9_summary.json", [{"video": "a.mp4"}], "key 'candidates' is missing; it must be there"),
    ("longvideobench", "lvb_val.json", [LONGVIDEOBENCH[0] | {"correct_choice": 3}], "'correct_choice' is 3; .* 0 to 2"),
    ("longvideobench", "lvb_val.json", [LONGVIDEOBENCH[0] | {"correct_choice": "B"}], "'correct_choice' is 'B'"),
    ("longvideobench", "lvb_val.json", [*LONGVIDEOBENCH, *LONGVIDEOBENCH], "two questions of the id '86CxyhFV9MI_0'"),
    ("longvideobench", "lvb_val.json", [], "holds no multiple-choice question"),
    ("videomme", "a.json", [VIDEOMME[0] | {"answer": "E"}], "key 'answer' is 'E'; it must be a letter, A to D"),
    ("videomme", "a.json", [VIDEOMME[0] | {"questions": 3}], "a.json holds int; it must be a list"),
    ("videomme", "a.jsonl", VIDEOMME[0] | {"options": []}, "a.jsonl, line 1: key 'options' is .*; it must be a list"),
    ("egoschema", "questions.json", [{"q_uid": "x"}], "item 0: key 'option 0' is missing"),
    ("egoschema", "questions.json", [EGOSCHEMA[0] | {"question": ""}], "key 'question' is ''"),
    ("lvbench", "v.jsonl", {"key": "a"}, "v.jsonl, line 1: key 'qa' is missing"),
    ("lvbench", "v.jsonl", LVBENCH | {"qa": [LVBENCH["qa"][0] | {"question": "Who?"}]}, "video Cm73ma6Ibcs: key 'que"),
    ("lvbench", "v.jsonl", LVBENCH | {"qa": [LVBENCH["qa"][0] | {"answer": "E"}]}, "must be a letter, A to D"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "name", "value", "told"), BROKEN)
def test_a_broken_file_is_refused_with_its_place(form: str, name: str, value: Any, told: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(value))
    with pytest.raises(InvalidArgument, match=told):
        read_choices(form, path)


@pytest.mark.parametrize(
    ("form", "name", "text", "told"),
    [
        ("mlvu", "a.json", '[{"video": "a.mp4",\n "question" "b"}]', "a.json, line 2: not JSON"),
        ("lvbench", "a.jsonl", '\n{"key": \n', "a.jsonl, line 2: not JSON"),
        ("videomme", "a.json", '[{"video_id": "1",,}]', "a.json, line 1: not JSON"),
        ("egoschema", "a.json", "\udcff", "cannot be read as text"),
    ],
)
def test_what_is_not_json_is_refused_with_its_line(form: str, name: str, text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidArgument, match=told):
        read_choices(form, path)


def test_what_is_not_there_is_refused_with_what_should_be(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"No data at .*nowhere\. Give .* a folder with lvb_val\.json"):
        read_choices("longvideobench", tmp_path / "nowhere")
    with pytest.raises(InvalidArgument, match="format is 'mvbench'; it must be one of mlvu, longvideobench"):
        read_choices("mvbench", tmp_path)


# HourVideo


def test_hourvideo_is_read_with_its_cut_off(tmp_path: Path) -> None:
    pictures = {f"answer_{k}": f"p/{k}.png" for k in range(1, 6)}
    items = [
        hourvideo_item(1, "summarization/key_events_objects", "What happens?", "C"),
        hourvideo_item(2, "reasoning/predictive", "What comes next?", "A", relevant_timestamps="00:20:05 - 00:21:00"),
        hourvideo_item(3, "perception/tracking", "Who?", "B", correct_answer_label=None, relevant_timestamps=None),
        hourvideo_item(4, "reasoning/spatial/layout", "Which?", "E", **pictures),
    ]  # fmt: skip
    data = write_hourvideo(tmp_path, items)
    questions = read_hourvideo(data)
    assert [question.answer for question in questions] == ["C", "A", "", "E"]
    assert [question.until_s for question in questions] == [None, 1205.0, None, None]
    assert questions[0].tasks == ("summarization/key_events_objects",)
    assert [question.groups[0] for question in questions] == ["summarization", "reasoning", "perception", "reasoning"]
    assert [question.pictured for question in questions] == [False, False, False, True]
    assert questions[0].options == tuple(f"option {letter}" for letter in "ABCDE")
    assert {question.video for question in questions} == {(UID,)}
    assert questions[3].options[0] == str(data / "v1.0_release" / "p" / "1.png")
    assert canary(data) == [f"canary {CANARY}"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"answer_5": None}, f"video {UID}, item 0: key 'answer_5' is missing"),
        ({"correct_answer_label": "F"}, "'correct_answer_label' is 'F'; it must be a letter, A to E"),
        ({"relevant_timestamps": "soon"}, "'relevant_timestamps' is 'soon'; it must be \"HH:MM:SS"),
        ({"relevant_timestamps": None}, "'relevant_timestamps' is missing"),
        ({"video_uid": "other"}, "must be that of the video it stands under"),
        ({"qid": None}, "key 'qid' is missing"),
    ],
)
def test_a_broken_item_of_hourvideo_is_refused_with_its_place(
    change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match=told):
        read_hourvideo(write_hourvideo(tmp_path, [hourvideo_item(1, "reasoning/predictive", "Next?", "A", **change)]))


def test_answers_are_written_as_its_script_reads_them(tmp_path: Path) -> None:
    items = [
        hourvideo_item(1, "summarization/key_events_objects", "What?", "C"),
        hourvideo_item(2, "summarization/temporal_sequencing", "When?", "A"),
        hourvideo_item(3, "reasoning/spatial/layout", "Where?", "B"),
    ]
    questions = read_hourvideo(write_hourvideo(tmp_path, items))
    write_tables(tmp_path / "csv", questions, {f"{UID}_1": "C", f"{UID}_3": "D"})
    with (tmp_path / "csv" / UID / "summarization.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["qid"], row["correct_answer_label"], row["model_answer"]) for row in rows] == [
        (f"{UID}_1", "C", "C"),
        (f"{UID}_2", "A", ""),
    ]
    assert (tmp_path / "csv" / UID / "reasoning_spatial_layout.csv").is_file()


# videos


def test_a_video_is_found_by_path_by_name_and_without_its_suffix(tmp_path: Path) -> None:
    for name in ("1_plotQA/a.mp4", "2_needle/a.mp4", "b.mkv", "deep/er/c.webm", "d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    videos = Videos(tmp_path)

    def found(*names: str) -> str | None:
        path = videos.of(Question("q", names, "?", ("x", "y"), "A", ("t",)))
        return None if path is None else path.relative_to(tmp_path).as_posix()

    assert found("2_needle/a.mp4", "a.mp4") == "2_needle/a.mp4"
    assert found("b") == "b.mkv"
    assert found("c.webm") == "deep/er/c.webm"
    assert found("d") is None
    assert found("nowhere", "b") == "b.mkv"
    with pytest.raises(
        InvalidArgument, match=r"Question q: 2 files could be '3_ego/a.mp4': 1_plotQA/a.mp4, 2_needle/a.mp4"
    ):
        found("3_ego/a.mp4", "a.mp4")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="--videos FOLDER"):
        Videos(tmp_path / "nowhere")
