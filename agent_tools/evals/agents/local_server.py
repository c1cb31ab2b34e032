"""This program as an MCP server over stdio, as a chat client would start it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import Client, StdioServerParameters


@asynccontextmanager
async def serving(home: Path, allowed: Path, profile: str = "lite", flags: Sequence[str] = ()) -> AsyncIterator[Client]:
    """A client of a server that keeps its memory in `home` and may read `allowed`.

    Settings are flags: the SDK hands no AGENT_TOOLS_ variable on. -P keeps the current folder off the server's path: it
    runs the package this interpreter has installed.
    """
    arguments = ["-P", "-m", "agent_tools", "serve", "--home", str(home), "--allow", str(allowed), "--profile", profile]
    arguments += flags
    async with Client(StdioServerParameters(command=sys.executable, args=arguments)) as client:
        yield client
