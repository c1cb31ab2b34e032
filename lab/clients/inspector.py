"""The command line of MCP Inspector against the server: the definitions under its strict rules, and each tool once."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.clients import installs, tap

STRICT_FAULT = 6  # its exit code where a definition is not portable between hosts
LIMIT_S = 300


@dataclass
class Inspected:
    """What its runs said, one line each, and what went over the wire."""

    lines: list[str] = field(default_factory=list)
    seen: tap.Seen = field(default_factory=tap.Seen)
    ok: bool = True


def inspect(server: list[str], video: Path, folder: Path, era: str) -> Inspected:
    """List strictly, then call each tool in the order in which its arguments become known."""
    done = Inspected()

    def run(title: str, *arguments: str) -> dict[str, Any]:
        log = folder / f"inspector-{era}-{len(done.lines)}.jsonl"
        command = [*installs.program("mcp-inspector"), "--cli", *tapped(server, log), *arguments]
        ran = subprocess.run(
            [*command, "--protocol-era", era, "--format", "json", "-q"],
            cwd=folder,
            env=installs.clean_environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        seen = tap.read(log)
        done.seen.era, done.seen.tools = seen.era, done.seen.tools or seen.tools
        done.seen.calls += seen.calls
        done.seen.errors += seen.errors
        done.ok = done.ok and ran.returncode == 0
        summary = f"{title}: exit {ran.returncode}, {len(ran.stdout)} characters"
        done.lines.append(summary if ran.returncode == 0 else f"{summary}\n{ran.stdout[-1500:]}\n{ran.stderr[-1500:]}")
        try:
            answer = json.loads(ran.stdout)
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}

    def call(tool: str, **arguments: Any) -> dict[str, Any]:
        reply = run(tool, "--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        found = reply.get("result", reply).get("structuredContent", {})
        return found if isinstance(found, dict) else {}

    run("tools/list --strict", "--method", "tools/list", "--strict")
    video_id = call("ingest_video", source=str(video), wait_s=45).get("video_id", "")
    call("list_episodes", video_id=video_id)
    call("retrieve_memory", query="gate code")
    call("zoom_segment", video_id=video_id, start_s=0, end_s=10, max_frames=2)
    call("ground_event", event="'Gate code' on a card", video_id=video_id)
    call("remember", video_id=video_id, start_s=0, end_s=5, text="seen by the Inspector")
    return done


def tapped(server: list[str], log: Path) -> list[str]:
    """The server's command with a tap before it, run by the server's own interpreter."""
    return [server[0], str(Path(tap.__file__)), str(log), *server]
