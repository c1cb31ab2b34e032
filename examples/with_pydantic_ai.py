"""pydantic-ai: its agent, this server as a toolset, and FunctionModel with the script in it.

    pip install "pydantic-ai-slim[mcp]"
    python examples/with_pydantic_ai.py                       scripted, no key
    MODEL=openai-chat:name python examples/with_pydantic_ai.py    a real one, of any provider that pydantic-ai knows
Where the framework has an environment of its own, SERVER names the server's: see examples/stage.py."""

from __future__ import annotations

import asyncio

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from scripted import Call, answer, next_step
from stage import CALL_LIMIT_S, MODEL, RULES, Stage, say, stage


def scripted(here: Stage) -> FunctionModel:
    """The scripted model as a function of the messages so far."""

    def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        replies = [part.content for one in messages for part in one.parts if isinstance(part, ToolReturnPart)]
        step = next_step(lambda: answer(here.question, str(here.video)), replies)
        part = ToolCallPart(step.tool, step.arguments) if isinstance(step, Call) else TextPart(step)
        return ModelResponse(parts=[part])

    return FunctionModel(respond)


async def main(here: Stage) -> str:
    video = MCPToolset(
        StdioTransport(here.command, here.args, keep_alive=False),
        init_timeout=CALL_LIMIT_S,
        read_timeout=CALL_LIMIT_S,
        include_instructions=True,
    )
    agent = Agent(MODEL or scripted(here), instructions=RULES, toolsets=[video])
    async with agent:
        return (await agent.run(here.prompt)).output


if __name__ == "__main__":
    with stage() as here:
        say(here.question)
        say(asyncio.run(main(here)))
