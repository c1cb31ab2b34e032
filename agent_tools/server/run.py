"""Serving: stdio until the client closes it, or HTTP until a signal; the exit status for the shell.

Knows transports and signals. stdout belongs to the protocol: nothing here prints."""

from __future__ import annotations

import logging
import os
import sys

import anyio

from agent_tools.server import logs
from agent_tools.settings import Settings, go_offline

log = logging.getLogger("agent_tools.server")


def serve(settings: Settings) -> int:
    """Serve until the end. Logging is configured before the server object exists.

    Raises: InvalidArgument: the HTTP settings would open the server to strangers.
    """
    logs.configure(settings.log_level)
    go_offline()
    if settings.transport == "http":
        from agent_tools.server.http import serve_http

        return serve_http(settings)
    from agent_tools.server.build import build_server

    server = build_server(settings)
    try:
        anyio.run(server.run_stdio_async)
    except KeyboardInterrupt:
        # A thread still waits on stdin and would hold the process; what matters is written already.
        sys.stderr.flush()
        os._exit(130)
    return 0
