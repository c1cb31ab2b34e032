"""What counts as conformance: a scenario that crashed, or was never run, is a failure and not a smaller total."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.conformance.__main__ import Suite, scenarios

LISTED = """Required for 2025-11-25 (4 scenarios, frozen; run at the 2025-11-25 wire):

Server scenarios (test against a server):
  - ping
  - tools-list

Client scenarios (test against a client):
  - auth/basic

Run and reported, but never scored:
  pending (2):
    - json-schema-2020-12 [server]
    - auth/dpop [client]
"""


def test_scored_and_unscored_server_scenarios_are_expected() -> None:
    assert scenarios(LISTED) == {"ping", "tools-list", "json-schema-2020-12"}


@pytest.mark.parametrize(
    ("ran", "status", "code", "says"),
    [
        (("ping", "json-schema-2020-12"), "SUCCESS", 0, []),
        (("ping",), "SUCCESS", 0, ["json-schema-2020-12: left no checks"]),
        (("ping", "json-schema-2020-12"), "SUCCESS", 3, ["the suite ended with 3"]),
        (("ping", "json-schema-2020-12"), "FAILURE", 1, ["ping", "json-schema-2020-12"]),
        ((), "SUCCESS", 0, ["json-schema-2020-12: left no checks", "ping: left no checks", "no check ran"]),
    ],
)
def test_what_did_not_run_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, ran: tuple[str, ...], status: str, code: int, says: list[str]
) -> None:
    def program(_: Suite, *arguments: str) -> subprocess.CompletedProcess[str]:
        for name in ran:
            folder = Path(arguments[arguments.index("-o") + 1]) / f"server-{name}-2026-11-20T21-55-35-377Z"
            folder.mkdir()
            (folder / "checks.json").write_text(json.dumps([{"id": "one", "status": status}]))
        return subprocess.CompletedProcess(arguments, code, "", "")

    monkeypatch.setattr(Suite, "_program", program)
    count = Suite().run("http://localhost/mcp", {"ping", "json-schema-2020-12"}, "--requirements", "2025-11-25")
    assert len(count.failures) == len(says)
    assert all(any(part in failure for failure in count.failures) for part in says)
    assert count.passed == (len(ran) if status == "SUCCESS" else 0)
