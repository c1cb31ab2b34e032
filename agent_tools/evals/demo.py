"""`make demo`: an hour of video, a server, a client and a question that takes three hops; or your own file.

The agent sees only the question and the replies."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

import anyio
from mcp import Client, MCPError

from agent_tools.evals.agents.agent import ChainAgent, EvidenceAgent
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Call, Session
from agent_tools.evals.agents.waiting import WaitingLine
from agent_tools.evals.films.demo_video import draw
from agent_tools.settings import Settings, default_home

DURATION_S = 3600.0
UNOPENED_S = 600.0  # a link that nobody opens ends after that
SHOWN_ARGUMENT = 60  # characters of an argument that are shown


def run_demo(
    seed: int = 0,
    video: Path | None = None,
    question: str | None = None,
    home: Path | None = None,
    duration_s: float = DURATION_S,
    view: bool | None = None,
) -> int:
    """Run the demo and print it to stdout; the last line is one JSON object, or the link to the viewer after it.

    Args:
        seed: of the drawn video, where `video` is None.
        video, question: a file of the user's own, and what to look for in it.
        home: data folder. None: one of the demo's own, beside the usual one; it is kept until the same demo runs again.
        duration_s: of the drawn video.
        view: whether to serve the viewer at the video and print its link, until Ctrl-C, or until nobody has opened the
            link for ten minutes. None: where a person can open it, see `_attended`.
    Returns: 0, or 1 where the drawn video's question was not answered rightly, the file could not be read, or the
        server broke off; 2 where no file is there or no question was given.
    """
    if video is not None:
        video = video.expanduser().absolute()
        if not video.is_file():
            _say(f"No file at '{video}'. Name one video file: make demo VIDEO=/path/to/file QUESTION=\"...\"")
            return 2
        if not question:
            _say('A video needs a question: make demo VIDEO=/path/to/file QUESTION="..."')
            return 2
    folder = _folder(home, f"seed-{seed}" if video is None else f"file-{video.stem}")
    try:
        if video is None:
            code = anyio.run(_drawn, seed, folder, duration_s)
            video = folder / f"demo-{seed}.mp4"
        else:
            code = anyio.run(_own, video, question or "", folder)
        wanted = _attended() if view is None else view
        return _look(folder, video) if wanted and code == 0 else code
    except MCPError as error:
        _say(f"The server broke off: {error}. Its last words stand above, on stderr.")
        return 1


async def _drawn(seed: int, home: Path, duration_s: float) -> int:
    path = home / f"demo-{seed}.mp4"
    begun = time.perf_counter()
    truth = draw(path, seed, duration_s, speaks=True)
    _say(f"Drew {duration_s:g} s of video (seed {seed}, {path.stat().st_size / 1e6:.1f} MB) in {_since(begun)}.")
    _say(f"Question: {truth.question}")
    async with serving(home, path.parent) as client:
        session = _session(client)
        finding = await ChainAgent(session, path, pause=_pause).answer(truth.question)
    _say(f"Answer: {finding.answer or 'none'} ({finding.explanation})")
    for uri in finding.citations:
        _say(f"  {uri}")
    _say(f"{len(session.calls)} calls, {session.tokens} tokens of replies, {_since(begun)} in all.")
    _go_on(home, path, "who gave something away?")
    _result(seed, finding.answer, truth.answer, session, finding.citations)
    return 0 if finding.answer == truth.answer else 1


async def _own(video: Path, question: str, home: Path) -> int:
    begun = time.perf_counter()
    _say(f"Reading {video.name}. It is searchable while it is being read; this waits until it is whole.")
    async with serving(home, video.parent) as client:
        session = _session(client)
        agent = EvidenceAgent(session, video, pause=_pause)
        evidence = await agent.evidence(question)
    _say(f"Question: {question}")
    for one in evidence:
        _say(f"  {one.at}  {one.text}\n           {one.uri}")
    if not evidence:
        _say(agent.failed or "Nothing found.")
    _say(f"{len(session.calls)} calls, {session.tokens} tokens of replies, {_since(begun)} in all.")
    _go_on(home, video, question)
    _result(None, None, None, session, tuple(dict.fromkeys(one.uri for one in evidence)))
    return 1 if agent.failed else 0


def _folder(home: Path | None, name: str) -> Path:
    """The data folder of a run; one of the demo's own is emptied first."""
    if home is None:
        own = default_home()
        folder = own.with_name(f"{own.name}-demo") / name
        shutil.rmtree(folder, ignore_errors=True)
    else:
        folder = home.expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _session(client: Client) -> Session:
    waiting = WaitingLine()

    def on_call(call: Call) -> None:
        waiting.clear()
        _show(call)

    return Session(client, on_call=on_call, on_progress=waiting.show)


def _go_on(home: Path, video: Path, query: str) -> None:
    """Where the memory is, and commands to go on with: the last one gives a link to the viewer."""
    title = video.stem
    program = Path(sys.executable).with_name("agent-tools")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    _say(f"The memory is kept in {home}. Go on with:")
    look = ["view", title, "--allow", str(video.parent)]
    for command in (["show", title], ["search", query], ["ground", query, "--video", title], look):
        _say("  " + shlex.join([str(program), *command, "--home", str(home)]))


def _attended() -> bool:
    """Whether a person sits at the terminal: a program that reads the output must not wait for a link to be opened."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")


def _look(home: Path, video: Path) -> int:
    """Serve the viewer at the video until Ctrl-C, or until nobody opens the link. Returns the exit status."""
    from agent_tools.media.identity import content_id
    from agent_tools.server import serve_viewer

    settings = Settings.load({}, home=home, allow=(video.parent,), profile="lite")

    def ready(link: str) -> None:
        _say("\nLook at it in a browser. The link works once, Ctrl-C ends:")
        _say(f"  {link}")

    return serve_viewer(settings, f"v={content_id(video)}", 0, ready, unopened_s=UNOPENED_S)


def _show(call: Call) -> None:
    shown = ", ".join(f"{name}={_argument(value)}" for name, value in call.arguments.items())
    _say(f"-> {call.tool}({shown})\n   {call.summary}\n   {call.tokens} tokens, {call.seconds:.2f} s")


async def _pause(seconds: float) -> None:
    _say(f"   ({seconds:.0f} s of doing nothing: the server expects to need longer than one call may wait)")
    await anyio.sleep(seconds)


def _argument(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_ARGUMENT else f"{text[: SHOWN_ARGUMENT // 2]}…{text[-SHOWN_ARGUMENT // 2 :]}"


def _result(
    seed: int | None, answer: str | None, truth: str | None, session: Session, citations: tuple[str, ...]
) -> None:
    line = {
        "seed": seed,
        "answer": answer,
        "truth": truth,
        "calls": len(session.calls),
        "tokens": session.tokens,
        "tools": session.tools,
        "citations": list(citations),
    }
    _say(json.dumps(line, ensure_ascii=False))


def _since(begun: float) -> str:
    return f"{time.perf_counter() - begun:.1f} s"


def _say(line: str) -> None:
    """A line for the person at the terminal; stdout here is ours, the protocol runs over the server's own pipes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
