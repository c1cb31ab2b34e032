"""Two MCP servers in one agent: a question lies in a text file, the answer with its citations is written beside it.

    pip install "pydantic-ai-slim[mcp]"
    python examples/with_filesystem.py                       scripted, no key
    MODEL=openai-chat:name python examples/with_filesystem.py    a real one, of any provider that pydantic-ai knows
    FILES="command"                                          the reference filesystem server; default: npx fetches it
Neither server knows of the other: the agent carries ids, times and video:// uris between them."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from pathlib import Path

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from scripted import Call, answer_into_a_file, next_step
from stage import CALL_LIMIT_S, MODEL, RULES, Stage, say, stage

FILES = shlex.split(os.environ.get("FILES", "npx -y @modelcontextprotocol/server-filesystem"))


def scripted(here: Stage, asked: Path, told: Path) -> FunctionModel:
    def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        replies = [part.content for one in messages for part in one.parts if isinstance(part, ToolReturnPart)]
        step = next_step(lambda: answer_into_a_file(str(asked), str(told), str(here.video)), replies)
        part = ToolCallPart(step.tool, step.arguments) if isinstance(step, Call) else TextPart(step)
        return ModelResponse(parts=[part])

    return FunctionModel(respond)


async def main(here: Stage, folder: Path) -> str:
    asked, told = folder / "question.txt", folder / "answer.md"
    asked.write_text(here.question + "\n", encoding="utf-8")
    video = MCPToolset(
        StdioTransport(here.command, here.args, keep_alive=False),
        init_timeout=CALL_LIMIT_S,
        read_timeout=CALL_LIMIT_S,
        include_instructions=True,
    )
    files = MCPToolset(StdioTransport(FILES[0], [*FILES[1:], str(folder)], keep_alive=False), init_timeout=CALL_LIMIT_S)
    agent = Agent(MODEL or scripted(here, asked, told), instructions=RULES, toolsets=[video, files])
    async with agent:
        await agent.run(
            f"Read the question in {asked}, answer it from the video {here.video}, and write the answer with its "
            f"citations to {told}."
        )
    return told.read_text(encoding="utf-8")


if __name__ == "__main__":
    with stage() as here, tempfile.TemporaryDirectory(prefix="agent-tools-answers-") as answers:
        say(here.question)
        say(asyncio.run(main(here, Path(answers).resolve())))
