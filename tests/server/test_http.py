"""HTTP: who is let in, what is refused at the door, and a real server that stops in good order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest
import uvicorn
from mcp import Client, MCPDeprecationWarning
from mcp.client.streamable_http import streamable_http_client
from mcp.types import LoggingMessageNotification, ResourceUpdatedNotification

from agent_tools.errors import InvalidArgument
from agent_tools.server import limits
from agent_tools.server.app import AppSettings
from agent_tools.server.build import build_server
from agent_tools.server.http import BODY_S, LARGEST_BODY, check, http_app
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from tests.server.conftest import ERAS, VIDEO, endless, ends_when_cancelled
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-some-length"
BEARER = f"Bearer {TOKEN}"
JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.10"])
def test_loopback_needs_no_token(settings: Settings, host: str) -> None:
    check(replace(settings, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "video.example.com", ""])
def test_any_other_address_demands_a_token_and_named_hosts(settings: Settings, host: str) -> None:
    with pytest.raises(InvalidArgument, match="AGENT_TOOLS_TOKEN"):
        check(replace(settings, host=host))
    with pytest.raises(InvalidArgument, match="--allowed-hosts"):
        check(replace(settings, host=host, token=TOKEN))
    check(replace(settings, host=host, token=TOKEN, allowed_hosts=("video.example.com",)))


def test_a_short_token_is_refused_without_showing_it(settings: Settings) -> None:
    with pytest.raises(InvalidArgument, match="at least 16") as caught:
        check(replace(settings, token="hunter2"))
    assert "hunter2" not in str(caught.value)


REQUESTS = [
    ("no token", {"host": "localhost"}, 401),
    ("wrong token", {"host": "localhost", "authorization": "Bearer wrong"}, 401),
    ("token, wrong scheme", {"host": "localhost", "authorization": f"Basic {TOKEN}"}, 401),
    ("token with odd characters", {"host": "localhost", "authorization": "Bearer \xe9\xe9"}, 401),
    ("wrong host", {"host": "evil.example.com", "authorization": BEARER}, 421),
    (
        "wrong origin",
        {"host": "localhost", "origin": "https://evil.example.com", "authorization": BEARER},
        403,
    ),
    ("null origin", {"host": "localhost", "origin": "null", "authorization": BEARER}, 403),
    ("loopback", {"host": "localhost:8765", "authorization": BEARER}, 200),
    ("scheme in capitals", {"host": "127.0.0.1", "authorization": f"BEARER {TOKEN}"}, 200),
    ("named host", {"host": "video.example.com", "authorization": BEARER}, 200),
    ("named host and port", {"host": "video.example.com:443", "authorization": BEARER}, 200),
    ("own origin", {"host": "localhost", "origin": "http://localhost:5173", "authorization": BEARER}, 200),
]


@pytest.mark.parametrize(("case", "headers", "status"), REQUESTS, ids=[case for case, _, _ in REQUESTS])
async def test_requests_are_let_in_by_host_origin_and_token(
    settings: Settings, library: Library, case: str, headers: dict[str, str], status: int
) -> None:
    guarded = replace(settings, transport="http", token=TOKEN, allowed_hosts=("video.example.com",))
    async with http_client(guarded, library) as client:
        sent = {name: value.encode("latin-1") for name, value in {**JSON, **headers}.items()}
        answer = await client.post("/mcp", headers=sent, content=json.dumps(INITIALIZE))
        assert answer.status_code == status, case
        assert (answer.headers.get("www-authenticate") is not None) is (status == 401)


async def test_health_needs_no_token_but_the_right_host(settings: Settings, library: Library) -> None:
    async with http_client(replace(settings, token=TOKEN), library) as client:
        assert (await client.get("/health", headers={"host": "localhost"})).json()["status"] == "ok"
        assert (await client.get("/health", headers={"host": "evil.example.com"})).status_code == 421


async def test_a_body_over_the_limit_is_refused(settings: Settings, library: Library) -> None:
    async with http_client(settings, library) as client:
        answer = await client.post("/mcp", headers={"host": "localhost", **JSON}, content=b" " * (LARGEST_BODY + 1))
        assert answer.status_code == 413


async def test_a_body_that_does_not_come_in_time_is_refused(settings: Settings, library: Library) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep_forever()

    async with http_client(settings, library, body_s=0.05) as client:
        with anyio.fail_after(PATIENCE_S):
            answer = await client.post("/mcp", headers={"host": "localhost", **JSON}, content=trickle())
        assert answer.status_code == 408
        chunks = await client.post("/mcp", headers={"host": "localhost", **JSON}, content=pieces(LARGEST_BODY + 1))
        assert chunks.status_code == 413


async def pieces(size: int) -> AsyncIterator[bytes]:
    """So many bytes without their number said before."""
    for _ in range(0, size, 1 << 16):
        yield b" " * (1 << 16)


@pytest.mark.parametrize("method", ["tools/list", "tools/call"])
async def test_a_caller_that_asks_too_fast_is_refused(settings: Settings, library: Library, method: str) -> None:
    params: dict[str, object] = {"_meta": ENVELOPE}
    headers = {"host": "localhost", **JSON, "mcp-protocol-version": "2026-07-28", "mcp-method": method}
    if method == "tools/call":
        params |= {"name": "list_episodes", "arguments": {}}
        headers["mcp-name"] = "list_episodes"
    headers["authorization"] = BEARER
    async with http_client(replace(settings, token=TOKEN), library, limits.RateLimit(1.0, 3.0)) as client:
        texts = [
            (await client.post("/mcp", headers=headers, content=rpc(method, number, params))).text
            for number in range(5)
        ]
    assert "LimitReached" not in texts[0]
    assert "LimitReached: More than 1 requests a second" in texts[-1]
    assert ('"isError":true' in texts[-1]) is (method == "tools/call")


async def test_a_host_is_limited_whatever_its_clients_call_themselves(settings: Settings, library: Library) -> None:
    headers = {"host": "localhost", **JSON, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
    texts = []
    async with http_client(settings, library, limits.RateLimit(0.1, 2.0)) as client:
        for number in range(2 * limits.CLIENTS_OF_A_HOST + 3):
            named = {**ENVELOPE, "io.modelcontextprotocol/clientInfo": {"name": f"client {number}", "version": "1"}}
            body = rpc("tools/list", number, {"_meta": named})
            answer = await client.post("/mcp", headers={**headers, "mcp-session-id": f"{number:032x}"}, content=body)
            texts.append(answer.text)
    assert "LimitReached" not in texts[2 * limits.CLIENTS_OF_A_HOST - 1]
    assert "LimitReached: More than 0.4 requests a second" in texts[-1]


@contextlib.asynccontextmanager
async def http_client(
    settings: Settings, library: Library, rate: limits.RateLimit | None = None, body_s: float = BODY_S
) -> object:
    """A client of the ASGI application, with its lifespan running."""
    own = AppSettings(rate=rate or limits.RateLimit())
    server = build_server(replace(settings, transport="http"), library, app_settings=own)
    app = http_app(settings, server, body_s)
    transport = httpx2.ASGITransport(app=app)
    async with (
        server.session_manager.run(),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@contextlib.asynccontextmanager
async def listening(settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a server in this process."""
    port = free_port()
    app = http_app(settings, build_server(replace(settings, transport="http"), library))
    config = uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    monkeypatch.setattr(server, "capture_signals", contextlib.nullcontext)
    async with anyio.create_task_group() as serving:
        serving.start_soon(server.serve)
        with anyio.fail_after(PATIENCE_S):
            while not server.started:
                await anyio.sleep(0.01)
        yield f"http://127.0.0.1:{port}/mcp"
        server.should_exit = True


async def test_clients_of_one_token_have_their_own_subscriptions_and_log_levels(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, levels = f"video://{VIDEO}", ("info", "error")
    told = [anyio.Event() for _ in levels]
    lines: list[list[str]] = [[] for _ in levels]
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    async with (
        listening(replace(settings, token=TOKEN), library, monkeypatch) as address,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = []
        for number, level in enumerate(levels):

            async def on_message(message: object, number: int = number) -> None:
                if isinstance(message, ResourceUpdatedNotification) and message.params.uri == uri:
                    told[number].set()
                if isinstance(message, LoggingMessageNotification):
                    lines[number].append(str(message.params.data))

            http = await stack.enter_async_context(httpx2.AsyncClient(headers={"authorization": BEARER}, timeout=30))
            transport = streamable_http_client(address, http_client=http)
            client = await stack.enter_async_context(Client(transport, mode="legacy", message_handler=on_message))
            await client.subscribe_resource(uri)
            await client.set_logging_level(level)
            clients.append(client)
        note = {"video_id": VIDEO, "start_s": 1, "end_s": 2, "text": "a fact"}
        for client in clients:
            await client.call_tool("list_episodes", {})
        with anyio.fail_after(PATIENCE_S):
            await clients[1].call_tool("remember", note)
            for each in told:
                await each.wait()
    assert [line.split()[0] for line in lines[0]] == ["list_episodes"]
    assert lines[1] == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_cancelled_call_over_http_stops_working_within_a_second(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    started, ended = threading.Event(), threading.Event()
    monkeypatch.setattr("agent_tools.service.ingest_video.ingest_video", endless(started, ended))
    async with listening(settings, library, monkeypatch) as address, Client(address, mode=era) as client:
        await ends_when_cancelled(client, started, ended)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def rpc(method: str, number: int, params: dict[str, object]) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a real server process, and the process."""
    port = free_port()
    code = (
        "from pathlib import Path; from agent_tools.background import leave; from agent_tools.server import serve; "
        "from agent_tools.settings import Settings; "
        f"leave(serve(Settings(home=Path({str(tmp_path)!r}), transport='http', port={port})))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_TOOLS_")}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            httpx2.get(f"{address}/health")
            break
        except httpx2.TransportError:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield address, process
    if process.poll() is None:
        process.kill()
    process.communicate()


async def test_a_real_server_answers_both_eras_and_stops_on_sigterm(
    running: tuple[str, subprocess.Popen[bytes]],
) -> None:
    address, process = running
    for era in ERAS:
        async with Client(f"{address}/mcp", mode=era) as client:
            result = await client.call_tool("list_episodes", {})
            assert result.structured_content["videos"] == []
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert out == b""
    assert f"{address}/mcp".encode() in err
    assert b"Traceback" not in err
