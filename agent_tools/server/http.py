"""Streamable HTTP. It listens on loopback by default; any other address needs tokens and the names of its hosts.

This module checks addresses, headers and the server's own token. Access tokens are checked in oauth."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import anyio
import uvicorn
from mcp.server.auth.middleware.bearer_auth import RequireAuthMiddleware
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_tools import __version__
from agent_tools.errors import InvalidArgument
from agent_tools.server import metrics, oauth
from agent_tools.server.build import build_server
from agent_tools.server.protocol import VideoServer
from agent_tools.server.viewer.door import Door
from agent_tools.server.viewer.routes import routes
from agent_tools.settings import Settings

log = logging.getLogger("agent_tools.server")
PATH, HEALTH = "/mcp", "/health"
LARGEST_BODY = 1024 * 1024  # bytes; the longest legal call is a note of 2,000 characters
LEAST_TOKEN = 16  # characters; `openssl rand -hex 32` gives 64
BODY_S = 20.0  # time for a body of at most 1 MiB, so 50 kB a second
STOP_S = 3
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def check(settings: Settings) -> None:
    """Refuse settings that would open the server to strangers.

    Raises: InvalidArgument: an address other than loopback without tokens or allowed hosts, a token that is too
        short, or access tokens that cannot be checked.
    """
    access_tokens = oauth.configured(settings)
    if settings.token and len(settings.token) < LEAST_TOKEN:
        raise InvalidArgument(
            f"AGENT_TOOLS_TOKEN has {len(settings.token)} characters; it must have at least {LEAST_TOKEN}. "
            "Make one with: openssl rand -hex 32"
        )
    if _is_loopback(settings.host):
        return
    if not settings.token and not access_tokens:
        raise InvalidArgument(
            f"Others can reach host {settings.host}; that needs a token. Set AGENT_TOOLS_TOKEN "
            "(openssl rand -hex 32 makes one), set --oauth-issuer, or listen on 127.0.0.1."
        )
    if not settings.allowed_hosts:
        raise InvalidArgument(
            f"Others can reach host {settings.host}; name the hosts that clients use in their addresses: "
            "--allowed-hosts video.example.com"
        )


def security(settings: Settings) -> TransportSecuritySettings:
    """The Host and Origin values that the server answers: loopback and the allowed hosts, with any port."""
    hosts = [*LOOPBACK, *settings.allowed_hosts]
    bare = [host.removesuffix(":*") for host in hosts]
    allowed = [form for host in bare for form in ((host,) if _has_port(host) else (host, f"{host}:*"))]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=allowed,
        allowed_origins=[f"{scheme}://{form}" for form in allowed for scheme in ("http", "https")],
    )


def http_app(settings: Settings, server: VideoServer, body_s: float = BODY_S, ticket: str = "") -> Door:
    """The ASGI application: /mcp, /view and /metrics, which need the token where one is set, and /health.

    Args: ticket: of a link that opens /view once."""
    check(settings)
    allowed = security(settings)

    app: Starlette = server.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=allowed,
        max_request_body_size=LARGEST_BODY,
        host=settings.host,
        # A balancer may send each request of a client to another server, which knows no session of this one.
        stateless_http=bool(settings.store),
    )
    by_oauth = oauth.configured(settings)
    app.router.routes.append(Route(HEALTH, _health, methods=["GET"]))
    protect = _needs_token if by_oauth else lambda inner: inner
    app.router.routes.extend([*routes(server, protect), *metrics.routes(server, protect)])
    # With OAuth the SDK's middleware checks every token; its verifier then accepts the server's own token too.
    guarded = Guard(app, "" if by_oauth else settings.token, allowed, body_s)
    return Door(guarded, ticket, settings.token)


def _needs_token(app: ASGIApp) -> ASGIApp:
    """What the SDK puts before /mcp: a request without a valid access token is refused."""
    return RequireAuthMiddleware(app, required_scopes=[])


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


class Guard:
    """Checks each request before the application sees it: Host, Origin, the bearer token if one is set, the body."""

    def __init__(self, app: ASGIApp, token: str, allowed: TransportSecuritySettings, body_s: float = BODY_S) -> None:
        self._app = app
        self._body_s = body_s
        self._token = token.encode()
        self._principal = f"token {hashlib.blake2b(self._token, digest_size=6).hexdigest()}" if token else ""
        self._headers = TransportSecurityMiddleware(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refused = await self._headers.validate_request(request)
        if refused is None and scope["path"] != HEALTH and not self._authorised(request):
            refused = JSONResponse(
                {"error": "Send the server's token: Authorization: Bearer TOKEN"},
                status_code=401,
                headers={"WWW-Authenticate": 'Bearer realm="agent-tools"'},
            )
        if refused is not None:
            await refused(scope, receive, send)
            return
        scope["agent_tools.principal"] = self._principal
        body = await _whole_body(request, receive, self._body_s)
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    def _authorised(self, request: Request) -> bool:
        if not self._token:
            return True
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token)


async def _whole_body(request: Request, receive: Receive, within_s: float) -> Message | Response:
    """The request's body as one message, or a refusal: the body is too large, or does not come in time.

    The body is read first. Otherwise a client that sends one byte a minute would keep the request's resources for ever.
    """
    length = request.headers.get("content-length", "0")
    too_long = len(length) > 15 or (length.isascii() and length.isdigit() and int(length) > LARGEST_BODY)
    body = bytearray()
    with anyio.move_on_after(within_s):
        while not too_long and len(body) <= LARGEST_BODY:
            message = await receive()
            if message["type"] != "http.request":
                return message  # the client has gone
            body += message.get("body", b"")
            if not message.get("more_body", False):
                if len(body) > LARGEST_BODY:
                    break
                return {"type": "http.request", "body": bytes(body), "more_body": False}
        return JSONResponse({"error": f"The body has more than {LARGEST_BODY} bytes."}, status_code=413)
    late = {"error": f"The body did not come within {within_s:.0f} s."}
    return JSONResponse(late, status_code=408, headers={"Connection": "close"})


def _replayed(body: Message, receive: Receive) -> Receive:
    """A `receive` that gives the body first, then the messages after it, such as the client's disconnect."""
    waiting = [body]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def serve_http(settings: Settings) -> int:
    """Listen until SIGINT or SIGTERM, then give running answers a few seconds to end. Returns the exit status."""
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    app = http_app(settings, build_server(settings))
    sys.stderr.write(f"agent-tools {__version__}: http://{shown}:{settings.port}{PATH}\n")
    sys.stderr.flush()
    return listen(app, settings)


def listen(
    app: ASGIApp,
    settings: Settings,
    sockets: list[socket.socket] | None = None,
    on_ready: Callable[[], None] = lambda: None,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> int:
    """Serve an application on the settings' address, or on sockets that are bound already. Returns the exit status.

    Args: beside: runs as long as the server does."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
        limit_concurrency=256,
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        async with anyio.create_task_group() as others:
            others.start_soon(_when_started, server, on_ready)
            if beside is not None:
                others.start_soon(beside)
            await server.serve(sockets)
            others.cancel_scope.cancel()

    with _signals_end_quietly():
        try:
            anyio.run(run)
        except SystemExit:  # uvicorn could not start, and has logged why
            return 1
    return 0 if server.started else 1


async def _when_started(server: uvicorn.Server, on_ready: Callable[[], None]) -> None:
    while not server.started:
        await anyio.sleep(0.02)
    on_ready()


@contextlib.contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Ignore the signal that uvicorn raises a second time after it has stopped."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_port(host: str) -> bool:
    return "]:" in host or (host.count(":") == 1 and host.rpartition(":")[2].isdigit())
