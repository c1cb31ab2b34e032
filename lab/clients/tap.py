"""A tap between a client and the server: `python tap.py LOG COMMAND...` passes each line on and logs it.

What a client did is read from the wire, not from its own report. It runs by path and imports no package."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

VERSION = "io.modelcontextprotocol/protocolVersion"


@dataclass
class Seen:
    """What went over one connection."""

    era: str = "none"
    tools: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def read(log: Path) -> Seen:
    """The log of a tap, counted. An error is a JSON-RPC error on a call, or a call's result that is an error."""
    seen = Seen()
    asked: dict[object, str] = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        message: dict[str, Any] = json.loads(line)
        params, result = message.get("params") or {}, message.get("result") or {}
        if version := (params.get("_meta") or {}).get(VERSION) or result.get("protocolVersion"):
            seen.era = version
        if "method" in message and "id" in message:
            asked[message["id"]] = message["method"]
            if message["method"] == "tools/call":
                seen.calls.append(params["name"])
        elif asked.get(message.get("id")) == "tools/list" and "tools" in result:
            seen.tools = [tool["name"] for tool in result["tools"]]
        elif asked.get(message.get("id")) == "tools/call" and ("error" in message or result.get("isError")):
            seen.errors.append(line[:300])
    return seen


def main() -> int:
    log, command = Path(sys.argv[1]), sys.argv[2:]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lock = threading.Lock()
    with log.open("ab") as kept:

        def carry(source: IO[bytes], target: IO[bytes]) -> None:
            for line in source:
                with lock:
                    kept.write(line)
                    kept.flush()
                target.write(line)
                target.flush()
            target.close()

        assert server.stdin is not None
        assert server.stdout is not None
        inward = threading.Thread(target=carry, args=(sys.stdin.buffer, server.stdin), daemon=True)
        inward.start()
        carry(server.stdout, sys.stdout.buffer)
        return server.wait()


if __name__ == "__main__":
    sys.exit(main())
