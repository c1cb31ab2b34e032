"""The examples in short: plain Python end to end; the rest by what they import, and by what their script calls.

`python -m lab.clients` runs them all with their frameworks."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp import Client

from agent_tools.evals.films.demo_story import tell
from examples.scripted import Call, Facts, Script, answer, answer_into_a_file, facts, next_step
from lab.clients import installs, tap
from lab.clients.endpoint import endpoint
from lab.clients.inspector import tapped
from tests.drawing import draw, even_times
from tests.evals.chat_server import said, texts
from tests.evals.fake_server import FakeLibrary, build
from tests.models.test_endpoint import Fake

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
RUNNABLE = [path for path in EXAMPLES if path.stem not in ("stage", "scripted")]
PUBLISHED = json.loads((ROOT / "tests" / "server" / "published.json").read_text(encoding="utf-8"))
SCHEMAS = {tool["name"]: Draft202012Validator(tool["inputSchema"]) for tool in PUBLISHED["tools"]}
SRT = "1\n00:00:02,000 --> 00:00:05,000\nThe water boils at ninety degrees up here\n"
QUESTION = "At how many degrees does the water boil?"


def played(script: Callable[[], Script], reply: Callable[[Call], Facts]) -> tuple[list[Call], str]:
    """The calls of a script and its last word; each call's arguments are checked against what is published."""
    calls: list[Call] = []
    replies: list[object] = []
    while isinstance(step := next_step(script, replies), Call):
        calls.append(step)
        if step.tool in SCHEMAS:
            SCHEMAS[step.tool].validate(step.arguments)
        replies.append(reply(step))
    return calls, step


@pytest.mark.parametrize("seed", range(4))
def test_scripted_model_answers_in_calls_that_the_published_schemas_take(seed: int) -> None:
    story = tell(seed)
    server = build(FakeLibrary(story))

    async def asked(call: Call) -> Facts:
        async with Client(server) as client:
            result = await client.call_tool(call.tool, call.arguments)
            return facts([block.model_dump() for block in result.content])

    calls, told = played(lambda: answer(story.question, "/films/an hour.mp4"), lambda call: anyio.run(asked, call))
    assert story.answer in told
    assert told.count("video://") == 3
    assert {call.tool for call in calls} == set(SCHEMAS)


def test_between_two_servers_the_question_is_read_and_the_answer_written() -> None:
    files = {"question.txt": "What is said?\n"}

    def reply(call: Call) -> Facts:
        if call.tool == "read_text_file":
            return {"content": files[call.arguments["path"]]}
        if call.tool == "write_file":
            files[call.arguments["path"]] = call.arguments["content"]
        return {"state": "done", "video_id": "9f6cbced0247", "hits": []}

    calls, told = played(lambda: answer_into_a_file("question.txt", "answer.md", "talk.mp4"), reply)
    assert files["answer.md"] == told + "\n"
    assert [call.tool for call in calls[:2]] == ["read_text_file", "ingest_video"]


def test_a_refused_file_ends_the_script_with_the_servers_words() -> None:
    calls, told = played(lambda: answer("?", "notes.txt"), lambda _: facts("UnreadableVideo: notes.txt holds text."))
    assert len(calls) == 1
    assert told == "UnreadableVideo: notes.txt holds text."


@pytest.mark.parametrize(
    "reply",
    [
        {"state": "done"},
        '{"state": "done"}',
        [{"type": "text", "text": '{"state": "done"}'}],
        [{"type": "input_text", "text": '{"state": "done"}'}],
        '{"type": "text", "text": "{\\"state\\": \\"done\\"}"}',
    ],
)
def test_facts_are_found_in_whatever_a_framework_wraps_them(reply: object) -> None:
    assert facts(reply) == {"state": "done"}


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_an_example_begins_with_how_to_run_it_both_ways(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert f"python examples/{path.name}" in said
    assert "MODEL=" in said
    assert "key" in said


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_an_example_takes_from_the_others_is_there(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("stage", "scripted"):
            other = ast.parse((path.parent / f"{node.module}.py").read_text(encoding="utf-8"))
            assert {alias.name for alias in node.names} <= defined(other)


def defined(tree: ast.Module) -> set[str]:
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return names | {target.id for target in targets if isinstance(target, ast.Name)}


@dataclass(frozen=True)
class Films:
    video: Path
    home: Path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    folder = tmp_path_factory.mktemp("a folder of films")
    video = folder / "tea on a mountain.mp4"
    draw(video, even_times(60, 10))
    video.with_suffix(".en.srt").write_text(SRT)
    return Films(video, tmp_path_factory.mktemp("home"))


def plain(films: Films, log: Path, **variables: str) -> str:
    """What the plain example prints about the film, after the question."""
    server = tapped([sys.executable, "-m", "agent_tools"], log)
    ran = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "plain_python.py")],
        env=installs.clean_environment(
            SERVER=shlex.join(server),
            VIDEO=str(films.video),
            QUESTION=QUESTION,
            AGENT_TOOLS_HOME=str(films.home),
            **variables,
        ),
        cwd=films.home,  # not the checkout: what is served is what is installed
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.partition("\n")[2]


def test_plain_python_answers_with_its_script_and_with_a_model_behind_an_address(films: Films, tmp_path: Path) -> None:
    log = tmp_path / "wire.jsonl"
    assert "ninety degrees up here\nvideo://" in plain(films, log)
    seen = tap.read(log)
    assert (seen.era, seen.tools, seen.errors) == ("2026-07-28", list(SCHEMAS), [])
    with endpoint(lambda _: answer(QUESTION, str(films.video))) as address:
        told = plain(films, tmp_path / "again.jsonl", MODEL="any", OPENAI_BASE_URL=address)
    assert "ninety degrees up here\nvideo://" in told


def test_plain_python_tells_a_model_what_it_did_wrong(films: Films, tmp_path: Path) -> None:
    fake = Fake()
    fake.replies = [
        said(None, ("watch_video", {}), ("list_episodes", '{"level": '), ("list_episodes", "")),
        said(None, ("retrieve_memory", {"query": "x", "colour": "red"})),
        said("I was told."),
    ]
    told = plain(films, tmp_path / "wire.jsonl", MODEL="any", OPENAI_BASE_URL=fake.url)
    fake.close()
    assert told.endswith("I was told.\n")
    unknown, broken, listed, wrong = texts(fake.asked[-1], "tool")
    assert unknown.startswith("watch_video was not called: Unknown tool")
    assert broken.startswith("list_episodes was not called: ")
    assert "not_ingested" in listed
    assert "colour" in wrong
    assert "cite the video:// uri of every claim" in texts(fake.asked[0], "system")[0]  # the server's own instructions


def test_plain_python_takes_messages_in_every_form_that_servers_send(films: Films, tmp_path: Path) -> None:
    def sent(**message: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", **message}}]}).encode()

    def call(arguments: object, **more: object) -> dict[str, object]:
        return {"function": {"name": "list_episodes", "arguments": arguments}, **more}

    fake = Fake()
    fake.replies = [
        sent(tool_calls=[call({"video": ""}), call(None), call('"tea"'), call("", id="mine", type="function")]),
        sent(content=[{"type": "text", "text": "In "}, {"type": "text", "text": "parts."}], tool_calls=None),
    ]
    told = plain(films, tmp_path / "wire.jsonl", MODEL="any", OPENAI_BASE_URL=fake.url)
    fake.close()
    assert told.endswith("In parts.\n")
    as_object, as_null, as_text, as_nothing = texts(fake.asked[1], "tool")
    assert all("not_ingested" in one for one in (as_object, as_null, as_nothing))
    assert as_text.startswith('list_episodes was not called: the arguments are "tea"')
    assistant = fake.asked[1]["messages"][2]
    assert assistant["content"] == ""
    assert all(isinstance(one["function"]["arguments"], str) for one in assistant["tool_calls"])
    ids = [one["id"] for one in assistant["tool_calls"]]
    assert len(set(ids)) == 4
    assert ids[3] == "mine"
    assert [one["tool_call_id"] for one in fake.asked[1]["messages"][3:]] == ids


@pytest.mark.parametrize("status", [400, 500])
def test_plain_python_shows_why_a_models_server_refuses(films: Films, tmp_path: Path, status: int) -> None:
    fake = Fake()
    fake.replies = [(status, {}, b'{"error": {"message": "the context is full: 9000 tokens"}}')]
    with pytest.raises(AssertionError, match=f"answered {status}: .*the context is full: 9000 tokens"):
        plain(films, tmp_path / "wire.jsonl", MODEL="any", OPENAI_BASE_URL=fake.url)
    fake.close()


def test_the_tap_counts_calls_and_errors_of_both_eras(tmp_path: Path) -> None:
    log = tmp_path / "wire.jsonl"
    lines = [
        {"id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}},
        {"id": 0, "result": {"protocolVersion": "2025-11-25"}},
        {"id": 1, "method": "tools/list"},
        {"id": 1, "result": {"tools": [{"name": "remember"}]}},
        {"id": 2, "method": "tools/call", "params": {"name": "remember", "arguments": {}}},
        {"id": 2, "result": {"isError": True, "content": []}},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seen = tap.read(log)
    assert (seen.era, seen.tools, seen.calls, len(seen.errors)) == ("2025-11-25", ["remember"], ["remember"], 1)
    log.write_text(json.dumps({"id": 3, "method": "ping", "params": {"_meta": {tap.VERSION: "2026-07-28"}}}) + "\n")
    assert tap.read(log).era == "2026-07-28"
