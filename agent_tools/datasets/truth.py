"""Truth for grounding: which event happens when in which video, from our own JSON or from two benchmarks' files.

Simple: a list of {"video", "event", "spans": [[start_s, end_s], ...]}. No spans means that the event is absent.
"channels" may limit what is searched; a "group" is counted by itself. MAD: an object id -> {movie, sentence,
timestamps, ext_timestamps, ...}; ReVisionLLM's form of VidChapters is the same with a vid. VidChapters-7M: one object a
line, {qid, query, vid, duration, relevant_windows}. Outside its training part, a vid is the chapter's number and the
YouTube id in one word. Pairs of `agent-tools train data`: the held-out ones, asked of pictures alone, because the texts
are where their sentences come from; each also of a video in which it is not true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent_tools.datasets.file_rows import Row, is_span, read_lines, rows_of
from agent_tools.errors import InvalidArgument

Format = Literal["simple", "mad", "vidchapters"]
PAIRS_FORM = "agent-tools pairs 1"  # "form" in a file of train data
_COUNTED = re.compile(r"[0-9]+([\w-]{11})", re.ASCII)


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
    Raises: InvalidArgument: the file has no known format, or a row breaks its rules (place, key, rule)."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path} cannot be read as text: {error}") from error
    except json.JSONDecodeError:
        value = None  # several lines of JSON
    if isinstance(value, list):
        return Truth("simple", tuple(_simple(row) for row in rows_of(path, value)))
    if isinstance(value, dict) and value.get("form") == PAIRS_FORM:
        return Truth("simple", tuple(event for row in rows_of(path, value.get("pairs")) for event in _held_out(row)))
    if isinstance(value, dict) and value and "relevant_windows" not in value:
        rows = [Row(path, f"key {name!r}", row) for name, row in value.items()]
        converted = all(row.has("vid") for row in rows)
        events = tuple(_mad(row, "timestamps" if converted else mad_times) for row in rows)
        return Truth("vidchapters" if converted else "mad", events)
    lines = list(read_lines(path)) if value is None or value else []
    if not lines:
        raise InvalidArgument(
            f'{path.name} is not a truth file: neither a list of {{"video", "event", "spans"}} nor MAD nor VidChapters.'
        )
    return Truth("vidchapters", tuple(event for row in lines for event in _chapters(row)))


def _simple(row: Row) -> Event:
    channels = row.texts("channels") if row.has("channels") and row.data["channels"] else ()
    return Event(
        row.text("video"),
        row.text("event"),
        row.spans("spans"),
        channels,
        row.text("group") if row.has("group") else "",
    )


def _held_out(row: Row) -> Iterator[Event]:
    if row.data.get("split") == "held_out":
        yield Event(row.text("video"), row.text("sentence"), row.spans("spans"), ("frames",))
        for video in row.texts("not_in")[:1] if row.data.get("not_in") else ():
            yield Event(video, row.text("sentence"), (), ("frames",))


def _mad(row: Row, times: str) -> Event:
    video = _uncounted(row.text("vid")) if row.has("vid") else row.text("movie")
    return Event(video, row.text("sentence"), (row.span(times if row.has(times) else "timestamps"),))


def _chapters(row: Row) -> Iterator[Event]:
    """Rows of the training part hold lists of queries, each with its own window."""
    video, windows = _uncounted(row.text("vid")), row.data.get("relevant_windows")
    if isinstance(row.data.get("query"), str):
        yield Event(video, row.text("query"), row.spans("relevant_windows"))
        return
    queries = row.texts("query")
    if not isinstance(windows, list) or len(windows) != len(queries):
        raise row.wrong("relevant_windows", f"must hold a window for each of {len(queries)} queries", windows)
    for query, window in zip(queries, windows, strict=True):
        spans = window if isinstance(window, list) and window and isinstance(window[0], list) else [window]
        if not all(map(is_span, spans)):
            raise row.wrong("relevant_windows", "must hold [start_s, end_s] for each query", window)
        yield Event(video, query, tuple((float(start_s), float(end_s)) for start_s, end_s in spans))


def _uncounted(vid: str) -> str:
    """A YouTube id of 11 characters, without the number of the chapter that VidChapters puts before it."""
    match = _COUNTED.fullmatch(vid)
    return match[1] if match else vid
