"""A real server process over stdio: what it has loaded when it answers, what it writes where, how it ends."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from mcp import Client, StdioServerParameters

from agent_tools.server.logs import OneLine, configure, where
from tests.server.conftest import ERAS, text_of
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

HEAVY = ("torch", "numpy", "av", "sqlite_vec", "transformers", "PIL", "cv2", "onnxruntime", "rapidocr", "apsw")
# What was loaded when the first answer was made, as one line on stderr.
SPY = """
import json, sys
from pathlib import Path
import anyio
from agent_tools.background import leave
from agent_tools.server import build_server, serve
from agent_tools.settings import Settings
import agent_tools.server.build as build

def spied(settings, library=None, made=build.build_server):
    server = made(settings, library)
    async def spy(ctx, call_next):
        result = await call_next(ctx)
        if ctx.method == "initialize":  # the pipe is small
            sys.stderr.write(json.dumps(sorted(sys.modules)) + "\\n")
        sys.stderr.flush()
        return result
    server.middleware.append(spy)
    return server

build.build_server = spied
leave(serve(Settings(home=Path(sys.argv[1]), allow=(Path(sys.argv[1]),))))
"""


PLAIN = """
import sys
from pathlib import Path
from agent_tools.background import leave
from agent_tools.server import serve
from agent_tools.settings import Settings
leave(serve(Settings(home=Path(sys.argv[1]))))
"""
# A server whose models never finish to load: their thread is in C++ all the time.
LOADING = (
    """
import cv2, numpy
from agent_tools.service.library.query_models import QueryModels

def load(self):
    picture = numpy.zeros((900, 900, 3), numpy.uint8)
    while True:
        cv2.resize(picture, (300, 300))

QueryModels._load = load
"""
    + PLAIN
)


def start(code: str, home: Path) -> subprocess.Popen[bytes]:
    own_signals = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may ignore them
    return subprocess.Popen(
        [sys.executable, "-c", own_signals + code, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def greeted(process: subprocess.Popen[bytes], *calls: bytes) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    """The streams of a server that a client has just greeted; the calls follow at once."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.writelines([INITIALIZE, message("notifications/initialized"), *calls])
    process.stdin.flush()
    return process.stdin, process.stdout, process.stderr


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AGENT_TOOLS_")}


def message(method: str, number: int | None = None, **params: Any) -> bytes:
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        body["id"] = number
    return json.dumps(body).encode() + b"\n"


INITIALIZE = message(
    "initialize", 1, protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "t", "version": "1"}
)


def test_initialize_is_answered_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    with start(SPY, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(INITIALIZE)
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert answer["result"]["serverInfo"]["name"] == "agent-tools"
        loaded = json.loads(process.stderr.readline())
        assert not set(loaded) & set(HEAVY)
        assert not any(name.startswith("agent_tools.service") for name in loaded)
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def test_stdout_carries_nothing_but_the_protocol(tmp_path: Path) -> None:
    lines = [
        b"this is not json\n",
        INITIALIZE,
        message("notifications/initialized"),
        message("tools/list", 2),
        message("no/such/method", 3),
        message("tools/call", 4, name="list_episodes", arguments={}),
        message("tools/call", 5, name="list_episodes", arguments={"video_id": "nope"}),
    ]
    with start(PLAIN, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.writelines(lines)
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(6)]
        process.stdin.close()
        rest, errors = process.stdout.read(), process.stderr.read() if process.stderr else b""
        assert process.wait(PATIENCE_S) == 0
    assert rest == b""
    assert [answer["error"]["code"] for answer in answers if answer["id"] is None] == [-32700]
    assert sorted(answer["id"] for answer in answers if answer["id"]) == [1, 2, 3, 4, 5]
    told = {answer["id"]: answer for answer in answers}
    assert told[3]["error"]["code"] == -32601
    assert told[5]["result"]["isError"] is True
    assert all(b" WARNING " in line for line in errors.splitlines()), errors


def test_a_client_may_leave_while_models_load(tmp_path: Path) -> None:
    with start(LOADING, tmp_path) as process:
        search = message("tools/call", 2, name="retrieve_memory", arguments={"query": "a boat"})
        stdin, stdout, stderr = greeted(process, search)
        answers = [json.loads(stdout.readline()) for _ in range(2)]
        assert answers[1]["id"] == 2
        stdin.close()
        assert process.wait(PATIENCE_S) == 0
        assert stderr.read() == b""


def test_a_call_that_goes_on_does_not_hold_a_server_whose_client_has_gone(tmp_path: Path) -> None:
    endless = """
import time
import agent_tools.server.run as run
from agent_tools.service import list_episodes
run.LEAVE_S = 0.5
list_episodes.list_episodes = lambda *_, **__: time.sleep(600)
"""
    with start(endless + PLAIN, tmp_path) as process:
        call = message("tools/call", 2, name="list_episodes", arguments={})
        stdin, stdout, stderr = greeted(process, call)
        stdout.readline()
        stdin.close()
        assert process.wait(PATIENCE_S) == 0
        assert stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_ctrl_c_ends_a_server_whose_client_is_still_there(tmp_path: Path) -> None:
    with start(LOADING, tmp_path) as process:
        _stdin, stdout, stderr = greeted(process)
        stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
        assert stderr.read() == b""


def test_a_client_that_is_killed_leaves_one_line_and_no_traceback(tmp_path: Path) -> None:
    with start(PLAIN, tmp_path) as process:
        stdin, stdout, stderr = greeted(process)
        stdout.readline()
        stdout.close()  # what a killed process had open is closed for it
        stdin.write(message("tools/list", 2))
        stdin.close()
        errors = stderr.read().decode().splitlines()
        assert process.wait(PATIENCE_S) == 0
    assert len(errors) == 1, errors
    assert "The client has gone" in errors[0]


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_two_servers_share_one_home(tmp_path: Path, era: str) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-c", PLAIN, str(tmp_path / "home")],
        env=environment(),
    )
    async with Client(parameters, mode=era) as one, Client(parameters, mode="auto") as other:
        for client in (one, other):
            assert text_of(await client.call_tool("list_episodes", {})) == "0 videos in memory."
        refused = await one.call_tool("ingest_video", {"source": "/etc/passwd"})
        assert text_of(refused).startswith("SourceNotAllowed: ")
        assert "agent-tools serve --allow" in text_of(refused)


def test_a_log_record_is_one_line_with_the_place_of_an_exception() -> None:
    with pytest.raises(KeyError) as caught:
        raise KeyError("first\nsecond")
    error = caught.value
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "it\nbroke", (), (KeyError, error, error.__traceback__))
    assert "\n" not in OneLine().format(record)
    assert OneLine().format(record).endswith(where(error))
    assert "test_start.py:" in where(error)


def test_a_host_that_logs_already_keeps_its_handlers() -> None:
    before = list(logging.getLogger().handlers)
    configure("DEBUG")
    assert logging.getLogger().handlers == before or not before
