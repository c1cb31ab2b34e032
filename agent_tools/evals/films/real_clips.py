"""Real clips with known events: reads the folder's MANIFEST.json and decodes each clip once.

Times are a clip's own seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_tools.errors import InvalidArgument
from agent_tools.media import probe, sample
from agent_tools.timeline import Span

MANIFEST = "MANIFEST.json"
SLACK_S = 0.5  # a frame this near a span shows it: the manifest's times are seen by eye, to a second
Size = tuple[int, int]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """A file and when something was seen in it."""

    name: str
    path: Path
    events: tuple[Span, ...]
    texts: tuple[Span, ...]  # when text stood on screen
    wordings: tuple[str, ...] = ()  # what it said, for each of texts
    descriptions: tuple[str, ...] = ()  # what was to be seen, for each of events


@dataclass(frozen=True)
class DecodedClip:
    """A clip at one picture a second, and between them the pictures half a second later, which serve as questions."""

    clip: Clip
    times_s: NDArray[np.float64]  # (T,)
    pictures: dict[Size, Pixels]  # (T, H, W, 3) for each size asked for
    between_s: NDArray[np.float64]  # (Q,)
    between: dict[Size, Pixels]  # (Q, H, W, 3)


def default_folder() -> Path:
    """shared/videos beside the checkout. Raises: InvalidArgument: it does not exist."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "videos"
    if not (folder / MANIFEST).is_file():
        raise InvalidArgument(f"No test videos at {folder}. Give a folder with a {MANIFEST}: --data FOLDER")
    return folder


def read_clips(folder: Path) -> list[Clip]:
    """The videos of a MANIFEST.json ({"files": [{name, folder, width, events, on_screen_text}]}) that list events.

    Raises: InvalidArgument: no manifest there, not in that form, or a file of it is missing.
    """
    folder = folder.resolve()  # media opens real paths alone
    path = folder / MANIFEST
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["files"]
        described = [row for row in rows if row.get("width") and row.get("events")]
        clips = [
            Clip(
                row["name"],
                folder / row.get("folder", "") / row["name"],
                _spans(row["events"]),
                _spans(row.get("on_screen_text", ())),
                tuple(str(text.get("text", "")) for text in row.get("on_screen_text", ())),
                tuple(str(event.get("text", "")) for event in row["events"]),
            )
            for row in described
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f"{path} is not a manifest of clips with events: {error}") from error
    for clip in clips:
        if not clip.path.is_file():
            raise InvalidArgument(f"{path} names {clip.name}, which is not there.")
    return clips


def decode_clip(clip: Clip, sizes: Iterable[Size]) -> DecodedClip:
    """Decode once, at two pictures a second, scaled to each size."""
    wanted = sorted(set(sizes))
    seen: tuple[list[float], list[float]] = ([], [])
    pictures: tuple[dict[Size, list[Pixels]], ...] = ({s: [] for s in wanted}, {s: [] for s in wanted})
    for shown in sample(probe(clip.path), fps=2.0, threads=1):
        seen[shown.k % 2].append(shown.time_s)
        for size in wanted:
            pictures[shown.k % 2][size].append(shown.picture.rgb(*size))
    on, between = (
        {size: np.stack(rows) if rows else np.zeros((0, size[1], size[0], 3), np.uint8) for size, rows in half.items()}
        for half in pictures
    )
    return DecodedClip(clip, np.array(seen[0]), on, np.array(seen[1]), between)


def decode_clips(clips: Sequence[Clip], sizes: Iterable[Size], on_line: Callable[[str], None]) -> list[DecodedClip]:
    """Decode each clip; clips without a picture are left out. `on_line` receives the progress."""
    wanted, watched = set(sizes), []
    for number, clip in enumerate(clips, 1):
        one = decode_clip(clip, wanted)
        on_line(f"{number}/{len(clips)} {clip.name}: {len(one.times_s)} frames")
        if len(one.times_s):
            watched.append(one)
    return watched


def shown(span: Span, times_s: NDArray[np.float64]) -> bool:
    """Whether one of the times lies in the span, or within SLACK_S of it."""
    return bool(((times_s >= span.start_s - SLACK_S) & (times_s <= span.end_s + SLACK_S)).any())


def _spans(rows: Iterable[dict[str, Any]]) -> tuple[Span, ...]:
    return tuple(Span(float(row["start_s"]), float(row["end_s"])) for row in rows)
