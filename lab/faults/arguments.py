"""Slice arguments: calls of every tool with values that its schema allows, values just outside, and random ones.

Hypothesis makes the calls from the published schemas. One case is a hundred calls, sent as JSON lines to a real server
over stdio. Each call must end in a reply that fits its outputSchema and its max_tokens, or in an error of the tree in
errors.py that is not an unexpected one. After each hundred the server must answer a plain question."""

from __future__ import annotations

import contextlib
import json
import math
import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from agent_tools import errors
from agent_tools.evals.films.demo_video import draw
from lab.faults.servers import Server, serving
from lab.faults.slices import Outcome, Slice

HUNDREDS = 200
LONGEST_ERROR = 4100
CODES = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
ANSWERED = re.compile(r"([A-Z][A-Za-z]+): \S")
# Looking and grounding cost ten times what the others do, so they are asked less often.
OFTEN = (*("ingest_video", "list_episodes", "retrieve_memory", "remember") * 3, "zoom_segment", "ground_event")
NASTY = (
    *("", " ", "\x00", "\x1b[31m", "\u202eabc", "\ud800", "\ufeff", "\u200b", "💥" * 9, "x" * 9000),
    *("'; DROP TABLE videos; --", "' OR 1=1 --", '" OR "1"="1', "1; ATTACH 'x' AS y", "%", "_", "\\", "%s%n", "{0}"),
    *('"', '""', '"unclosed', "a AND", "OR", "NOT", "NEAR(", "NEAR(a b, 5)", "a*", "^a", "spaced:x", "cjk : y", "- -"),
    *("(", "((((", ")", "a AND (b OR", "{x y}: z", "+", "col:val", "a NEAR/3 b", "*", "-x", "日本", "가", "ñ" * 200),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "~",
        "file:///etc/passwd",
        "C:\\x",
        "CON",
        "/dev/null",
        "a\x00b",
        "..\\..",
        ".",
    ),
    *(
        "video://",
        "video://#t=",
        "video://x#t=1,2",
        "#t=0,1",
        "video://ffffffffffff#t=5,1",
        "video://ffffffffffff/note/1",
    ),
    *(
        "null",
        "true",
        "NaN",
        "[]",
        "{}",
        "1e999",
        "0x10",
        "1:02:03",
        "00:10",
        "-1",
        "1,5",
        "²",
        "١٢",
        "\n\n",
        "\r",
        "\t",
    ),
    *("http://127.0.0.1/", "https://x", "data:,x", "javascript:1", "${jndi:ldap://x}", "$(id)", "`id`", "|id", "&&id"),
)
HUGE = ("x" * 1_000_000, "é" * 300_000, '"' * 400_000, "a " * 200_000, "日" * 200_000)
NUMBERS = (
    *(0, -1, 1, 0.5, -0.0, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf, 2**31, 2**53 + 1, 2**63, -(2**63)),
    *(2**64, 10**30, 10**400, 1e16, 19, 20, 21, 199, 200, 201, 20000, 20001, 45.0001, 16, 17, True, False, 89.9, 90.5),
)


@dataclass(frozen=True)
class World:
    server: Server
    tools: dict[str, dict[str, Any]]
    video_id: str
    name: str
    calls: int = 100  # of one case


def anything() -> st.SearchStrategy[Any]:
    leaf = st.one_of(
        st.none(), st.booleans(), st.sampled_from(NASTY), st.sampled_from(NUMBERS), st.text(max_size=60), st.integers(),
        st.floats(),
    )  # fmt: skip
    return st.recursive(
        leaf, lambda x: st.lists(x, max_size=5) | st.dictionaries(st.text(max_size=9), x, max_size=4), max_leaves=8
    )


def text_of(world: World, name: str) -> st.SearchStrategy[str]:
    """What a string argument of that name may be: things there are, things near them, and the nasty ones."""
    uri, note = f"video://{world.video_id}", f"video://{world.video_id}/note/1"
    known = [world.video_id, world.name, uri, f"{uri}#t=5,20", f"{uri}#t=5", f"{uri}#t=,20", note, world.video_id[:4]]
    near = [
        f"{uri}#t={t}"
        for t in ("9,3", "0,99999", "nan,1", "1e3,2", "npt:1,2", "-1,2", "1,2,3", "a", "%31,2", "0:10,0:20")
    ]
    words = ["the harbour", '"quoted words" on a slide', "no dog barks", "who says the plan", "a b c d e f g"]
    return st.one_of(
        st.sampled_from(known), st.sampled_from(known + near), st.sampled_from(words), st.sampled_from(NASTY),
        st.text(max_size=80), st.text(alphabet=string.printable, max_size=40),
    )  # fmt: skip


def within(world: World, tool: str, name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that the schema of one argument allows."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("type") == "array":
        items = within(world, tool, name, schema.get("items", {}))
        return st.lists(items, min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 6))
    if schema.get("type") in ("integer", "number"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 200)
        if (tool, name) == ("ingest_video", "wait_s"):
            return st.sampled_from([0, 0.0, 0.2])  # longer ones only wait
        return st.integers(low, high) if schema["type"] == "integer" else st.floats(low, high)
    if schema.get("type") == "boolean":
        return st.booleans()
    return text_of(world, name)


def calls(world: World) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """(tool, arguments): mostly right with one wrong, else all right, else all wrong; at times a name nobody knows."""

    @st.composite
    def made(pick: Any) -> tuple[str, dict[str, Any]]:
        tool = pick(st.sampled_from(OFTEN))
        schema = world.tools[tool]["inputSchema"]
        properties, required = schema["properties"], schema.get("required", [])
        optional = pick(st.sets(st.sampled_from(sorted(properties)), max_size=4))
        given_names = [name for name in properties if name in required or name in optional]
        arguments = {name: pick(within(world, tool, name, properties[name])) for name in given_names}
        for name in pick(st.lists(st.sampled_from(sorted(properties)), max_size=2)):
            wrong = pick(anything())
            if (tool, name) != ("ingest_video", "wait_s") or not isinstance(wrong, int | float):
                arguments[name] = wrong
        if pick(st.integers(0, 9)) == 0:
            arguments[pick(st.sampled_from(["", "videoid", "self", "ctx", "__class__", "limit ", "x" * 5000]))] = 1
        if pick(st.integers(0, 39)) == 0:
            arguments[pick(st.sampled_from(sorted(properties)))] = pick(st.sampled_from(HUGE))
        if required and pick(st.integers(0, 9)) == 0:
            arguments.pop(required[0], None)
        return tool, arguments

    return made()


def judged(world: World, tool: str, arguments: dict[str, Any], answer: dict[str, Any]) -> str:
    """Why an answer is neither a valid reply nor a clean error; "" where it is one."""
    if "error" in answer:
        error = answer["error"]
        clean = error.get("code") in (-32700, -32600, -32602) and len(error.get("message", "")) < LONGEST_ERROR
        return "" if clean else f"protocol error {str(error)[:300]}"
    result = answer["result"]
    text = result["content"][0]["text"]
    if result.get("isError"):
        match = ANSWERED.match(text)
        if match is None or match[1] not in CODES:
            return f"an error of another program: {text[:300]!r}"
        if len(text) > LONGEST_ERROR or any(ord(c) < 32 or c in "\u202e\x7f\u200b" for c in text):
            return f"an error that is long or holds control characters: {text[:200]!r}"
        return ""
    facts = json.loads(result["content"][1]["text"])
    schema = world.tools[tool].get("outputSchema")
    if schema is not None:
        fault = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(schema).iter_errors(result["structuredContent"])
        )
        if fault is not None:
            return f"a reply against its schema: {fault.message[:300]}"
    limit = arguments.get("max_tokens")
    if isinstance(limit, int) and not isinstance(limit, bool) and facts.get("tokens", 0) > limit:
        return f"{facts['tokens']} tokens, {limit} asked for"
    return ""


def hundred(world: World, number: int) -> Outcome:
    """A hundred calls, then a plain question."""
    found = Outcome.empty()
    server = world.server

    @seed(number)
    @settings(
        max_examples=world.calls,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(world))
    def run(call: tuple[str, dict[str, Any]]) -> None:
        tool, arguments = call
        with contextlib.suppress(ValueError):  # a lone surrogate cannot be written as UTF-8; JSON escapes it
            answer = server.ask("tools/call", name=tool, arguments=arguments)
            why = judged(world, tool, arguments, answer)
            found.count(f"{tool}({json.dumps(arguments)[:400]}): {why}" if why else "")

    run()
    plain = server.result("list_episodes", {})
    if plain.get("isError"):
        found.failures.append(f"after the hundred list_episodes said {plain}")
        found.survived -= 1
    return found


def cases(run_seed: int) -> Sequence[str]:
    return [f"hundred {run_seed * HUNDREDS + number}" for number in range(HUNDREDS)]


@contextlib.contextmanager
def stage(_seed: int, folder: Path, calls_per_case: int = World.calls) -> Iterator[Callable[[str], Outcome]]:
    films = folder.resolve() / "films"
    films.mkdir()
    draw(films / "harbour.mp4", seed=4, duration_s=60.0)
    with serving(folder / "home", films) as server:
        reply: dict[str, Any] = {"state": "queued"}
        while reply["state"] not in ("done", "failed"):
            reply = server.call("ingest_video", source="harbour.mp4", wait_s=45)
        server.call("remember", video_id=reply["video_id"], start_s=1, end_s=3, text="a note to begin with")
        listed = server.ask("tools/list")["result"]["tools"]
        world = World(server, {tool["name"]: tool for tool in listed}, reply["video_id"], "harbour", calls_per_case)

        def run(case: str) -> Outcome:
            return hundred(world, int(case.split()[1]))

        yield run


SLICE = Slice("arguments", "calls of the six tools with right, nearly right and wrong arguments", cases, stage)
