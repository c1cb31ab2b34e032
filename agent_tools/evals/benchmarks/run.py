"""A benchmark run: a model with this server's tools answers video by video, and a stopped run can continue.

`choices` and `hourvideo` read the files, `answerer` asks one question, `reach` limits what it may see, `scores` rates
the answers.

The folder of a run holds run.json (what it was made with; a run continues only with the same settings), answers.jsonl
and blind.jsonl (one line per question), transcripts/ (each whole conversation, with its pictures), report.json, home/
(the memory of the videos) and videos/ (links beside subtitles from the benchmark). Requests go one after another, so
the same model gives the same run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, MCPError

from agent_tools.errors import AgentToolsError, EndpointError, EngineError, InvalidArgument
from agent_tools.evals.agents.agent import ALL_CALLS, Reader
from agent_tools.evals.agents.chat_model import ChatModel
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Session
from agent_tools.evals.benchmarks.answerer import Answerer, Limits, Outcome, write_transcript
from agent_tools.evals.benchmarks.choices import Question, Videos, read_choices
from agent_tools.evals.benchmarks.egolife import read_egolife
from agent_tools.evals.benchmarks.hourvideo import canary, read_hourvideo, write_tables
from agent_tools.evals.benchmarks.judge import Judges, is_majority
from agent_tools.evals.benchmarks.longvidsearch import read_longvidsearch
from agent_tools.evals.benchmarks.reach import Reach, words_until
from agent_tools.evals.benchmarks.records import Records, same_run
from agent_tools.evals.benchmarks.scores import score
from agent_tools.evals.benchmarks.sidecars import GivenSubtitles

HOURVIDEO = "hourvideo"
APART = {"longvidsearch": read_longvidsearch, "egolife": read_egolife}  # readers with a file of their own
ANSWERS, BLIND, TRANSCRIPTS, REPORT, STAGED = "answers.jsonl", "blind.jsonl", "transcripts", "report.json", "videos"
ANSWER_S = 300.0  # for one answer, unless --timeout says otherwise
ATTEMPTS = 8  # at a request, a minute and a half of waiting: hosted models limit their rate
MOST_REFUSED = 3  # requests in a row that a server would not take: then it is not the questions' fault
WARM_UP = "what is shown first"
AGAIN = ("refused", "no video", "unreadable video")  # may be otherwise next time


@dataclass(frozen=True)
class Run:
    """What a run is made with."""

    benchmark: str
    data: Path  # the file or folder of the questions
    out: Path
    limits: Limits = field(default_factory=Limits)
    prices: tuple[float, float] = (0.0, 0.0)  # of a million tokens sent, and written
    blind: bool = True  # also ask without the video
    profile: str = "lite"
    flags: tuple[str, ...] = ()  # further settings of the server
    home: Path | None = None  # memory to use and keep; None: the run's own
    subtitles: Path | None = None  # folder of those that the benchmark gives; None: those beside the videos
    carried: tuple[str, ...] = ()  # words that the data's owners want in every file made from it

    @property
    def root(self) -> Path:
        """The folder of the data."""
        return self.data if self.data.is_dir() else self.data.parent


def chosen(questions: Sequence[Question], only: str = "", limit: int = 0) -> list[Question]:
    """Those of one task or group ("reasoning" also means "reasoning/causal"), and of these the first `limit`.

    Raises: InvalidArgument: no such task."""
    held = [
        question
        for question in questions
        if not only or any(name == only or name.startswith(f"{only}/") for name in (*question.tasks, *question.groups))
    ]
    if not held:
        names = sorted({name for question in questions for name in (*question.tasks, *question.groups)})
        raise InvalidArgument(f"No question is of the task {only!r}. There are {', '.join(names)}.")
    return held[:limit] if limit else held


def read(benchmark: str, data: Path) -> tuple[list[Question], tuple[str, ...]]:
    """The questions of a benchmark, and the words that its owners want carried on. Raises: InvalidArgument."""
    if benchmark == HOURVIDEO:
        return read_hourvideo(data), tuple(canary(data))
    return APART[benchmark](data) if benchmark in APART else read_choices(benchmark, data), ()


def run_benchmark(
    run: Run,
    endpoint: str,
    *,
    key: str = "",
    videos: Path | None = None,
    only: str = "",
    limit: int = 0,
    present: bool = False,
    answer_s: float = ANSWER_S,
    judges: Sequence[str] = (),
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Read the questions, ask those chosen of the model, and score them; without a model, the baselines alone.

    Args:
        endpoint: URL#model; "" for none.
        videos: their folder; None: `videos` or `video` beside the data, else the data's own folder.
        present: leave out the questions whose video is not there; else they count as wrong.
        answer_s: the longest wait for one answer of the model.
        judges: URL#model of each judge of answers in words; an odd number of them.
    Raises: as `ask_all`, and InvalidArgument: a file, folder, task or address that does not exist.
    """
    questions, carried = read(run.benchmark, run.data)
    questions = chosen(questions, only, limit if not present else 0)
    if not endpoint:
        return {"benchmark": run.benchmark, "carried": list(carried), **score(questions, None)}
    folder = videos or next((f for f in (run.root / "videos", run.root / "video") if f.is_dir()), run.root)
    folder = folder.expanduser().absolute()
    held = Videos(folder)
    if present:
        questions = [question for question in questions if held.of(question) is not None]
        questions = questions[:limit] if limit else questions
        if not questions:
            raise InvalidArgument(f"None of the videos asked about is in {folder}. Name their folder: --videos FOLDER")
    if len(judges) % 2 == 0 and any(question.reference for question in questions):
        raise InvalidArgument(
            f"{run.benchmark} asks for answers in words, and {len(judges) or 'no'} judges are named. Name a model that "
            "compares them with the right answers, or three: --judge URL#NAME"
        )
    models = [
        ChatModel(one, key=key, answer_s=answer_s, attempts=ATTEMPTS, on_retry=on_line) for one in (endpoint, *judges)
    ]
    try:
        asked = replace(run, carried=carried)
        return ask_all(asked, questions, held, folder, models[0], Judges(models[1:]), on_line)
    finally:
        for one in models:
            one.close()


def ask_all(
    run: Run,
    questions: Sequence[Question],
    videos: Videos,
    folder: Path,
    model: ChatModel,
    judges: Judges,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Ask what is not answered yet, and score all that was asked.

    Args:
        folder: the videos', which the server may read.
    Raises: InvalidArgument: another run's folder. EndpointError: the model's server is down or takes no request.
        EngineError: ours broke off. What was answered until then stays answered.
    """
    settings = {
        "benchmark": run.benchmark,
        "data": str(run.data.resolve()),
        "model": model.name,
        "profile": run.profile,
        "flags": list(run.flags),
        "limits": asdict(run.limits),
        "subtitles": None if run.subtitles is None else str(run.subtitles.resolve()),
        "carried": list(run.carried),
        **({"judges": judges.names} if judges.names else {}),
    }
    same_run(run.out, settings)
    answers = Records(run.out / ANSWERS)
    blind = Records(run.out / BLIND) if run.blind else None
    work = _Work(run, videos, model, judges, answers, blind, on_line)
    left = [q for q in questions if q.id not in answers]
    on_line(f"{len(questions)} questions, {len(questions) - len(left)} answered before")
    if blind is not None:
        anyio.run(work.ask_blind, [q for q in questions if q.id not in blind])
    if left:
        failure = anyio.run(work.ask, left, folder)
        if failure is not None:
            raise failure
    ids = {question.id for question in questions}
    report = score(questions, _of(answers, ids), None if blind is None else _of(blind, ids))
    report = {
        "benchmark": run.benchmark,
        "model": model.name,
        "carried": list(run.carried),
        "judges": judges.names,
        **report,
    }
    if run.benchmark == HOURVIDEO:
        write_tables(run.out / "csv", questions, {name: str(line["answer"]) for name, line in answers.lines.items()})
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    (run.out / REPORT).write_text(text, encoding="utf-8")
    return report


def _of(records: Records, ids: set[str]) -> dict[str, Mapping[str, Any]]:
    return {name: line for name, line in records.lines.items() if name in ids}


def _told(done: Outcome) -> str:
    """What a person who compares models should know of how the tools were called."""
    if done.written:
        return f"; {done.written} of the calls were written as text, and taken"
    if done.requests and not done.tools:
        return "; the model called no tool"
    return ""


class _Work:
    """The questions of one run, asked in order."""

    def __init__(
        self,
        run: Run,
        videos: Videos,
        model: ChatModel,
        judges: Judges,
        answers: Records,
        blind: Records | None,
        on_line: Callable[[str], None],
    ) -> None:
        self._run, self._videos, self._answers, self._blind, self._on_line = run, videos, answers, blind, on_line
        self._model, self._judges = model.name, judges
        self._answerer = Answerer(model, run.limits)
        self._refused = 0
        self._given = None if run.subtitles is None else GivenSubtitles(run.subtitles, run.out / STAGED)

    async def ask_blind(self, questions: Sequence[Question]) -> None:
        assert self._blind is not None
        for question in questions:
            done = await self._answerer.blind(question)
            write_transcript(self._run.out / TRANSCRIPTS / "blind", question, self._model, done)
            self._keep(self._blind, question, done)

    async def ask(self, questions: Sequence[Question], folder: Path) -> AgentToolsError | None:
        """What ended the work early, None where nothing did. Returned, not raised: a client's task group would wrap it.

        Questions of one video are asked together, videos in the order of their first question.
        """
        by_video: dict[Path, list[Question]] = {}
        for question in questions:
            path = self._videos.of(question)
            if path is None:
                missing = Outcome(ended="no video", why=f"no file {' or '.join(question.video)}")
                self._keep(self._answers, question, missing)
            else:
                if self._given is not None:
                    path = self._given.beside(path, question)
                by_video.setdefault(path, []).append(question)
        if not by_video:
            return None
        home = self._run.home or self._run.out / "home"
        folder = folder if self._given is None else self._given.staged
        async with serving(home, folder, self._run.profile, self._run.flags) as client:
            try:
                for place, (path, of_video) in enumerate(by_video.items(), 1):
                    self._on_line(f"video {place} of {len(by_video)}: {path.name}, {len(of_video)} questions")
                    await self._ask_of(client, path, of_video)
            except AgentToolsError as error:
                return error
            except MCPError as error:
                return EngineError(f"The server broke off ({error.message}). Start the same command again to go on.")
        return None

    async def _ask_of(self, client: Client, path: Path, questions: Sequence[Question]) -> None:
        session = Session(client)
        reader = Reader(session, path)
        await reader.read(ALL_CALLS)
        if not reader.whole:
            why = reader.failed or "its ingest did not end"
            for question in questions:
                self._keep(self._answers, question, Outcome(ended="unreadable video", why=why))
            return
        facts = await session.call("ingest_video", source=reader.video_id, wait_s=0)
        duration_s = float(facts.data.get("duration_s") or math.inf)
        names = frozenset({path.name, path.stem, str(facts.data.get("title") or path.stem)})
        # Until its models are loaded a server finds less: the first question shall not be asked of a lesser one.
        await reader.search("retrieve_memory", query=WARM_UP, video_ids=[reader.video_id], max_tokens=200)
        for question in questions:
            reach = Reach(reader.video_id, names)
            if question.until_s is not None:
                until_s = min(question.until_s, duration_s)
                reach = Reach(reader.video_id, names, until_s, await words_until(session, reader.video_id, until_s))
            done = await self._answerer.answer(question, client, reach)
            write_transcript(self._run.out / TRANSCRIPTS, question, self._model, done)
            self._keep(self._answers, question, done)

    def _keep(self, records: Records, question: Question, done: Outcome) -> None:
        """Write the answer down. Raises: EndpointError: the server takes no request any more."""
        sent, written = self._run.prices
        line = {
            "id": question.id,
            "answer": done.answer,
            "truth": question.answer or question.reference,
            "ended": done.ended,
            "why": done.why,
            "said": done.said,
            "calls": done.tools.total(),
            "tools": dict(done.tools),
            "errors": done.errors,
            "written": done.written,
            "requests": done.requests,
            "prompt_tokens": done.prompt_tokens,
            "completion_tokens": done.completion_tokens,
            "estimated": done.estimated,
            "price": (done.prompt_tokens * sent + done.completion_tokens * written) / 1e6,
            "seconds": round(done.seconds, 3),
        }
        if done.ended in AGAIN:
            line["again"] = True
        right = done.letter == question.answer
        if question.reference:
            verdicts = self._judges.verdicts(question, done.words)
            right = is_majority(verdicts)
            line |= {"judged": verdicts, "right": right, "spans": done.spans}
        records.add(line)
        told = f", {'right' if right else 'wrong'}" if question.answer or question.reference else ""
        blind = " blind" if records is self._blind else ""
        self._on_line(
            f"{question.id}{blind}: {done.answer[:80] or done.ended}{told}, {line['calls']} calls, {done.tokens} tokens"
            f"{'' if blind else _told(done)}"
        )
        self._refused = self._refused + 1 if done.ended == "refused" else 0
        if self._refused >= MOST_REFUSED:
            raise EndpointError(f"{MOST_REFUSED} requests in a row were refused. {done.why}")
