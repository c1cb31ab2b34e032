"""Lets a browser in at /view by the same authentication as /mcp, which a browser cannot give with each request.

A person signs in with the server's token, or comes by a link with a one-time ticket. Both give a session: a random
cookie, for which this module puts the token into each request. What checks the token stands behind it, and is the only
check."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

VIEW, SESSION = "/view", "/view/session"
SESSION_S = 12 * 3600.0
MOST_SESSIONS = 256
LONGEST_FORM = 20_000  # bytes: a signed access token and its field
FREE = ("GET", "HEAD")
PRIVATE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FORM_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SIGN_IN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>body{{font:14px/1.5 system-ui,sans-serif;max-width:24em;margin:20vh auto;padding:0 1em}}
input,button{{font:inherit;padding:.4em .6em;width:100%;box-sizing:border-box;margin:.3em 0}}</style>
<h1 style="font-size:1.1em">Videos</h1><p>{message}</p><form method="post" action="/view/session">
<label>Token of the server
<input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Sign in</button></form></html>"""
ASK = "Sign in with the token that clients of this server send."
WRONG = "This token is not accepted."
USED = "This link was used already, or is too old. Ask for a new one with <code>agent-tools view</code>, or sign in."


class Door:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp, ticket: str = "", token: str = "") -> None:
        """Args: ticket: opens one session that holds `token`; both are "" where nobody is let in by a link."""
        self._app = app
        self._ticket, self._token = ticket, token
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()

    @property
    def redeemed(self) -> bool:
        """Whether the ticket was used."""
        return not self._ticket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        path = scope["path"]
        if path == SESSION:
            await (await self._sign_in(request))(scope, receive, send)
            return
        ticket = request.query_params.get("ticket", "") if path == VIEW and scope["method"] == "GET" else ""
        token = self._redeem(ticket) if ticket else ""
        opened = self._open(token) if token else ""
        if not token and "authorization" not in request.headers:
            token = self._held(request)
        if token:
            scope = _with_token(scope, token)
        asks = path == VIEW and scope["method"] in FREE
        if not asks:
            await self._app(scope, receive, send)
            return
        answered = await _answered(self._app, scope)
        if answered.status == 401:
            await _form(USED if ticket else ASK, 401)(scope, receive, send)
            return
        await answered.replay(send, {"set-cookie": _cookie(request, opened)} if opened else {})

    def _redeem(self, ticket: str) -> str:
        """The token for a ticket, once."""
        if not self._ticket or not hmac.compare_digest(ticket.encode(), self._ticket.encode()):
            return ""
        self._ticket = ""
        return self._token

    def _open(self, token: str) -> str:
        """A new session. The oldest goes where there are too many."""
        name = secrets.token_urlsafe(32)
        self._sessions[name] = token, time.monotonic() + SESSION_S
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return name

    def _held(self, request: Request) -> str:
        """The token of the request's session, "" where it has none or comes from another site's page."""
        name = _cookies(request).get(_cookie_name(request), "")
        token, until = self._sessions.get(name, ("", 0.0))
        if not token or time.monotonic() > until or not _from_own_page(request):
            return ""
        return token

    async def _sign_in(self, request: Request) -> Response:
        """Open a session for a token that the server behind accepts."""
        if request.method != "POST" or not _from_own_page(request):
            return RedirectResponse(VIEW, 303)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LONGEST_FORM:
                return _form(WRONG, 413)
        token = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            return _form(WRONG, 401)
        page = {**request.scope, "path": VIEW, "raw_path": VIEW.encode(), "method": "GET", "query_string": b""}
        if (await _answered(self._app, _with_token(page, token))).status != 200:
            return _form(WRONG, 401)
        answer = RedirectResponse(VIEW, 303, headers=PRIVATE)
        answer.headers["set-cookie"] = _cookie(request, self._open(token))
        return answer


class _Answer:
    """What the application answered, held back."""

    def __init__(self) -> None:
        self.status = 500
        self._messages: list[Message] = []

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self._messages.append(message)

    async def replay(self, send: Send, headers: dict[str, str]) -> None:
        for message in self._messages:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)


async def _answered(app: ASGIApp, scope: Scope) -> _Answer:
    """The answer to a request without a body."""
    answer = _Answer()

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(name, value) for name, value in scope["headers"] if name not in (b"content-length", b"content-type")]
    await app({**scope, "headers": headers}, nothing, answer.take)
    return answer


def _with_token(scope: Scope, token: str) -> Scope:
    others = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
    return {**scope, "headers": [*others, (b"authorization", f"Bearer {token}".encode("latin-1"))]}


def _form(message: str, status: int) -> Response:
    return HTMLResponse(
        SIGN_IN.format(message=message), status, headers={**PRIVATE, "Content-Security-Policy": FORM_POLICY}
    )


def _from_own_page(request: Request) -> bool:
    """Whether no other site's page sent the request. SameSite does not tell two ports of one host apart."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return (
            request.method in FREE and request.url.path == VIEW and request.headers.get("sec-fetch-mode") == "navigate"
        )
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def _cookie_name(request: Request) -> str:
    """Cookies know no ports: two servers of one machine need two names."""
    port = Headers(scope=request.scope).get("host", "").rpartition(":")[2]
    return f"agent_tools_view_{port}" if port.isdigit() else "agent_tools_view"


def _cookie(request: Request, session: str) -> str:
    secure = "; Secure" if request.url.scheme == "https" else ""
    return f"{_cookie_name(request)}={session}; Path=/; Max-Age={SESSION_S:.0f}; HttpOnly; SameSite=Strict{secure}"


def _cookies(request: Request) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(request.headers.get("cookie", "")).items()}
    except CookieError:
        return {}
