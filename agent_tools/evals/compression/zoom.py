"""What zoom_segment shows of real clips with a few frames, beside as many frames at even distances.

An MCP client ingests every clip and looks at the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import numpy as np

from agent_tools.errors import EngineError
from agent_tools.evals.agents.agent import Reader
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Reply, Session
from agent_tools.evals.films.real_clips import Clip, default_folder, read_clips, shown
from agent_tools.grounding import wilson
from agent_tools.timeline import Span

FRAMES = (3, 4, 6)  # few enough that their choice matters in clips of 10 s and more
LEAST_S = 10.0
WORDS = 60  # characters of a text that are asked for: its first line, as one remembers it
EVENTS, TEXTS, EVENTS_ASKED, TEXTS_ASKED = "events, no query", "texts, no query", "events, by words", "texts, by words"


@dataclass
class _Looks:
    """What was looked for in one way: whether even distances, and whether zoom showed each moment."""

    pairs: list[tuple[bool, bool]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def row(self, asked: str, frames: int) -> dict[str, Any]:
        even, zoom = (sum(pair[place] for pair in self.pairs) for place in (0, 1))
        both = sum(all(pair) for pair in self.pairs)
        return {
            "asked": asked,
            "frames": frames,
            "of": len(self.pairs),
            "even": even,
            "zoom": zoom,
            "only_even": even - both,
            "only_zoom": zoom - both,
            "tokens": float(np.mean(self.tokens)),
        }


def run_close_up(
    folder: Path | None = None,
    home: Path | None = None,
    frames: Sequence[int] = FRAMES,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Zoom into each whole clip of at least LEAST_S: once without a query, once for each event by its description, and
    once for each text that stands in less than half of it by its own words; with each number of frames.

    Args:
        folder: with a MANIFEST.json; None: shared/videos beside the checkout.
        home: data folder; kept. None: a temporary one.
        on_line: receives the progress, line by line.
    Returns: {clips, rows: [{asked, frames, of, even, zoom, only_even, only_zoom, tokens}]}: numbers of moments that are
        shown by frames at even distances, by zoom_segment, and by one of them alone.
    Raises: EngineError: a clip could not be ingested.
    """
    videos = folder or default_folder()
    with TemporaryDirectory(prefix="agent-tools-zoom-", ignore_cleanup_errors=True) as temporary:
        memory = Path(temporary) if home is None else home.expanduser().absolute()
        return anyio.run(_asked, memory, videos.absolute(), tuple(frames), on_line)


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown table; shares with their 95 % Wilson interval."""
    lines = [
        f"{report['clips']} clips of {LEAST_S:g} s and more, looked at whole with at most so many frames.",
        "",
        "| asked | frames | moments | shown by frames at even distances | shown by zoom_segment "
        "| only by even distances | only by zoom_segment | reply tokens, mean |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        even, zoom = (_share(row[name], row["of"]) for name in ("even", "zoom"))
        lines.append(
            f"| {row['asked']} | {row['frames']} | {row['of']} | {even} | {zoom} | {row['only_even']} "
            f"| {row['only_zoom']} | {row['tokens']:,.0f} |"
        )
    return "\n".join(lines)


def _share(shown_of: int, of: int) -> str:
    low, high = wilson(shown_of, of)
    return f"{shown_of / of:.1%} ({low:.0%} to {high:.0%})"


async def _asked(
    memory: Path, videos: Path, numbers: tuple[int, ...], on_line: Callable[[str], None]
) -> dict[str, Any]:
    found = {(asked, frames): _Looks() for asked in (EVENTS, TEXTS, EVENTS_ASKED, TEXTS_ASKED) for frames in numbers}
    looked = 0
    async with serving(memory, videos) as client:
        session = Session(client)
        for clip in read_clips(videos):
            reader = Reader(session, clip.path)
            await reader.read_whole()
            _, length_s = await _looked(session, reader.video_id, 1)
            if length_s < LEAST_S:
                continue
            looked += 1
            for frames in numbers:
                await _compared(session, reader.video_id, clip, length_s, frames, found)
            on_line(f"{clip.name}: looked at")
    rows = [looks.row(asked, frames) for (asked, frames), looks in found.items() if looks.pairs]
    return {"clips": looked, "rows": rows}


async def _compared(
    session: Session,
    video_id: str,
    clip: Clip,
    length_s: float,
    frames: int,
    found: dict[tuple[str, int], _Looks],
) -> None:
    """Look at one clip in all ways, and add what was shown."""
    even = (np.arange(frames) + 0.5) * length_s / frames

    async def look(asked: str, spans: Sequence[Span], query: str = "") -> None:
        if not spans:
            return
        times, _ = await _looked(session, video_id, frames, query)
        looks = found[asked, frames]
        looks.pairs += [(shown(span, even), shown(span, times)) for span in spans]
        looks.tokens.append(session.calls[-1].tokens)

    short = [(s, w) for s, w in zip(clip.texts, clip.wordings, strict=True) if s.length_s < length_s / 2 and w]
    await look(EVENTS, clip.events)
    await look(TEXTS, [span for span, _ in short])
    for span, description in zip(clip.events, clip.descriptions, strict=True):
        await look(EVENTS_ASKED, [span], description)
    for span, wording in short:
        await look(TEXTS_ASKED, [span], wording.split(" / ")[0][:WORDS])


async def _looked(session: Session, video_id: str, frames: int, query: str = "") -> tuple[Any, float]:
    """The times of the frames that a look at the whole video shows, and its length."""
    reply: Reply = await session.call("zoom_segment", video_id=video_id, query=query, max_frames=frames)
    if reply.error:
        raise EngineError(f"zoom_segment failed: {reply.text}")
    times = np.array([float(frame["at_s"]) for frame in reply.data["frames"]])
    return times, float(reply.data["end_s"])
