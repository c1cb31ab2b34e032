"""The shared archive's set-up: what compose.yaml starts exists, and the balancer leaves out a server that is gone."""

from __future__ import annotations

import contextlib
import http.server
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
import yaml

from agent_tools import cli
from agent_tools.settings import Settings
from lab.archive import Balancer

COMPOSE = Path(__file__).parents[2] / "examples" / "compose.yaml"


def test_compose_starts_commands_and_sets_settings_that_there_are() -> None:
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    ours = {name: service for name, service in services.items() if "command" in service}
    assert ours.keys() == {"server", "worker"}
    known: Any = typer.main.get_command(cli.app)
    for service in ours.values():
        name, *words = shlex.split(service["command"])
        options = {option for parameter in known.commands[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options
        environment = {**service["environment"], "AGENT_TOOLS_PROFILE": "lite"}
        settings = Settings.load(environment)
        assert settings.store.endswith("@database/archive")


@contextlib.contextmanager
def answering(name: bytes) -> Iterator[http.server.HTTPServer]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(name)))
            self.end_headers()
            self.wfile.write(name)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("alive", [2, 1])
def test_a_balancer_takes_turns_and_leaves_out_who_is_gone(alive: int) -> None:
    with answering(b"a") as one, answering(b"b") as other:
        gone = Balancer([1])  # nobody listens there
        ports = [one.server_port, other.server_port][:alive] + [1] * (2 - alive)
        with contextlib.closing(gone), contextlib.closing(Balancer(ports)) as balancer:
            said = {httpx2.get(balancer.address).text for _ in range(4)}
            assert said == ({"a", "b"} if alive == 2 else {"a"})
            with pytest.raises(httpx2.TransportError):
                httpx2.get(gone.address)
