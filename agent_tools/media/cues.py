"""Writes cues as a subtitle file, SubRip or WebVTT, exact to the millisecond; `read_subtitles` reads them back."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

from agent_tools.media.subtitles import Cue

Form = Literal["srt", "vtt"]


def subtitle_text(cues: Sequence[Cue], form: Form) -> str:
    """The file's text: cues in time order, each a single line, none shorter than a millisecond.

    WebVTT escapes &, < and >, as it must. SubRip knows no escapes: a text that looks like a tag is read as one."""
    ordered = sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))
    if form == "vtt":
        return "\n".join(["WEBVTT", "", *(_block(cue, ".", html.escape(cue.text, quote=False)) for cue in ordered)])
    return "\n".join(f"{number}\n{_block(cue, ',', cue.text)}" for number, cue in enumerate(ordered, 1))


def _block(cue: Cue, point: str, text: str) -> str:
    start = round(cue.start_s * 1000)
    return f"{_stamp(start, point)} --> {_stamp(max(start + 1, round(cue.end_s * 1000)), point)}\n{text}\n"


def _stamp(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{rest:03d}"
