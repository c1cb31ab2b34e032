"""One question, answered by a model: with the server's tools, or from a plain transcript."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
from mcp import Client, MCPError

from agent_tools.evals.agents.chat_model import ChatModel, Message, ToolCall
from agent_tools.evals.agents.session import Session
from lab.agents.questions import final

MOST_CALLS = 6
ANSWER_TOKENS, CALL_TOKENS = 300, 160
FORM = 'Answer in the language of the question. End with one short line of the form "Answer: ...".'
WITH_TOOLS = f"Answer questions about the videos in memory. Look with the tools before you answer. {FORM}"
FROM_TRANSCRIPT = f"Answer questions about the videos whose transcripts follow. {FORM}"
NO_CALLS = 'There are no calls left. Give your answer now: one short line of the form "Answer: ..."'

NO_WORD = (
    'You gave no answer. Answer from what the tools said, with one short line of the form "Answer: ...", '
    "or call a tool with other arguments."
)


@dataclass
class Done:
    """What came of a question."""

    said: str = ""
    ended: str = "answered"  # or: refused, no answer, first call (where no more was asked for)
    why: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)  # {tool, arguments, error, text, data, form}
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    messages: list[Message] = field(default_factory=list)


class WithTools:
    """A model at the tools of one server. Raises of `answer`: EndpointError; MCPError: the server broke off."""

    def __init__(self, model: ChatModel, client: Client, tools: Sequence[Mapping[str, Any]]) -> None:
        self._model, self._client, self._tools = model, client, tools
        self._system = f"{WITH_TOOLS}\n\n{client.instructions or ''}".strip()

    async def first_call(self, question: str) -> Done:
        """What the model calls first, and what the server says to it: a tenth of the work of an answer."""
        done = Done(messages=[{"role": "system", "content": self._system}, {"role": "user", "content": question}])
        done.ended = "first call"
        begun = time.perf_counter()
        session = Session(self._client)
        for call in (await _say(self._model, done, self._tools, "auto", CALL_TOKENS))[:1]:
            done.calls.append(await self._call(session, call))
        done.seconds = time.perf_counter() - begun
        return done

    async def again(self, messages: Sequence[Message]) -> Done:
        """What the server says today to the first call of a conversation that was kept. No model is asked."""
        done = Done(messages=list(messages[:2]), ended="first call")
        calls = next((one["tool_calls"] for one in messages if one.get("tool_calls")), [])[:1]
        for call in (one["function"] for one in calls):
            made = ToolCall("again", call["name"], json.loads(call["arguments"]))
            done.calls.append(await self._call(Session(self._client), made))
        return done

    async def answer(self, question: str) -> Done:
        done = Done(messages=[{"role": "system", "content": self._system}, {"role": "user", "content": question}])
        begun = time.perf_counter()
        session = Session(self._client)
        reminded = False
        while True:
            left = len(done.calls) < MOST_CALLS
            if not left:
                done.messages.append({"role": "user", "content": NO_CALLS})
            calls = await _say(self._model, done, self._tools, "auto" if left else "none")
            if left and not reminded and not calls and not done.why and not final(done.said):
                reminded = True  # small models end a turn without a word; a loop that people use asks once more
                if not done.said:
                    done.messages.pop()  # an empty turn in its history makes a small model repeat it
                done.messages.append({"role": "user", "content": NO_WORD})
                continue
            if not calls or not left:
                break
            for call in calls[: MOST_CALLS - len(done.calls)]:
                reply = await self._call(session, call)
                done.calls.append(reply)
                done.messages.append({"role": "tool", "tool_call_id": call.id, "content": reply["text"]})
        if not done.said and not done.why:
            done.ended = "no answer"
        done.seconds = time.perf_counter() - begun
        return done

    async def _call(self, session: Session, call: ToolCall) -> dict[str, Any]:
        made: dict[str, Any] = {"tool": call.name, "arguments": dict(call.arguments), "error": True, "data": {}}
        if call.broken:
            return made | {"text": f"InvalidArgument: the arguments are {call.broken}. Send one JSON object."}
        try:
            reply = await session.call(call.name, **call.arguments)
        except MCPError as error:
            return made | {"text": f"{call.name} was not called: {error.message}"}
        return made | {"text": reply.text, "error": reply.error, "data": dict(reply.data)}


async def from_transcript(model: ChatModel, transcript: str, question: str) -> Done:
    """The answer from the words alone, which stand before the question: servers keep what they read of a prefix."""
    system = f"{FROM_TRANSCRIPT}\n\n{transcript}"
    done = Done(messages=[{"role": "system", "content": system}, {"role": "user", "content": question}])
    begun = time.perf_counter()
    await _say(model, done, (), "none")
    done.seconds = time.perf_counter() - begun
    return done


async def _say(
    model: ChatModel, done: Done, tools: Sequence[Mapping[str, Any]], choice: Any, most_tokens: int = ANSWER_TOKENS
) -> tuple[ToolCall, ...]:
    """Let the model go on; its calls, none where it gave its answer."""
    step = functools.partial(model.next_turn, list(done.messages), tools, choice, most_tokens)
    turn = await anyio.to_thread.run_sync(step)
    done.prompt_tokens += turn.prompt_tokens
    done.completion_tokens += turn.completion_tokens
    done.messages.append(turn.message)
    if turn.refused:
        done.ended, done.why = "refused", turn.refused
        return ()
    done.said = turn.text.strip()
    return turn.calls
