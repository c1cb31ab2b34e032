"""`agent-tools view`: the viewer for one person on this machine, on loopback, by a link with a one-time ticket."""

from __future__ import annotations

import math
import secrets
import signal
import socket
from collections.abc import Callable
from dataclasses import replace

import anyio

from agent_tools.server import logs
from agent_tools.server.build import build_server
from agent_tools.server.http import http_app, listen
from agent_tools.server.viewer.door import VIEW
from agent_tools.settings import Settings, go_offline

HOST = "127.0.0.1"


def serve_viewer(
    settings: Settings,
    fragment: str,
    port: int,
    on_ready: Callable[[str], None],
    *,
    unopened_s: float = math.inf,
) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit status.

    Args:
        fragment: what the page opens, as in "v=9f6cbced0247&t=60"; "" for the library.
        port: to listen on; 0 for any free one.
        on_ready: gets the link when the server answers.
        unopened_s: end after so many seconds if nobody has opened the link.

    Raises: OSError: the port is taken.
    """
    logs.configure(settings.log_level)
    go_offline()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        token, ticket = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        here = replace(
            settings, transport="http", host=HOST, port=listening.getsockname()[1], token=token, allowed_hosts=()
        )
        here = replace(here, oauth_issuer="", oauth_jwks="", oauth_audience="")
        link = f"http://{HOST}:{here.port}{VIEW}?ticket={ticket}" + (f"#{fragment}" if fragment else "")
        app = http_app(here, build_server(here), ticket=ticket)

        async def nobody_came() -> None:
            await anyio.sleep(unopened_s)
            if not app.redeemed:
                signal.raise_signal(signal.SIGTERM)

        return listen(app, here, [listening], lambda: on_ready(link), nobody_came)
