"""The server over HTTP with the fixtures of the conformance suite; with --bare without them.

python -m lab.conformance.server PORT HOME [--bare]"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import uvicorn

from agent_tools.server import logs
from agent_tools.server.build import build_server
from agent_tools.server.http import http_app
from agent_tools.settings import Settings
from lab.conformance import fixtures


def main(port: int, home: Path, bare: bool) -> None:
    logs.configure("ERROR")
    settings = Settings(home=home, transport="http", port=port)
    server = build_server(settings, long_tools={} if bare else fixtures.LONG_TOOLS)
    if not bare:
        fixtures.install(server)
    config = uvicorn.Config(
        http_app(settings, server), host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1
    )
    anyio.run(uvicorn.Server(config).serve)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), "--bare" in sys.argv)
