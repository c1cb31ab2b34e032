"""The pictures of the front page, made from the demo: `make picture` or `python -m lab.picture`.

    python -m lab.picture [--seed 0] [--home DIR]    draws an hour, ingests it, asks its question over MCP, and writes
                                                     docs/images/demo.webp and docs/images/sheet.webp

A home that is given is kept, so a second run ingests nothing. The first ingest of the hour takes some minutes."""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
import tempfile
from pathlib import Path

import anyio
from mcp.types import ImageContent, TextContent
from PIL import Image

from agent_tools.evals.agents.agent import ChainAgent, Finding
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Call, Session
from agent_tools.evals.films.demo_story import tell
from agent_tools.evals.films.demo_video import draw
from agent_tools.media.identity import content_id
from lab.picture.scenes import Step, scenes

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
DURATION_S = 3600.0
LARGEST_BYTES = 1_500_000
SHEET_FRAMES = 9
SHEET_TOKENS = 6000


async def recorded(home: Path, seed: int) -> tuple[str, list[Step], Finding, tuple[Image.Image, str], Image.Image]:
    """The demo's question, the calls that answer it, the answer, the frame that shows it, and a contact sheet."""
    path = home / f"demo-{seed}.mp4"
    if not path.exists():
        draw(path, seed, DURATION_S)
    story = tell(seed, DURATION_S)
    async with serving(home, home) as client:
        await ChainAgent(Session(client), path).read_whole()
        session = Session(client)
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
    return story.question, [_step(call) for call in session.calls], finding, frame, _image(whole.content)


def _image(content: list[object]) -> Image.Image:
    data = next(block.data for block in content if isinstance(block, ImageContent))
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def _step(call: Call) -> Step:
    shown = ("query", "event", "text", "source", "video_id")
    name = next(name for name in shown if call.arguments.get(name))
    value = str(call.arguments[name])
    return Step(call.tool, name, Path(value).name if name == "source" else value, call.summary, call.tokens)


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
    pictures, durations_ms = scenes(question, steps, finding.told, *frame)
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
