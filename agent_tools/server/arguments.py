"""Reads the arguments of a call as a model writes them: older names, empty values, times and numbers in usual forms.

One table holds every name that a tool accepts. A value that cannot be read stays as it is: the schema refuses it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_tools.timeline import seconds_of, seconds_text
from agent_tools.untrusted import clean

OF_A_VIDEO = {"video_id": "video", "video_ids": "video"}
# Names that were published once and are accepted for ever, by tool: old name -> name.
OLDER_NAMES: Mapping[str, Mapping[str, str]] = {
    "ingest_video": {},
    "list_episodes": {**OF_A_VIDEO, "cursor": "more"},
    "retrieve_memory": {**OF_A_VIDEO, "cursor": "more"},
    "zoom_segment": {**OF_A_VIDEO, "max_frames": "frames"},
    "ground_event": OF_A_VIDEO,
    "remember": OF_A_VIDEO,
}
# Names that models write for an argument, taken where the argument itself is not given, with a note.
OTHER_NAMES: Mapping[str, Mapping[str, str]] = {
    "ingest_video": {"path": "source", "file": "source", "url": "source", "video": "source"},
    "list_episodes": {"videos": "video"},
    "retrieve_memory": {"event": "query", "question": "query", "text": "query", "q": "query", "videos": "video"},
    "zoom_segment": {"event": "query", "question": "query"},
    "ground_event": {"query": "event", "question": "event", "text": "event", "videos": "video"},
    "remember": {"note": "text", "content": "text"},
}
ALL_VIDEOS = ("all", "*", "any", "all videos", "all_videos")  # as a video's name: no video is named
# The arguments that every server publishes; the others are accepted everywhere and published by `--tools full`.
LEAN: Mapping[str, tuple[str, ...]] = {
    "ingest_video": ("source",),
    "list_episodes": ("video", "start_s", "end_s", "more"),
    "retrieve_memory": ("query", "video", "start_s", "end_s", "limit", "more"),
    "zoom_segment": ("video", "query", "start_s", "end_s", "frames"),
    "ground_event": ("event", "video", "start_s", "end_s"),
    "remember": ("video", "start_s", "end_s", "text"),
}
SIZES = ("limit", "frames", "max_frames", "max_spans", "max_tokens")  # how much is shown, not what is asked
TO_THE_END = (-1, "-1", "-1.0")  # as an end_s: what programs write for the last item
MOMENT_S = 1.0  # length of a span whose two ends are the same second
TIMES = ("start_s", "end_s", "wait_s")
WHOLE_NUMBERS = ("limit", "frames", "max_spans", "max_tokens")
LISTS = ("channels", "region")
FREE_TEXT = ("query", "event", "text", "source", "title")  # "none" is a word there
NO_VALUE = ("null", "none", "undefined", "n/a")
_CURSOR = re.compile(r"\d+-[0-9a-f]+", re.ASCII)  # the form of every cursor; models put other words there
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_SUBRIP = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?,\d{1,3}", re.ASCII)  # 00:01:02,500


@dataclass
class Given:
    """The arguments of one call as they were read, notes for the model, and faults that no schema finds."""

    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read(tool: str, raw: Mapping[str, Any], required: tuple[str, ...], accepted: Collection[str] = SIZES) -> Given:
    """Read the raw arguments of a call.

    Args:
        tool: a tool of the two tables.
        required: names that an empty value does not leave out, because the call needs them.
        accepted: names that the tool takes; a size that another tool takes is left out with a note.
    """
    given = Given()
    older, other = OLDER_NAMES[tool], OTHER_NAMES[tool]
    for written, value in raw.items():
        name = older.get(written, written)
        if (meant := other.get(written)) is not None and raw.get(meant) in (None, "", []):
            name = meant
            if not _says_nothing(name, value):
                given.notes.append(f"{clean(written, 40)} is taken as {meant}.")
        if _says_nothing(name, value) and name not in required:
            continue
        if name in SIZES and name not in accepted:
            given.notes.append(f"{name} is left out: {tool} does not take it.")
            continue
        if written == "more" and isinstance(value, str) and not _CURSOR.fullmatch(value.strip()):
            given.notes.append(f'more "{clean(value, 40)}" is no cursor of a reply: this is the beginning.')
            continue
        if name == "video":
            value = _named(value, many=tool == "retrieve_memory")
            if name not in required and _means_all(value):
                given.notes.append(f"video {json.dumps(_only(value))} is left out: all videos are meant.")
                continue
            if name in required and value in (None, [], ""):
                continue
        elif name in TIMES:
            value = _time(name, _only(value), given)
        elif name in WHOLE_NUMBERS:
            value = _whole(_only(value))
        elif name in LISTS:
            value = _items(name, value)
        elif name not in required or value is not None:
            value = _words(value) if name in ("query", "event") else _only(value)
        if value is None:
            continue
        if name in given.values and given.values[name] != value:
            given.faults.append(f"{name} is given twice ({clean(written, 40)} is its older name). Give {name} once.")
            continue
        given.values[name] = value
    if "end_s" not in required:
        _read_ends(given)
    if tool != "remember":  # what is written has to stand where the caller says
        _read_order(given)
    return given


def _read_ends(given: Given) -> None:
    """Leave out an end that names no time: 0, with or without a start at 0, and -1."""
    end_s, start_s = given.values.get("end_s"), given.values.get("start_s")
    if end_s in TO_THE_END or (_is_zero(end_s) and start_s):  # 0 to 0 is what models fill in where they mean nothing
        shown = f"{float(end_s or 0):g}"
        given.notes.append(f"end_s {shown} is left out: nothing ends there, so the span goes to the end of the video.")
    if end_s in TO_THE_END or _is_zero(end_s):
        del given.values["end_s"]


def _read_order(given: Given) -> None:
    """Put the ends of a span in order, and give a moment its length."""
    start_s, end_s = _seconds(given.values.get("start_s")), _seconds(given.values.get("end_s"))
    if start_s is None or end_s is None or start_s < end_s:
        return
    if end_s < start_s:
        given.values |= {"start_s": end_s, "end_s": start_s}
        given.notes.append(f"start_s {start_s:g} is behind end_s {end_s:g}: {end_s:g} to {start_s:g} s is taken.")
    else:
        given.values["end_s"] = end_s + MOMENT_S
        given.notes.append(f"start_s and end_s are both {start_s:g}: {start_s:g} to {end_s + MOMENT_S:g} s is taken.")


def _seconds(value: Any) -> float | None:
    """A number that may be a time in a video, else None."""
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return float(value) if is_time else None


def _says_nothing(name: str, value: Any) -> bool:
    """Whether a value stands for an argument that is left out."""
    if value is None or value in ("", [], {}):
        return True
    if isinstance(value, str):
        return not value.strip() or (name not in FREE_TEXT and value.strip().lower() in NO_VALUE)
    if isinstance(value, list):
        return all(_says_nothing(name, item) for item in value) or (
            name == "region" and all(_is_zero(item) for item in value)
        )
    return False


def _is_zero(value: Any) -> bool:
    return value in (0, "0", "0.0") and not isinstance(value, bool)


def _only(value: Any) -> Any:
    """The item of a list of one; other values as they are."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _named(value: Any, *, many: bool) -> Any:
    """The name of a video, or a list of names for a tool that takes several."""
    if isinstance(value, str) and value.strip().startswith("["):
        with contextlib.suppress(ValueError):  # a title may begin with a bracket
            value = json.loads(value)
    if not many:
        return _only(value)
    if isinstance(value, list):
        return [item for item in value if item not in (None, "")]
    return [value]


def _means_all(value: Any) -> bool:
    """Whether the name of a video is a word for all of them."""
    name = _only(value)
    return isinstance(name, str) and name.strip().lower() in ALL_VIDEOS


def _words(value: Any) -> Any:
    """A list of words as one text."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return " ".join(value)
    return value


def _time(name: str, value: Any, given: Given) -> Any:
    """Seconds of a time in text; a note says how a clock time was read."""
    if not isinstance(value, str):
        return value
    if _SUBRIP.fullmatch(value.strip()):
        value = value.replace(",", ".")
    seconds = seconds_of(value)
    if seconds is None:
        return float(value) if _NUMBER.fullmatch(value.strip()) else value
    if not _NUMBER.fullmatch(value.strip()):
        given.notes.append(f'{name} "{clean(value, 20)}" is read as {seconds_text(seconds)} s.')
    return seconds


def _whole(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _items(name: str, value: Any) -> Any:
    """A list, also out of its JSON, of words between commas, or of numbers as text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        value = [value]
    if name == "region":
        return [float(v) if isinstance(v, str) and _NUMBER.fullmatch(v.strip()) else v for v in value]
    return value
