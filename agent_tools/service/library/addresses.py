"""Addresses of the web: which are taken, which belong to the public network, and what the refusal of one says."""

from __future__ import annotations

import contextlib
import ipaddress
from urllib.parse import urlsplit

from agent_tools.errors import InvalidArgument, SourceNotAllowed
from agent_tools.untrusted import clean

# Pages that show a video but are not the file: their own players fetch it by other means.
PAGES = ("youtube.com", "youtu.be", "vimeo.com", "twitch.tv", "tiktok.com", "dailymotion.com", "bilibili.com")
# Of IPv6; Python counts them as global. The first two end in an IPv4 address: NAT64, and the old "compatible" form.
HOLDING_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
REMEDY = "Download the video into an allowed folder and give its path; a .vtt or .srt of the same name is read too."
EXTRA = "Pages are read where the extra `web` is installed: pip install 'agent-tools-video[web]'."


def is_address(source: str) -> bool:
    return source[:8].lower().startswith(("http://", "https://"))


def check_address(url: str, *, pages: bool = False) -> None:
    """Raises: InvalidArgument: no http(s) address, one with a name and password, or a page of a known player.

    Args:
        pages: such pages are read here."""
    try:
        place = urlsplit(url)
        host = (place.hostname or "").lower().rstrip(".")
        _ = place.port
    except ValueError as error:
        raise InvalidArgument(f"{shown(url)} is no address. {REMEDY}") from error
    if place.scheme.lower() not in ("http", "https") or not host or len(url) > 4096:
        raise InvalidArgument(f"{shown(url)} is no http(s) address of a file. {REMEDY}")
    if place.username is not None or place.password is not None:
        raise InvalidArgument("an address with a name and password in it is refused: it would stand in logs.")
    if not pages and is_page(url):
        raise page_refused(url)


def is_page(url: str) -> bool:
    """Whether the site shows its videos on pages only, so that no address of it is a file."""
    with contextlib.suppress(ValueError):
        host = (urlsplit(url).hostname or "").lower().rstrip(".")
        return any(host == page or host.endswith("." + page) for page in PAGES)
    return False


def page_refused(url: str) -> InvalidArgument:
    """The error for a page where pages are not read."""
    return InvalidArgument(f"{shown(url)} is a page, not a video file. {EXTRA} {REMEDY}")


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


def refuse_addresses(url: str, *, pages: bool = False) -> SourceNotAllowed:
    """The error where --allow-urls was not given. Args: pages: with the switch, pages would be read here."""
    refused = f"{shown(url)} is an address, and this server reads local files only. {REMEDY}"
    if is_page(url) and not pages:  # the switch alone would not help
        return SourceNotAllowed(refused)
    return SourceNotAllowed(f"{refused} Or start it with: agent-tools serve --allow-urls")


def shown(url: str) -> str:
    """An address in a message: without what stands behind a question mark, which may be secret."""
    return repr(clean(url.partition("?")[0], 120))
