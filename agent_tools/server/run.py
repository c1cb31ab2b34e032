"""Serves over stdio until the client closes it, or over HTTP until a signal. Returns the exit status for the shell.

stdout belongs to the protocol, so nothing here prints."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator

import anyio

from agent_tools.server import logs
from agent_tools.settings import Settings, go_offline


def serve(settings: Settings) -> int:
    """Serve until the client or a signal ends it. Logging is configured before the server object exists.

    Raises: InvalidArgument: the HTTP settings would open the server to strangers.
    """
    logs.configure(settings.log_level)
    go_offline()
    if settings.transport == "http":
        with _no_collection():
            from agent_tools.server.http import serve_http
        return serve_http(settings)
    with _no_collection():
        from agent_tools.server.build import build_server

        server = build_server(settings)
    try:
        anyio.run(server.run_stdio_async)
    except KeyboardInterrupt:
        # A thread still waits on stdin and would keep the process alive; all data is already written.
        sys.stderr.flush()
        os._exit(130)
    return 0


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Turn garbage collection off during imports: their objects all stay, and the search takes 1/8 of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
