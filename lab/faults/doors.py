"""Cases of slice paths: HTTP requests that must be refused, and bodies that are too large or too slow."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

from agent_tools.server.http import LARGEST_BODY
from lab.faults.servers import Web, listening
from lab.faults.slices import Outcome

if TYPE_CHECKING:
    from lab.faults.paths import World

TOKEN = "a-token-for-this-case-alone"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
GOOD = {"Host": "localhost", "Authorization": f"Bearer {TOKEN}"}
# (what, headers, the statuses that refuse it)
REQUESTS: list[tuple[str, dict[str, str], tuple[int, ...]]] = [
    ("no token", {"Host": "localhost"}, (401,)),
    ("wrong token", {"Host": "localhost", "Authorization": "Bearer wrong-but-long-enough"}, (401,)),
    ("an empty token", {"Host": "localhost", "Authorization": "Bearer "}, (401,)),
    ("the token's beginning", {"Host": "localhost", "Authorization": f"Bearer {TOKEN[:-1]}"}, (401,)),
    ("the token and more", {"Host": "localhost", "Authorization": f"Bearer {TOKEN}x"}, (401,)),
    ("another scheme", {"Host": "localhost", "Authorization": f"Basic {TOKEN}"}, (401,)),
    ("the token in a cookie", {"Host": "localhost", "Cookie": f"Authorization=Bearer {TOKEN}"}, (401,)),
    ("an unsigned JWT", {"Host": "localhost", "Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9."}, (401,)),
    ("odd bytes as a token", {"Host": "localhost", "Authorization": "Bearer \xe9\xff"}, (401,)),
    ("a strange host", {**GOOD, "Host": "evil.example.com"}, (421,)),
    ("a host that begins well", {**GOOD, "Host": "localhost.evil.example.com"}, (421,)),
    ("a host with a name before it", {**GOOD, "Host": "evil@localhost"}, (421,)),
    ("an address that was not named", {**GOOD, "Host": "192.168.1.2"}, (421,)),
    ("an empty host", {**GOOD, "Host": ""}, (400, 421)),
    ("a strange origin", {**GOOD, "Origin": "https://evil.example.com"}, (403,)),
    ("a null origin", {**GOOD, "Origin": "null"}, (403,)),
    ("an origin that begins well", {**GOOD, "Origin": "http://localhost.evil.example.com"}, (403,)),
    ("a file as origin", {**GOOD, "Origin": "file://"}, (403,)),
]


def door(world: World) -> Outcome:
    """Tokens, hosts and origins, each refused with its status; and the good ones, which come in."""
    found = Outcome.empty()
    with listening(world.root / "web", world.allowed, AGENT_TOOLS_TOKEN=TOKEN) as web:
        for what, headers, statuses in REQUESTS:
            status, body = asked(web, headers, json.dumps(INITIALIZE).encode())
            right = status in statuses and TOKEN not in body and world.leak(body) == ""
            found.count("" if right else f"{what}: {status} {body[:120]}")
            for path in ("/", "/mcp/../mcp", "//mcp", "/MCP", "/health/../mcp"):
                status, body = asked(web, headers, json.dumps(INITIALIZE).encode(), path=path)
                found.count("" if 400 <= status < 500 else f"{what} at {path}: {status}")
        status, body = asked(web, GOOD, json.dumps(INITIALIZE).encode())
        found.count("" if status == 200 else f"the right token: {status} {body[:120]}")
        log = (world.root / "web" / "server.err").read_text()
        found.count("the token stands in the log" if TOKEN in log else "")
        found.count("a traceback stands in the log" if "Traceback" in log else "")
    return found


def access_tokens(world: World) -> Outcome:
    """An issuer's access tokens: those for another audience, out of time, wrongly signed or altered stay outside."""
    from tests.server import test_oauth

    found = Outcome.empty()
    keys = world.root / "jwks.json"
    keys.write_text(test_oauth.jwks(("one", test_oauth.OWN)), encoding="utf-8")
    variables = {
        "AGENT_TOOLS_OAUTH_ISSUER": test_oauth.ISSUER,
        "AGENT_TOOLS_OAUTH_JWKS": str(keys),
        "AGENT_TOOLS_OAUTH_AUDIENCE": test_oauth.AUDIENCE,
    }
    with listening(world.root / "web", world.allowed, **variables) as web:
        for what, made, status in test_oauth.CASES:
            given = made()
            headers = {"Host": "localhost", **({"Authorization": f"Bearer {given}"} if given else {})}
            got, body = asked(web, headers, json.dumps(INITIALIZE).encode())
            found.count("" if got == status else f"token {what}: {got}, not {status}: {body[:120]}")
            log = (world.root / "web" / "server.err").read_text()
            found.count("the token stands in the log" if given and given in log else "")
    return found


def bodies(world: World) -> Outcome:
    """Bodies over the limit, with or without a declared length, broken or endless; other clients still get replies."""
    found = Outcome.empty()
    with listening(world.root / "web", world.allowed, AGENT_TOOLS_TOKEN=TOKEN) as web:
        large = b" " * (LARGEST_BODY + 1)
        for what, status in (
            ("oversized", asked(web, GOOD, large)[0]),
            ("oversized in chunks", asked(web, GOOD, large, chunked=True)[0]),
            ("declared as 1 TB", asked(web, {**GOOD, "Content-Length": str(1 << 40)}, b"{", wait=False)[0]),
        ):
            found.count("" if status == 413 else f"{what}: {status}")
        for what, body in (
            ("not JSON", b"{" * 9),
            ("not UTF-8", b"\xff\xfe{}"),
            ("deep", b"[" * 100_000),
            ("empty", b""),
        ):
            status, text = asked(web, GOOD, body)
            found.count("" if 400 <= status < 500 and "Traceback" not in text else f"{what}: {status} {text[:100]}")
        slow = [opened(web, GOOD, 4096) for _ in range(64)]
        began = time.monotonic()
        status, _ = asked(web, GOOD, json.dumps(INITIALIZE).encode())
        took = time.monotonic() - began
        found.count("" if status == 200 and took < 5 else f"beside 64 slow bodies: {status} after {took:.1f} s")
        ended = sum(_ends(one, began + 60) for one in slow)
        found.count("" if ended == len(slow) else f"{len(slow) - ended} of 64 slow bodies were waited for beyond 60 s")
    return found


def _ends(one: socket.socket, deadline: float) -> bool:
    """Whether the server ends a request whose body comes a byte at a time."""
    one.settimeout(1.0)
    while time.monotonic() < deadline:
        try:
            one.sendall(b" ")
            if b"408" in one.recv(400):
                one.close()
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    one.close()
    return False


def opened(web: Web, headers: dict[str, str], length: int) -> socket.socket:
    """A request whose body of that length has not come yet."""
    made = socket.create_connection(("127.0.0.1", web.port), timeout=20)
    lines = "".join(
        f"{name}: {value}\r\n" for name, value in {**JSON, "Content-Length": str(length), **headers}.items()
    )
    made.sendall(f"POST /mcp HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    return made


def asked(
    web: Web, headers: dict[str, str], body: bytes, *, path: str = "/mcp", chunked: bool = False, wait: bool = True
) -> tuple[int, str]:
    """(status, body) of one request, written byte for byte; 0 where the server only hung up."""
    length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    lines = "".join(
        f"{name}: {value}\r\n" for name, value in {**JSON, **length, **headers, "Connection": "close"}.items()
    )
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as made:
        made.sendall(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        answer = b""
        try:
            if chunked:
                for start in range(0, len(body), 1 << 16):
                    piece = body[start : start + (1 << 16)]
                    made.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                made.sendall(b"0\r\n\r\n")
            else:
                made.sendall(body)
        except OSError:
            pass  # it has answered before all of it came
        try:
            while block := made.recv(1 << 16):
                answer += block
                if b"\r\n\r\n" in answer and (not wait or (b"text/event-stream" in answer and b"data:" in answer)):
                    break
        except OSError:
            pass  # the answer that was read until here counts
    status = answer.partition(b" ")[2][:3]
    return int(status) if status.isdigit() else 0, answer.decode("latin-1")
