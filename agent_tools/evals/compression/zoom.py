"""What zoom_segment shows of real clips with a few frames, beside as many frames at even distances.

An MCP client ingests every clip and looks at the whole of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import numpy as np

from agent_tools.errors import EngineError
from agent_tools.evals.agents.agent import Reader
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Reply, Session
from agent_tools.evals.films.real_clips import default_folder, read_clips, shown
from agent_tools.timeline import Span

FRAMES = 4  # few enough that their choice matters in clips of 10 s and more
LEAST_S = 10.0
WORDS = 60  # characters of a text that are asked for: its first line, as one remembers it


def run_close_up(
    folder: Path | None = None,
    home: Path | None = None,
    frames: int = FRAMES,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Zoom into each whole clip of at least LEAST_S: once without a query, once for each text that stands in less than
    half of it, asked by its own words.

    Args:
        folder: with a MANIFEST.json; None: shared/videos beside the checkout.
        home: data folder; kept. None: a temporary one.
        on_line: receives the progress, line by line.
    Returns: {frames, clips, rows: [{asked, of, even, zoom, tokens}]}; even and zoom are shares of moments shown.
    Raises: EngineError: a clip could not be ingested.
    """
    videos = folder or default_folder()
    with TemporaryDirectory(prefix="agent-tools-zoom-", ignore_cleanup_errors=True) as temporary:
        memory = Path(temporary) if home is None else home.expanduser().absolute()
        return anyio.run(_asked, memory, videos.absolute(), frames, on_line)


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown table."""
    lines = [
        f"{report['clips']} clips of {LEAST_S:g} s and more, looked at whole with at most {report['frames']} frames.",
        "",
        "| asked | moments | shown by frames at even distances | shown by zoom_segment | reply tokens, mean |",
        "|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        lines.append(f"| {row['asked']} | {row['of']} | {row['even']:.1%} | {row['zoom']:.1%} | {row['tokens']:,.0f} |")
    return "\n".join(lines)


async def _asked(memory: Path, videos: Path, frames: int, on_line: Callable[[str], None]) -> dict[str, Any]:
    found: dict[str, list[tuple[bool, bool]]] = {"events, no query": [], "texts, no query": [], "texts, by words": []}
    cost: dict[str, list[int]] = {name: [] for name in found}
    looked = 0
    async with serving(memory, videos) as client:
        session = Session(client)
        for clip in read_clips(videos):
            reader = Reader(session, clip.path)
            await reader.read_whole()
            plain, length_s = await _looked(session, reader.video_id, frames)
            if length_s < LEAST_S:
                continue
            looked += 1
            even = (np.arange(frames) + 0.5) * length_s / frames
            short = [(s, w) for s, w in zip(clip.texts, clip.wordings, strict=True) if s.length_s < length_s / 2 and w]
            for name, spans in (("events, no query", clip.events), ("texts, no query", [span for span, _ in short])):
                found[name] += [_both(span, even, plain) for span in spans]
                cost[name].append(session.calls[-1].tokens)
            for span, wording in short:
                query = wording.split(" / ")[0][:WORDS]
                times, _ = await _looked(session, reader.video_id, frames, query)
                found["texts, by words"].append(_both(span, even, times))
                cost["texts, by words"].append(session.calls[-1].tokens)
            on_line(f"{clip.name}: looked at")
    rows = [
        {
            "asked": name,
            "of": len(pairs),
            "even": float(np.mean([even for even, _ in pairs])),
            "zoom": float(np.mean([zoom for _, zoom in pairs])),
            "tokens": float(np.mean(cost[name])),
        }
        for name, pairs in found.items()
        if pairs
    ]
    return {"frames": frames, "clips": looked, "rows": rows}


async def _looked(session: Session, video_id: str, frames: int, query: str = "") -> tuple[Any, float]:
    """The times of the frames that a look at the whole video shows, and its length."""
    reply: Reply = await session.call("zoom_segment", video_id=video_id, query=query, max_frames=frames)
    if reply.error:
        raise EngineError(f"zoom_segment failed: {reply.text}")
    times = np.array([float(frame["at_s"]) for frame in reply.data["frames"]])
    return times, float(reply.data["end_s"])


def _both(span: Span, even: Any, times: Any) -> tuple[bool, bool]:
    return shown(span, even), shown(span, times)
