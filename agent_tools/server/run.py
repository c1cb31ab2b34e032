"""Serves over stdio until the client closes it, or over HTTP until a signal. Returns the exit status for the shell.

stdout belongs to the protocol, so nothing here prints."""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
from collections.abc import Callable, Iterator

import anyio

from agent_tools.background import end_at_once, ended_by_interrupt, share_one_heap
from agent_tools.server import logs
from agent_tools.settings import Settings, go_offline

LEAVE_S = 10.0  # that running calls have to end after the client has gone; what one writes is whole or not there

log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serve until the client or a signal ends it. Logging is configured before the server object exists.

    Raises: InvalidArgument: the HTTP settings would open the server to strangers.
    """
    share_one_heap()
    logs.configure(settings.log_level)
    go_offline()
    if settings.transport == "http":
        with _no_collection():
            from agent_tools.server.http import serve_http
        return serve_http(settings)
    with ended_by_interrupt(), _no_collection():
        from agent_tools.server.build import build_server

        server = build_server(settings)
    gone = False
    try:
        # At once: a thread waits on stdin, which the client may keep open. What a call writes is written whole or not.
        with ended_by_interrupt(), _bounded_end() as on_gone:
            anyio.run(server.run_stdio_async, on_gone)
    except* (BrokenPipeError, ConnectionResetError):
        gone = True  # any other error goes on from here
    if gone:
        log.warning("The client has gone and did not read its last replies. The server ends.")
        end_at_once(0)
    return 0


@contextlib.contextmanager
def _bounded_end() -> Iterator[Callable[[], None]]:
    """What to call when the client has gone: the process ends in LEAVE_S then, if calls still run, as nobody waits for
    their replies."""
    timer = threading.Timer(LEAVE_S, end_at_once, (0,))
    timer.daemon = True
    try:
        yield timer.start
    finally:
        timer.cancel()


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Turn garbage collection off during imports: their objects all stay, and the search takes 1/8 of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
