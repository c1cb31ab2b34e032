"""Video files from http(s) addresses, only where --allow-urls is given: fetched in the background into the data folder.

Each address is checked by where its name leads, not by its name."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from agent_tools.errors import AgentToolsError, InvalidArgument, LimitReached, SourceNotAllowed, SourceNotFound
from agent_tools.home import make_private_folder, open_private
from agent_tools.media.names import SUFFIXES
from agent_tools.untrusted import clean

LARGEST = 16 * 1024**3  # bytes of one file
MOST_HOPS = 5
TIMEOUT_S = 30.0
BLOCK = 1 << 18
RETRY_S = 30.0
MOST_AT_ONCE = 2  # downloads under way
ABANDONED_S = 3600.0  # a part that nobody has written to for so long is of a process that died
# Pages that show a video but are not the file: their own players fetch it by other means.
PAGES = ("youtube.com", "youtu.be", "vimeo.com", "twitch.tv", "tiktok.com", "dailymotion.com", "bilibili.com")
# Of IPv6; Python counts them as global. The first two end in an IPv4 address: NAT64, and the old "compatible" form.
HOLDING_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
REMEDY = "Download the video into an allowed folder and give its path; a .vtt or .srt of the same name is read too."

Permits = Callable[[str], bool]


@dataclass
class Fetch:
    """One address on its way: `path` once it is whole, `error` where it failed."""

    url: str
    done_bytes: int = 0
    total_bytes: int | None = None
    path: Path | None = None
    error: AgentToolsError | None = None
    ended: float = 0.0
    stopped: bool = False  # by `Fetcher.stop`: it ends at its next block

    @property
    def under_way(self) -> bool:
        return self.path is None and self.error is None

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
        of = f" of {self.total_bytes / 1e6:.0f}" if self.total_bytes else ""
        return f"downloading: {self.done_bytes / 1e6:.0f}{of} MB"


class Fetcher:
    """Downloads, one thread each, joined by address: asking again for the same one says how far it is."""

    def __init__(self, folder: Path, permits: Permits | None = None) -> None:
        self.folder = folder
        self._permits = permits or is_public
        self._lock = threading.Lock()
        self._going: dict[str, Fetch] = {}

    def fetch(self, url: str) -> Fetch:
        """Begin, or join, the download of an address. Raises: what it failed with."""
        check_address(url)
        with self._lock:
            found = self._going.get(url)
            if found is None or found.over:
                kept = self._kept(url)
                if kept is None and sum(one.under_way for one in self._going.values()) >= MOST_AT_ONCE:
                    raise LimitReached(
                        f"{MOST_AT_ONCE} downloads are under way, {_shown(url)} waits. Call again when one has ended."
                    )
                found = self._going[url] = Fetch(url)
                if kept is not None:
                    found.path = kept
                else:
                    threading.Thread(target=self._work, args=(found,), name="fetch", daemon=True).start()
        if found.error is not None:
            raise found.error
        return found

    def stop(self, url: str) -> None:
        """End the download of an address, where one is under way."""
        with self._lock:
            if (found := self._going.get(url)) is not None:
                found.stopped = True

    def _kept(self, url: str) -> Path | None:
        return next((path for path in self.folder.glob(_name(url) + ".*") if path.suffix != ".part"), None)

    def _work(self, found: Fetch) -> None:
        import httpx2

        make_private_folder(self.folder)
        self._tidy()
        # A name of its own: another server on this home may fetch the same address.
        part = self.folder / f"{_name(found.url)}-{os.getpid()}-{secrets.token_hex(4)}.part"
        error: AgentToolsError | None = None
        try:
            with httpx2.Client(trust_env=False, timeout=TIMEOUT_S, follow_redirects=False) as client:
                suffix = self._download(client, found, part)
            whole = self.folder / (_name(found.url) + suffix)
            os.replace(part, whole)
            found.path = whole
        except AgentToolsError as raised:
            error = raised
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as raised:  # the last of a host or redirect
            error = SourceNotFound(f"{_shown(found.url)} could not be fetched ({type(raised).__name__}). {REMEDY}")
        finally:
            part.unlink(missing_ok=True)
            found.ended = time.monotonic()
            found.error = error  # last: who hears of it finds nothing left

    def _tidy(self) -> None:
        """Throw away what downloads that were never ended have left."""
        for part in self.folder.glob("*.part"):
            with contextlib.suppress(OSError):  # another server may be as quick
                if time.time() - part.stat().st_mtime > ABANDONED_S:
                    part.unlink()

    def _download(self, client: object, found: Fetch, part: Path) -> str:
        """Follow redirects by hand, check each address again, and write the body. Returns the file name's ending."""
        import httpx2

        assert isinstance(client, httpx2.Client)
        url = found.url
        for _ in range(MOST_HOPS + 1):
            check_address(url)
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
        raise SourceNotFound(f"{_shown(found.url)} redirects more than {MOST_HOPS} times. {REMEDY}")

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

    def _body(self, response: object, found: Fetch, part: Path, path: str) -> str:
        import httpx2

        assert isinstance(response, httpx2.Response)
        if response.status_code != 200:
            raise SourceNotFound(f"{_shown(found.url)} answered {response.status_code}. {REMEDY}")
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml"):
            raise InvalidArgument(f"{_shown(found.url)} is a page, not a video file. {REMEDY}")
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("", "identity"):
            raise InvalidArgument(f"{_shown(found.url)} comes packed as {clean(packed, 20)!r}, not as it is. {REMEDY}")
        length = response.headers.get("content-length", "")
        found.total_bytes = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
        if found.total_bytes is not None and found.total_bytes > LARGEST:
            raise _too_large(found.url)
        with open(part, "wb", opener=open_private) as out:
            for block in response.iter_raw(BLOCK):
                found.done_bytes += len(block)
                if found.stopped:
                    raise SourceNotFound(f"the download of {_shown(found.url)} was stopped. Call again to start again.")
                if found.done_bytes > LARGEST:
                    raise _too_large(found.url)
                out.write(block)
        suffix = Path(unquote(path)).suffix.lower()
        return suffix if suffix in SUFFIXES else ".mp4"


def is_address(source: str) -> bool:
    return source[:8].lower().startswith(("http://", "https://"))


def check_address(url: str) -> None:
    """Raises: InvalidArgument: no http(s) address, one with a name and password, or a page of a known player."""
    try:
        place = urlsplit(url)
        host = (place.hostname or "").lower().rstrip(".")
        _ = place.port
    except ValueError as error:
        raise InvalidArgument(f"{_shown(url)} is no address. {REMEDY}") from error
    if place.scheme.lower() not in ("http", "https") or not host or len(url) > 4096:
        raise InvalidArgument(f"{_shown(url)} is no http(s) address of a file. {REMEDY}")
    if place.username is not None or place.password is not None:
        raise InvalidArgument("an address with a name and password in it is refused: it would stand in logs.")
    if _is_page(host):
        raise InvalidArgument(f"{_shown(url)} is a page, not a video file. {REMEDY}")


def _is_page(host: str) -> bool:
    """Whether the site shows its videos on pages only, so that no address of it is a file."""
    return any(host == page or host.endswith("." + page) for page in PAGES)


def is_public(address: str) -> bool:
    """Whether an address belongs to the public network: not loopback, private, link- or site-local, shared or
    reserved, nor by way of an IPv4 address that it holds."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if not ip.is_global or ip.is_multicast:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return True
    held = ip.ipv4_mapped or ip.sixtofour
    if any(ip in network for network in HOLDING_IPV4):
        held = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return not ip.is_site_local and ip not in LOCAL_NAT64 and (held is None or is_public(str(held)))


def refuse_addresses(url: str) -> SourceNotAllowed:
    """The error where --allow-urls was not given."""
    refused = f"{_shown(url)} is an address, and this server reads local files only. {REMEDY}"
    with contextlib.suppress(ValueError):
        if _is_page(urlsplit(url).hostname or ""):  # the switch would not help: a page is no file
            return SourceNotAllowed(refused)
    return SourceNotAllowed(f"{refused} Or start it with: agent-tools serve --allow-urls")


def _too_large(url: str) -> LimitReached:
    return LimitReached(f"{_shown(url)} is larger than {LARGEST / 1e9:.0f} GB. {REMEDY}")


def _shown(url: str) -> str:
    return repr(clean(url.partition("?")[0], 120))


def _name(url: str) -> str:
    return hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
