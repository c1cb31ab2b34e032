"""How well a language model answers with the tools, beside the plain transcript; 60 questions over the real clips.

    python -m lab.agents HOME --model URL#NAME --out FOLDER [--condition lean|full|transcript ...] [--slice 1/3]
    python -m lab.agents --report FOLDER ... [--write]

HOME holds the ingested clips of shared/videos/dev (`agent-tools ingest ../shared/videos/dev --home HOME`). The model
speaks the OpenAI chat protocol. The folder keeps each answer and conversation; the same command goes on where the
last one stopped. `lean` is the tools as they are published, `full` those of --tools full, `transcript` all texts of the
library cut to the model's context. Questions that ask for a note are not asked of the transcript. With --first-only a
question ends with the model's first call: a quick measure of valid calls, in a folder of its own. With --again RUN the
first calls of a run are sent again to today's server, without a model: while definitions and instructions are the same,
a model at temperature 0 makes these very calls. `python -m lab.agents.long_library HOME TO` puts 40 hours of other talk
around the clips; TO is then asked in the same way."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, MCPError

from agent_tools.errors import AgentToolsError, EndpointError
from agent_tools.evals.agents.chat_model import ChatModel
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.benchmarks.records import Records
from lab.agents import memory, report
from lab.agents.conversation import Done, WithTools, from_transcript
from lab.agents.questions import QUESTIONS, Memory, Question, is_right, read_questions

CONDITIONS = ("lean", "transcript", "full")
CONTEXT = 12_288
ROOM = 700  # tokens of the context that the rules, the question and the answer take
NOWHERE = "http://127.0.0.1:9/v1#none"
WARM_UP = "what is shown first"
MEASURED = Path(__file__).parents[1] / "measured" / "agents.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.agents", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("home", type=Path, nargs="?", metavar="HOME", help="memory with the clips")
    parser.add_argument("--model", default="", metavar="URL#NAME", help="an OpenAI-compatible server, up to /v1")
    parser.add_argument("--out", type=Path, help="folder of the answers and conversations")
    parser.add_argument("--condition", nargs="+", choices=CONDITIONS, default=CONDITIONS)
    parser.add_argument("--questions", type=Path, default=QUESTIONS, help="another file of questions, as held_out.json")
    parser.add_argument("--kind", nargs="+", help="only these kinds of questions")
    parser.add_argument("--slice", type=part, default=(1, 1), metavar="K/N", help="each Nth question from the Kth on")
    parser.add_argument("--first-only", action="store_true", help="ask only for the first call of each question")
    parser.add_argument("--again", type=Path, metavar="RUN", help="folder of a run whose first calls are sent again")
    parser.add_argument("--context", type=int, default=CONTEXT, help="of the model, in tokens")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one answer of the model")
    parser.add_argument(
        "--for", type=float, default=0.0, dest="for_s", help="begin no question after this many seconds"
    )
    parser.add_argument("--report", type=Path, nargs="+", metavar="FOLDER", help="print the tables of runs and end")
    parser.add_argument("--write", action="store_true", help="with --report: also to lab/measured, for the docs")
    given = parser.parse_args()
    if given.report is not None:
        show(given.report, given.write)
        return
    if given.home is None or given.out is None or not (given.model or given.again):
        parser.error("HOME, --model (or --again) and --out are needed")
    run = Run(given)
    for condition in given.condition:
        run.ask_all(condition)
    show([given.out])


def part(text: str) -> tuple[int, int]:
    """K/N as two numbers. Raises: ValueError: not 1 <= K <= N."""
    first, step = map(int, text.split("/"))
    if not 1 <= first <= step:
        raise ValueError(text)
    return first, step


def show(folders: Sequence[Path], write: bool = False) -> None:
    """Print the tables of runs. Args: write: keep the figures too."""
    runs = [report.of_folder(folder) for folder in folders]
    if write:
        MEASURED.write_text(json.dumps(runs, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(report.markdown(runs) + "\n")


class Run:
    """One model, question after question."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._ends = time.monotonic() + given.for_s if given.for_s else float("inf")
        self._answers = Records(given.out / "answers.jsonl")
        # Without a model no question goes to the address.
        self._model = ChatModel(given.model or NOWHERE, answer_s=given.timeout, attempts=2)
        self._memory: Memory = memory.known(given.home)
        questions = "60 questions" if given.questions == QUESTIONS else given.questions.stem
        name = report.model_of(given.again) if given.again else self._model.name
        report.describe(given.out, name, questions, memory.size(given.home))
        first, step = given.slice
        self._questions = read_questions(given.questions)[first - 1 :: step]

    def ask_all(self, condition: str) -> None:
        """Ask what this condition has not answered yet."""
        kinds = self._given.kind
        left = [
            one
            for one in self._questions
            if f"{condition}/{one.id}" not in self._answers
            and (not kinds or one.kind in kinds)
            and not (one.kind == "note" and condition == "transcript")
        ]
        if left and time.monotonic() < self._ends:
            failure = anyio.run(self._asked, condition, left)
            if failure is not None:
                sys.exit(f"{failure}. Start the same command again to go on.")

    async def _asked(self, condition: str, questions: Sequence[Question]) -> Exception | None:
        """What ended the work early; returned, because a client's task group would wrap it."""
        try:
            if condition == "transcript":
                text = memory.transcript(self._given.home, self._given.context - ROOM)
                for one in questions:
                    if time.monotonic() < self._ends:
                        self._keep(one, condition, await from_transcript(self._model, text, one.text))
                return None
            home = memory.copied(self._given.home, self._given.out / f"home-{condition}")
            flags = ("--tools", "full") if condition == "full" else ()
            async with serving(home, home, flags=flags) as client:
                try:
                    await self._with_tools(client, condition, questions)
                except (AgentToolsError, MCPError) as error:
                    return error
        except EndpointError as error:
            return error
        return None

    async def _with_tools(self, client: Client, condition: str, questions: Sequence[Question]) -> None:
        offered = [
            {
                "type": "function",
                "function": {"name": one.name, "description": one.description, "parameters": one.input_schema},
            }
            for one in (await client.list_tools()).tools
        ]
        for _ in range(3):  # until its models are loaded a server finds less
            await client.call_tool("retrieve_memory", {"query": WARM_UP, "max_tokens": 200})
            await anyio.sleep(2)
        agent = WithTools(self._model, client, offered)
        for one in questions:
            if time.monotonic() < self._ends:
                if self._given.again is not None:
                    kept = self._given.again / "conversations" / condition / f"{one.id}.json"
                    if kept.is_file():
                        self._keep(one, condition, await agent.again(json.loads(kept.read_text("utf-8"))["messages"]))
                    continue
                asked = agent.first_call if self._given.first_only else agent.answer
                self._keep(one, condition, await asked(one.text))

    def _keep(self, question: Question, condition: str, done: Done) -> None:
        right = is_right(question, done.said, done.calls, self._memory)
        line: dict[str, Any] = report.line_of(question, condition, done, right)
        path = self._given.out / "conversations" / condition / f"{question.id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**line, "messages": done.messages}, indent=1, ensure_ascii=False), encoding="utf-8")
        self._answers.add(line)
        sys.stderr.write(
            f"{line['id']}: {'right' if right else 'wrong'}, {line['calls']} calls, {line['seconds']:.0f} s: "
            f"{done.said[-120:]!r} {line['faults']}\n"
        )


if __name__ == "__main__":
    main()
