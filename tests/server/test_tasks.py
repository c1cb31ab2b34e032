"""A long ingest as a task, for clients that declare the extension; the plain call for all others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.types import CallToolResult

from agent_tools.server import long_ingest, tasks
from agent_tools.server.app import App, Steps
from agent_tools.server.build import build_server
from agent_tools.server.http import http_app
from agent_tools.server.notices import Notices
from agent_tools.service.library.downloads import Fetch
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.types import IngestReply
from tests.library import start_no_worker
from tests.server.conftest import OTHER, VIDEO
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
Ask = Callable[..., Any]
FILES = 60  # more than a reply's budget names


@pytest.fixture
async def ask(request: pytest.FixtureRequest, settings: Settings, library: Library) -> Any:
    """Calls a method over HTTP in the 2026 era, with or without the extension declared."""
    limits = getattr(request, "param", tasks.TaskSettings(poll_s=0.01))
    server = build_server(replace(settings, transport="http"), library, task_settings=limits)
    app = http_app(settings, server)

    async def send(method: str, declared: bool = True, host: str = "127.0.0.1", **params: Any) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {"extensions": {tasks.ID: {}}} if declared else {},
        }
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": method,
            "mcp-name": params.get("name") or params.get("taskId") or "",
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        transport = httpx2.ASGITransport(app=app, client=(host, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post("/mcp", json=body, headers={k: v for k, v in headers.items() if v})
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
        return dict(json.loads(lines[-1] if lines else answer.text))

    async with server.session_manager.run():
        yield send


def ingest_in_steps(monkeypatch: pytest.MonkeyPatch, *states: str) -> list[float]:
    """A service that is in each of the states in turn, and stays in the last; the wait_s it was given."""
    waits: list[float] = []

    def ingest(*_: Any, wait_s: float, on_begun: Callable[[str], None], **__: Any) -> IngestReply:
        on_begun(VIDEO)
        state = states[min(len(waits), len(states) - 1)]
        waits.append(wait_s)
        return IngestReply(video_id=VIDEO, state=state, duration_s=600.0, searchable_to_s=60.0 * len(waits))

    monkeypatch.setattr("agent_tools.service.ingest_video.ingest_video", ingest)
    return waits


async def settled(ask: Ask, task_id: str) -> dict[str, Any]:
    with anyio.fail_after(PATIENCE_S):
        while True:
            view = (await ask("tasks/get", taskId=task_id))["result"]
            if view["status"] in tasks.SETTLED:
                return dict(view)
            await anyio.sleep(0.01)


async def test_an_ingest_is_a_task_until_the_video_is_done(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = ingest_in_steps(monkeypatch, "queued", "running", "done")
    made = (await ask("tools/call", name="ingest_video", arguments={"source": "x", "wait_s": 45}))["result"]
    assert made["resultType"] == "task"
    assert made["status"] == "working"
    view = await settled(ask, made["taskId"])
    assert view["status"] == "completed"
    assert view["result"]["structuredContent"]["state"] == "done"
    assert len(waits) == 3
    assert all(0 < wait_s <= 2 for wait_s in waits)  # short, whatever the caller asked for: the task is polled


async def test_without_the_extension_the_same_call_is_plain(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_in_steps(monkeypatch, "running")
    plain = (await ask("tools/call", declared=False, name="ingest_video", arguments={"source": "x"}))["result"]
    assert plain["resultType"] == "complete"
    assert plain["structuredContent"]["state"] == "running"
    assert (await ask("tasks/get", declared=False, taskId="x"))["error"]["code"] == -32021


async def test_a_cancelled_task_asks_the_worker_to_stop(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    ingest_in_steps(monkeypatch, "running")
    start_no_worker(monkeypatch)
    library.store.enqueue(VIDEO, ("screen_text",), "lite")
    made = (await ask("tools/call", name="ingest_video", arguments={"source": "x"}))["result"]
    with anyio.fail_after(PATIENCE_S):
        while "statusMessage" not in (view := (await ask("tasks/get", taskId=made["taskId"]))["result"]):
            await anyio.sleep(0.01)
        assert view["statusMessage"].startswith("running, searchable to ")
        assert (await ask("tasks/cancel", taskId=made["taskId"]))["result"]["resultType"] == "complete"
        assert (await settled(ask, made["taskId"]))["status"] == "cancelled"
        while library.store.open_jobs() and not library.store.open_jobs()[0].stop_requested:
            await anyio.sleep(0.01)


async def test_a_wrong_argument_completes_the_task_with_an_error_result(ask: Ask) -> None:
    made = (await ask("tools/call", name="ingest_video", arguments={"source": "x", "wait": 3}))["result"]
    view = await settled(ask, made["taskId"])
    assert view["status"] == "completed"
    assert view["result"]["isError"] is True
    assert "'wait' is not an argument" in view["result"]["content"][0]["text"]


async def test_an_unknown_task_is_32602(ask: Ask) -> None:
    for method, more in (("tasks/get", {}), ("tasks/update", {"inputResponses": {}}), ("tasks/cancel", {})):
        assert (await ask(method, taskId="0" * 32, **more))["error"]["code"] == -32602


async def test_a_task_is_its_owners_alone(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_in_steps(monkeypatch, "running")
    made = (await ask("tools/call", name="ingest_video", arguments={"source": "x"}))["result"]
    for method, more in (("tasks/get", {}), ("tasks/update", {"inputResponses": {}}), ("tasks/cancel", {})):
        answer = await ask(method, host="192.0.2.7", taskId=made["taskId"], **more)
        assert answer["error"]["code"] == -32602
        assert answer == await ask(method, taskId="0" * 32, **more)
    assert (await ask("tasks/get", taskId=made["taskId"]))["result"]["status"] == "working"


@pytest.mark.parametrize("ask", [tasks.TaskSettings(poll_s=0.01, max_tasks=3)], indirect=True)
async def test_a_full_table_forgets_the_oldest_task_that_has_ended(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_in_steps(monkeypatch, "running", "done")
    call = {"name": "ingest_video", "arguments": {"source": "x"}}
    going = (await ask("tools/call", **call))["result"]["taskId"]
    ended = [(await ask("tools/call", **call))["result"]["taskId"] for _ in range(2)]
    for task_id in (going, *ended):
        await settled(ask, task_id)
    ingest_in_steps(monkeypatch, "running")
    last = [(await ask("tools/call", **call))["result"]["taskId"] for _ in range(3)]
    for task_id in (going, *ended):
        assert (await ask("tasks/get", taskId=task_id))["error"]["code"] == -32602
    assert (await ask("tools/call", **call))["result"]["resultType"] == "complete"  # all of them go on: a plain call
    for task_id in last:
        assert (await ask("tasks/get", taskId=task_id))["result"]["status"] == "working"


async def test_other_tools_are_never_tasks(ask: Ask) -> None:
    assert (await ask("tools/call", name="list_episodes", arguments={}))["result"]["resultType"] == "complete"


async def test_the_extension_is_advertised(settings: Settings, library: Library) -> None:
    async with Client(build_server(settings, library), mode="auto") as client:
        assert tasks.ID in (client.server_capabilities.extensions or {})


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (IngestReply(video_id=VIDEO, state="done", duration_s=60), None),
        (IngestReply(video_id=VIDEO, state="failed", error="x"), None),
        (IngestReply(video_id=VIDEO, state="queued"), "queued, searchable to 0 s of 0 s"),
        (IngestReply(folder="f", found=3, done=1, running=1, queued=1), "2 of 3 videos left"),
        (IngestReply(folder="f", found=3, done=2, running=0, queued=0, failed=1), None),
    ],
)
def test_an_ingest_goes_on_while_something_is_queued_or_running(reply: IngestReply, says: str | None) -> None:
    assert long_ingest.status_text(CallToolResult(content=[], structured_content=reply.compact())) == says


@pytest.mark.parametrize(
    ("source", "begun"),
    [("film.mp4", 1), ("", FILES), ("https://example.com/film.mp4", 0)],
    ids=["a file", "more files than the reply names", "an address"],
)
async def test_a_cancel_before_the_first_result_stops_what_the_call_began(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, settings: Settings, library: Library, source: str, begun: int
) -> None:
    start_no_worker(monkeypatch)
    (settings.allow[0] / "film.mp4").write_bytes(b"film")
    for number in range(begun - 1):
        (settings.allow[0] / f"{number}.mp4").write_bytes(b"film %d" % number)
    fetch = Fetch("https://example.com/film.mp4")
    monkeypatch.setattr(library.fetcher, "_going", {fetch.url: fetch})
    monkeypatch.setattr(library, "settings", replace(settings, allow_urls=True))
    monkeypatch.setitem(cast(dict[str, Any], long_ingest.INGEST.arguments), "wait_s", 30)  # the first result is far
    made = (await ask("tools/call", name="ingest_video", arguments={"source": source}))["result"]
    waiting = anyio.Event()

    def step(self: Steps, _progress: float, message: str) -> None:
        anyio.from_thread.check_cancelled()
        if not message.startswith("looking "):
            anyio.from_thread.run_sync(waiting.set)

    monkeypatch.setattr(Steps, "__call__", step)
    with anyio.fail_after(PATIENCE_S):
        await waiting.wait()
        assert "statusMessage" not in (await ask("tasks/get", taskId=made["taskId"]))["result"]  # no result yet
        assert len(library.store.open_jobs()) == begun
        await ask("tasks/cancel", taskId=made["taskId"])
        while library.store.open_jobs() or not (begun or fetch.stopped):
            await anyio.sleep(0.01)


async def test_a_cancelled_folder_leaves_the_ingests_of_others(settings: Settings, library: Library) -> None:
    library.store.enqueue(VIDEO, ("screen_text",), "lite")
    library.store.enqueue(OTHER, ("screen_text",), "lite")
    await long_ingest.stop(App(settings, library, Notices()), {VIDEO})
    assert [job.video_id for job in library.store.open_jobs()] == [OTHER]
