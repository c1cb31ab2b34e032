"""Subtitle files of any known format, read into cues: the text decides which format it is, not the file's name.

SubRip, WebVTT, SBV and the lines of Whisper's programs share one reader. SubStation, MicroDVD, SAMI and MPL2 are read
by pysubs2; documents (TTML, JSON) by document_formats."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pysubs2

from agent_tools.media.cues import Cue
from agent_tools.media.document_formats import json_cues, xml_cues
from agent_tools.media.transcript_lines import stamped_cues, table_cues

_NO_LENGTH_S = 4.0  # a cue without an end lasts until the next one, at most this long
_USUAL_FPS = 25.0  # for times in frames, where the film does not say its rate
_CLOCK_S = 2**33 / 90_000  # after it the clock of a transport stream starts again

_JSON, _JSON_HEADS = (".json", ".json3"), ('{"', "[{", "{\n", "[\n", "{\r", "[\r")
_TABLES = {".tsv": "\t", ".csv": ","}
_BY_LIBRARY = frozenset(".sub .smi .sami .srt .txt .ass .ssa .mpl .mpl2".split())

_STYLE = re.compile(r"\{\\[^{}]*\}")
_ASS_BRACES = re.compile(r"\{[^{}]*\}")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>|<\d[\d:.]*>|</>")
# How a word is said, in small letters above it (ruby): inside the word it would cut the word in two.
_READING = re.compile(r"<(rt|rp)\b[^<>]*>.*?(?:</\1\s*>|(?=<(?:rt|rp|/ruby)\b)|$)", re.DOTALL | re.IGNORECASE)
_FPS = re.compile(r"\A\s*\{[01]\}\{[01]\}\s*(\d+(?:\.\d+)?)\s*\n")  # the rate that a MicroDVD file begins with
_BREAK = re.compile(r"\\[Nn]|\r\n?|\[br\]")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>\n]*)>")

_TIME = r"-?(?:(?:\d+\s*:\s*)?\d+\s*:\s*)\d{1,2}(?:\s*[.,:;]\s*\d{1,3})?"
# "->" and "→" are arrows of translation programs; SBV has a comma; Whisper's programs write the text behind it.
_SPAN = re.compile(rf"\s*(\[)?\s*({_TIME})\s*(?:-{{1,3}}>|→|⟶)\s*({_TIME})\s*(?:\]|(?=\s|$))(.*)")
_SBV_SPAN = re.compile(rf"()({_TIME})\s*,\s*({_TIME})()")
_PIECES = re.compile(r"(?:(\d+)\s*:\s*)?(\d+)\s*:\s*(\d{1,2})(?:\s*([.,:;])\s*(\d{1,3}))?")
_MAP = re.compile(r"X-TIMESTAMP-MAP\s*=\s*(.*)")
_LYRIC = re.compile(r"\[(\d+):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_LYRIC_OFFSET = re.compile(r"\[offset:\s*([+-]?\d+)\s*\]", re.IGNORECASE)
_ESCAPED_TWICE = re.compile(r"&amp;(?:amp|lt|gt|quot|apos|nbsp|#\d+);")
_ESCAPED_ONCE = re.compile(r"&(?:lt|gt|quot|apos|nbsp|#\d+);|&amp;(?!(?:amp|lt|gt|quot|apos|nbsp|#\d+);)")


class NotSubtitles(ValueError):
    """The text holds no cues of a known format; the message says what it is, as a phrase."""


@dataclass
class _Block:
    start_s: float
    end_s: float
    lines: list[str] = field(default_factory=list)


def parse(text: str, suffix: str = "", fps: float | None = None, origin_s: float | None = None) -> list[Cue]:
    """The cues of a subtitle file; lines inside a cue are divided by newlines, tags are gone.

    Args:
        suffix: the file's ending, in lower case, for formats that no first line tells apart.
        fps: the film's rate, for times that count frames.
        origin_s: the film's first picture on its transport stream's clock, for WebVTT that counts by that clock; None
            for other containers.
    Raises: NotSubtitles.
    """
    head = text.lstrip("\ufeff \t\r\n")[:2000]
    if suffix not in (".ass", ".ssa", *_JSON) and not head.startswith(_JSON_HEADS):  # there "\n" is an escape
        text = _BREAK.sub("\n", text)
        head = text.lstrip("\ufeff \t\r\n")[:2000]
    try:
        cues = _cues(text, head, suffix, fps or _USUAL_FPS, origin_s)
    except (pysubs2.Pysubs2Error, ValueError, RecursionError, OverflowError) as error:
        raise NotSubtitles(f"its text is not in the format that its name says ({type(error).__name__})") from error
    if not cues:
        raise NotSubtitles("it holds no times and texts of a known format")
    return with_ends([replace(cue, text=cue.text.strip()) for cue in cues])


def language_in(text: str) -> str | None:
    """The language that the text itself names: WebVTT's "Language: en", TTML's xml:lang="en"."""
    head = text[:2000]
    found = re.search(r"^Language:\s*([\w-]+)", head, re.MULTILINE) if "WEBVTT" in head[:10] else None
    found = found or re.search(r"<(?:\w+:)?tt\b[^>]*\bxml:lang=[\"']([\w-]+)", head)
    return found[1] if found else None


def _cues(text: str, head: str, suffix: str, fps: float, origin_s: float | None) -> list[Cue]:
    if head.startswith("WEBVTT"):
        return _texts(_timed(text, fps, webvtt=True, origin_s=origin_s), twice=_twice(text))
    if "[Script Info]" in head or re.search(r"^\[Events\]", head, re.MULTILINE):
        return _styled(text)
    if head.startswith("<") and re.search(r"<(?:\w+:)?(?:tt|timedtext|transcript)[\s>]", head):
        return [replace(cue, text=plain(cue.text)) for cue in xml_cues(text)]
    if suffix in _JSON or head.startswith(_JSON_HEADS):
        return [replace(cue, text=plain(cue.text)) for cue in json_cues(text)]
    if suffix == ".lrc" or (suffix == ".txt" and (lyric := _LYRIC.match(head)) and "." in lyric[2]):
        return _lyrics(text)
    if cues := _texts(_timed(text, fps, webvtt=False), twice=_twice(text)):
        return cues
    if suffix in _TABLES:
        return table_cues(text, _TABLES[suffix])
    if suffix == ".txt" and (cues := stamped_cues(text)):
        return cues
    return _by_library(text, fps) if suffix in _BY_LIBRARY else []


def _timed(text: str, fps: float, *, webvtt: bool, origin_s: float | None = None) -> Iterator[_Block]:
    """Blocks of lines that follow a line with two times.

    In WebVTT an empty line ends a cue, and what follows is a note, a style or the next cue's name. In SubRip the next
    two times end it: texts hold empty lines, and the number above the times is no text."""
    block: _Block | None = None
    first_s: float | None = None  # of the first map of clocks
    shift_s, ended = 0.0, False
    for line in text.split("\n"):
        if (found := _SPAN.fullmatch(line) or _SBV_SPAN.fullmatch(line.strip())) is not None:
            if block is not None:
                if not ended:
                    _drop_name(block, number_only=not webvtt)
                yield block
            start_s, end_s = _seconds(found[2], fps), _seconds(found[3], fps)
            block, ended = _Block(start_s + shift_s, end_s + shift_s), False
            if found[1] and found[4].strip():
                block.lines.append(found[4])
        elif webvtt and (clocks := _MAP.match(line)) is not None:
            mapped_s = _mapped(clocks[1], fps)
            first_s = mapped_s if first_s is None else first_s
            # A film in another container counts from 0: there only later maps say more than the first one.
            shift_s = (mapped_s - (first_s if origin_s is None else origin_s)) % _CLOCK_S
            ended = True
        elif block is not None and not ended:
            ended = webvtt and line == ""
            if not ended:
                block.lines.append(line)
    if block is not None:
        yield block


def _drop_name(block: _Block, *, number_only: bool) -> None:
    """Take away the number or name of the next cue, which stands behind an empty line."""
    lines = block.lines
    alone = len(lines) > 1 and not lines[-2].strip()
    if lines and ((number_only and lines[-1].strip().isdigit()) or (not number_only and alone)):
        lines.pop()


def _mapped(clocks: str, fps: float) -> float:
    """MPEGTS / 90,000 - LOCAL of an X-TIMESTAMP-MAP, in seconds."""
    ticks = re.search(r"MPEGTS:\s*(\d+)", clocks)
    local = re.search(rf"LOCAL:\s*({_TIME})", clocks)
    return (int(ticks[1]) / 90_000 if ticks else 0.0) - (_seconds(local[1], fps) if local else 0.0)


def _seconds(time: str, fps: float) -> float:
    if time.startswith("-"):  # before the film's start: what is said there goes on into it
        return 0.0
    found = _PIECES.search(time)
    assert found is not None  # both patterns are one grammar
    hours, minutes, seconds, mark, rest = found.groups()
    part = 0.0
    if rest is not None:
        part = int(rest) / fps if mark in (":", ";") and len(rest) <= 2 else int(rest) / 10 ** len(rest)
    return round(int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + part, 6)


def _texts(blocks: Iterator[_Block], *, twice: bool) -> list[Cue]:
    cues = []
    for block in blocks:
        text = "\n".join(block.lines)
        # A cue with several voices is a cue for each of them: before, name, text, name, text.
        before, *voices = _VOICE.split(text)
        if before.strip() or not voices:
            cues.append(Cue(block.start_s, block.end_s, plain(before, twice=twice)))
        for name, said in zip(voices[::2], voices[1::2], strict=True):
            speaker = " ".join(plain(name).split())
            cues.append(Cue(block.start_s, block.end_s, plain(said, twice=twice), speaker))
    return cues


def _twice(text: str) -> bool:
    """Whether a program has escaped the whole file a second time ("&amp;#39;"), so that nothing is escaped once."""
    return _ESCAPED_TWICE.search(text) is not None and _ESCAPED_ONCE.search(text) is None


def _styled(text: str) -> list[Cue]:
    """SubStation's lines. Where a karaoke template has made effects of them, the lines that it was made of."""
    cues = []
    events = list(pysubs2.SSAFile.from_string(text, format_="ass"))
    sung = any(event.is_comment and event.effect == "karaoke" for event in events)
    for event in events:
        shown = event.effect == "karaoke" or (not event.is_comment and event.effect != "fx")
        if (shown if sung else not event.is_comment) and not _DRAWING.search(event.text):
            said = plain(_ASS_BRACES.sub("", event.text))
            cues.append(Cue(event.start / 1000, event.end / 1000, said, " ".join(event.name.split())))
    return cues


def _by_library(text: str, fps: float) -> list[Cue]:
    if (rate := _FPS.match(text)) is not None and float(rate[1]) > 0:
        text, fps = text[rate.end() :], float(rate[1])
    events = pysubs2.SSAFile.from_string(text, fps=fps)
    return [Cue(event.start / 1000, event.end / 1000, plain(event.text)) for event in events if not event.is_comment]


def _lyrics(text: str) -> list[Cue]:
    """LRC: each line behind its time, or behind several; a line without text ends the one before it."""
    offset = _LYRIC_OFFSET.search(text)
    earlier_s = int(offset[1]) / 1000 if offset else 0.0
    cues = []
    for line in text.split("\n"):
        stamps = list(_LYRIC.finditer(line))
        said = plain(line[stamps[-1].end() :]) if stamps else ""
        for stamp in stamps:
            start_s = int(stamp[1]) * 60 + float(stamp[2].replace(":", ".")) - earlier_s
            cues.append(Cue(max(0.0, start_s), 0.0, said))
    return cues


def plain(text: str, *, twice: bool = False) -> str:
    """The text without tags, its entities as characters, its lines divided by newlines."""
    text = html.unescape(_TAG.sub("", _READING.sub("", _STYLE.sub("", text))))
    return _BREAK.sub("\n", (html.unescape(text) if twice else text).replace("\\h", " "))


def packet_text(line: str, *, styled: bool) -> tuple[str, str] | None:
    """(text, speaker) of one decoded subtitle in FFmpeg's form: ReadOrder,Layer,Style,Name,MarginL,...,Text.

    None where it is a drawing."""
    fields = line.split(",", 8)
    if _DRAWING.search(fields[-1]):
        return None
    said = _ASS_BRACES.sub("", fields[-1]) if styled else fields[-1]
    return plain(said), " ".join(fields[3].split()) if styled and len(fields) == 9 else ""


def with_ends(cues: list[Cue]) -> list[Cue]:
    """The cues in time order; one without an end lasts until the next one, at most 4 s."""
    cues = sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))
    at = following = float("inf")  # from the last to the first: the start of this cue's group, and of the one after it
    for number, cue in reversed(list(enumerate(cues))):
        if cue.start_s < at:
            at, following = cue.start_s, at
        if cue.end_s <= cue.start_s:
            cues[number] = replace(cue, end_s=min(following, cue.start_s + _NO_LENGTH_S))
    return cues
