"""An installed Chromium that Playwright drives, and the viewer served for it as `agent-tools view` serves a person."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = "AGENT_TOOLS_TEST_CHROMIUM"  # the browser's program, where it is not on PATH
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
END_S = 30


def chromium() -> str | None:
    """The browser's program; None where there is none."""
    return os.environ.get(CHROMIUM) or next((found for name in NAMES if (found := shutil.which(name))), None)


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """A browser without a window. Raises: SystemExit: there is no Chromium, or Playwright is not installed."""
    program = chromium()
    if program is None:
        raise SystemExit(f"no Chromium on PATH: install the package chromium, or name its program in {CHROMIUM}")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise SystemExit("playwright is not installed: pip install -c constraints.txt -e '.[browser]'") from error
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=program, args=[*root, "--disable-gpu"])
        yield found
        found.close()


@contextlib.contextmanager
def viewing(home: Path, allowed: Path, *flags: str) -> Iterator[str]:
    """`agent-tools view`, as a person starts it; gives the link, which works once."""
    command = [sys.executable, "-P", "-m", "agent_tools", "view", "--no-open", "--home", str(home)]
    process = subprocess.Popen(
        [*command, "--allow", str(allowed), "--profile", "lite", *flags], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_S)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
