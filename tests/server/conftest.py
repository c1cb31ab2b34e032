"""A filled library without an ingest, and clients of both protocol eras in memory."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp import Client
from PIL import Image

from agent_tools.server.app import AppSettings
from agent_tools.server.build import build_server
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.settings import Settings
from agent_tools.store import EntryIn, Episode, FrameRow, Store
from agent_tools.types import IngestReply
from tests.waiting import PATIENCE_S

ERAS = ("legacy", "2026-07-28")
VIDEO = "9f6cbced0247"
OTHER = "0123456789ab"
SAID = (
    "Welcome to week three, today is about memory",
    "Attention compares a query with every key",
    "so we keep K and V of every past token in a cache",
    "the cache grows with the length of the text",
    "questions are welcome at any time",
)


@pytest.fixture(autouse=True)
def _no_server_is_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ended in this process before leaves a mark by which sse-starlette ends every stream at once."""
    from sse_starlette.sse import AppStatus

    monkeypatch.setattr(AppStatus, "should_exit", False)
    for number in (signal.SIGINT, signal.SIGTERM):
        if hasattr(getattr(signal.getsignal(number), "__self__", None), "should_exit"):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence encoder never loads: these tests are about the protocol."""
    monkeypatch.setattr(QueryModels, "warm", lambda self: None)
    monkeypatch.setattr(QueryModels, "text", lambda self, wait_s=0.0: None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", allow=(tmp_path,))


@pytest.fixture
def library(settings: Settings) -> Iterator[Library]:
    """Two videos of ten minutes: one with subtitles, kept frames and episodes, one with nothing."""
    made = Library(settings)
    fill(made.store)
    yield made
    made.close()


def fill(store: Store) -> None:
    store.add_video(VIDEO, "Week 3 Memory", 1_000_000)
    store.update_video(VIDEO, duration_s=600.0, width=640, height=360, fps=25.0, container="mp4", has_audio=True)
    store.add_entries(
        VIDEO, "subtitles", "subtitles/1", [EntryIn(60.0 * i, 60.0 * i + 5, text) for i, text in enumerate(SAID)]
    )
    store.set_channel(
        VIDEO, "subtitles", state="done", producer="subtitles/1", done_to_s=600.0, entries=len(SAID), language="en"
    )
    kept = range(0, 600, 60)
    rows = [FrameRow(VIDEO, k, float(k), k, True) for k in kept]
    store.add_frames(VIDEO, rows, {k: jpeg(k) for k in kept})
    store.set_channel(VIDEO, "frames", state="done", producer="pixels/1", done_to_s=600.0, entries=len(rows))
    for level, length in (("chapter", 300.0), ("scene", 120.0), ("chunk", 60.0)):
        store.replace_episodes(
            VIDEO,
            level,
            [
                Episode(
                    number, VIDEO, level, number * length, (number + 1) * length, f"{level} {number}", "subtitles", 0.0
                )
                for number in range(int(600 / length))
            ],
        )
    store.add_video(OTHER, "An empty afternoon", 2_000_000)
    store.update_video(OTHER, duration_s=600.0, width=640, height=360, has_audio=False)


def jpeg(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 180), (shade % 256, 100, 50)).save(file, "JPEG")
    return file.getvalue()


@asynccontextmanager
async def connected(
    settings: Settings, library: Library, era: str, app_settings: AppSettings | None = None, **options: Any
) -> AsyncIterator[Client]:
    """A client of that era, in memory, of a server over that library."""
    async with Client(build_server(settings, library, app_settings=app_settings), mode=era, **options) as client:
        yield client


def text_of(result: Any) -> str:
    """The first text block of a tool result."""
    return str(result.content[0].text)


def endless(started: threading.Event, ended: threading.Event) -> Callable[..., IngestReply]:
    """A service function that takes steps until one of them ends it."""

    def work(*_: Any, on_step: Callable[[float, str], None], **__: Any) -> IngestReply:
        started.set()
        try:
            for _step in range(20_000):
                on_step(0.5, "decoding")
                time.sleep(0.01)
        finally:
            ended.set()
        return IngestReply()

    return work


async def answers_within(client: Client, wait_s: float) -> None:
    """Ask three times for an ingest that never ends: no answer waits for it, and the quickest takes at most a second
    more than wait_s. A machine that stands still for a moment is not the server's fault."""
    took_s = []
    for _ in range(3):
        began = anyio.current_time()
        reply = await client.call_tool("ingest_video", {"source": "a.mp4", "wait_s": wait_s})
        took_s.append(anyio.current_time() - began)
        assert reply.structured_content["state"] == "queued"
    assert min(took_s) <= wait_s + 1.0
    assert max(took_s) <= wait_s + 20.0


async def ends_when_cancelled(client: Client, started: threading.Event, ended: threading.Event) -> None:
    """Cancel an ingest_video whose work is `endless`: it must stop long before its end; the server answers on."""

    async def call() -> None:
        await client.call_tool("ingest_video", {"source": "x"})

    async with anyio.create_task_group() as calls:
        calls.start_soon(call)
        assert await anyio.to_thread.run_sync(started.wait, PATIENCE_S)
        calls.cancel_scope.cancel()
    assert await anyio.to_thread.run_sync(ended.wait, PATIENCE_S)
    assert not (await client.call_tool("list_episodes", {})).is_error
