"""A line that is no message is answered where somebody waits for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mcp.types import jsonrpc_message_adapter
from pydantic import ValidationError

from agent_tools.server.lines import refusal
from lab.faults.servers import serving

CALL = '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"list_episodes","arguments":{"video_id":%s}}}'
CASES = [
    (CALL % (7, '"half \\ud83d"'), 7, "surrogate"),
    (CALL % ('"a"', '"\\uDE00"'), "a", "surrogate"),
    (CALL % ('"\\ud800"', '"x"'), None, "surrogate"),
    (CALL % (8, "[" * 600 + "]" * 600), 8, "nesting"),
    (CALL % (9, "1" * 5000), None, "number"),
    ("not json", None, "not JSON"),
    ("[]", None, "not a JSON-RPC message"),
    ('{"jsonrpc":"2.0"}', None, "not a JSON-RPC message"),
    ('"\\ud800"', None, "not JSON"),
]


@pytest.mark.parametrize(("line", "number", "says"), CASES, ids=[line[-40:] for line, _, _ in CASES])
def test_a_line_that_is_no_message_is_refused(line: str, number: object, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        jsonrpc_message_adapter.validate_json(line + "\n", by_name=False)
    answer = refusal(caught.value)
    assert answer is not None
    assert answer.id == number
    assert says in answer.error.message


@pytest.mark.parametrize("line", ["", "  ", '{"jsonrpc":"2.0","method":"x","params":{"y":"\\ud800"}}'])
def test_where_nobody_waits_nothing_is_said(line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        jsonrpc_message_adapter.validate_json(line + "\n", by_name=False)
    assert refusal(caught.value) is None


def test_a_server_goes_on_after_such_lines(tmp_path: Path) -> None:
    with serving(tmp_path / "home", tmp_path) as server:
        for line, number, says in CASES:
            server.send(line)
            answer = server.answer(None)
            assert (answer["id"], says in answer["error"]["message"]) == (number, True), json.dumps(answer)
            assert server.call("list_episodes")["videos"] == []
