"""Subtitles that a benchmark gives are put beside its videos, and are found by what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.evals.benchmarks.choices import Question
from agent_tools.evals.benchmarks.run import Run, run_benchmark
from agent_tools.evals.benchmarks.sidecars import GivenSubtitles
from agent_tools.media.subtitles import parse
from tests.drawing import draw, even_times
from tests.evals.benchmark_files import LONGVIDEOBENCH
from tests.evals.chat_server import said, texts
from tests.models.test_endpoint import Fake


def question(subtitles: str = "a_en.json", from_s: float = 0.0) -> Question:
    return Question("q", ("a.mp4",), "?", ("x", "y"), "A", ("t",), subtitles=subtitles, subtitles_from_s=from_s)


@pytest.fixture
def given(tmp_path: Path) -> GivenSubtitles:
    for name in ("videos", "subtitles"):
        (tmp_path / name).mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"film")
    return GivenSubtitles(tmp_path / "subtitles", tmp_path / "run" / "videos")


def cues(path: Path) -> list[tuple[float, float, str]]:
    return [(cue.start_s, cue.end_s, cue.text) for cue in parse(path.read_text(), ".srt")]


@pytest.mark.parametrize(
    "told",
    [
        [{"timestamp": [101.5, 103], "text": "the\nkettle"}, {"timestamp": [99, 100.25], "text": "is put"}],
        [
            {"start": "00:01:41.500", "end": "00:01:43.000", "line": "the kettle"},
            {"start": "00:01:39,000", "end": "00:01:40,250", "line": " is put "},
        ],
    ],
)
def test_both_forms_of_longvideobench_become_cues_of_the_cut_video(given: GivenSubtitles, told: Any) -> None:
    (given.folder / "a_en.json").write_text(json.dumps([*told, told[0] | {"text": "", "line": ""}]))
    video = given.folder.parent / "videos" / "a.mp4"
    path = given.beside(video, question(from_s=99.5))
    assert path.samefile(video)
    assert cues(path.with_suffix(".srt")) == [(0.0, 0.75, "is put"), (2.0, 3.5, "the kettle")]
    assert given.beside(video, question(from_s=99.5)) == path  # as often as it is asked
    assert [found.name for found in video.parent.iterdir()] == ["a.mp4"]  # the benchmark's own is left as it is


def test_a_cue_without_an_end_lasts_a_while(given: GivenSubtitles) -> None:
    (given.folder / "a_en.json").write_text(json.dumps([{"timestamp": [3.0, None], "text": "last"}]))
    path = given.beside(given.folder.parent / "videos" / "a.mp4", question())
    assert cues(path.with_suffix(".srt")) == [(3.0, 8.0, "last")]


def test_a_subtitle_file_of_the_videos_name_is_taken_as_it_is(given: GivenSubtitles) -> None:
    (given.folder / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    path = given.beside(given.folder.parent / "videos" / "a.mp4", question(subtitles=""))
    assert cues(path.with_suffix(".srt")) == [(1.0, 2.0, "hello")]


def test_a_video_without_subtitles_goes_alone(given: GivenSubtitles) -> None:
    path = given.beside(given.folder.parent / "videos" / "a.mp4", question("b_en.json"))
    assert [found.name for found in path.parent.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"timestamp": [1], "text": "x"}, "a_en.json, item 0: key 'timestamp' is"),
        ({"timestamp": [3.0, 1.0], "text": "x"}, "key 'timestamp' is"),
        ({"timestamp": [1.0, 2.0]}, "key 'text' is missing"),
        ({"start": "soon", "end": "00:00:03", "line": "x"}, "key 'start' is 'soon'"),
        ({"line": "x"}, "key 'start' is missing"),
    ],
)
def test_broken_subtitles_are_refused_with_their_place(given: GivenSubtitles, row: Any, told: str) -> None:
    (given.folder / "a_en.json").write_text(json.dumps([row]))
    with pytest.raises(InvalidArgument, match=told):
        given.beside(given.folder.parent / "videos" / "a.mp4", question())


def test_another_video_of_the_same_name_is_not_taken_for_it(given: GivenSubtitles) -> None:
    given.beside(given.folder.parent / "videos" / "a.mp4", question())
    other = given.folder.parent / "other" / "videos" / "a.mp4"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"another film")
    with pytest.raises(InvalidArgument, match="is another file than"):
        given.beside(other, question())


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="--subtitles FOLDER"):
        GivenSubtitles(tmp_path / "nowhere", tmp_path)


def test_the_model_finds_what_the_given_subtitles_say(tmp_path: Path) -> None:
    row: dict[str, Any] = LONGVIDEOBENCH[0] | {"starting_timestamp_for_subtitles": 60}
    for name in ("videos", "subtitles"):
        (tmp_path / name).mkdir()
    (tmp_path / "lvb_val.json").write_text(json.dumps([row]))
    line = [{"timestamp": [61.0, 63.0], "text": "Marguerite lifts the kettle"}]
    (tmp_path / "subtitles" / row["subtitle_path"]).write_text(json.dumps(line))
    draw(tmp_path / "videos" / row["video_path"], even_times(12, 2.0))
    fake = Fake()
    fake.replies = [said(None, ("retrieve_memory", {"query": "Marguerite lifts the kettle"})), said("Answer: B")]
    run = Run("longvideobench", tmp_path, tmp_path / "run", blind=False, subtitles=tmp_path / "subtitles")
    report = run_benchmark(run, f"{fake.url}#tiny", videos=tmp_path / "videos")
    fake.close()
    assert report["all"]["right"] == 1
    (seen,) = texts(fake.asked[1], "tool")
    assert json.loads(seen[seen.index("{") :])["hits"][0]["subtitles"] == "Marguerite lifts the kettle"
    assert json.loads(seen[seen.index("{") :])["hits"][0]["start_s"] == 1.0
