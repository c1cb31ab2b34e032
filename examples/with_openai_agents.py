"""openai-agents: its agent loop, this server's tools, and a scripted model in place of theirs.

    pip install openai-agents
    python examples/with_openai_agents.py                  scripted, no key
    MODEL=name python examples/with_openai_agents.py       a real one, with the key in OPENAI_API_KEY; where
                                                           OPENAI_BASE_URL names another address, chat completions
Where the framework has an environment of its own, SERVER names the server's: see examples/stage.py."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage, set_default_openai_api, set_tracing_disabled
from agents.mcp import MCPServerStdio
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from scripted import Call, answer, next_step
from stage import CALL_LIMIT_S, MODEL, RULES, Stage, say, stage


class ScriptedModel(Model):
    """The scripted model, in the form of the Responses API."""

    def __init__(self, here: Stage) -> None:
        self.here = here

    async def get_response(self, system_instructions: Any, input: Any, *_: Any, **__: Any) -> ModelResponse:
        replies = [
            item["output"] for item in input if isinstance(item, dict) and item.get("type") == "function_call_output"
        ]
        step = next_step(lambda: answer(self.here.question, str(self.here.video)), replies)
        number = len(replies)
        if isinstance(step, Call):
            told: Any = ResponseFunctionToolCall(
                type="function_call", name=step.tool, call_id=f"call-{number}", arguments=json.dumps(step.arguments)
            )
        else:
            text = ResponseOutputText(type="output_text", text=step, annotations=[])
            told = ResponseOutputMessage(
                id=f"message-{number}", type="message", role="assistant", status="completed", content=[text]
            )
        return ModelResponse(output=[told], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("this example does not stream")


async def main(here: Stage) -> str:
    set_tracing_disabled(True)  # nothing leaves this machine but what the model itself is told
    if "OPENAI_BASE_URL" in os.environ:
        set_default_openai_api("chat_completions")
    async with MCPServerStdio(
        params={"command": here.command, "args": here.args}, client_session_timeout_seconds=CALL_LIMIT_S
    ) as video:
        agent = Agent(name="viewer", instructions=RULES, mcp_servers=[video], model=MODEL or ScriptedModel(here))
        done = await Runner.run(agent, here.prompt, max_turns=40)
    return str(done.final_output)


if __name__ == "__main__":
    with stage() as here:
        say(here.question)
        say(asyncio.run(main(here)))
