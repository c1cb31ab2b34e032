"""Whole runs: a release's folder, the real server, drawn videos, and a scripted model behind an address.

One run goes over stdio, as a person starts it; in the others the server is in memory, and finds by words alone."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from typer.testing import CliRunner

from agent_tools.errors import EndpointError, InvalidArgument
from agent_tools.evals.agents.agent import Reader
from agent_tools.evals.agents.session import Reply as Told
from agent_tools.evals.benchmarks import run
from agent_tools.evals.benchmarks.answerer import Limits
from agent_tools.evals.benchmarks.run import ANSWERS, BLIND, Run, chosen, read, run_benchmark
from agent_tools.evals.commands import eval_app
from agent_tools.server import build_server
from agent_tools.service.library.query_models import QueryModels
from agent_tools.settings import Settings
from tests.drawing import draw, even_times
from tests.evals.benchmark_files import (
    CANARY,
    LVBENCH,
    UID,
    hourvideo_item,
    write_choices,
    write_hourvideo,
    write_longvidsearch,
)
from tests.evals.chat_server import Reply, refused, said, texts
from tests.models.test_endpoint import Fake

pytestmark = pytest.mark.slow

SECOND = "5f1e7a2c-0000-4889-bc40-000000000000"
CUES = """1
00:00:01,000 --> 00:00:03,000
the kettle stands in the cellar, which is option C

2
00:00:05,000 --> 00:00:07,000
what comes next is decided: the guess is option B

3
00:00:07,500 --> 00:00:09,500
the lantern border goes on, option A

4
00:00:10,000 --> 00:00:11,500
the lantern truth comes out, option D secret
"""
ITEMS = [
    hourvideo_item(1, "perception/tracking", "Where does the kettle stand?", "C"),
    hourvideo_item(2, "reasoning/predictive", "What comes next?", "D", relevant_timestamps="00:00:08 - 00:00:11"),
    hourvideo_item(3, "perception/tracking", "Where is the lantern?", "D"),
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HourVideo's folder with two videos, of which one is there; its memory is kept from run to run."""
    folder = tmp_path_factory.mktemp("hourvideo")
    write_hourvideo(folder, ITEMS)
    path = folder / "v1.0_release" / "json" / "dev_v1.0_annotations.json"
    told = json.loads(path.read_text())
    told[SECOND] = {
        "video_metadata": {},
        "benchmark_dataset": [
            hourvideo_item(4, "reasoning/spatial/layout", "Which?", "E", video_uid=SECOND, qid=f"{SECOND}_4")
        ],
    }
    path.write_text(json.dumps(told))
    (folder / "videos").mkdir()
    draw(folder / "videos" / f"{UID}.mp4", even_times(120, 10.0))
    (folder / "videos" / f"{UID}.srt").write_text(CUES)
    ingest(folder / "videos" / f"{UID}.mp4", folder / "home")
    return folder


def ingest(video: Path, home: Path) -> None:
    """Into a memory, before any server runs: a server's worker may outlive it, and a test."""
    command = [sys.executable, "-P", "-m", "agent_tools", "ingest", str(video), "--home", str(home), "--profile=lite"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server in this process, its sentence encoder never loaded: these runs are about questions."""

    @asynccontextmanager
    async def serving(home: Path, allowed: Path, profile: str, flags: Sequence[str]) -> AsyncIterator[Client]:
        async with Client(build_server(Settings(home=home, allow=(allowed,), profile="lite"))) as client:
            yield client

    monkeypatch.setattr(run, "serving", serving)
    monkeypatch.setattr(QueryModels, "warm", lambda self: None)
    monkeypatch.setattr(QueryModels, "text", lambda self, wait_s=0.0: None)
    monkeypatch.setattr(Reader, "search", _no_wait)


async def _no_wait(self: Reader, tool: str, **arguments: Any) -> Told:
    return await self.session.call(tool, **arguments)


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.close()


def looking(asked: dict[str, Any]) -> Reply:
    """A model that searches with the words of the question, tries to see behind the end, and believes what it reads."""
    question = texts(asked, "user")[0].rpartition(" calls.\n\n")[2].partition("\n")[0]
    if "tools" not in asked:
        return said("I guess.\nAnswer: C")
    seen = texts(asked, "tool")
    if not seen:
        return said(
            None,
            ("retrieve_memory", {"query": question, "end_s": 12, "limit": 20}),
            ("retrieve_memory", {"query": "lantern truth secret", "limit": 20}),
            ("zoom_segment", {"video_id": f"video://{'0' * 12}#t=0,12"}),
            ("zoom_segment", {"start_s": 0, "end_s": 12, "max_frames": 2}),
            ("list_episodes", {"level": "chapter"}),
        )
    word = "kettle" if "kettle" in question else "lantern" if "lantern" in question else "guess"
    found = re.findall(rf"{word}[^\"]*?option ([A-E])", " ".join(seen))
    return said(f"As it says.\nAnswer: {found[-1]}" if found else "It does not say.")


def ask(release: Path, fake: Fake, out: Path, reply: Any = looking, **more: Any) -> dict[str, Any]:
    fake.replies = list(reply) if isinstance(reply, list) else [reply]
    made = {name: more.pop(name) for name in ("prices", "blind", "limits") if name in more}
    run = Run("hourvideo", release, out, home=release / "home", **made)
    told: list[str] = more.pop("told", [])
    return run_benchmark(run, f"{fake.url}#tiny", on_line=told.append, **more)


def lines_of(path: Path) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in map(json.loads, path.read_text().splitlines())}


def test_a_run_answers_through_the_tools_and_is_scored(release: Path, fake: Fake, tmp_path: Path) -> None:
    told: list[str] = []
    report = ask(release, fake, tmp_path, prices=(2.0, 10.0), told=told)
    answers = lines_of(tmp_path / ANSWERS)
    assert {name[-1]: line["answer"] for name, line in answers.items()} == {"1": "C", "2": "B", "3": "D", "4": ""}
    assert answers[f"{SECOND}_4"]["ended"] == "no video"
    assert answers[f"{UID}_1"]["tools"] == {"retrieve_memory": 2, "zoom_segment": 2, "list_episodes": 1}
    assert answers[f"{UID}_1"]["errors"] == 1  # the look at another video
    assert report["all"] | {"low": 0, "high": 0} == {
        "name": "all",
        "n": 4,
        "right": 2,
        "accuracy": 0.5,
        "low": 0,
        "high": 0,
        "missing": 1,
        "blind": 0.25,
    }
    assert [row["name"] for row in report["tasks"]] == [
        "perception/tracking",
        "reasoning/predictive",
        "reasoning/spatial/layout",
    ]
    assert [row["name"] for row in report["groups"]] == ["perception", "reasoning"]
    assert report["missing"] == {"no video": 1}
    assert report["cost"]["price"] == pytest.approx(3 * (200 * 2 + 20 * 10) / 1e6)
    assert {line["answer"] for line in lines_of(tmp_path / BLIND).values()} == {"C"}
    assert json.loads((tmp_path / "report.json").read_text())["model"] == f"tiny@{fake.url[7:-3]}"
    assert json.loads((tmp_path / "run.json").read_text())["carried"] == [f"canary {CANARY}"]
    with (tmp_path / "csv" / UID / "perception_tracking.csv").open(newline="") as file:
        assert [(row["qid"], row["model_answer"]) for row in csv.DictReader(file)] == [
            (f"{UID}_1", "C"),
            (f"{UID}_3", "D"),
        ]
    assert len(list((tmp_path / "transcripts").glob("*.json"))) == 3
    assert len(list((tmp_path / "transcripts" / "blind").glob("*.json"))) == 4
    assert list((tmp_path / "transcripts" / "pictures").glob("*.jpg"))
    assert f"video 1 of 1: {UID}.mp4, 3 questions" in told


@pytest.mark.usefixtures("in_memory")
def test_a_person_is_told_of_models_that_call_no_tool_or_write_their_calls(
    release: Path, fake: Fake, tmp_path: Path
) -> None:
    told: list[str] = []
    fenced = '```json\n{"name": "list_episodes", "arguments": {}}\n```'
    ask(release, fake, tmp_path, [said(fenced), said("Answer: A")], only="reasoning/predictive", blind=False, told=told)
    assert any(line.endswith("; 1 of the calls were written as text, and taken") for line in told)
    told.clear()
    ask(release, fake, tmp_path / "b", [said("Answer: A")], only="reasoning/predictive", blind=False, told=told)
    assert any(line.endswith("; the model called no tool") for line in told)


@pytest.mark.usefixtures("in_memory")
def test_a_prediction_is_shown_nothing_of_what_it_predicts(release: Path, fake: Fake, tmp_path: Path) -> None:
    ask(release, fake, tmp_path, only="reasoning/predictive", blind=False)
    asked = json.dumps(fake.asked[-1])
    assert "the guess is option B" in asked
    assert not [word for word in ("truth", "secret", "border") if word in asked.replace("lantern truth secret", "")]
    shown = " ".join(texts(fake.asked[-1], "tool"))
    times = re.findall(r'"(?:start_s|end_s|at_s|next_start_s|duration_s)":([\d.]+)', shown)
    assert times
    assert max(map(float, times)) <= 8.0
    fake.asked.clear()
    ask(release, fake, tmp_path / "other", only="perception", blind=False)
    assert "option D secret" in json.dumps(fake.asked)  # it is there, for whoever may see it


@pytest.mark.usefixtures("in_memory")
def test_a_run_goes_on_where_it_broke_off(release: Path, fake: Fake, tmp_path: Path) -> None:
    whole = ask(release, fake, tmp_path / "whole", blind=False)
    first = [looking, looking, refused(401, "the key ran out")]
    with pytest.raises(EndpointError, match="does not accept the key"):
        ask(release, fake, tmp_path / "run", first, blind=False)
    path = tmp_path / "run" / ANSWERS
    assert [line["ended"] for line in lines_of(path).values()] == ["no video", "answered"]
    path.write_bytes(path.read_bytes() + b'{"id": "torn')
    fake.asked.clear()
    told: list[str] = []
    resumed = ask(release, fake, tmp_path / "run", blind=False, told=told)
    assert len(fake.asked) == 4  # two questions, two requests each
    assert told[0] == "4 questions, 1 answered before"
    for part in ("tasks", "groups", "all", "missing", "baselines"):
        assert resumed[part] == whole[part]
    fake.asked.clear()
    again = ask(release, fake, tmp_path / "run", blind=False)
    assert (fake.asked, again["all"]) == ([], whole["all"])


@pytest.mark.usefixtures("in_memory")
def test_the_same_model_gives_the_same_run(release: Path, fake: Fake, tmp_path: Path) -> None:
    def kept(folder: Path) -> list[dict[str, Any]]:
        ask(release, fake, folder, blind=False)
        return [line | {"seconds": 0} for line in lines_of(folder / ANSWERS).values()]

    assert kept(tmp_path / "a") == kept(tmp_path / "b")


def never_a_letter(_: dict[str, Any]) -> Reply:
    return said("I cannot tell.")


def always_calls(_: dict[str, Any]) -> Reply:
    return said(None, ("retrieve_memory", {"query": "kettle"}))


def unknown_tools(asked: dict[str, Any]) -> Reply:
    return said("Answer: C") if len(texts(asked, "tool")) >= 2 else said(None, ("play_video", {}))


def too_long(_: dict[str, Any]) -> Reply:
    return refused(400, "context length exceeded")


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize(
    ("model", "answer", "ended", "calls"),
    [
        (never_a_letter, "", "no letter", 0),
        (always_calls, "", "no letter", 3),
        (unknown_tools, "C", "answered", 2),
        (too_long, "", "refused", 0),
    ],
)
def test_a_model_that_does_otherwise_ends_its_question(
    release: Path,
    fake: Fake,
    tmp_path: Path,
    model: Callable[[dict[str, Any]], Reply],
    answer: str,
    ended: str,
    calls: int,
) -> None:
    report = ask(release, fake, tmp_path, model, limit=1, blind=False, limits=Limits(calls=3))
    (line,) = lines_of(tmp_path / ANSWERS).values()
    assert (line["answer"], line["ended"], line["calls"]) == (answer, ended, calls)
    assert report["all"]["missing"] == (not answer)


@pytest.mark.usefixtures("in_memory")
def test_a_server_that_takes_no_request_ends_the_run(release: Path, fake: Fake, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="3 requests in a row were refused"):
        ask(release, fake, tmp_path, too_long)
    assert lines_of(tmp_path / BLIND)
    assert ask(release, fake, tmp_path, looking)["missing"] == {"no video": 1}  # what was refused is asked again


@pytest.mark.usefixtures("in_memory")
def test_only_what_is_there_may_be_asked(release: Path, fake: Fake, tmp_path: Path) -> None:
    report = ask(release, fake, tmp_path, present=True, blind=False)
    assert (report["questions"], report["missing"]) == (3, {})
    with pytest.raises(InvalidArgument, match="None of the videos asked about"):
        ask(release, fake, tmp_path / "none", present=True, only="reasoning/spatial")


@pytest.mark.usefixtures("in_memory")
def test_another_model_needs_another_folder(release: Path, fake: Fake, tmp_path: Path) -> None:
    ask(release, fake, tmp_path, limit=1, blind=False)
    with pytest.raises(InvalidArgument, match="holds a run with model"):
        run_benchmark(Run("hourvideo", release, tmp_path), f"{fake.url}#other")


def test_a_video_that_cannot_be_read_costs_its_questions_alone(fake: Fake, tmp_path: Path) -> None:
    data = write_hourvideo(tmp_path / "data", ITEMS[:1])
    (data / "videos").mkdir()
    (data / "videos" / f"{UID}.mp4").write_text("not a video")
    run = Run("hourvideo", data, tmp_path / "out", blind=False)
    report = run_benchmark(run, f"{fake.url}#tiny")
    assert report["missing"] == {"unreadable video": 1}
    assert fake.asked == []
    assert "UnreadableVideo" in lines_of(tmp_path / "out" / ANSWERS)[f"{UID}_1"]["why"]


@pytest.mark.usefixtures("in_memory")
def test_questions_are_chosen_by_task_by_group_and_in_order(release: Path) -> None:
    questions, _ = read("hourvideo", release)
    assert [q.id[-1] for q in chosen(questions, "perception")] == ["1", "3"]
    assert [q.id[-1] for q in chosen(questions, "reasoning/spatial")] == ["4"]
    assert [q.id[-1] for q in chosen(questions, "", 2)] == ["1", "2"]
    with pytest.raises(InvalidArgument, match=r"No question is of the task 'x'\. There are perception, perception/tr"):
        chosen(questions, "x")


# the commands


@pytest.mark.parametrize("form", ["mlvu", "longvideobench", "videomme", "egoschema", "lvbench", "niah"])
@pytest.mark.usefixtures("in_memory")
def test_without_a_model_a_command_prints_the_baselines(form: str, tmp_path: Path) -> None:
    data = write_choices(form, tmp_path / "data")
    told = tmp_path / "told.json"
    shown = CliRunner().invoke(eval_app, ["choices", "--format", form, "--data", str(data), "--json", str(told)])
    assert shown.exit_code == 0, shown.output
    assert "| chance |" in shown.output
    assert "best constant letter" in shown.output
    assert json.loads(told.read_text())["benchmark"] == form


@pytest.mark.usefixtures("in_memory")
def test_one_command_runs_a_benchmark(
    release: Path, fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_TOOLS_ENDPOINT_KEY", "secret")
    monkeypatch.setenv("AGENT_TOOLS_MODELS", "speech=/models/whisper")
    fake.replies = [looking]
    given = ["--model", f"{fake.url}#tiny", "--out", str(tmp_path), "--home", str(release / "home"), "--limit", "1"]
    shown = CliRunner().invoke(eval_app, ["hourvideo", "--data", str(release), *given, "--price-in", "1"])
    assert shown.exit_code == 0, shown.output
    assert "| perception/tracking | 1 | 1.000 |" in shown.output
    assert {headers["authorization"] for headers in fake.headers} == {"Bearer secret"}
    flags = json.loads((tmp_path / "run.json").read_text())["flags"]
    assert flags == ["--models", "speech=/models/whisper", "--device", "auto"]
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [
        path for path in kept if b"secret" in path.read_bytes().replace(b"D secret", b"").replace(b"truth secret", b"")
    ]


def answering(asked: dict[str, Any]) -> Reply:
    """A model that looks once, and a judge."""
    if "tools" not in asked:
        return said("right")
    return (
        said("Answer: the red one") if texts(asked, "tool") else said(None, ("retrieve_memory", {"query": "lantern"}))
    )


@pytest.mark.usefixtures("in_memory")
def test_answers_in_words_are_judged_and_their_evidence_is_counted(release: Path, fake: Fake, tmp_path: Path) -> None:
    data = write_longvidsearch(tmp_path / "data", UID)
    fake.replies = [answering]
    run = Run("longvidsearch", data, tmp_path / "out", home=release / "home", blind=False)
    report = run_benchmark(run, f"{fake.url}#tiny", videos=release / "videos", judges=[f"{fake.url}#judge"])
    (line,) = lines_of(tmp_path / "out" / ANSWERS).values()
    assert (line["answer"], line["judged"], line["right"]) == ("the red one", [True], True)
    assert line["spans"]
    assert report["all"]["accuracy"] == 1.0
    assert 0 < report["evidence"] < 1  # the second slice lies behind the end of this short film
    assert report["judges"][0].startswith("judge@")


@pytest.mark.usefixtures("in_memory")
def test_the_choices_command_finds_a_video_by_its_name(release: Path, fake: Fake, tmp_path: Path) -> None:
    data = tmp_path / "video_info.meta.jsonl"
    data.write_text(json.dumps(LVBENCH | {"key": UID}))
    fake.replies = [said("(D) 1633")]
    given = [
        "--model",
        f"{fake.url}#tiny",
        "--out",
        str(tmp_path / "out"),
        "--home",
        str(release / "home"),
        "--videos",
        str(release / "videos"),
        "--no-blind",
    ]
    shown = CliRunner().invoke(eval_app, ["choices", "--format", "lvbench", "--data", str(data), *given])
    assert shown.exit_code == 0, shown.output
    assert "| entity recognition | 1 | 1.000 |" in shown.output
