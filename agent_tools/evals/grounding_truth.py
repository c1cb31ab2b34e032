"""Truth for grounding: which event happens when in which video, out of our own JSON or of two benchmarks' files.

Knows three formats. Knows nothing of a server.

Simple: a list of {"video", "event", "spans": [[start_s, end_s], ...]}; no spans means that the event is absent,
"channels" may narrow what is searched, a "group" is counted by itself. MAD: an object id -> {movie, sentence,
timestamps, ext_timestamps, ...}; ReVisionLLM's form of VidChapters is the same with a vid. VidChapters-7M: one object a
line, {qid, query, vid, duration, relevant_windows}."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent_tools.errors import InvalidArgument

Format = Literal["simple", "mad", "vidchapters"]


@dataclass(frozen=True)
class Event:
    video: str  # id, title, file name or prefix, as any tool takes it
    text: str
    spans: tuple[tuple[float, float], ...]  # where it happens; none = absent
    channels: tuple[str, ...] = ()  # to search; none = all
    group: str = ""  # counted by itself, too


@dataclass(frozen=True)
class Truth:
    format: Format
    events: tuple[Event, ...]

    @property
    def strict(self) -> bool:
        """Whether an overlap must exceed its threshold (MAD) or may equal it (VidChapters, and our own)."""
        return self.format == "mad"


def read_truth(path: Path, mad_times: Literal["ext_timestamps", "timestamps"] = "ext_timestamps") -> Truth:
    """The events of a truth file; its format is seen from its shape.

    Args:
        mad_times: MAD's official evaluation takes ext_timestamps, ReVisionLLM's takes timestamps.
    Raises: InvalidArgument: the file is none of the three."""
    text = path.read_text(encoding="utf-8")
    try:
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = None
        if isinstance(value, list):
            return Truth("simple", tuple(_simple(row) for row in value))
        rows = [value] if value is not None else [json.loads(line) for line in text.splitlines() if line.strip()]
        if rows and all("relevant_windows" in row for row in rows):
            return Truth("vidchapters", tuple(event for row in rows for event in _chapters(row)))
        if isinstance(value, dict) and value:
            converted = all("vid" in row for row in value.values())
            events = tuple(_mad(row, "timestamps" if converted else mad_times) for row in value.values())
            return Truth("vidchapters" if converted else "mad", events)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidArgument(f"{path.name} is no truth file ({type(error).__name__}: {error}).") from error
    raise InvalidArgument(
        f'{path.name} is no truth file: neither a list of {{"video", "event", "spans"}} nor MAD nor VidChapters.'
    )


def _simple(row: dict[str, Any]) -> Event:
    return Event(
        str(row["video"]), str(row["event"]), _spans(row["spans"]), tuple(row.get("channels", ())), row.get("group", "")
    )


def _mad(row: dict[str, Any], times: str) -> Event:
    return Event(
        str(row.get("vid") or row["movie"]), str(row["sentence"]), _spans([row.get(times) or row["timestamps"]])
    )


def _chapters(row: dict[str, Any]) -> Iterator[Event]:
    """Rows of the training part hold lists of queries, each with its own window."""
    if isinstance(row["query"], str):
        yield Event(str(row["vid"]), row["query"], _spans(row["relevant_windows"]))
        return
    for query, window in zip(row["query"], row["relevant_windows"], strict=True):
        yield Event(str(row["vid"]), str(query), _spans(window if isinstance(window[0], list) else [window]))


def _spans(pairs: Any) -> tuple[tuple[float, float], ...]:
    return tuple((float(start_s), float(end_s)) for start_s, end_s in pairs)
