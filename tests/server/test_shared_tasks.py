"""Two servers over one store: each answers for the tasks of the other, and goes on with them when it is gone."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest

from agent_tools.server import tasks
from agent_tools.server.build import build_server
from agent_tools.server.http import http_app
from agent_tools.service.library.attention import REPEATS, SharedAttention
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.timeline import Span
from agent_tools.types import IngestReply
from tests.library import start_no_worker
from tests.server.conftest import VIDEO
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
LIMITS = tasks.TaskSettings(poll_s=0.01, beat_s=0.05, lease_s=0.5)
Ask = Callable[..., Any]


@contextlib.asynccontextmanager
async def served(settings: Settings, library: Library) -> AsyncIterator[Ask]:
    """One server; the result of what it is asked, or its error."""
    server = build_server(replace(settings, transport="http"), library, task_settings=LIMITS)
    app = http_app(settings, server)

    async def send(method: str, name: str, host: str = "127.0.0.1", **params: Any) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {"extensions": {tasks.ID: {}}},
        }
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": method,
            "mcp-name": name,
        }
        key = "name" if method == "tools/call" else "taskId"
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {key: name, **params, "_meta": meta}}
        transport = httpx2.ASGITransport(app=app, client=(host, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer: dict[str, Any] = json.loads((await client.post("/mcp", json=body, headers=headers)).text)
        return dict(answer.get("result") or answer["error"])

    async with server.session_manager.run():
        yield send


class Film:
    """An ingest that runs until it is told to be done."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.state, self.calls = "running", 0
        patch.setattr("agent_tools.service.ingest_video.ingest_video", self.ingest)

    def ingest(self, *_: Any, on_begun: Callable[[str], None], **__: Any) -> IngestReply:
        on_begun(VIDEO)
        self.calls += 1
        return IngestReply(video_id=VIDEO, state=self.state, duration_s=600.0, searchable_to_s=60.0)


async def until(ask: Ask, task: str, told: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    with anyio.fail_after(PATIENCE_S):
        while not told(view := await ask("tasks/get", task)):
            await anyio.sleep(0.02)
    return view


async def test_another_server_answers_for_a_task_until_its_end(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film(monkeypatch)
    async with served(settings, library) as one, served(settings, library) as other:
        made = await one("tools/call", "ingest_video", arguments={"source": "x"})
        task = made["taskId"]
        seen = await until(other, task, lambda view: "statusMessage" in view)
        assert (seen["status"], seen["createdAt"]) == ("working", made["createdAt"])
        assert (await other("tasks/get", task, host="192.0.2.7"))["code"] == -32602
        film.state = "done"
        ended = await until(other, task, lambda view: view["status"] == "completed")
        assert ended["result"]["structuredContent"]["state"] == "done"


async def test_a_task_goes_on_at_another_server_when_its_own_is_gone(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film(monkeypatch)
    async with served(settings, library) as other:
        async with served(settings, library) as one:
            made = await one("tools/call", "ingest_video", arguments={"source": "x"})
            await until(one, made["taskId"], lambda view: "statusMessage" in view)
        before = film.calls
        with anyio.fail_after(PATIENCE_S):
            while film.calls == before:  # the lease of the server that is gone has to run out
                assert (await other("tasks/get", made["taskId"]))["status"] == "working"
                await anyio.sleep(0.02)
        film.state = "done"
        ended = await until(other, made["taskId"], lambda view: view["status"] == "completed")
        assert ended["createdAt"] == made["createdAt"]


async def test_a_cancel_at_another_server_ends_the_task_and_its_work(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film(monkeypatch)
    start_no_worker(monkeypatch)
    library.store.enqueue(VIDEO, ("screen_text",), "lite")
    async with served(settings, library) as one, served(settings, library) as other:
        made = await one("tools/call", "ingest_video", arguments={"source": "x"})
        await until(other, made["taskId"], lambda view: "statusMessage" in view)
        assert (await other("tasks/cancel", made["taskId"]))["resultType"] == "complete"
        for ask in (one, other):
            await until(ask, made["taskId"], lambda view: view["status"] == "cancelled")
        assert library.store.open_jobs() == []
        before = film.calls
        await anyio.sleep(10 * LIMITS.poll_s)
        assert film.calls <= before + 1  # nobody polls for it any more


def test_hints_know_what_was_done_through_another_server(library: Library) -> None:
    one, other = (SharedAttention(library.store, library.background_pool) for _ in range(2))
    hits = [(VIDEO, 1.0), (VIDEO, 7.2)]
    told = []
    for attention in (one, other, one)[:REPEATS]:
        told.append(attention.searched("me", hits))
        while len(library.store.last_searches("me", REPEATS)) < len(told):  # it is written beside the call
            time.sleep(0.01)
    assert told == [False, False, True]
    assert other.searched("you", hits) is False
    one.looked("me", VIDEO, Span(10, 20))
    library.background_pool.shutdown()
    assert other.has_looked("me", VIDEO, Span(15, 16))
    assert not other.has_looked("you", VIDEO, Span(15, 16))
    assert other.unseen("me", VIDEO, Span(0, 30)) == [Span(0, 10), Span(20, 30)]


async def test_a_client_of_an_older_era_may_be_sent_to_any_server(settings: Settings, library: Library) -> None:
    shared = replace(settings, transport="http", store="postgresql://nobody/asks")
    servers = [build_server(shared, library, task_settings=LIMITS) for _ in range(2)]
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    asked = [("initialize", hello), ("tools/call", {"name": "list_episodes", "arguments": {}})]
    answers = []
    for server, (method, params) in zip(servers, asked, strict=True):
        transport = httpx2.ASGITransport(app=http_app(shared, server), client=("127.0.0.1", 1))
        async with (
            server.session_manager.run(),
            httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            text = (await client.post("/mcp", json=body, headers=headers)).text
            (line,) = [line for line in text.splitlines() if line.startswith("data: {")]
            answers.append(json.loads(line.removeprefix("data: "))["result"])
    assert answers[0]["protocolVersion"] == "2025-11-25"
    assert answers[1]["structuredContent"]["videos"]
