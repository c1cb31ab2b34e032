"""Instruction data: the official forms as they are, their times, and what a broken file is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_tools.datasets.conversations import read_conversations, times_in
from agent_tools.errors import InvalidArgument


def said(*texts: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)]


MARATHON = [
    {
        "video": "panda/one.mp4",
        "data_source": "panda70m",
        "conversations": said(
            "<video>\nWhat happens between 00:10:00 and 00:11:30?",
            "A cook slices three onions.",
            "When does the guest arrive?",
            "From 41:05 to 42:00.",
            "How many people sit at the table?",
            "Four.",
        ),
    },
    {
        "video": "ego/two.mp4",
        "data_source": "ego4d",
        "conversations": said(
            "<video>\nList the events.", "[0.0, 9.5] she opens a drawer.\n[12.0, 30.5] she sorts screws."
        ),
    },
]


def written(folder: Path, value: Any, name: str = "videomarathon.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_videomarathon_is_read_as_it_is_published(tmp_path: Path) -> None:
    read = read_conversations(written(tmp_path, MARATHON))
    assert read.format == "videomarathon"
    assert read.counts() == {
        "items": 2,
        "videos": 2,
        "turns": 4,
        "timed": 4,
        "sources": {"panda70m": 1, "ego4d": 1},
    }
    assert read.items[0].turns[0].question == "What happens between 00:10:00 and 00:11:30?"


def test_sentences_take_the_times_of_questions_answers_and_lists(tmp_path: Path) -> None:
    found = read_conversations(written(tmp_path, MARATHON)).timed()
    assert [(one.video, one.text, one.span) for one in found] == [
        ("panda/one.mp4", "A cook slices three onions.", (600.0, 690.0)),
        ("panda/one.mp4", "When does the guest arrive?", (2465.0, 2520.0)),
        ("ego/two.mp4", "she opens a drawer.", (0.0, 9.5)),
        ("ego/two.mp4", "she sorts screws.", (12.0, 30.5)),
    ]


def test_longvid_is_listed_by_yaml_and_a_clip_gives_its_answer_a_span(tmp_path: Path) -> None:
    clips = [
        {
            "video": f"{n}.mp4",
            "start": 10 * n,
            "end": 10 * n + 4,
            "conversations": said("<video>Describe.", "A dog runs."),
        }
        for n in range(10)
    ]
    written(tmp_path, clips, "htstep.json")
    written(tmp_path, [{"video": "whole.mp4", "conversations": said("Describe.", "A day at sea.")}], "ego4dhcap.json")
    listed = tmp_path / "longvid.yaml"
    listed.write_text(
        "datasets:\n"
        "- {json_path: htstep.json, data_root: /v, sampling_strategy: 'first:20%', video_read_type: decord}\n"
        "- {json_path: ego4dhcap.json, data_root: /v, sampling_strategy: all, video_read_type: img}\n"
    )
    read = read_conversations(listed)
    assert (read.format, read.counts()["sources"]) == ("longvid", {"htstep": 2, "ego4dhcap": 1})
    assert [(one.video, one.span) for one in read.timed()] == [("0.mp4", (0.0, 4.0)), ("1.mp4", (10.0, 14.0))]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("from 0:10 to 1:05", [(10.0, 65.0)]),
        ("1:02:03 - 1:02:09.5", [(3723.0, 3729.5)]),
        ("12.5s to 14 seconds", [(12.5, 14.0)]),
        ("[3.0, 9.5] and (20, 25)", [(3.0, 9.5), (20.0, 25.0)]),
        ("there are 3 to 5 people, 2 and 4 of them seated", []),  # bare numbers are no times
        ("at 9:00 he leaves", []),
        ("from 20 to 10", []),
    ],
)
def test_only_pairs_of_times_are_times(text: str, spans: list[tuple[float, float]]) -> None:
    assert [span for span, _ in times_in(text)] == spans


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"video": "a.mp4", "conversations": said("one")}, "must hold an even number of turns"),
        ({"video": "a.mp4", "conversations": [{"from": "cat", "value": "x"}] * 2}, "turn 0"),
        ({"video": "", "conversations": said("one", "two")}, "key 'video'"),
        (
            {"video": "a.mp4", "start": 9, "end": 3, "conversations": said("one", "two")},
            "greater than start, which is 9",
        ),
    ],
)
def test_a_broken_item_is_named_with_its_rule(tmp_path: Path, item: dict[str, Any], error: str) -> None:
    path = written(tmp_path, [{"video": "ok.mp4", "conversations": said("one", "two")}, item])
    with pytest.raises(InvalidArgument, match="item 1") as told:
        read_conversations(path)
    assert error in str(told.value)


def test_a_file_of_something_else_and_a_missing_subset_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="holds no conversations"):
        read_conversations(written(tmp_path, [{"event": "x"}]))
    listed = tmp_path / "list.yaml"
    listed.write_text("datasets:\n- {json_path: gone.json}\n")
    with pytest.raises(InvalidArgument, match=r"item 0: key 'json_path' is 'gone.json'"):
        read_conversations(listed)
    listed.write_text("datasets: [")
    with pytest.raises(InvalidArgument, match="cannot be read as YAML"):
        read_conversations(listed)
