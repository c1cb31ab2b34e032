"""AutoGen: an agent framework on the first generation of the MCP SDK, which speaks the older protocol.

python3 -m venv autogen                  (an environment of its own: it needs mcp<2, the server mcp>=2.3)
autogen/bin/pip install "autogen-agentchat" "autogen-ext[mcp,openai]" "mcp<2"
export SERVER="/path/to/.venv/bin/python -m agent_tools"
autogen/bin/python examples/with_autogen.py               scripted, no key
MODEL=name autogen/bin/python examples/with_autogen.py    a real one, key in OPENAI_API_KEY, address in
                                                          OPENAI_BASE_URL where it is another"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelInfo,
    RequestUsage,
)
from autogen_ext.tools.mcp import McpWorkbench, StdioServerParams
from scripted import Call, answer, next_step
from stage import CALL_LIMIT_S, MODEL, RULES, Stage, say, stage

INFO = ModelInfo(vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False)
NOTHING = RequestUsage(prompt_tokens=0, completion_tokens=0)


class ScriptedClient(ChatCompletionClient):
    """The scripted model, in the form of AutoGen's model clients."""

    def __init__(self, here: Stage) -> None:
        self.here = here

    async def create(self, messages: Sequence[LLMMessage], **_: Any) -> CreateResult:
        results = [one for one in messages if isinstance(one, FunctionExecutionResultMessage)]
        replies = [part.content for one in results for part in one.content]
        step = next_step(lambda: answer(self.here.question, str(self.here.video)), replies)
        if isinstance(step, Call):
            call = FunctionCall(id=f"call-{len(replies)}", name=step.tool, arguments=json.dumps(step.arguments))
            return CreateResult(finish_reason="function_calls", content=[call], usage=NOTHING, cached=False)
        return CreateResult(finish_reason="stop", content=step, usage=NOTHING, cached=False)

    def create_stream(self, *_: Any, **__: Any) -> AsyncGenerator[str | CreateResult, None]:
        raise NotImplementedError("this example does not stream")

    async def close(self) -> None: ...

    def actual_usage(self) -> RequestUsage:
        return NOTHING

    def total_usage(self) -> RequestUsage:
        return NOTHING

    def count_tokens(self, *_: Any, **__: Any) -> int:
        return 0

    def remaining_tokens(self, *_: Any, **__: Any) -> int:
        return 100_000

    @property
    def capabilities(self) -> Any:
        return INFO

    @property
    def model_info(self) -> ModelInfo:
        return INFO


def model(here: Stage) -> ChatCompletionClient:
    if not MODEL:
        return ScriptedClient(here)
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    return OpenAIChatCompletionClient(model=MODEL, model_info=INFO)


async def main(here: Stage) -> str:
    server = StdioServerParams(command=here.command, args=here.args, read_timeout_seconds=CALL_LIMIT_S)
    async with McpWorkbench(server) as video:
        agent = AssistantAgent(
            "viewer",
            model(here),
            workbench=video,
            system_message=RULES,
            max_tool_iterations=40,
            reflect_on_tool_use=False,
        )
        done = await agent.run(task=here.prompt, cancellation_token=CancellationToken())
    return str(done.messages[-1].to_text())  # type: ignore[union-attr]  # the last one is the agent's own


if __name__ == "__main__":
    with stage() as here:
        say(here.question)
        say(asyncio.run(main(here)))
