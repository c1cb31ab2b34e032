"""Addresses: refused unless allowed, never into a private network, redirects checked anew, pages and giants refused."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent_tools.errors import AgentToolsError, InvalidArgument, LimitReached, SourceNotAllowed, SourceNotFound
from agent_tools.service import ingest_video as ingest_video_module
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library import downloads
from agent_tools.service.library.addresses import check_address, is_public
from agent_tools.service.library.downloads import MOST_AT_ONCE, Fetcher
from agent_tools.service.library.library import Library
from tests.waiting import PATIENCE_S


class Site(BaseHTTPRequestHandler):
    accepted = ""  # what the last request said it takes
    begun = threading.Semaphore(0)  # a slow film has come half way
    go_on = threading.Event()  # it may come whole

    def do_GET(self) -> None:
        Site.accepted = self.headers.get("Accept-Encoding", "")
        if self.path == "/nowhere":
            self.send_response(302)
            self.send_header("Location", "http://[x/film.mp4")
            self.end_headers()
            return
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://10.0.0.1/secret.mp4")
            self.end_headers()
            return
        if self.path == "/near":
            self.send_response(302)
            self.send_header("Location", "/film.mp4")
            self.end_headers()
            return
        if self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
            self.end_headers()
            return
        if self.path == "/none":
            self.send_error(404)
            return
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"film" * (1 << 16))
        body = b"film" * 1000
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path == "/page" else "video/mp4")
        self.send_header("Content-Length", str(1 << 50) if self.path == "/giant" else str(len(body)))
        if self.path == "/packed":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if self.path.startswith("/slow"):
            self.wfile.write(body[:100])
            Site.begun.release()
            Site.go_on.wait(PATIENCE_S)
            body = body[100:]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    Site.begun, Site.go_on = threading.Semaphore(0), threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def loopback_too(address: str) -> bool:
    return address == "127.0.0.1" or is_public(address)


def fetched(fetcher: Fetcher, url: str) -> Path:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        path = fetcher.fetch(url).path
        if path is not None:
            return path
        time.sleep(0.01)
    raise AssertionError(f"{url} took longer than {PATIENCE_S:.0f} s")


def test_a_file_is_fetched_once_and_its_redirect_followed(site: str, tmp_path: Path) -> None:
    fetcher = Fetcher(tmp_path, loopback_too)
    path = fetched(fetcher, site + "/near")
    assert path.read_bytes() == b"film" * 1000
    assert path.suffix == ".mp4"
    assert fetched(Fetcher(tmp_path, loopback_too), site + "/near") == path


def test_a_download_that_is_stopped_ends_and_may_be_asked_for_again(site: str, tmp_path: Path) -> None:
    fetcher = Fetcher(tmp_path, loopback_too)
    first = fetcher.fetch(site + "/endless")
    fetcher.stop(site + "/endless")
    deadline = time.monotonic() + PATIENCE_S
    while not first.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "was stopped" in str(first.error)
    assert list(tmp_path.iterdir()) == []
    assert fetcher.fetch(site + "/endless") is not first
    fetcher.stop(site + "/endless")


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("/away", SourceNotAllowed, "private network"),
        ("/giant", LimitReached, "larger than"),
        ("/none", SourceNotFound, "answered 404"),
        ("/round", SourceNotFound, "redirects more than"),
    ],
)
def test_what_must_not_be_fetched_is_refused_and_leaves_nothing(
    site: str, tmp_path: Path, path: str, error: type[AgentToolsError], says: str
) -> None:
    with pytest.raises(error, match=says):
        fetched(Fetcher(tmp_path, loopback_too), site + path)
    assert list(tmp_path.iterdir()) == []


def test_loopback_is_a_private_address(site: str, tmp_path: Path) -> None:
    with pytest.raises(SourceNotAllowed, match=r"127\.0\.0\.1"):
        fetched(Fetcher(tmp_path), site + "/film.mp4")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.5.4",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "224.0.0.1",
        "fc00::1",
        "2002:0a00:0001::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "::7f00:1",
        "fec0::1",
    ],
)
def test_no_private_address_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "2002:5db8:d822::1"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


def test_a_host_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    infos = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(downloads.socket, "getaddrinfo", lambda *_a, **_k: infos)
    with pytest.raises(SourceNotAllowed, match=r"10\.0\.0\.1"):
        fetched(Fetcher(tmp_path), "http://two.example/film.mp4")


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=x",
        "https://youtu.be/x",
        "ftp://a.example/f.mp4",
        "http:///f.mp4",
        "http://me:secret@a.example/f.mp4",
        "http://a.example:99999/f.mp4",
    ],
)
def test_addresses_that_are_none_of_a_file_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_address(url)
    assert "secret" not in str(caught.value)


def test_without_the_switch_an_address_is_refused_with_the_remedy(empty: Library) -> None:
    with pytest.raises(SourceNotAllowed, match="--allow-urls") as caught:
        ingest_video(empty, "https://example.org/talk.mp4", wait_s=0)
    assert "Download" in str(caught.value)


@pytest.fixture
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `web` is not installed."""
    for module in (downloads, ingest_video_module):
        monkeypatch.setattr(module, "pages_are_read", lambda: False)


def test_a_page_without_the_extra_is_refused(site: str, tmp_path: Path, no_pages: None) -> None:
    with pytest.raises(InvalidArgument, match=r"is a page.*agent-tools-video\[web\]"):
        fetched(Fetcher(tmp_path, loopback_too), site + "/page")
    assert list(tmp_path.iterdir()) == []


def test_the_remedy_for_a_page_does_not_name_the_switch_alone(empty: Library, no_pages: None) -> None:
    with pytest.raises(SourceNotAllowed, match="Download") as caught:
        ingest_video(empty, "https://www.youtube.com/watch?v=abc123", wait_s=0)
    assert "--allow-urls" not in str(caught.value)


def test_bytes_that_come_packed_are_no_film_and_plain_ones_are_asked_for(site: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="packed as 'gzip'"):
        fetched(Fetcher(tmp_path, loopback_too), site + "/packed")
    assert Site.accepted == "identity"


def test_a_redirect_to_what_is_no_address_is_an_error(site: str, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="could not be fetched"):
        fetched(Fetcher(tmp_path, loopback_too), site + "/nowhere")


def test_two_servers_on_one_home_fetch_into_files_of_their_own(site: str, tmp_path: Path) -> None:
    fetchers = Fetcher(tmp_path, loopback_too), Fetcher(tmp_path, loopback_too)
    try:
        for fetcher in fetchers:
            fetcher.fetch(site + "/slow")
            assert Site.begun.acquire(timeout=PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S  # a part is opened once the site's headers are there
        while len(list(tmp_path.glob("*.part"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        Site.go_on.set()
    assert {fetched(fetcher, site + "/slow").read_bytes() for fetcher in fetchers} == {b"film" * 1000}
    assert list(tmp_path.glob("*.part")) == []


def test_a_third_download_waits_for_one_of_two_to_end(site: str, tmp_path: Path) -> None:
    fetcher = Fetcher(tmp_path, loopback_too)
    try:
        for number in range(MOST_AT_ONCE):
            fetcher.fetch(f"{site}/slow?{number}")
        with pytest.raises(LimitReached, match="2 downloads are under way"):
            fetcher.fetch(site + "/film.mp4")
        assert fetcher.fetch(f"{site}/slow?0").path is None, "one that is under way is joined"
    finally:
        Site.go_on.set()
    for number in range(MOST_AT_ONCE):
        fetched(fetcher, f"{site}/slow?{number}")
    assert fetched(fetcher, site + "/film.mp4")


def test_what_a_dead_process_left_of_a_download_is_thrown_away(site: str, tmp_path: Path) -> None:
    old, new = tmp_path / "0-1-2.part", tmp_path / "0-1-3.part"
    for path in (old, new):
        path.write_bytes(b"fi")
    os.utime(old, (1, 1))
    fetched(Fetcher(tmp_path, loopback_too), site + "/film.mp4")
    assert (old.exists(), new.exists()) == (False, True)
