"""The viewer in a host of our own, the host side of @modelcontextprotocol/ext-apps: what a chat client may offer."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_tools.media.identity import content_id
from agent_tools.server.viewer import page as viewer
from tests.viewer.conftest import FPS, PATIENCE_MS
from tests.viewer.test_inspector import app_of
from tests.viewer.test_viewer import LATE_S, number_on, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FloatRect, Frame, Locator, Page, Route

HOST = Path(__file__).with_name("host")
MODULES = Path(__file__).parents[2] / "viewer" / "node_modules"
ORIGIN = "http://chat.test"
SEARCH = {"name": "retrieve_memory", "arguments": {"query": "ferry to the lighthouse", "video": "harbour"}}
Chat = Callable[..., "Page"]


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of the host page."""
    node = shutil.which("node")
    if node is None or not MODULES.is_dir():
        pytest.skip("no Node, or viewer/node_modules is not there: `make viewer` needs Node 20.19 or later and npm")
    out = tmp_path_factory.mktemp("host") / "host.js"
    subprocess.run([node, str(HOST / "build.mjs"), str(out)], check=True, capture_output=True, timeout=120)
    return out.read_text(encoding="utf-8")


@pytest.fixture
def chat(browser: Browser, session: tuple[str, Any], script: str) -> Iterator[Chat]:
    """chat(message=, modes=, ...) opens a chat that offers this, and whose model has just searched."""
    address, state = session
    context = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).partition("#")[0]
        if path == "/mcp":
            headers = {
                name: text for name, text in route.request.headers.items() if name.startswith(("mcp-", "acc", "con"))
            }
            server = address.removesuffix("/view")
            route.fulfill(response=context.request.post(f"{server}/mcp", data=route.request.post_data, headers=headers))
        elif path == "/host.js":
            route.fulfill(body=script, content_type="text/javascript; charset=utf-8")
        elif path == "/viewer.html":
            route.fulfill(body=viewer.html(), content_type="text/html; charset=utf-8")
        else:
            route.fulfill(path=HOST / "host.html", content_type="text/html; charset=utf-8")

    def open_chat(**offer: Any) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.route(f"{ORIGIN}/**", answer)
        page.goto(f"{ORIGIN}/#{quote(json.dumps({'call': SEARCH, **offer}))}")
        return page

    yield open_chat
    for page in context.pages:
        page.unroute_all(behavior="ignoreErrors")
    context.close()
    assert wrong == []


def opened(page: Page) -> Frame:
    app = app_of(page)
    app.get_by_role("heading", name="harbour").wait_for()
    app.locator(".hits li").first.wait_for()
    return app


def test_a_message_about_the_span_reaches_the_chat(chat: Chat, films: Path) -> None:
    page = chat(message="taken")
    app = opened(page)
    app.get_by_role("button", name="Ask the model").click()
    app.get_by_text("Sent to the chat.").wait_for()
    (message,) = page.evaluate("chat.messages")
    assert message["role"] == "user"
    (block,) = message["content"]
    uri = f"video://{content_id(films / 'harbour.mp4')}#t=41,45"
    assert block == {"type": "text", "text": f"Look at {uri} (0:41–0:45) and tell me what happens there."}


def test_a_message_that_the_chat_refuses_is_said_so(chat: Chat) -> None:
    app = opened(chat(message="refused"))
    app.get_by_role("button", name="Ask the model").click()
    app.get_by_text("The chat did not take the message.").wait_for()


def box_shown(place: Locator, wanted: dict[str, float]) -> FloatRect | None:
    """Where it stands, once the page has its new layout, which comes after the new mode."""
    ends = time.monotonic() + LATE_S
    while (found := place.bounding_box()) != wanted and time.monotonic() < ends:
        place.page.wait_for_timeout(50)
    return found


@pytest.mark.parametrize("silent", [False, True])
def test_full_screen_is_asked_for_and_left_again(chat: Chat, silent: bool) -> None:
    page = chat(modes=["inline", "fullscreen"], silent=silent)
    app = opened(page)
    button = app.get_by_role("button", name="Full screen")
    button.click()
    app.locator("html[data-mode=fullscreen]").wait_for()
    assert button.get_attribute("aria-pressed") == "true"
    full = {"x": 0, "y": 0, "width": 1280, "height": 900}
    assert box_shown(app.locator(".page"), full) == full
    app.get_by_role("slider", name="Playhead").press("f")
    app.locator("html[data-mode=inline]").wait_for()
    assert page.evaluate("chat.modes") == ["fullscreen", "inline"]
    assert button.get_attribute("aria-pressed") == "false"


def test_a_chat_that_offers_neither_shows_no_button(chat: Chat) -> None:
    page = chat(modes=["inline"])
    app = opened(page)
    app.get_by_role("button", name="Cite").wait_for()
    assert app.get_by_role("button", name="Ask the model").count() == 0
    assert app.get_by_role("button", name="Full screen").count() == 0
    app.get_by_role("slider", name="Playhead").press("f")
    assert page.evaluate("chat.modes") == []


def test_an_offer_that_comes_later_is_seen_and_the_theme_follows_the_chat(chat: Chat) -> None:
    page = chat()
    app = opened(page)
    bright = app.evaluate("getComputedStyle(document.body).backgroundColor")
    page.evaluate(
        "chat.bridge.setHostContext({theme: 'dark', displayMode: 'inline', availableDisplayModes: ['fullscreen']})"
    )
    app.get_by_role("button", name="Full screen").wait_for()
    assert app.evaluate("getComputedStyle(document.body).backgroundColor") != bright


@pytest.mark.parametrize("bare", [False, True])
def test_a_chat_plays_clips_and_the_picture_is_that_of_the_playhead(chat: Chat, bare: bool) -> None:
    page = chat(bare=bare)
    app = opened(page)
    app.get_by_role("button", name="Play", exact=True).click()
    until(app, "Number(document.querySelector('.time b').innerText.split(':')[1]) > 42.5")
    app.get_by_role("button", name="Pause").click()
    seconds = float(app.locator(".time b").inner_text().split(":")[-1])
    assert number_on(app.locator(".stage")) == pytest.approx(seconds * FPS, abs=3)
    asked = [uri.partition("/clip/")[2] for uri in page.evaluate("chat.read")]
    assert asked[:2] == (["41-53?exact=no", "41-53"] if bare else ["41-53?exact=no", "56-59.92?exact=no"])
