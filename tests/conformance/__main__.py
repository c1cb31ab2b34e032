"""`python -m tests.conformance`: both requirement sets, the tasks scenarios, and the generic ones on the bare product.

Fetches its own Node and the suite from the npm registry into a folder of the user's cache, once. The baseline is empty:
any failed check is a failure. The last line reads `2025-11-25 N/N, 2026-07-28 M/M, baseline 0`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

PACKAGES = ("node@22.23.3", "@modelcontextprotocol/conformance@0.2.0-alpha.12")
REVISIONS = ("2025-11-25", "2026-07-28")
# Scenarios that ask for no fixture: they hold on the product as it is shipped.
BARE = (
    "server-initialize",
    "server-session-lifecycle",
    "logging-set-level",
    "ping",
    "completion-complete",
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "resources-subscribe",
    "resources-unsubscribe",
    "prompts-list",
    "dns-rebinding-protection",
    "caching",
    "sep-2164-resource-not-found",
    "http-header-validation",
    "input-required-result-unsupported-methods",
)
ROOT = Path(__file__).parents[2]
START_S = 60.0


@dataclass
class Count:
    passed: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.passed + len(self.failures)

    def add(self, folder: Path) -> None:
        """Count the checks that the suite wrote; what it skipped or only notes does not count."""
        for file in sorted(folder.glob("**/checks.json")):
            for check in json.loads(file.read_text()):
                if check["status"] == "SUCCESS":
                    self.passed += 1
                elif check["status"] == "FAILURE":
                    self.failures.append(f"{file.parent.name}: {check['id']}: {check.get('errorMessage', '')}")


class Suite:
    """The conformance suite, run by its own Node."""

    def __init__(self) -> None:
        self.folder = platformdirs.user_cache_path("agent-tools-conformance")
        self.node = self.folder / "node_modules" / "node" / "bin" / "node"
        self.program = self.folder / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

    def install(self) -> None:
        wanted = json.dumps(PACKAGES)
        stamp = self.folder / "installed.json"
        if stamp.exists() and stamp.read_text() == wanted and self.node.exists() and self.program.exists():
            return
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("conformance: npm is not on PATH; install Node.js of any version, it fetches the one it needs")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "package.json").write_text('{"private": true}\n')
        subprocess.run([npm, "install", "--no-audit", "--no-fund", *PACKAGES], cwd=self.folder, check=True)
        stamp.write_text(wanted)

    def run(self, url: str, *arguments: str, timeout_s: float = 600) -> Count:
        count = Count()
        with tempfile.TemporaryDirectory() as out:
            environment = {**os.environ, "PATH": f"{self.node.parent}{os.pathsep}{os.environ['PATH']}"}
            done = subprocess.run(
                [str(self.node), str(self.program), "server", "--url", url, "-o", out, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
            count.add(Path(out))
        if count.total == 0:
            count.failures.append(f"{' '.join(arguments)}: no check ran: {done.stdout[-300:]} {done.stderr[-300:]}")
        return count


@contextlib.contextmanager
def serving(*flags: str) -> Iterator[str]:
    """A server process on a free port; its address."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as home:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_TOOLS_")}
        environment["PYTHONPATH"] = str(ROOT)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.conformance.server", str(port), home, *flags],
            cwd=ROOT,
            env=environment,
        )
        try:
            _wait(f"http://localhost:{port}/health", process)
            yield f"http://localhost:{port}/mcp"
        finally:
            process.terminate()
            process.wait(20)


def main() -> int:
    suite = Suite()
    suite.install()
    failures: list[str] = []
    lines: list[str] = []
    with serving() as url:
        for revision in REVISIONS:
            count = suite.run(url, "--requirements", revision)  # with extension and pending scenarios
            failures += [f"{revision} {failure}" for failure in count.failures]
            lines.append(f"{revision} {count.passed}/{count.total}")
            _say(f"{lines[-1]} (fixtures)")
    with serving("--bare") as url:
        bare = Count()
        for scenario in BARE:
            count = suite.run(url, "--scenario", scenario)
            bare.passed += count.passed
            bare.failures += count.failures
        failures += [f"bare {failure}" for failure in bare.failures]
        _say(f"bare product: {bare.passed}/{bare.total} in {len(BARE)} scenarios")
    for failure in failures:
        _say(f"FAILED {failure}")
    _say(f"{', '.join(lines)}, baseline 0")
    return 1 if failures else 0


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("conformance: the server did not start")
            time.sleep(0.1)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
