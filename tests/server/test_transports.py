"""What is promised of calls that take long, over real pipes and real sockets, in both protocol eras."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
import uvicorn
from mcp import Client, StdioServerParameters

from agent_tools.server.app import AppSettings
from agent_tools.server.build import build_server
from agent_tools.server.http import http_app
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from tests.library import start_no_worker
from tests.server.conftest import ERAS, answers_within
from tests.server.test_http import free_port
from tests.server.test_start import environment
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
Connect = Callable[[str], AbstractAsyncContextManager[Client]]

# A server whose searches and ingests end when they are told to; the folder it is given says what happened.
ENDLESS = """
import sys, time
from pathlib import Path
import agent_tools.server.app as app
from agent_tools.background import leave
from agent_tools.service import ground_event, ingest_video, retrieve_memory
from agent_tools.server import serve
from agent_tools.service.library.query_models import QueryModels
from agent_tools.settings import Settings

QueryModels.warm = lambda self: None  # an import in its thread may hold all others up for a second
home = Path(sys.argv[1])
app.REPORT_S = 0.05

def endless(*_, on_step, **__):
    (home / "started").touch()
    try:
        while True:
            on_step(0.5, "decoding")
            time.sleep(0.01)
    finally:
        (home / "ended").touch()

ingest_video.ingest_video = retrieve_memory.retrieve_memory = ground_event.ground_event = endless
leave(serve(Settings(home=home, transport=sys.argv[2], port=int(sys.argv[3]))))
"""
CALLS = [
    ("ingest_video", {"source": "x"}),
    ("retrieve_memory", {"query": "x"}),
    ("ground_event", {"event": "x"}),
]


@contextlib.asynccontextmanager
async def over_stdio(home: Path, era: str) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-c", ENDLESS, str(home), "stdio", "1"], env=environment()
    )
    async with Client(parameters, mode=era) as client:
        yield client


@contextlib.asynccontextmanager
async def over_http(home: Path, era: str) -> AsyncIterator[Client]:
    port = free_port()
    async with await anyio.open_process(
        [sys.executable, "-c", ENDLESS, str(home), "http", str(port)], env=environment(), stderr=None
    ) as process:
        try:
            with anyio.fail_after(PATIENCE_S):
                while True:
                    with contextlib.suppress(OSError):
                        async with await anyio.connect_tcp("127.0.0.1", port):
                            break
                    await anyio.sleep(0.05)
            async with Client(f"http://127.0.0.1:{port}/mcp", mode=era) as client:
                yield client
        finally:
            process.terminate()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", [over_stdio, over_http])
async def test_a_long_call_tells_its_progress_and_ends_within_a_second_of_being_cancelled(
    tmp_path: Path, transport: Callable[[Path, str], AbstractAsyncContextManager[Client]], era: str
) -> None:
    took_s = []
    async with transport(tmp_path, era) as client:
        for name, arguments in CALLS:
            heard: list[tuple[float, str | None]] = []
            told = anyio.Event()

            async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                heard.append((progress, message))  # noqa: B023  # called before the next round only
                if sum(said == "decoding" for _, said in heard) >= 3:  # noqa: B023
                    told.set()  # noqa: B023

            async def call() -> None:
                await client.call_tool(name, arguments, progress_callback=on_progress)  # noqa: B023

            with anyio.fail_after(PATIENCE_S):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(call)
                    await told.wait()
                    cancelled = anyio.current_time()
                    tasks.cancel_scope.cancel()
            with anyio.fail_after(PATIENCE_S):
                while not (tmp_path / "ended").exists():
                    await anyio.sleep(0.01)
            took_s.append(anyio.current_time() - cancelled)
            shares = [share for share, _ in heard]
            assert shares == sorted(set(shares)), name
            assert heard[-1][1] == "decoding"
            for mark in ("started", "ended"):
                (tmp_path / mark).unlink()
    assert min(took_s) <= 1.0  # a machine that stands still for a moment is not the server's fault


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("wait_s", [0, 0.4])
async def test_an_ingest_over_http_answers_within_wait_s(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch, era: str, wait_s: float
) -> None:
    start_no_worker(monkeypatch)  # the job never ends

    (settings.allow[0] / "a.mp4").write_bytes(b"film")
    port = free_port()
    made = build_server(replace(settings, transport="http"), library, app_settings=AppSettings(tend_s=60.0))
    app = http_app(settings, made)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1))
    monkeypatch.setattr(server, "capture_signals", contextlib.nullcontext)
    async with anyio.create_task_group() as serving:
        serving.start_soon(server.serve)
        with anyio.fail_after(PATIENCE_S):
            while not server.started:
                await anyio.sleep(0.01)
        async with Client(f"http://127.0.0.1:{port}/mcp", mode=era) as client:
            await client.call_tool("ingest_video", {"source": "a.mp4", "wait_s": 0})  # what is imported once
            await answers_within(client, wait_s)
        server.should_exit = True
