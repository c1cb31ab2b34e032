"""A real browser in front of the viewer, and a library to show in it. `make test-viewer` runs these tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.picture.browser import CHROMIUM, browsing, chromium, viewing
from tests.drawing import draw, even_times
from tests.library import ingested, lite, opened
from tests.viewer import shelf

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WANTED = "AGENT_TOOLS_TEST_VIEWER"  # `make test-viewer` sets it: these tests take minutes, and need a browser
FPS = 8
SECONDS = 60
LEAD_S = 1.5  # sound before the first picture
PATIENCE_MS = 60_000  # a busy machine is no failure
SUBTITLES = """1
00:00:02,000 --> 00:00:06,000
The harbour opens at seven in the morning

2
00:00:20,000 --> 00:00:24,000
We keep the keys of every boat in a cache

3
00:00:41,000 --> 00:00:45,000
The ferry to the lighthouse leaves at noon
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    why = _why_not()
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


def _why_not() -> str:
    if not os.environ.get(WANTED):
        return "a real browser: `make test-viewer` runs these tests"
    if chromium() is None:
        return f"no Chromium on PATH: install the package chromium, or name its program in {CHROMIUM}"
    try:
        import playwright  # noqa: F401  # only whether it is there
    except ImportError:
        return "playwright is not installed: make test-viewer installs it"
    return ""


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films that carry their time in each picture: ones that browsers play, ones whose packets they play in another
    container, and ones that have to be encoded."""
    folder = tmp_path_factory.mktemp("films")
    times = even_times(SECONDS * FPS, FPS)
    draw(folder / "harbour.mp4", times, size=(640, 360), key_every=FPS * 4, tone=True)
    (folder / "harbour.srt").write_text(SUBTITLES, encoding="utf-8")
    draw(folder / "old.mkv", times[: 20 * FPS], size=(640, 360), codec="ffv1")
    sided = {"size": (640, 360), "key_every": FPS * 4, "tone": True, "interleaved": True}
    draw(folder / "lead.mp4", even_times(20 * FPS, FPS, start_s=LEAD_S), **sided)
    draw(folder / "packed.ts", times[: 40 * FPS], **sided)
    newer = {**sided, "size": (320, 180), "options": {"preset": "ultrafast", "x265-params": "log-level=none"}}
    draw(folder / "newer.mkv", times[: 12 * FPS], codec="libx265", **newer)
    return folder


@pytest.fixture(scope="session")
def home(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of those films, and of videos that exist in memory only: long, hostile, right to left, unfinished."""
    folder = tmp_path_factory.mktemp("home")
    names = [str(films / name) for name in ("harbour.mp4", "old.mkv", "lead.mp4", "packed.ts", "newer.mkv")]
    settings = ingested(lite(folder, films), *names, channels=["subtitles", "frames"])
    with opened(settings) as library:
        shelf.fill(library.store)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="session")
def session(browser: Browser, home: Path, films: Path) -> Iterator[tuple[str, Any]]:
    """The address of the page, and the cookies of a browser that came by the link."""
    with viewing(home, films) as link:
        context = browser.new_context()
        page = context.new_page()
        page.goto(link)
        page.locator(".card").first.wait_for(timeout=PATIENCE_MS)
        yield link.partition("?")[0], context.storage_state()
        context.close()


Open = Callable[..., "Page"]


@pytest.fixture
def show(browser: Browser, session: tuple[str, Any]) -> Iterator[Open]:
    """show(fragment, width=, height=, **context options) opens the page. At the end nothing may have gone wrong in it:
    no error, no message of the content policy, and no request to anywhere but its own server."""
    address, state = session
    origin = address.removesuffix("/view")
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_page(fragment: str = "", *, width: int = 1280, height: int = 800, **options: Any) -> Page:
        context = browser.new_context(
            storage_state=state, viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith((origin, "data:", "blob:")) else wrong.append(asked.url),
        )
        page.goto(address + (f"#{fragment}" if fragment else ""))
        page.locator("header h1").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
