"""`make conformance`: the server against the MCP conformance suite, both protocol revisions.

    python -m lab.conformance

Runs the two sets of requirements and the tasks scenarios on the server with the suite's fixtures, then the scenarios
that need no fixture on the server as it ships. The first run downloads Node and the suite from the npm registry into
the user's cache folder. Nothing may fail: not a check, not a scenario that leaves no checks, and no revision may pass
fewer checks than LEAST says. The last line reads `2025-11-25 N/N, 2026-07-28 M/M, baseline 0`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

PACKAGES = ("node@22.23.3", "@modelcontextprotocol/conformance@0.2.0-alpha.12")
LEAST = {"2025-11-25": 81, "2026-07-28": 196}  # checks that pass, per revision; more when a newer suite has more
# Scenarios that need no fixture, so they run on the product as it ships.
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
_RESULT = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")  # the folder of one scenario's checks


@dataclass
class Count:
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)  # scenarios that left their checks

    @property
    def total(self) -> int:
        return self.passed + len(self.failures)

    def add(self, folder: Path) -> None:
        """Count the checks that the suite wrote; what it skipped or only notes does not count."""
        for file in sorted(folder.glob("**/checks.json")):
            named = _RESULT.fullmatch(file.parent.name)
            self.ran.add(named[1] if named else file.parent.name)
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

    def required(self, revision: str) -> set[str]:
        """The server scenarios of a revision, those that it runs without scoring them too."""
        return scenarios(self._program("list", "--requirements", revision).stdout)

    def run(self, url: str, expected: Collection[str], *arguments: str) -> Count:
        """Run what the arguments choose. Args: expected: scenarios that must have left their checks."""
        count = Count()
        with tempfile.TemporaryDirectory() as out:
            done = self._program("server", "--url", url, "-o", out, *arguments)
            count.add(Path(out))
        missing = [f"{name}: left no checks" for name in sorted(set(expected) - count.ran)]
        output = f"{done.stdout[-300:]} {done.stderr[-300:]}"
        if count.total == 0:
            missing.append(f"{' '.join(arguments)}: no check ran: {output}")
        if done.returncode and not count.failures:
            missing.append(f"{' '.join(arguments)}: the suite ended with {done.returncode}: {output}")
        count.failures += missing
        return count

    def _program(self, *arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.node), str(self.program), *arguments],
            env={**os.environ, "PATH": f"{self.node.parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def scenarios(listed: str) -> set[str]:
    """The names of server scenarios in what the suite's `list` says."""
    block = re.search(r"^Server scenarios.*\n((?:  - \S+\n)+)", listed, re.M)
    assert block is not None, f"the suite lists no server scenarios: {listed[:300]}"
    return {*re.findall(r"  - (\S+)\n", block[1]), *re.findall(r"- (\S+) \[server\]", listed)}


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
            [sys.executable, "-W", "ignore", "-m", "lab.conformance.server", str(port), home, *flags],
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
    argparse.ArgumentParser(prog="python -m lab.conformance", description=(__doc__ or "").split("\n")[0]).parse_args()
    suite = Suite()
    suite.install()
    failures: list[str] = []
    lines: list[str] = []
    with serving() as url:
        for revision, least in LEAST.items():
            # with extension and pending scenarios
            count = suite.run(url, suite.required(revision), "--requirements", revision)
            failures += [f"{revision} {failure}" for failure in count.failures]
            if count.passed < least:
                failures.append(f"{revision} {count.passed} checks passed, fewer than {least}")
            lines.append(f"{revision} {count.passed}/{count.total}")
            _say(f"{lines[-1]} (fixtures)")
    with serving("--bare") as url:
        bare = Count()
        for scenario in BARE:
            count = suite.run(url, [scenario], "--scenario", scenario)
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
