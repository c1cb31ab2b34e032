"""Tiny files in the forms in which the benchmarks publish theirs, with questions about drawn videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

UID = "0b703793-134a-4889-bc40-c19328d8f7cd"
CANARY = "hourvideo-canary-guid 1234-abcd"


def hourvideo_item(number: int, task: str, question: str, right: str, **more: Any) -> dict[str, Any]:
    """An item of benchmark_dataset: its right option stands at `right`, the others are other letters' words."""
    options = {f"answer_{k}": f"option {letter}" for k, letter in enumerate("ABCDE", 1)}
    return {
        "qid": f"{UID}_{number}",
        "video_uid": UID,
        "task": task,
        "question": question,
        **options,
        "mcq_test": f"{question} A. option A",
        "correct_answer_label": right,
        "relevant_timestamps": "00:00:01 - 00:00:09",
        **more,
    }


def write_hourvideo(folder: Path, items: list[dict[str, Any]], seconds: float = 12.0, uid: str = UID) -> Path:
    """A release's folder: v1.0_release/json/dev_v1.0_annotations.json."""
    path = folder / "v1.0_release" / "json" / "dev_v1.0_annotations.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    video = {"video_metadata": {"duration_in_seconds": seconds}, "benchmark_dataset": items}
    path.write_text(json.dumps({"canary": CANARY, uid: video}))
    return folder


MLVU = [
    {
        "video": "en_tv_1.mp4",
        "duration": 480.0,
        "question": "What colour is the kettle?",
        "candidates": ["Red", "Blue", "Green", "Grey"],
        "answer": "Green",
        "question_type": "plotQA",
    },
    {
        "video": "en_tv_2.mp4",
        "duration": 90,
        "question": "How often is it lifted?",
        "candidates": ["1", "2", "3", "4"],
        "answer": "1",
        "question_type": "plotQA",
    },
]
LONGVIDEOBENCH = [
    {
        "video_id": "86CxyhFV9MI",
        "question": "When the kettle is lifted, what is said?",
        "question_wo_referring_query": "What is said?",
        "candidates": ["Nothing", "A name", "A number"],
        "correct_choice": 1,
        "position": [854, 1373],
        "topic_category": "NP-News-Programs",
        "question_category": "TOS",
        "level": "L2-Relation",
        "id": "86CxyhFV9MI_0",
        "video_path": "86CxyhFV9MI.mp4",
        "subtitle_path": "86CxyhFV9MI_en.json",
        "duration_group": 600,
        "starting_timestamp_for_subtitles": 0,
        "duration": 190.16,
        "view_count": 259852,
    }
]
VIDEOMME = [
    {
        "video_id": "001",
        "duration": "short",
        "domain": "Knowledge",
        "sub_category": "Humanity & History",
        "url": "https://www.youtube.com/watch?v=fFjv93ACGo8",
        "videoID": "fFjv93ACGo8",
        "question_id": "001-1",
        "task_type": "Counting Problem",
        "question": "How many candles are lit?",
        "options": ["A. Apples.", "B. Candles.", "C. Berries.", "D. The three kinds are of the same number."],
        "answer": "C",
    }
]
VIDEOMME_TEMPLATE = """[
    {"video_id": "001", "duration": "short", "domain": "Knowledge", "sub_category": "Humanity & History",
     "questions": [
        {"question_id": "001-1", "task_type": "Counting Problem", "question": "How many, or [none],]?",
         "options": ["A. One.", "B. Two.", "C. Three.", "D. Four."], "answer": "D", "response": ""},
     ]},
]"""
EGOSCHEMA = [
    {
        "q_uid": f"00{number}934bb-81bd-4cd8-a574-0472ef3f6678",
        "google_drive_id": "15yGB0TI5zG5usdQZOXn0CrRzkJNB0gMl",
        "question": "What is C doing?",
        **{f"option {k}": f"C does thing {k}." for k in range(5)},
    }
    for number in range(2)
]
LVBENCH: dict[str, Any] = {
    "key": "Cm73ma6Ibcs",
    "type": "sport",
    "video_info": {"duration_minutes": 56, "fps": 25.0, "resolution": {"width": 1280, "height": 720}},
    "qa": [
        {
            "uid": "2169",
            "question": "What year is it (on the sign)?\n(A) 1636\n(B) 1366\n(C) 1363\n(D) 1633",
            "answer": "D",
            "question_type": ["key information retrieval", "entity recognition"],
            "time_reference": "00:15-00:19",
        }
    ],
}


NIAH_QUESTION = (
    "Find the frame of two cats on a wall. Locate the final frame based on the instructions in the image, and choose "
    "the captions that best describe the frame: \nOptions: (A) A plate with (some) food \n(B) a horse.\n"
    "(C) a boat, and a pier\n(D) two men\nOnly give the best option. Best option: ("
)
NIAH = [
    {
        "images": ["multi/niah_70_2_b.jpg", "multi/c.jpg", "multi/niah_70_1_a.jpg", "multi/niah_70_4_d.jpg"],
        "question1": NIAH_QUESTION,
        "answer1": "B",
        "question2": NIAH_QUESTION,
        "answer2": "D",
    }
]


def write_choices(form: str, folder: Path) -> Path:
    """The tiny data of a form, laid out as its release is."""
    folder.mkdir(parents=True, exist_ok=True)
    match form:
        case "mlvu":
            (folder / "json").mkdir()
            (folder / "json" / "1_plotQA.json").write_text(json.dumps(MLVU))
            summary = [{"video": "a.mp4", "question": "Sum up.", "answer": "All.", "question_type": "summary"}]
            (folder / "json" / "9_summary.json").write_text(json.dumps(summary))
        case "longvideobench":
            (folder / "lvb_val.json").write_text(json.dumps(LONGVIDEOBENCH))
        case "videomme":
            (folder / "videomme.json").write_text(json.dumps(VIDEOMME))
        case "egoschema":
            (folder / "questions.json").write_text(json.dumps(EGOSCHEMA))
            (folder / "subset_answers.json").write_text(json.dumps({EGOSCHEMA[1]["q_uid"]: 4}))
        case "niah":
            (folder / "niah-coco-multihop-100.json").write_text(json.dumps(NIAH))
        case "lvbench":
            (folder / "video_info.meta.jsonl").write_text(json.dumps(LVBENCH) + "\n")
    return folder


LONGVIDSEARCH = [
    {
        "question": "Which lantern is lit at the start, and what is later said to be a secret?",
        "answer": "The red lantern is lit, and the kettle is said to be a secret.",
        "category": "Global_Summary",
        "hop_level": "2-Hop",
        "evidence_slices": [1, 3],
        "reasoning_chain": "Step 1: Slice 1 shows the lantern. Step 2: Slice 3 tells of the kettle.",
        "logic_check_reasoning": "Both slices are needed.",
        "visual_proof": "Clip 1 shows the lantern.",
    }
]
EGOLIFE = [
    {
        "ID": "1",
        "query_time": {"date": "DAY2", "time": "11210210"},
        "type": "EntityLog",
        "type_chinese": "",
        "need_audio": False,
        "need_name": True,
        "last_time": False,
        "trigger": "",
        "question": "Who used the screwdriver first?",
        "choice_a": "Tasha",
        "choice_b": "Alice",
        "choice_c": "Shure",
        "choice_d": "Lucia",
        "answer": "B",
        "target_time": {"date": "DAY1", "time": "11152408"},
        "keywords": "screwdriver",
        "reason": "",
    }
]
FFCONCAT = """ffconcat version 1.0
file 'DAY1/DAY1_A1_JAKE_11094208.mp4'
duration 30.0
file 'DAY1/DAY1_A1_JAKE_11101208.mp4'
duration 29.5
file 'DAY2/DAY2_A1_JAKE_11205010.mp4'
duration 30.0
"""


def write_longvidsearch(folder: Path, video: str) -> Path:
    """The folder of the data set: dataset/<video>_qa.json."""
    (folder / "dataset").mkdir(parents=True, exist_ok=True)
    (folder / "dataset" / f"{video}_qa.json").write_text(json.dumps(LONGVIDSEARCH))
    return folder


def write_egolife(folder: Path, clips: str = FFCONCAT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "EgoLifeQA_A1_JAKE.json").write_text(json.dumps(EGOLIFE))
    if clips:
        (folder / "A1_JAKE.ffconcat").write_text(clips)
    return folder
