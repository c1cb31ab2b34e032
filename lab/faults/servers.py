"""Servers as processes, over stdio and over HTTP.

A stdio server is spoken to line by line, so a case can kill it and can send it any bytes."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from lab.lifetime import take_along
from tests.acceptance.conftest import environment

LONGEST_ANSWER_S = 300.0  # a server that needs longer hangs: it is ended, and the caller sees that it ended


class ServerGone(AssertionError):
    """The server ended, or was ended because it did not answer."""


class Server:
    """`agent-tools serve` over stdio on a home and the folders it may read, lite, with any further flags."""

    def __init__(self, home: Path, *allow: Path, flags: Sequence[str] = (), era: str = "2025-11-25") -> None:
        allowed = [part for folder in allow for part in ("--allow", str(folder))]
        command = [sys.executable, "-m", "agent_tools", "serve", "--home", str(home), "--profile", "lite", *allowed]
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "server.err"
        take_along()
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                [*command, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment()
            )
        self._number = 0
        hello = {"protocolVersion": era, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        self.hello = self.ask("initialize", **hello)["result"]
        self.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The facts of a reply; a refused call is a failure."""
        result = self.result(tool, arguments)
        assert not result.get("isError"), result
        reply: dict[str, Any] = json.loads(result["content"][1]["text"])  # the first block is a sentence
        return reply

    def result(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The tool result, an error or not."""
        message = self.ask("tools/call", name=tool, arguments=arguments)
        assert "result" in message, message
        found: dict[str, Any] = message["result"]
        return found

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer to a request: its `result` or its `error`."""
        self._number += 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}))
        return self.answer(self._number)

    def answer(self, number: int | None) -> dict[str, Any]:
        """The next answer with that id or with none (the refusal of a line without one); of any for None.

        Raises: ServerGone."""
        assert self.process.stdout is not None
        watch = threading.Timer(LONGEST_ANSWER_S, self.process.kill)
        watch.start()
        try:
            for line in self.process.stdout:
                message: dict[str, Any] = json.loads(line)
                if "method" not in message and (number is None or message.get("id") in (number, None)):
                    return message
        finally:
            watch.cancel()
        raise ServerGone(f"the server ended or did not answer within {LONGEST_ANSWER_S:.0f} s")

    def send(self, line: str) -> None:
        """Write one line as it is."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise ServerGone("the server is gone") from error

    def kill(self) -> None:
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()


@contextlib.contextmanager
def serving(home: Path, *allow: Path, flags: Sequence[str] = ()) -> Iterator[Server]:
    server = Server(home, *allow, flags=flags)
    try:
        yield server
    finally:
        server.kill()


@dataclass(frozen=True)
class Web:
    """A server over HTTP: where it listens, and its process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


@contextlib.contextmanager
def listening(home: Path, *allow: Path, flags: Sequence[str] = (), **variables: str) -> Iterator[Web]:
    """`agent-tools serve --transport http` on a free port, once it answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    allowed = [part for folder in allow for part in ("--allow", str(folder))]
    command = [sys.executable, "-m", "agent_tools", "serve", "--home", str(home), "--profile", "lite", *allowed]
    home.mkdir(parents=True, exist_ok=True)
    take_along()
    with (home / "server.err").open("ab") as errors:
        process = subprocess.Popen(
            [*command, "--transport", "http", "--port", str(port), *flags],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment(**variables),
        )
    deadline = time.monotonic() + 90
    try:
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{port}/health")
                break
            except httpx2.TransportError:
                assert process.poll() is None, (home / "server.err").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield Web(port, process)
    finally:
        process.kill()
        process.wait()
