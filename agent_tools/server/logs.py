"""Logging of the server: one plain line per record on stderr, without boxes and without long tracebacks.

Call `configure` before an MCPServer is made: the SDK would install rich's handler if rich can be imported."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

LOUD = {"mcp": logging.WARNING, "uvicorn": logging.WARNING, "httpx2": logging.WARNING, "asyncio": logging.WARNING}


class OneLine(logging.Formatter):
    """Writes a record as one line, and an exception as its type, message and place."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return where(ei[1]) if ei[1] is not None else ""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(super().format(record).split())


def where(error: BaseException) -> str:
    """An unexpected exception in one line: its type, its message, and the file and line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}{place}".split())


def configure(level: str) -> None:
    """Send all records to stderr, one line each. A process that has handlers already keeps them."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in LOUD.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelName(level)))
