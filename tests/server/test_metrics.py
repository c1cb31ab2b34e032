"""/metrics: calls of tools with their outcome, and the queue; behind the token like all else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from agent_tools import cli
from agent_tools.errors import ModelMissing
from agent_tools.metrics import GAUGES, Metrics
from agent_tools.server import metrics as served
from agent_tools.server.build import build_server
from agent_tools.server.http import http_app
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.store import Store
from tests.library import start_no_worker
from tests.server.conftest import OTHER, VIDEO

pytest.importorskip("prometheus_client", reason="the extra metrics is not installed")
pytestmark = pytest.mark.anyio
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
TOKEN = {"authorization": "Bearer a-token-of-this-test"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def read(settings: Settings, library: Library, *calls: dict[str, Any]) -> tuple[int, dict[str, float]]:
    """The status without the token, and the numbers with it, after these calls."""
    settings = replace(settings, transport="http", token="a-token-of-this-test")
    server = build_server(settings, library)
    transport = httpx2.ASGITransport(app=http_app(settings, server), client=("127.0.0.1", 1))
    async with (
        server.session_manager.run(),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        for call in calls:
            headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28", **TOKEN}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {**call, "_meta": ENVELOPE}}
            await client.post(
                "/mcp", json=body, headers={**headers, "mcp-method": "tools/call", "mcp-name": call["name"]}
            )
        closed = (await client.get("/metrics")).status_code
        text = (await client.get("/metrics", headers=TOKEN)).text
    return closed, {name: float(value) for name, value in re.findall(r"^(agent_tools_\S+) (\S+)$", text, re.M)}


async def test_calls_and_the_queue_are_counted_behind_the_token(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_no_worker(monkeypatch)
    library.store.enqueue(VIDEO, ("screen_text",), "lite")
    listed = {"name": "list_episodes", "arguments": {}}
    wrong = {"name": "list_episodes", "arguments": {"video": "no such video"}}
    closed, numbers = await read(settings, library, listed, listed, wrong)
    assert closed == 401
    assert numbers['agent_tools_call_seconds_count{outcome="ok",tool="list_episodes"}'] == 2
    assert numbers['agent_tools_call_seconds_count{outcome="error",tool="list_episodes"}'] == 1
    assert numbers["agent_tools_jobs_queued"] == 1
    assert numbers["agent_tools_videos"] == len(library.store.videos())


def test_every_gauge_has_a_number(library: Library) -> None:
    assert served.queue_gauges(library.store).keys() == GAUGES.keys()


async def test_without_the_extra_there_is_no_page(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise ModelMissing("not installed")

    monkeypatch.setattr(served, "Metrics", missing)
    assert (await read(settings, library))[1] == {}


def test_a_worker_counts_its_jobs() -> None:
    numbers = Metrics()
    numbers.job("done", 12.0)
    numbers.job("failed", 1.0)
    assert b'agent_tools_job_seconds_count{outcome="done"} 1.0' in numbers.text()


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., str]:
    """What `agent-tools status` says of a home with a running, a waiting and a failed job."""
    with_jobs = Store.open(tmp_path)
    for video_id in (VIDEO, OTHER, "aaaaaaaaaaaa"):
        with_jobs.add_video(video_id, f"film {video_id[:2]}", 1)
        with_jobs.update_video(video_id, duration_s=3600.0)
    failed = with_jobs.enqueue(VIDEO, ("subtitles", "frames"), "lite")
    with_jobs.claim("7-x@here", 7)
    with_jobs.set_channel(VIDEO, "subtitles", state="done", done_to_s=3600.0)
    with_jobs.set_channel(VIDEO, "frames", state="failed", done_to_s=600.0, error="DecodeError: broken")
    with_jobs.finish(failed.id, "7-x@here", "failed", "DecodeError: broken")
    with_jobs.enqueue(OTHER, ("frames",), "lite")
    with_jobs.claim("8-y@there", 8)
    with_jobs.enqueue("aaaaaaaaaaaa", ("frames",), "lite")
    with_jobs.close()

    def run(*options: str) -> str:
        done = CliRunner().invoke(cli.app, ["status", "--home", str(tmp_path), *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_status_says_who_works_what_waits_and_what_a_retry_would_do(told: Callable[..., str]) -> None:
    said = told()
    assert "3 videos, 3.0 h" in said
    assert "queue: 1 wait, the oldest for 0:00:00; 1 run; 1 failed" in said
    assert "workers: 1, of which 0 wait for a job" in said
    assert "8-y@there, lease " in said
    assert "DecodeError: broken" in said
    assert "asked for again, it would make frames from 0:10:00" in said
    assert json.loads(told("--json"))["retries"] == {VIDEO: "frames from 0:10:00"}
