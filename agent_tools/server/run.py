"""Serving: stdio until the client closes it, or HTTP until a signal; the exit status for the shell.

Knows transports and signals. stdout belongs to the protocol: nothing here prints."""

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
    """Serve until the end. Logging is configured before the server object exists.

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
        # A thread still waits on stdin and would hold the process; what matters is written already.
        sys.stderr.flush()
        os._exit(130)
    return 0


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Imports make many objects that all stay: looking through them for garbage takes an eighth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
