"""The viewer over HTTP: who is let in at /view, by what, and which bytes of which files come out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from agent_tools.server.build import build_server
from agent_tools.server.http import http_app
from agent_tools.server.viewer import page
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.timeline import video_uri
from tests.server.conftest import OTHER, VIDEO
from tests.server.test_oauth import guarded, token  # noqa: F401  # a fixture, and the tokens of its issuer

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-some-length"
TICKET = "ticket-of-one-use"
BEARER = {"authorization": f"Bearer {TOKEN}"}
BYTES = bytes(range(256)) * 40


@asynccontextmanager
async def browser(settings: Settings, library: Library, ticket: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    """A client that keeps cookies, of the ASGI application with its lifespan running."""
    server = build_server(replace(settings, transport="http"), library)
    app = http_app(replace(settings, transport="http"), server, ticket=ticket)
    async with (
        server.session_manager.run(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost:8765") as client,
    ):
        yield client


def with_file(library: Library, folder: Path, name: str = "talk.mp4", typed: bool = False) -> Path:
    """A file that the memory knows as a source of VIDEO."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(BYTES)
    stat = path.stat()
    library.store.add_source(VIDEO, str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino, typed=typed)
    return path


def call(tool: str, **arguments: object) -> tuple[dict[str, str], str]:
    """Headers and body of one call as the page sends it."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "viewer", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {
            "extensions": {page.EXTENSION_ID: {"mimeTypes": [page.APP_MIME_TYPE]}}
        },
    }
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return headers, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


async def calls(client: httpx2.AsyncClient, **more: str) -> int:
    headers, body = call("view_library")
    return (await client.post("/mcp", headers={**headers, **more}, content=body)).status_code


async def test_loopback_without_a_token_shows_the_page_as_it_serves_mcp(settings: Settings, library: Library) -> None:
    async with browser(settings, library) as client:
        answer = await client.get("/view")
        assert await calls(client) == 200
    assert answer.status_code == 200
    assert answer.text == page.html()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


async def test_with_a_token_the_page_asks_for_it_and_a_session_opens_page_and_mcp(
    settings: Settings, library: Library
) -> None:
    async with browser(replace(settings, token=TOKEN), library) as client:
        asked = await client.get("/view")
        assert (asked.status_code, "password" in asked.text) == (401, True)
        wrong = await client.post("/view/session", data={"token": "another-token-of-length"})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
        right = await client.post("/view/session", data={"token": TOKEN})
        assert (right.status_code, right.headers["location"]) == (303, "/view")
        cookie = right.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "agent_tools_view_8765="))
        assert TOKEN not in cookie
        assert (await client.get("/view")).text == page.html()
        assert await calls(client) == 200
        client.cookies.clear()
        assert await calls(client) == 401
        assert (await client.get("/view", headers=BEARER)).status_code == 200


async def test_a_ticket_opens_one_session(settings: Settings, library: Library) -> None:
    async with browser(replace(settings, token=TOKEN), library, TICKET) as client:
        assert (await client.get("/view?ticket=guessed")).status_code == 401
        first = await client.get(f"/view?ticket={TICKET}")
        assert (first.status_code, first.text) == (200, page.html())
        assert await calls(client) == 200
        client.cookies.clear()
        again = await client.get(f"/view?ticket={TICKET}")
        assert (again.status_code, "used already" in again.text) == (401, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:5173"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    ],
)
async def test_another_sites_page_cannot_use_the_session(
    settings: Settings, library: Library, headers: dict[str, str]
) -> None:
    async with browser(replace(settings, token=TOKEN), library, TICKET) as client:
        await client.get(f"/view?ticket={TICKET}")
        assert await calls(client, **headers) == 401
        with_file(library, settings.allow[0])
        assert (await client.get(f"/view/media/{VIDEO}", headers=headers)).status_code == 401


async def test_access_tokens_of_an_issuer_open_the_page_too(guarded: Settings, library: Library) -> None:  # noqa: F811
    async with browser(guarded, library) as client:
        assert (await client.get("/view")).status_code == 401
        assert (await client.get(f"/view/media/{VIDEO}")).status_code == 401
        assert (await client.post("/view/session", data={"token": token(aud="another")})).status_code == 401
        assert (await client.post("/view/session", data={"token": token()})).status_code == 303
        assert (await client.get("/view")).status_code == 200
        assert await calls(client) == 200


async def test_a_file_comes_whole_and_in_ranges(settings: Settings, library: Library) -> None:
    with_file(library, settings.allow[0])
    size = len(BYTES)
    ranges = [
        ("bytes=0-99", 206, BYTES[:100], f"bytes 0-99/{size}"),
        ("bytes=300-", 206, BYTES[300:], f"bytes 300-{size - 1}/{size}"),
        ("bytes=-7", 206, BYTES[-7:], f"bytes {size - 7}-{size - 1}/{size}"),
        (f"bytes={size - 1}-{size + 500}", 206, BYTES[-1:], f"bytes {size - 1}-{size - 1}/{size}"),
        (f"bytes={size}-", 416, b"", f"bytes */{size}"),
        ("bytes=5-2", 416, b"", f"bytes */{size}"),
        ("bytes=0-1,5-6", 200, BYTES, None),
        ("lines=1-2", 200, BYTES, None),
    ]
    async with browser(settings, library) as client:
        whole = await client.get(f"/view/media/{VIDEO}")
        assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, BYTES, "video/mp4")
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["cross-origin-resource-policy"] == "same-origin"
        head = await client.head(f"/view/media/{VIDEO}")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
        for asked, status, content, place in ranges:
            answer = await client.get(f"/view/media/{VIDEO}", headers={"range": asked})
            assert (answer.status_code, answer.content) == (status, content), asked
            assert answer.headers.get("content-range") == place, asked


async def test_files_outside_the_allowed_folders_do_not_come_out(
    settings: Settings, library: Library, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    with_file(library, outside)
    async with browser(settings, library) as client:
        closed = await client.get(f"/view/media/{VIDEO}")
        assert (closed.status_code, closed.content == BYTES) == (404, False)
        assert "outside the allowed folders" in closed.text
        assert str(outside) not in closed.text
        with_file(library, outside, "typed.mp4", typed=True)
        assert (await client.get(f"/view/media/{VIDEO}")).content == BYTES  # a person named it to a command


async def test_a_link_that_takes_the_place_of_a_file_is_not_followed(
    settings: Settings, library: Library, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_bytes(BYTES)
    path = with_file(library, settings.allow[0])
    path.unlink()
    path.symlink_to(secret)
    async with browser(settings, library) as client:
        assert (await client.get(f"/view/media/{VIDEO}")).status_code == 404


@pytest.mark.parametrize(
    "name", ["nope", OTHER, "..%2F..%2Fetc%2Fpasswd", video_uri("ffffffffffff").replace("/", "%2F")]
)
async def test_a_name_without_a_file_is_404(settings: Settings, library: Library, name: str) -> None:
    async with browser(settings, library) as client:
        assert (await client.get(f"/view/media/{name}")).status_code == 404


async def test_the_sign_in_form_takes_no_endless_body(settings: Settings, library: Library) -> None:
    async with browser(replace(settings, token=TOKEN), library) as client:
        assert (await client.post("/view/session", data={"token": "x" * 50_000})).status_code == 413
        assert (await client.get("/view/session")).status_code == 303
