"""A cue, one text on screen; and cues written as a subtitle file, SubRip or WebVTT, exact to the millisecond."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Form = Literal["srt", "vtt"]


@dataclass(frozen=True)
class Cue:
    """One text on screen, with seconds from the first picture; `drop_repeats` makes its lines one."""

    start_s: float
    end_s: float
    text: str
    speaker: str = ""  # who says it, where the file names the speaker; the name is not part of the text
    words: tuple[tuple[float, int], ...] = ()  # (start_s, its place in the text) of each word, where they are known


def subtitle_text(cues: Sequence[Cue], form: Form) -> str:
    """The file's text: cues in time order, each a single line, none shorter than a millisecond.

    WebVTT escapes &, < and >, as it must, names a speaker in a voice tag, and gives each word of a cue that has word
    times its own time stamp (W3C WebVTT, cue timestamps). SubRip knows none of these: a text that looks like a tag is
    read as one, and a speaker stands before the text ("Mara: ...")."""
    ordered = sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))
    if form == "vtt":
        return "\n".join(["WEBVTT", "", *(_block(cue, ".", _voiced(cue)) for cue in ordered)])
    return "\n".join(f"{number}\n{_block(cue, ',', named(cue))}" for number, cue in enumerate(ordered, 1))


def named(cue: Cue) -> str:
    """The text with the speaker before it: "Mara: I finished it."; the text alone where no speaker is known."""
    return f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text


def _voiced(cue: Cue) -> str:
    text = _stamped(cue)
    return f"<v {html.escape(cue.speaker, quote=False)}>{text}" if cue.speaker else text


def _stamped(cue: Cue) -> str:
    """The text with a time stamp before each word but the first, which the cue's own start tells.

    The format wants time stamps inside the cue's span, each later than the one before: others are left out."""
    pieces, done, last = [], 0, round(cue.start_s * 1000)
    for start_s, at in cue.words:
        stamp = round(start_s * 1000)
        if last < stamp < round(cue.end_s * 1000):
            pieces += [html.escape(cue.text[done:at], quote=False), f"<{_stamp(stamp, '.')}>"]
            done, last = at, stamp
    return "".join([*pieces, html.escape(cue.text[done:], quote=False)])


def _block(cue: Cue, point: str, text: str) -> str:
    start = round(cue.start_s * 1000)
    return f"{_stamp(start, point)} --> {_stamp(max(start + 1, round(cue.end_s * 1000)), point)}\n{text}\n"


def _stamp(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{rest:03d}"
