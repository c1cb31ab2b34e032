"""Plain Python, no framework: the loop between a model and the server's tools, written out.

    python examples/plain_python.py                     a scripted model answers a three-hop question on a drawn video
    MODEL=name python examples/plain_python.py          a real one, over the chat completions protocol: the address is
                                                        OPENAI_BASE_URL (a local one needs no key), the key
                                                        OPENAI_API_KEY, both as everywhere else
    VIDEO=talk.mp4 QUESTION="..." python examples/plain_python.py
Needs agent-tools alone. examples/stage.py lists all variables."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from scripted import Call, answer, next_step
from stage import CALL_LIMIT_S, MODEL, RULES, Stage, say, stage

Messages = list[dict[str, Any]]
LONGEST = 40  # calls


async def main(here: Stage) -> str:
    server = StdioServerParameters(command=here.command, args=here.args)
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        offered = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": t.input_schema},
            }
            for t in tools
        ]
        rules = f"{RULES}\n\n{client.instructions or ''}"
        messages: Messages = [{"role": "system", "content": rules}, {"role": "user", "content": here.prompt}]
        for _ in range(LONGEST):
            message = whole(await anyio.to_thread.run_sync(ask, here, messages, offered), len(messages))
            messages.append(message)
            if not message.get("tool_calls"):
                return str(message["content"])
            for call in message["tool_calls"]:
                name, arguments = call["function"]["name"], call["function"]["arguments"]
                told = await reply(client, name, arguments)
                say(f"-> {name}({arguments})\n   {told[:160]}")
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": told})
    return f"No answer after {LONGEST} calls."


async def reply(client: Client, name: str, arguments: str) -> str:
    """What a tool says; a call that is none is told to the model, which does better next time."""
    try:
        given = json.loads(arguments)
        if not isinstance(given, dict):
            return f"{name} was not called: the arguments are {arguments[:80]}. Send one JSON object."
        return text_of(await client.call_tool(name, given, read_timeout_seconds=CALL_LIMIT_S))
    except (ValueError, MCPError) as error:
        return f"{name} was not called: {error}"


def whole(message: dict[str, Any], number: int) -> dict[str, Any]:
    """A message in the form that every server takes back. Some send content as a list of parts or leave it out, some
    send arguments as an object or null, and some give a call no id."""
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content)
    made: dict[str, Any] = {"role": "assistant", "content": content}
    calls = []
    for place, call in enumerate(message.get("tool_calls") or ()):
        given = call["function"].get("arguments")
        arguments = given if isinstance(given, str) and given.strip() else json.dumps(given or {})
        function = {"name": call["function"]["name"], "arguments": arguments}
        calls.append({"id": call.get("id") or f"call-{number}-{place}", "type": "function", "function": function})
    return {**made, "tool_calls": calls} if calls else made


def ask(here: Stage, messages: Messages, offered: list[dict[str, Any]]) -> dict[str, Any]:
    """The model's next message: a call of tools, or the answer."""
    if not MODEL:
        return scripted(here, messages)
    request = urllib.request.Request(
        os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/") + "/chat/completions",
        data=json.dumps({"model": MODEL, "messages": messages, "tools": offered}).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=600) as response:
            message: dict[str, Any] = json.load(response)["choices"][0]["message"]
    except urllib.error.HTTPError as error:  # the server's own words say why: the context is full, the name is wrong
        raise SystemExit(
            f"The model's server answered {error.code}: {error.read(2000).decode(errors='replace')}"
        ) from error
    return message


def scripted(here: Stage, messages: Messages) -> dict[str, Any]:
    """The scripted model's next message, in the form in which a real one speaks."""
    replies = [message["content"] for message in messages if message["role"] == "tool"]
    step = next_step(lambda: answer(here.question, str(here.video)), replies)
    if isinstance(step, Call):
        function = {"name": step.tool, "arguments": json.dumps(step.arguments)}
        calls = [{"id": f"call-{len(replies)}", "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls}
    return {"role": "assistant", "content": step}


def text_of(result: CallToolResult) -> str:
    """What this loop lets the model see: words. One that sees pictures would get zoom_segment's images too."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


if __name__ == "__main__":
    with stage() as here:
        say(here.question)
        say(anyio.run(main, here))
