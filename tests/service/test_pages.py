"""Pages of the web: told first, then fetched with captions and chapters; yt-dlp reads them from a local site."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import InvalidArgument, SourceNotAllowed, SourceNotFound
from agent_tools.media import probe
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library import addresses, downloads, pages
from agent_tools.service.library.downloads import Fetch, Fetcher
from agent_tools.service.library.pages import PageInfo, Pages
from tests.drawing import draw, even_times
from tests.library import OpenLibrary
from tests.waiting import PATIENCE_S

pytest.importorskip("yt_dlp")
pytestmark = pytest.mark.slow  # each page is read by a process that imports yt-dlp

LINKED = {
    "@context": "https://schema.org",
    "@type": "VideoObject",
    "name": "The harbour at noon",
    "contentUrl": "{site}/harbour.mp4",
    "duration": "PT4S",
    "hasPart": [
        {"@type": "Clip", "name": "Ships", "startOffset": 0, "endOffset": 2},
        {"@type": "Clip", "name": "Gulls", "startOffset": 2, "endOffset": 4},
    ],
}
CAPTIONS = "WEBVTT\n\n00:00.500 --> 00:03.000\nthe ferry leaves at noon\n"


class Quiet(SimpleHTTPRequestHandler):
    cookies: list[str | None] = []  # noqa: RUF012 - one list for all requests of a test

    def do_GET(self) -> None:
        Quiet.cookies.append(self.headers.get("Cookie"))
        super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Set-Cookie", "visited=1")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    address = f"http://127.0.0.1:{server.server_port}"
    for name, frames in (("harbour", 20), ("market", 15)):
        draw(folder / f"{name}.mp4", even_times(frames, 5), tone=True)
    (folder / "harbour.vtt").write_text(CAPTIONS, "utf-8")
    video = '<video controls><source src="{}.mp4" type="video/mp4">{}</video>'
    track = '<track kind="subtitles" srclang="en" src="harbour.vtt">'
    head = "<!doctype html><html><head><title>The harbour at noon</title>"
    linked = json.dumps(LINKED).replace("{site}", address)
    (folder / "film.html").write_text(f"{head}</head><body>{video.format('harbour', track)}</body></html>", "utf-8")
    (folder / "parts.html").write_text(
        f'{head}<script type="application/ld+json">{linked}</script></head><body></body></html>', "utf-8"
    )
    (folder / "list.html").write_text(
        f"{head}</head><body>{video.format('harbour', '')}{video.format('market', '')}</body></html>", "utf-8"
    )
    (folder / "none.html").write_text(f"{head}</head><body>Only words.</body></html>", "utf-8")
    (folder / "away.html").write_text(f'{head}<meta http-equiv="refresh" content="0;url=http://10.0.0.1/film.mp4">')
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


def fetcher(folder: Path) -> Fetcher:
    return Fetcher(folder, lambda address: address == "127.0.0.1", Pages(folder, ("127.0.0.1",)))


def settled(made: Fetcher, url: str) -> Fetch:
    """The state of the address once it waits or has ended."""
    found, deadline = made.fetch(url), time.monotonic() + PATIENCE_S
    while found.under_way:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_page_is_told_first_and_fetched_when_it_is_asked_for_again(site: str, tmp_path: Path) -> None:
    Quiet.cookies.clear()
    made = fetcher(tmp_path)
    found = settled(made, f"{site}/film.html")
    assert (found.waits, found.path) == (True, None)
    assert "'The harbour at noon': " in found.described
    assert "about 1 MB, no licence stated. Nothing is fetched yet." in found.described
    assert made.fetch(f"{site}/film.html").waits, "nobody was told yet"
    found.told = True
    whole = settled(made, f"{site}/film.html")
    assert whole.error is None
    assert whole.path is not None
    assert whole.path.suffix == ".mkv"
    (caption,) = tmp_path.glob("*.vtt")
    assert caption.name == f"{whole.path.stem}.en.vtt"
    assert "the ferry leaves at noon" in caption.read_text("utf-8")
    assert {path.suffix for path in tmp_path.iterdir()} == {".mkv", ".vtt", ".json"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    known = fetcher(tmp_path).fetch(f"{site}/film.html")
    assert (known.path, known.page) == (whole.path, whole.page)
    assert probe(whole.path).duration_s == pytest.approx(4, abs=0.3)
    sent = [cookie for cookie in Quiet.cookies if cookie]
    assert all(cookie == "visited=1" for cookie in sent), "only what this very site has just set comes back"


def test_a_page_that_is_asked_for_while_its_description_ends_is_fetched(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, url, unlink = fetcher(tmp_path), f"{site}/film.html", Path.unlink

    def asked_again(path: Path, missing_ok: bool = False) -> None:
        monkeypatch.undo()
        made.fetch(url).told = True
        assert made.fetch(url).under_way  # between the description and the end of the thread that made it
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", asked_again)
    found, deadline = made.fetch(url), time.monotonic() + PATIENCE_S
    while not found.ended and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found.error is None
    assert found.path is not None


def test_chapters_of_a_page_are_in_the_file(site: str, tmp_path: Path) -> None:
    made = fetcher(tmp_path)
    settled(made, f"{site}/parts.html").told = True
    path = settled(made, f"{site}/parts.html").path
    assert path is not None
    found = {one.title: (one.start_s, one.end_s) for one in probe(path).chapters}
    assert found == {"Ships": pytest.approx((0, 2), abs=0.2), "Gulls": pytest.approx((2, 4), abs=0.2)}


def test_a_list_becomes_videos_of_its_own(site: str, open_library: OpenLibrary, tmp_path: Path) -> None:
    library = open_library(allow_urls=True)
    library.fetcher = fetcher(tmp_path / "home" / "downloads")
    url, wait = f"{site}/list.html", 30.0
    reply = ingest_video(library, url, wait_s=wait)
    assert reply.state == "queued"
    assert "a list, 2 videos" in (reply.hints or [""])[0]
    deadline = time.monotonic() + PATIENCE_S
    while (reply := ingest_video(library, url, wait_s=0)).found != 2 or len(reply.videos or []) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert sorted(row.duration_s or 0 for row in library.store.videos()) == [0, 0]  # queued: no worker runs here
    assert len({video.title for video in reply.videos or []}) == 2
    assert [job.state for job in library.store.open_jobs()] == ["queued", "queued"]


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [("none.html", SourceNotFound, "finds no video"), ("away.html", SourceNotAllowed, r"10\.0\.0\.1")],
)
def test_a_page_without_a_film_or_with_a_private_one_is_refused(
    site: str, tmp_path: Path, path: str, error: type[Exception], says: str
) -> None:
    found = settled(fetcher(tmp_path), f"{site}/{path}")
    assert isinstance(found.error, error)
    assert says.replace("\\", "") in str(found.error)
    assert list(tmp_path.iterdir()) == []


def test_what_the_page_program_connects_to_is_public(site: str, tmp_path: Path) -> None:
    found = settled(Fetcher(tmp_path, lambda _: True, Pages(tmp_path)), f"{site}/film.html")
    assert isinstance(found.error, SourceNotAllowed)
    assert "127.0.0.1" in str(found.error)


def test_a_page_that_is_stopped_ends_and_leaves_nothing(site: str, tmp_path: Path) -> None:
    made = fetcher(tmp_path)
    found = made.fetch(f"{site}/film.html")
    made.stop(f"{site}/film.html")
    deadline = time.monotonic() + PATIENCE_S
    while found.under_way:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "was stopped" in str(found.error)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_a_page_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match=r"pip install 'agent-tools-video\[web\]'"):
        addresses.check_address("https://www.youtube.com/watch?v=x")
    addresses.check_address("https://www.youtube.com/watch?v=x", pages=True)
    assert (downloads.pages_are_read(), pages.pages_are_read()) == (True, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"title": "A", "license": "Creative Commons Attribution", "duration": 60},
            "'A': 0:01:00, size not stated, licence: ",
        ),
        ({"title": "B\u202e\x00", "duration": None}, "'B': length not stated, size not stated, no licence stated"),
    ],
)
def test_the_line_that_is_told_first(fields: dict[str, Any], said: str) -> None:
    assert PageInfo(**PageInfo.fields_of(fields, None)).described.startswith(said)
