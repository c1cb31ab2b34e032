"""Videos from http(s) addresses, only where --allow-urls is given: fetched in the background into the data folder.

Each address is checked by where its name leads, not by its name. An address that shows a page goes to `pages`: what
it holds is said first, and fetched when the address is given again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from agent_tools.errors import AgentToolsError, InvalidArgument, LimitReached, SourceNotAllowed, SourceNotFound
from agent_tools.home import make_private_folder, open_private
from agent_tools.media.names import SUFFIXES
from agent_tools.service.library.addresses import REMEDY, check_address, is_page, is_public, page_refused, shown
from agent_tools.service.library.pages import PageInfo, Pages, pages_are_read
from agent_tools.untrusted import clean

LARGEST = 16 * 1024**3  # bytes of one file
MOST_HOPS = 5
TIMEOUT_S = 30.0
BLOCK = 1 << 18
RETRY_S = 30.0
MOST_AT_ONCE = 2  # downloads under way
ABANDONED_S = 3600.0  # a part that nobody has written to for so long is of a process that died
PAGE_KINDS = frozenset(  # of a body that is no video file, and may lead to one
    "text/html application/xhtml+xml application/xml text/xml application/rss+xml application/atom+xml "
    "application/vnd.apple.mpegurl application/x-mpegurl audio/mpegurl application/dash+xml".split()
)

Permits = Callable[[str], bool]


@dataclass
class Item:
    """One video of a list on its way."""

    title: str
    path: Path | None = None
    error: AgentToolsError | None = None


@dataclass
class Fetch:
    """One address on its way: `path` once it is whole, `error` where it failed; of a list `items`."""

    url: str
    done_bytes: int = 0
    total_bytes: int | None = None
    path: Path | None = None
    error: AgentToolsError | None = None
    ended: float = 0.0
    stopped: bool = False  # by `Fetcher.stop`: it ends at its next block
    page: PageInfo | None = None  # what the page holds that the address shows
    waits: bool = False  # for the address to be given again, before what the page holds is fetched
    told: bool = False  # somebody has read the description
    items: list[Item] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None  # that reads the page

    @property
    def under_way(self) -> bool:
        return self.path is None and self.error is None and not self.waits and not self.ended

    @property
    def share(self) -> float:
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0

    @property
    def over(self) -> bool:
        """Whether it was stopped or failed a while ago: the next call starts again."""
        return self.error is not None and self.ended > 0 and (self.stopped or time.monotonic() - self.ended > RETRY_S)

    @property
    def described(self) -> str:
        """How far it is, for a person or a model."""
        if self.waits and self.page is not None:
            return (
                f"{self.page.described}. Nothing is fetched yet. If you may keep a copy, call ingest_video again with "
                "the same source to fetch it"
            )
        of = f" of {self.total_bytes / 1e6:.0f}" if self.total_bytes else ""
        count = f"video {sum(item.path is not None for item in self.items) + 1} of {len(self.items)}, "
        return f"downloading: {count if self.items else ''}{self.done_bytes / 1e6:.0f}{of} MB"


class Fetcher:
    """Downloads, one thread each, joined by address: asking again for the same one says how far it is.

    Args:
        permits: whether an address may be connected to; default: the public ones.
        pages: what reads pages; default: with the rule of public addresses."""

    def __init__(self, folder: Path, permits: Permits | None = None, pages: Pages | None = None) -> None:
        self.folder = folder
        self._permits = permits or is_public
        self._pages = pages or Pages(folder)
        self._lock = threading.Lock()
        self._going: dict[str, Fetch] = {}

    def fetch(self, url: str) -> Fetch:
        """Begin, or join, the download of an address; of a page whose description was told, begin to fetch its videos.

        Raises: what it failed with."""
        check_address(url, pages=pages_are_read())
        with self._lock:
            found = self._going.get(url)
            if found is None or found.over:
                found = self._going[url] = self._begun(url)
            elif found.waits and found.told:
                self._check_room(url)
                found.waits = False
                self._start(self._fetch_page, found)
        if found.error is not None:
            raise found.error
        return found

    def _begun(self, url: str) -> Fetch:
        found = Fetch(url, path=self._kept(url))
        if found.path is None:
            self._check_room(url)
            self._start(self._work, found)
        else:
            found.page = self._known_page(url)
        return found

    def _check_room(self, url: str) -> None:
        if sum(one.under_way for one in self._going.values()) >= MOST_AT_ONCE:
            raise LimitReached(
                f"{MOST_AT_ONCE} downloads are under way, {shown(url)} waits. Call again when one has ended."
            )

    @staticmethod
    def _start(work: Callable[[Fetch], None], found: Fetch) -> None:
        threading.Thread(target=work, args=(found,), name="fetch", daemon=True).start()

    def stop(self, url: str) -> None:
        """End the download of an address, where one is under way."""
        with self._lock:
            if (found := self._going.get(url)) is not None:
                found.stopped = True
                if found.process is not None:
                    found.process.kill()

    def _kept(self, url: str, item: int = 0) -> Path | None:
        files = self.folder.glob(_name(url, item) + ".*")
        return next((path for path in files if path.suffix in SUFFIXES), None)

    def _known_page(self, url: str) -> PageInfo | None:
        """What the page of a kept file said of itself."""
        try:
            known = json.loads((self.folder / f"{_name(url)}.info.json").read_text("utf-8"))
            return PageInfo(**{**known, "titles": tuple(known["titles"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _work(self, found: Fetch) -> None:
        import httpx2

        make_private_folder(self.folder)
        self._tidy()
        # A name of its own: another server on this home may fetch the same address.
        part = self.folder / f"{_name(found.url)}-{os.getpid()}-{secrets.token_hex(4)}.part"
        error: AgentToolsError | None = None
        described = False  # then the address may be given again, and fetched, before this thread ends
        try:
            suffix = None
            if not is_page(found.url):
                with httpx2.Client(trust_env=False, timeout=TIMEOUT_S, follow_redirects=False) as client:
                    suffix = self._download(client, found, part)
            if suffix is None:
                found.page = self._pages.describe(found.url, lambda process: _ends_with(found, process))
                described = found.waits = True
                return
            whole = self.folder / (_name(found.url) + suffix)
            os.replace(part, whole)
            found.path = whole
        except AgentToolsError as raised:
            error = raised
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as raised:  # the last of a host or redirect
            error = SourceNotFound(f"{shown(found.url)} could not be fetched ({type(raised).__name__}). {REMEDY}")
        finally:
            part.unlink(missing_ok=True)
            if not described:
                self._end(found, error)

    def _end(self, found: Fetch, error: AgentToolsError | None) -> None:
        if found.stopped and error is not None:
            error = _stopped(found.url)
        found.error = error
        found.ended = time.monotonic()

    def _fetch_page(self, found: Fetch) -> None:
        """Fetch what a page holds: one video, or those of a list one after another; one that fails costs itself."""
        assert found.page is not None
        error: AgentToolsError | None = None
        try:
            if not found.page.titles:
                found.path = self._fetch_item(found, 1, 0)
                about = self.folder / f"{_name(found.url)}.info.json"
                with open(about, "w", encoding="utf-8", opener=open_private) as file:
                    json.dump(asdict(found.page), file)
                return
            found.items = [Item(title) for title in found.page.titles]
            for number, item in enumerate(found.items, 1):
                try:
                    item.path = self._kept(found.url, number) or self._fetch_item(found, number, number)
                except AgentToolsError as raised:
                    if found.stopped:
                        raise
                    item.error = raised
        except AgentToolsError as raised:
            error = raised
        except OSError as raised:
            error = SourceNotFound(f"{shown(found.url)} could not be kept ({type(raised).__name__}). {REMEDY}")
        finally:
            self._end(found, error)

    def _fetch_item(self, found: Fetch, place: int, number: int) -> Path:
        def on_bytes(done: int, of: int | None) -> None:
            found.done_bytes, found.total_bytes = done, of

        return self._pages.fetch(
            found.url, place, _name(found.url, number), LARGEST, lambda process: _ends_with(found, process), on_bytes
        )

    def _tidy(self) -> None:
        """Throw away what downloads that were never ended have left."""
        for part in self.folder.glob("*.part"):
            with contextlib.suppress(OSError):  # another server may be as quick
                written = max(path.stat().st_mtime for path in (part, *part.glob("*")))
                if time.time() - written > ABANDONED_S:
                    shutil.rmtree(part) if part.is_dir() else part.unlink()

    def _download(self, client: object, found: Fetch, part: Path) -> str | None:
        """Follow redirects by hand, check each address again, and write the body.

        Returns: the file name's ending; None: it is a page, and pages are read here."""
        import httpx2

        assert isinstance(client, httpx2.Client)
        url = found.url
        for _ in range(MOST_HOPS + 1):
            check_address(url, pages=pages_are_read())
            if is_page(url):
                return None
            place = urlsplit(url)
            address = self._address(place.hostname or "", place.port or (443 if place.scheme == "https" else 80))
            request = client.build_request(
                "GET",
                httpx2.URL(url).copy_with(
                    host=address
                ),  # the address that was checked, so that no second look-up differs
                headers={
                    "Host": place.netloc.rpartition("@")[2],
                    "Accept": "video/*,*/*;q=0.1",
                    "Accept-Encoding": "identity",  # the body is written as it comes
                },
                extensions={"sni_hostname": place.hostname},
            )
            response = client.send(request, stream=True)
            try:
                if response.is_redirect and "location" in response.headers:
                    url = urljoin(url, response.headers["location"])
                    continue
                return self._body(response, found, part, place.path)
            finally:
                response.close()
        raise SourceNotFound(f"{shown(found.url)} redirects more than {MOST_HOPS} times. {REMEDY}")

    def _address(self, host: str, port: int) -> str:
        """One address of the host, if all its addresses are permitted."""
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise SourceNotFound(f"the host {clean(host, 80)!r} is not known. {REMEDY}") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
        for address in addresses:
            if not self._permits(address):
                raise SourceNotAllowed(
                    f"{clean(host, 80)!r} leads to {address}, in a private network. Only public addresses are fetched."
                )
        return addresses[0]

    def _body(self, response: object, found: Fetch, part: Path, path: str) -> str | None:
        import httpx2

        assert isinstance(response, httpx2.Response)
        if response.status_code != 200:
            raise SourceNotFound(f"{shown(found.url)} answered {response.status_code}. {REMEDY}")
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in PAGE_KINDS:
            if pages_are_read():
                return None
            raise page_refused(found.url)
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("", "identity"):
            raise InvalidArgument(f"{shown(found.url)} comes packed as {clean(packed, 20)!r}, not as it is. {REMEDY}")
        length = response.headers.get("content-length", "")
        found.total_bytes = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
        if found.total_bytes is not None and found.total_bytes > LARGEST:
            raise _too_large(found.url)
        with open(part, "wb", opener=open_private) as out:
            for block in response.iter_raw(BLOCK):
                found.done_bytes += len(block)
                if found.stopped:
                    raise _stopped(found.url)
                if found.done_bytes > LARGEST:
                    raise _too_large(found.url)
                out.write(block)
        suffix = Path(unquote(path)).suffix.lower()
        return suffix if suffix in SUFFIXES else ".mp4"


def _too_large(url: str) -> LimitReached:
    return LimitReached(f"{shown(url)} is larger than {LARGEST / 1e9:.0f} GB. {REMEDY}")


def _stopped(url: str) -> SourceNotFound:
    return SourceNotFound(f"the download of {shown(url)} was stopped. Call again to start again.")


def _ends_with(found: Fetch, process: subprocess.Popen[str]) -> None:
    """Let a stop end the process; one that came before ends it at once."""
    found.process = process
    if found.stopped:
        process.kill()


def _name(url: str, item: int = 0) -> str:
    """The stem of the files of an address. Args: item: the place in a list, from 1."""
    return hashlib.blake2b(url.encode(), digest_size=8).hexdigest() + (f"-{item:03d}" if item else "")
