"""Cases of slice paths: addresses that lead into a private network, by any spelling, redirect or changing name."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from agent_tools.errors import AgentToolsError
from agent_tools.service.library import downloads
from agent_tools.service.library.addresses import is_public
from agent_tools.service.library.downloads import Fetcher
from lab.faults.slices import Outcome

if TYPE_CHECKING:
    from lab.faults.paths import World

LONGEST_S = 40.0


def private(world: World) -> Outcome:
    """Spellings of loopback and of private, link-local and reserved ranges: none is visited, each is an error."""
    port = world.canary.rpartition(":")[2]
    hosts = [
        "127.0.0.1", "localhost", "localhost.", "LOCALHOST", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1",
        "0x7f000001", "2130706433", "017700000001", "127.0.0.1.", "127.255.255.254", "0", "0.0.0.0", "[::1]", "[::]",
        "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "[fe80::1]",
        "[fe80::1%25lo]", "[fc00::1]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254",
        "224.0.0.1", "255.255.255.255", "198.18.0.1", "\u2460\u2461\u2466.0.0.1", "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021", "ip6-localhost", "%31%32%37.0.0.1", "127.0.0.1%00.example.org",
        "127.0.0.1#.example.org",
        "example.org@127.0.0.1", "user:secret@127.0.0.1", "127.0.0.1\\@example.org", "127.0.0.1 ", "\t127.0.0.1",
    ]  # fmt: skip
    found = Outcome.empty()
    for host in hosts:
        for scheme in ("http", "https"):
            why = _ends(world, f"{scheme}://{host}:{port}/film.mp4")
            found.count(f"{scheme}://{host}: {why}" if why else "")
    for url in (
        *(
            "http://",
            "https:///x.mp4",
            "http://:80/x.mp4",
            "http://a:b:c/x.mp4",
            "http://[::1/x.mp4",
            "http://x:99999/",
        ),
        *(
            "hTTp://127.0.0.1:1/x",
            "http:127.0.0.1/x.mp4",
            "http:\\\\127.0.0.1\\x",
            "https://youtu.be/x",
            "ftp://a/x.mp4",
        ),
    ):
        found.count(f"{url}: {why}" if (why := _ends(world, url)) else "")
    return found


def _ends(world: World, url: str) -> str:
    """Why an address did not end in an error; asked again while it is looked up."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        result = world.server.result("ingest_video", {"source": url, "wait_s": 2})
        if why := world.leak(str(result)):
            return why
        if result.get("isError"):
            return "its password was shown" if "secret" in str(result) else ""
    return "still being fetched"


@contextmanager
def site(answers: dict[str, tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """A web server whose paths redirect by the given table: its port, and the requests that came in."""
    asked: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers.get('Host')} {self.path}")
            status, location = answers.get(self.path, (200, ""))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"film")

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def redirects(world: World) -> Outcome:
    """From a permitted place to one that is not, by each status and several steps: the second is never visited."""
    found = Outcome.empty()
    targets = [
        f"http://127.0.0.2:{world.canary.rpartition(':')[2]}/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/meta",
    ]
    targets += ["file:///etc/passwd", "ftp://127.0.0.1/x", "//10.0.0.1/x", "http://[::1]/x", "gopher://127.0.0.1/x"]
    answers = {
        f"/{status}/{number}": (status, target)
        for number, target in enumerate(targets)
        for status in (301, 302, 303, 307, 308)
    }
    answers |= {"/twice": (302, "/302/0"), "/round": (302, "/round")}
    with site(answers) as (port, _):
        for path in answers:
            fetcher = Fetcher(world.root / "fetched", lambda a: a == "127.0.0.1" or is_public(a))
            why = _fetched(fetcher, f"http://127.0.0.1:{port}{path}")
            found.count(f"{path}: {why}" if why or (why := world.leak("")) else "")
    return found


def changing(world: World) -> Outcome:
    """A name that is public when it is checked and private when it is asked again, and one that is both at once."""
    public = ("93.184.216.34",)
    loopback = ("127.0.0.1",)
    sequences = [[public, loopback], [loopback, public], [(*public, *loopback)], [(*loopback, *public)]]
    found = Outcome.empty()
    connected: list[str] = []
    for sequence in sequences:
        turn = iter([*sequence, *[loopback] * 20])

        def lies(host: str, port: int, *_: Any, turn: Any = turn, **__: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in next(turn)]

        def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
            connected.append(address[0])
            raise OSError("the case lets nobody out")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(downloads.socket, "getaddrinfo", lies)
            patch.setattr(socket, "create_connection", connect)
            why = _fetched(
                Fetcher(world.root / "fetched"), f"http://moving.example:{world.canary.rpartition(':')[2]}/x.mp4"
            )
        wrong = [address for address in connected if not is_public(address)]
        found.count(why or (f"connected to {wrong}" if wrong else world.leak("")))
    return found


def _fetched(fetcher: Fetcher, url: str) -> str:
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        try:
            if fetcher.fetch(url).path is not None:
                return "was fetched"
        except AgentToolsError:
            return ""
        time.sleep(0.01)
    return "never ended"
