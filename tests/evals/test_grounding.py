"""Truth is read in three formats; the figures of answers are those one counts by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from agent_tools.datasets.truth import Event, read_truth
from agent_tools.errors import InvalidArgument
from agent_tools.evals.grounding.grounding import JudgedEvent, markdown, measured
from agent_tools.evals.grounding.reliability_plot import draw_reliability
from agent_tools.grounding.reliability import Bin
from agent_tools.grounding.verdict import UNJUDGED

MAD = {
    "7": {
        "movie": "1005_Signs",
        "sentence": "He stares out of the window.",
        "timestamps": [10.0, 12.0],
        "ext_timestamps": [9.5, 13.0],
        "movie_duration": 6000.0,
    }
}
CHAPTERS = [
    {"qid": 1, "query": "Intro", "vid": "3_abcdefghijk", "duration": 60, "relevant_windows": [[0, 9]]},
    {"qid": 2, "query": ["A", "B"], "vid": "x", "duration": 60, "relevant_windows": [[0, 9], [[9, 60]]]},
]


def _file(folder: Path, text: str) -> Path:
    path = folder / "truth.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_mad_is_strict_and_has_two_truths(tmp_path: Path) -> None:
    path = _file(tmp_path, json.dumps(MAD))
    official = read_truth(path)
    assert (official.format, official.strict) == ("mad", True)
    assert official.events == (Event("1005_Signs", "He stares out of the window.", ((9.5, 13.0),)),)
    assert read_truth(path, "timestamps").events[0].spans == ((10.0, 12.0),)


def test_vidchapters_is_not_strict_and_its_training_rows_hold_lists(tmp_path: Path) -> None:
    truth = read_truth(_file(tmp_path, "\n".join(json.dumps(row) for row in CHAPTERS)))
    assert (truth.format, truth.strict) == ("vidchapters", False)
    assert [(event.text, event.spans) for event in truth.events] == [
        ("Intro", ((0.0, 9.0),)),
        ("A", ((0.0, 9.0),)),
        ("B", ((9.0, 60.0),)),
    ]


def test_vidchapters_as_revisionllm_converted_it_is_read_as_such(tmp_path: Path) -> None:
    row = {"movie": "m", "sentence": "Intro", "timestamps": [0, 9], "movie_duration": 60, "vid": "v", "split": "test"}
    truth = read_truth(_file(tmp_path, json.dumps({"0": row})))
    assert (truth.format, truth.events) == ("vidchapters", (Event("v", "Intro", ((0.0, 9.0),)),))


@pytest.mark.parametrize(
    ("vid", "video"),
    [
        ("3uwN1yCPgJgk", "uwN1yCPgJgk"),
        ("123uwN1yCPgJgk", "uwN1yCPgJgk"),
        ("uwN1yCPgJgk", "uwN1yCPgJgk"),
        ("0123456789a", "0123456789a"),
        ("a_film_of_mine", "a_film_of_mine"),
    ],
)
def test_vidchapters_puts_a_number_before_the_youtube_id(tmp_path: Path, vid: str, video: str) -> None:
    row = {"qid": 1, "query": "Intro", "vid": vid, "duration": 60, "split": "test", "relevant_windows": [[0, 9]]}
    assert read_truth(_file(tmp_path, json.dumps(row))).events[0].video == video


def test_our_own_truth_says_absent_by_no_spans(tmp_path: Path) -> None:
    rows = [{"video": "v", "event": "'x' on a slide", "spans": [], "channels": ["screen_text"], "group": "words"}]
    assert read_truth(_file(tmp_path, json.dumps(rows))).events == (
        Event("v", "'x' on a slide", (), ("screen_text",), "words"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "truth.json is not a truth file"),
        ("{}", "truth.json is not a truth file"),
        ("nothing", "line 1: not JSON"),
        ('[{"video": "v"}]', "item 0: key 'event' is missing; it must be a text"),
        ('[{"video": "v", "event": "e", "spans": [[3, 1]]}]', "item 0: key 'spans' is .*; it must be a list of"),
        ("[1]", "item 0: is 1; it must be an object"),
        ('{"1": {"movie": "m"}}', "key '1': key 'sentence' is missing"),
        ('{"1": {"movie": "m", "sentence": "s", "timestamps": [1]}}', "key '1': key 'timestamps' is"),
        ('{"qid": 1, "vid": "v", "query": "q"}\n{"qid": 2', "line 2: not JSON"),
        (
            '{"qid": 1, "vid": "v", "query": "q", "relevant_windows": [[1, 2]]}\n{"qid": 2}',
            "line 2: key 'vid' is missing",
        ),
        ('{"qid": 1, "vid": "v", "query": ["q", "r"], "relevant_windows": [[1, 2]]}', "a window for each of 2 queries"),
        ('{"qid": 1, "vid": "v", "query": ["q"], "relevant_windows": [5]}', "line 1: key 'relevant_windows' is 5"),
    ],
)
def test_a_file_that_is_no_truth_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        read_truth(_file(tmp_path, text))


def _asked(
    spans: tuple[tuple[float, float], ...], verdict: str, found: tuple[tuple[float, float], ...], p: float
) -> JudgedEvent:
    return JudgedEvent(Event("v", "e", spans), verdict, "", found, p, 4, 0, 0.1, 200)


def test_figures_are_those_counted_by_hand() -> None:
    asked = [
        _asked(((0.0, 10.0),), "present", ((0.0, 10.0),), 0.9),
        _asked(((0.0, 10.0),), "present", ((50.0, 60.0), (5.0, 10.0)), 0.7),
        _asked(((0.0, 10.0),), "absent", (), 0.1),
        _asked((), "present", ((0.0, 1.0),), 0.6),
        _asked((), "absent", (), 0.1),
    ]
    found = measured(asked, strict=True)
    assert (found["R1@0.5"], found["R5@0.3"], found["R5@0.5"]) == (0.333, 0.667, 0.333)
    assert found["mIoU"] == 0.333
    assert (found["false_positive_rate"], found["absent_called_absent"]) == (0.5, 0.5)
    assert found["present_called_absent"] == 0.333
    assert (found["windows"], found["frames_processed"], found["calibrated"]) == (20, 0, 5)
    assert measured(asked, strict=False)["R5@0.5"] == 0.667
    table = markdown({"truth": "t.json", **found, "groups": {"all again": found}})
    assert "| R5@0.3 | 0.667 | 0.667 |" in table


def test_the_error_where_all_was_judged_leaves_out_what_a_channel_was_missing_for() -> None:
    judged = [_asked(((0.0, 1.0),), "present", ((0.0, 1.0),), 0.9), _asked((), "absent", (), 0.1)]
    missing = JudgedEvent(Event("v", "e", ((0.0, 1.0),)), "uncertain", f"{UNJUDGED}frames", (), 0.02, 4, 0, 0.1, 200)
    found = measured([*judged, missing], strict=True)
    assert found["ECE_where_judged"]["value"] == pytest.approx(0.1)
    assert found["ECE"]["value"] > 0.3
    assert measured([missing], strict=True)["ECE_where_judged"] is None


def test_a_reliability_plot_is_a_picture(tmp_path: Path) -> None:
    bins = [Bin(0.0, 0.1, 40, 0.03, 0.05, 0.01, 0.15), Bin(0.1, 0.2, 0, None, None, None, None)]
    draw_reliability(bins, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.format == "PNG"
        assert len(image.getcolors(100_000) or []) > 3
