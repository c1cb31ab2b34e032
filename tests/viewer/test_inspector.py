"""The viewer in a real host: MCP Inspector's web client opens it from a tool result (its Apps view)."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.clients import installs
from tests.viewer.conftest import PATIENCE_MS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

START_S = 60.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def inspector(home: Path, films: Path, folder: Path) -> Iterator[str]:
    """The Inspector's web client with this server, over stdio; gives its address."""
    try:
        command = installs.program("mcp-inspector")
    except (SystemExit, OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"MCP Inspector cannot be installed: {error}")
    server = ["-P", "-m", "agent_tools", "serve", "--home", str(home), "--allow", str(films), "--profile", "lite"]
    config = folder / "servers.json"
    entry = {"type": "stdio", "command": sys.executable, "args": server}
    config.write_text(json.dumps({"mcpServers": {"agent-tools": entry}}))
    ports = {"CLIENT_PORT": str(free_port()), "MCP_SANDBOX_PORT": str(free_port()), "HOST": "127.0.0.1"}
    with open(folder / "inspector.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--web", "--config", str(config)],
            env={**installs.clean_environment(), **ports, "MCP_AUTO_OPEN_ENABLED": "false"},
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield _address(folder / "inspector.log", process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+/?\?MCP_INSPECTOR_API_TOKEN=\w+", log.read_text(errors="replace"))
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-2000:])


def app_of(page: Page) -> Frame:
    """The frame of the page, in which the host has set its document."""
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        for frame in page.frames:
            if frame.url == "about:srcdoc" and frame.locator(".page.chat").count():
                return frame
        page.wait_for_timeout(100)
    raise AssertionError([frame.url for frame in page.frames])


def test_the_inspector_opens_the_page_at_a_search_and_a_click_and_a_note_work_in_it(
    browser: Browser, home: Path, films: Path, tmp_path: Path
) -> None:
    with inspector(home, films, tmp_path) as address:
        context = browser.new_context(viewport={"width": 1500, "height": 1100})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(address)
        page.get_by_role("switch").first.click(force=True)
        page.get_by_text("Apps", exact=True).first.click()
        assert page.get_by_role("button", name="Ground an event").is_visible()
        page.get_by_role("button", name="Search memory").click()
        page.get_by_role("textbox", name=re.compile("query")).first.fill("keys of every boat in a cache")
        page.get_by_role("button", name="Open App").click()
        app = app_of(page)
        app.locator(".hits li").first.get_by_text("keys").first.wait_for()
        app.get_by_role("heading", name="harbour").wait_for()
        app.get_by_role("tab", name="Text").click()
        app.get_by_role("button", name="The ferry to the lighthouse").click()
        playhead = app.get_by_role("slider", name="Playhead")
        assert playhead.get_attribute("aria-valuenow") == "41"
        app.get_by_role("img", name="The picture at 41 seconds").wait_for()
        app.get_by_role("button", name="Note", exact=True).click()
        app.get_by_role("textbox", name="Note").fill("Seen in the Inspector")
        app.get_by_role("button", name="Save note").click()
        app.get_by_text("Note saved at 0:41").wait_for()
        context.close()
