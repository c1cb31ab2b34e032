"""Eleven real files, ingested once for all acceptance tests, and servers over them: in memory, stdio and HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters

from agent_tools.server import build_server
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings

FILES = (
    "lecture_slides_climate.mov",
    "lecture_slides_xpath.mov",
    "slides_german.mov",
    "screencast_compliment_bot.mp4",
    "screencast_generative_ui.mp4",
    "nasa_webb_mirror.mp4",
    "friday_film.mp4",
    "sonnet_speech.mp3",
    "leaf_deer.mp4",
    "dog_leash.mp4",
    "venus_transit.mov",
)
LONGEST_INGEST_S = 1500  # on a machine that does much else; alone it takes under a minute
Connect = Callable[[str, str], AbstractAsyncContextManager[Client]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AGENT_TOOLS_")} | more


@pytest.fixture(scope="session")
def manifest(real_videos: Path) -> dict[str, dict[str, Any]]:
    """What the real files hold, by name: events, on_screen_text, speech, each with start_s and end_s."""
    listed = json.loads((real_videos / "MANIFEST.json").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in listed["files"]}


@pytest.fixture(scope="session")
def dev_home(real_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which `agent-tools ingest` has made the eleven files part of memory, one worker for all of them."""
    home = tmp_path_factory.mktemp("acceptance") / "home"
    paths = [str(real_videos / "dev" / name) for name in FILES]
    command = [
        sys.executable,
        "-m",
        "agent_tools",
        "ingest",
        "--json",
        "--home",
        str(home),
        "--profile",
        "lite",
        *paths,
    ]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=LONGEST_INGEST_S)
    assert done.returncode == 0, done.stderr.decode()
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [reply["state"] for reply in replies] == ["done"] * len(FILES)
    return home


@pytest.fixture(scope="session")
def dev_settings(dev_home: Path, real_videos: Path) -> Settings:
    return Settings.load({}, home=dev_home, allow=(real_videos / "dev",), profile="lite")


@pytest.fixture(scope="session")
def dev_library(dev_settings: Settings) -> Iterator[Library]:
    """The library behind the in-memory servers, its sentence encoder loaded."""
    library = Library(dev_settings)
    assert library.models.text(120) is not None
    yield library
    library.close()


@pytest.fixture(scope="session")
def http_address(dev_settings: Settings) -> Iterator[str]:
    """Address of `agent-tools serve --transport http` over the same home."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = subprocess.Popen(
        [*serve_command(dev_settings), "--transport", "http", "--port", str(port)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 90
    while True:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/health")
            break
        except httpx2.TransportError:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    process.communicate(timeout=30)


def serve_command(settings: Settings) -> list[str]:
    allowed = [part for folder in settings.allow for part in ("--allow", str(folder))]
    return [sys.executable, "-m", "agent_tools", "serve", "--home", str(settings.home), "--profile", "lite", *allowed]


@pytest.fixture
def connect(request: pytest.FixtureRequest, dev_settings: Settings) -> Connect:
    """connect(transport, era): a client of a server over the eleven files; transport is memory, stdio or http."""

    @asynccontextmanager
    async def connected(transport: str, era: str) -> AsyncIterator[Client]:
        server: Any
        if transport == "memory":
            server = build_server(dev_settings, request.getfixturevalue("dev_library"))
        elif transport == "http":
            server = request.getfixturevalue("http_address")
        else:
            command, *arguments = serve_command(dev_settings)
            server = StdioServerParameters(command=command, args=arguments, env=environment())
        async with Client(server, mode=era) as client:
            yield client

    return connected
