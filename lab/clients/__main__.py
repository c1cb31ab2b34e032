"""`make clients`: real MCP clients and agent frameworks against the server, without an API key.

    python -m lab.clients [--json lab/measured/clients.json]

The first run downloads the frameworks and tools from the package registries into the user's cache folder, which takes
minutes. Each example runs twice: with its scripted model, and with MODEL set to an HTTP endpoint that plays the same
script. The program ends with a table; --json also writes the file that the documentation's table is made from."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agent_tools.evals.films.demo_video import DemoTruth, draw
from examples.scripted import Script, answer, answer_into_a_file
from lab.clients import bundle, installs, tap
from lab.clients.endpoint import endpoint
from lab.clients.inspector import inspect, tapped

EXAMPLES = Path(__file__).parents[2] / "examples"
TOOLS = ["ingest_video", "list_episodes", "retrieve_memory", "zoom_segment", "ground_event", "remember"]
SERVER = [sys.executable, "-m", "agent_tools"]
DRAWN_S, SEED = 60.0, 11
LIMIT_S = 600


@dataclass(frozen=True)
class Client:
    """One example: whose environment runs it, and which distribution's version is shown."""

    name: str
    example: str
    environment: str  # "" is the product's own
    distribution: str
    real: str  # what MODEL would be

    def script(self, question: str, video: Path) -> Callable[[str], Script]:
        """What the model behind the endpoint does on a prompt: the files' names stand in the prompt alone."""
        if self.example != "with_filesystem.py":
            return lambda _: answer(question, str(video))
        return lambda prompt: answer_into_a_file(*re.findall(r"(\S+/(?:question\.txt|answer\.md))", prompt), str(video))


@dataclass(frozen=True)
class Row:
    client: str
    version: str
    model: str
    seen: tap.Seen
    seconds: float
    ok: bool

    def cells(self) -> list[str]:
        calls, errors = len(self.seen.calls), len(self.seen.errors)
        state = "yes" if self.ok else "NO"
        tools = f"{len(self.seen.tools)}"
        return [
            self.client,
            self.version,
            self.model,
            self.seen.era,
            tools,
            f"{calls}",
            f"{errors}",
            f"{self.seconds:.0f} s",
            state,
        ]


HEAD = ["client", "version", "model", "era", "tools", "calls", "errors", "time", "ok"]
CLIENTS = (
    Client("plain Python", "plain_python.py", "", "mcp", "any"),
    Client("openai-agents", "with_openai_agents.py", "modern", "openai-agents", "any"),
    Client("pydantic-ai", "with_pydantic_ai.py", "modern", "pydantic-ai-slim", "openai-chat:any"),
    Client("AutoGen (mcp<2)", "with_autogen.py", "legacy", "autogen-ext", "any"),
    Client("pydantic-ai + filesystem", "with_filesystem.py", "modern", "pydantic-ai-slim", "openai-chat:any"),
)


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m lab.clients", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--json", type=Path, help="also write the rows to this file")
    kept: Path | None = options.parse_args().json
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="agent-tools-clients-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve()
        films = folder / "films"
        films.mkdir()
        truth = draw(films / "drawn.mp4", SEED, DRAWN_S)
        say(f"Drew {DRAWN_S:g} s. Question: {truth.question} Truth: {truth.answer}")
        for client in CLIENTS:
            rows += run(client, truth, films / "drawn.mp4", folder)
        rows += inspected(films / "drawn.mp4", folder)
        packed, lines = bundle.check(folder)
    for line in lines:
        say(line)
    for cells in table([HEAD, *(row.cells() for row in rows)]):
        say(cells)
    if kept is not None:
        lines = [json.dumps(dict(zip(HEAD, row.cells(), strict=True))) for row in rows]
        kept.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    good = packed and all(row.ok for row in rows)
    say(f"clients: {sum(row.ok for row in rows)}/{len(rows)} ok, bundle {'ok' if packed else 'NOT ok'}")
    return 0 if good else 1


def run(client: Client, truth: DemoTruth, video: Path, folder: Path) -> Iterator[Row]:
    """One example with its scripted model, and with a real one's way in."""
    interpreter = installs.python(client.environment) if client.environment else Path(sys.executable)
    shown = installs.version(interpreter, client.distribution)
    for model in ("", client.real):
        log = folder / f"{client.example}-{model or 'scripted'}.jsonl"
        with ExitStack() as stack:
            variables = {
                "SERVER": shlex.join(tapped(SERVER, log)),
                "VIDEO": str(video),
                "QUESTION": truth.question,
                "AGENT_TOOLS_HOME": str(folder / "memory"),
                "FILES": shlex.join(installs.program("mcp-server-filesystem")),
            }
            if model:
                address = stack.enter_context(endpoint(client.script(truth.question, video)))
                variables |= {"MODEL": model, "OPENAI_BASE_URL": address, "OPENAI_API_KEY": "none"}
            begun = time.monotonic()
            ran = subprocess.run(
                [str(interpreter), str(EXAMPLES / client.example)],
                cwd=folder,
                env=installs.clean_environment(**variables),
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        seen = tap.read(log)
        ok = ran.returncode == 0 and truth.answer in ran.stdout.partition("\n")[2]
        ok = ok and seen.tools == TOOLS and set(seen.calls) == set(TOOLS) and not seen.errors
        say(f"{client.name}, {'endpoint' if model else 'scripted'}: {'ok' if ok else 'NOT ok'}")
        if not ok:
            say("\n".join([ran.stdout[-3000:], ran.stderr[-3000:], *seen.errors]))
        kind = "endpoint" if model else "scripted"
        yield Row(client.name, shown, kind, seen, time.monotonic() - begun, ok)


def inspected(video: Path, folder: Path) -> Iterator[Row]:
    server = [*SERVER, "serve", "--profile", "lite", "--home", str(folder / "memory"), "--allow", str(video.parent)]
    for era in ("legacy", "modern"):
        begun = time.monotonic()
        done = inspect(server, video, folder, era)
        ok = done.ok and done.seen.tools == TOOLS and done.seen.calls == TOOLS and not done.seen.errors
        for line in done.lines:
            say(f"Inspector {era}: {line}")
        shown = next(name for name in installs.NODE_PACKAGES if "inspector" in name).rpartition("@")[2]
        yield Row("MCP Inspector CLI", shown, "-", done.seen, time.monotonic() - begun, ok)


def table(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
