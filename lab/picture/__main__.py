"""The pictures of the front page, made from the demo: `make picture` or `python -m lab.picture`.

    python -m lab.picture [--seed 0] [--home DIR]    draws an hour, ingests it, asks its question over MCP, and writes
                                                     docs/images/demo.webp and docs/images/sheet.webp

A home that is given is kept, so a second run ingests nothing. The first ingest of the hour takes some minutes."""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.types import ImageContent, TextContent
from PIL import Image

from agent_tools.evals.agents.agent import ChainAgent, Finding
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Reply, Session
from agent_tools.evals.films.demo_story import tell
from agent_tools.evals.films.demo_video import draw
from agent_tools.media.identity import content_id
from lab.picture.scenes import Step, scenes

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
DURATION_S = 3600.0
LARGEST_BYTES = 1_500_000
SHEET_FRAMES = 9
SHEET_TOKENS = 6000
READ = ("subtitles", "screen_text")  # notes of an earlier run stay unread
LEAD = 40  # characters shown before a finding
LOADING_S = 15.0  # until the models are there, on a busy machine


class Recording(Session):
    """A session that keeps its replies, too."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.replies: list[Reply] = []

    async def call(self, tool: str, **arguments: Any) -> Reply:
        reply = await super().call(tool, **arguments)
        self.replies.append(reply)
        return reply


async def recorded(home: Path, seed: int) -> tuple[str, list[Step], Finding, tuple[Image.Image, str], Image.Image]:
    """The demo's question, the calls that answer it, the answer, the frame that shows it, and a contact sheet."""
    path = home / f"demo-{seed}.mp4"
    if not path.exists():
        draw(path, seed, DURATION_S)
    story = tell(seed, DURATION_S)
    async with serving(home, home) as client:
        await ChainAgent(Session(client), path).read_whole()
        await client.call_tool("retrieve_memory", {"query": "anything"})  # begins to load the sentence encoder
        await anyio.sleep(LOADING_S)
        session = Recording(client)
        finding = await ChainAgent(session, path).answer(story.question)
        if finding.answer != story.answer:
            raise SystemExit(f"the demo answered {finding.answer!r}, not {story.answer!r}: no picture is made of that")
        shot = await client.call_tool(
            "zoom_segment", {"video_id": finding.citations[-1], "query": finding.answer, "max_frames": 1}
        )
        whole = await client.call_tool(
            "zoom_segment",
            {
                "video_id": content_id(path),
                "layout": "sheet",
                "max_frames": SHEET_FRAMES,
                "max_tokens": SHEET_TOKENS,
            },
        )
    facts = next(json.loads(block.text) for block in shot.content if isinstance(block, TextContent))
    frame = _image(shot.content), str(facts["frames"][0]["at"])
    return story.question, _steps(session, finding), finding, frame, _image(whole.content)


def _image(content: list[object]) -> Image.Image:
    data = next(block.data for block in content if isinstance(block, ImageContent))
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def _steps(session: Recording, finding: Finding) -> list[Step]:
    """The calls, each with the part of its reply that names the next thing to be found."""
    named = [re.split(r" (?:the|at|is) ", part)[-1] for part in finding.explanation.split("; ")]
    steps, found = [], 0
    for call, reply in zip(session.calls, session.replies, strict=True):
        name = next(name for name in ("query", "event", "text", "source") if call.arguments.get(name))
        value = str(call.arguments[name])
        shown = Path(value).name if name == "source" else value
        telling = _telling(reply, named[min(found, len(named) - 1)])
        found += bool(telling)
        steps.append(Step(call.tool, name, shown, telling or call.summary, call.tokens))
    return steps


def _telling(reply: Reply, wanted: str) -> str:
    """The text of a search or of a zoom that names what is wanted, from shortly before it; "" without one."""
    texts = [(str(hit["at"]), str(hit.get(name, ""))) for hit in reply.data.get("hits", ()) for name in READ]
    rows = reply.data.get("text")
    texts += [("", str(row["text"])) for row in rows] if isinstance(rows, list) else []
    for at, text in texts:
        if (place := text.find(wanted)) >= 0:
            begin = text.rfind(" ", 0, max(0, place - LEAD)) + 1
            return f"{at}  {'…' if begin else ''}{text[begin:]}".strip()
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--home", type=Path, help="data folder to keep; default: a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agent-tools-picture-", ignore_cleanup_errors=True) as temporary:
        home = (given.home or Path(temporary)).expanduser().resolve()
        home.mkdir(parents=True, exist_ok=True)
        question, steps, finding, frame, sheet = anyio.run(recorded, home, given.seed)
    IMAGES.mkdir(parents=True, exist_ok=True)
    pictures, durations_ms = scenes(question, steps, finding.explanation, *frame)
    first, *rest = pictures
    film = IMAGES / "demo.webp"
    first.save(film, save_all=True, append_images=rest, duration=durations_ms, loop=0, quality=82, method=6)
    sheet.save(IMAGES / "sheet.webp", quality=82, method=6)
    for path in (film, IMAGES / "sheet.webp"):
        size = path.stat().st_size
        sys.stdout.write(f"{path.relative_to(IMAGES.parents[1])}: {size:,} bytes\n")
        if size > LARGEST_BYTES:
            raise SystemExit(f"{path.name} has {size:,} bytes, over {LARGEST_BYTES:,}: lower its quality")


if __name__ == "__main__":
    main()
