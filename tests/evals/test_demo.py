"""The demo end to end: a drawn video, the real server over stdio, the scripted agent, and what a person sees."""

from __future__ import annotations

import io
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import urllib.request
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent_tools.evals import demo
from agent_tools.evals.demo import run_demo
from agent_tools.home import STORE_FILE
from agent_tools.server import serve_viewer
from agent_tools.settings import Settings
from agent_tools.timeline import parse_uri
from tests.drawing import draw, even_times

pytestmark = pytest.mark.slow  # one real ingest of a minute, and three starts of the server
SEED = 11


@dataclass(frozen=True)
class Printed:
    code: int
    lines: list[str]
    home: Path

    @property
    def result(self) -> dict[str, Any]:
        found = json.loads(self.lines[-1])
        assert isinstance(found, dict)
        return found


def printed(home: Path, **arguments: Any) -> Printed:
    out = io.StringIO()
    with redirect_stdout(out):
        code = run_demo(home=home, **arguments)
    return Printed(code, out.getvalue().splitlines(), home)


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Printed:
    return printed(tmp_path_factory.mktemp("home"), seed=SEED, duration_s=60)


def test_question_is_answered_rightly_over_stdio(minute: Printed) -> None:
    assert minute.result["answer"] == minute.result["truth"], "\n".join(minute.lines)
    assert minute.code == 0


def test_last_line_is_the_json_that_checks_read(minute: Printed) -> None:
    assert list(minute.result) == ["seed", "answer", "truth", "calls", "tokens", "tools", "citations"]
    assert minute.result["seed"] == SEED
    assert minute.result["calls"] == sum(minute.result["tools"].values())
    assert minute.result["tokens"] <= 25_000
    assert all(parse_uri(uri) for uri in minute.result["citations"])
    assert len(minute.result["citations"]) == 3


def test_every_call_is_shown_with_its_tokens_and_time(minute: Printed) -> None:
    assert sum(line.startswith("-> ") for line in minute.lines) == minute.result["calls"]
    assert sum(" tokens, " in line and line.endswith(" s") for line in minute.lines) == minute.result["calls"]


def test_a_file_of_the_users_own_shows_its_evidence(minute: Printed) -> None:
    own = printed(
        minute.home, video=minute.home / f"demo-{SEED}.mp4", question="Who handed something to the night porter?"
    )
    assert own.code == 0
    assert any("night porter" in line and "handed the" in line for line in own.lines)
    assert own.result["citations"]
    assert own.result["answer"] is None


def test_the_memory_is_kept_and_the_commands_to_go_on_with_are_shown(minute: Printed) -> None:
    told = next(place for place, line in enumerate(minute.lines) if line.startswith("The memory is kept in "))
    commands = minute.lines[told + 1 : told + 5]
    assert [shlex.split(line)[1] for line in commands] == ["show", "search", "ground", "view"]
    assert all(shlex.split(line)[-1] == str(minute.home.resolve()) for line in commands)
    assert (minute.home / STORE_FILE).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_at_a_terminal_the_demo_ends_with_a_link_that_opens_the_page(tmp_path: Path) -> None:
    import pty

    film = draw(tmp_path / "harbour.mp4", even_times(16, 4))
    (tmp_path / "harbour.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nThe ferry leaves at noon\n")
    home = tmp_path / "home"
    command = [sys.executable, "-P", "-m", "agent_tools", "demo", "--home", str(home), "--video", str(film)]
    without_ci = {name: value for name, value in os.environ.items() if name != "CI"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, "--question", "When does the ferry leave?"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=without_ci,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        said = ""
        while not (found := re.search(r"^  (http://127\.0\.0\.1:\S+)#v=[0-9a-f]{12}\r?$", said, re.M)):
            assert select.select([ours], [], [], 300)[0], said
            said += os.read(ours, 65536).decode()
        assert '"citations": [' in said  # the JSON object that programs read stands before it
        with urllib.request.urlopen(found[1], timeout=30) as page:
            assert b"<title>Viewer</title>" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_link_that_nobody_opens_does_not_keep_the_program(tmp_path: Path) -> None:
    links: list[str] = []
    code = serve_viewer(Settings.load({}, home=tmp_path, profile="lite"), "", 0, links.append, unopened_s=0.1)
    assert (code, len(links)) == (0, 1)


def test_a_demo_without_a_home_has_one_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "default_home", lambda: tmp_path / "agent-tools")
    first = demo._folder(None, "seed-3")
    (first / "left over").write_text("of the last run")
    assert demo._folder(None, "seed-3") == tmp_path / "agent-tools-demo" / "seed-3"
    assert list(first.iterdir()) == []


def test_a_file_that_is_no_video_is_named_and_ends_with_a_fault(minute: Printed) -> None:
    text = minute.home / "words.mp4"
    text.write_text("these are words, not pictures\n")
    told = printed(minute.home, video=text, question="What happens?")
    assert told.code == 1
    assert any("UnreadableVideo" in line for line in told.lines), "\n".join(told.lines)


def test_a_video_without_a_question_is_refused(minute: Printed) -> None:
    assert run_demo(video=minute.home / f"demo-{SEED}.mp4", question="") == 2


def test_a_folder_or_a_missing_file_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(video=tmp_path, question="What?") == 2
    assert run_demo(video=tmp_path / "none.mp4", question="What?") == 2
    assert "No file at" in capsys.readouterr().out
