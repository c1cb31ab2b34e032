"""Text tracks of a video, inside the file and in files next to it: one per language, clean and without repeats."""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import pysubs2

from agent_tools.errors import SourceNotFound
from agent_tools.media.fence import name_of, open_media
from agent_tools.media.languages import is_language, language_of
from agent_tools.media.plain_file import open_plain
from agent_tools.media.streams import Probe, only
from agent_tools.untrusted import clean

SIDECAR_SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")
_SIDECAR_BYTES = 16 << 20  # a day of dense captions is about 4 MB
_SAME_SHARE = 0.9  # of the smaller track's cues in the other one: the same track twice
_SAME_TIME_S = 1.0
_ROLL_GAP_S = 0.5  # the next line of a rolling caption follows at once
_NO_LENGTH_S = 4.0  # a cue without an end lasts until the next one, at most this long
_CUES_PER_S, _LEAST_CUES = 10, 5_000  # limit of one track: more cues are not text for reading, and take hours
_MOST_LINES = 16  # of one cue compared with those before it
_NOT_SPEECH = frozenset({"chapters", "metadata", "thumbnails", "storyboard"})
_SECOND_RATE = frozenset({"forced", "descriptions", "signs"})

_STYLE = re.compile(r"\{\\[^{}]*\}")
_ASS_BRACES = re.compile(r"\{[^{}]*\}")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>|<\d[\d:.]*>|</>")
_BREAK = re.compile(r"\\[Nn]|\r\n?")

# The most likely encoding of a file that is not Unicode, by the language in its name.
_OLD_ENCODINGS = {
    **dict.fromkeys(("pl", "cs", "sk", "hu", "hr", "sl", "ro", "sq"), "cp1250"),
    **dict.fromkeys(("ru", "uk", "bg", "mk", "sr", "kk"), "cp1251"),
    **dict.fromkeys(("ar", "fa"), "cp1256"),
    "el": "cp1253",
    "he": "cp1255",
    "ja": "cp932",
    "ko": "cp949",
    "th": "cp874",
    "tr": "cp1254",
    "vi": "cp1258",
    "zh": "gb18030",
}


@dataclass(frozen=True)
class Cue:
    """One text on screen: a single clean line, with seconds from the first picture."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Track:
    language: str | None
    source: str  # "stream 2" or the sidecar's file name
    kind: str  # "embedded" or "sidecar"
    cues: list[Cue]
    read_to_s: float | None = None  # set if there are too many cues: no cue after this time was read


def read_subtitles(probe: Probe, on_problem: Callable[[str], None] | None = None) -> list[Track]:
    """The text tracks in and beside the file, at most one per known language, the fullest first.

    Sidecars are .srt, .vtt, .ass and .ssa files named as the video, with or without a language ("talk.en.srt"); their
    times count from the first picture. A track without a language is dropped if another track has 90 % of its cues.
    A sidecar that is a link to another folder is not read.
    Args:
        on_problem: called with one line for each track that could not be read.
    """
    report = on_problem or _ignore
    found = [*_embedded(probe, report), *_sidecars(probe.path, report)]
    limit = max(_LEAST_CUES, round(_CUES_PER_S * (probe.duration_s or 0.0)))
    tracks = [(_bounded(replace(track, cues=drop_repeats(track.cues)), limit), second) for track, second in found]
    return _one_per_language([(track, second) for track, second in tracks if track.cues])


def _bounded(track: Track, limit: int) -> Track:
    """The track with its first `limit` cues."""
    if len(track.cues) <= limit:
        return track
    return replace(track, cues=track.cues[:limit], read_to_s=track.cues[limit].start_s)


def drop_repeats(cues: Sequence[Cue]) -> list[Cue]:
    """Cues in time order without the repeats of rolling captions.

    A live caption shows its last line again above the new one, and grows word by word. Lines (in `text`, divided by
    newlines) that were on screen just before are dropped; a cue without new words makes the cue before it longer.
    The returned texts are single clean lines."""
    result: list[Cue] = []
    before: list[str] = []  # the lines on screen until now
    for cue in sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)):
        lines = [line for raw in cue.text.split("\n") if (line := clean(raw))]
        if not lines or cue.end_s <= 0:
            continue
        new_lines = lines
        if result and cue.start_s <= result[-1].end_s + _ROLL_GAP_S:
            new_lines = _new_lines(before, lines)
        before = lines
        if new_lines:
            result.append(Cue(max(0.0, cue.start_s), cue.end_s, " ".join(new_lines)))
        else:
            result[-1] = replace(result[-1], end_s=max(result[-1].end_s, cue.end_s))
    return result


def _new_lines(before: list[str], now: list[str]) -> list[str]:
    for overlap in range(min(len(before), len(now), _MOST_LINES), 0, -1):
        if before[-overlap:] == now[:overlap]:
            return now[overlap:]
    # The last line grew: "so we" -> "so we keep"; only whole words count as growth.
    if len(now) == len(before) and now[:-1] == before[:-1] and now[-1].startswith(before[-1] + " "):
        return [now[-1][len(before[-1]) + 1 :]]
    return now


def _embedded(probe: Probe, report: Callable[[str], None]) -> Iterator[tuple[Track, bool]]:
    wanted = [stream for stream in probe.subtitles if stream.text]
    if not wanted:
        return
    raw: dict[int, list[Cue]] = {stream.index: [] for stream in wanted}
    with open_media(probe.path) as container:
        streams = [container.streams[index] for index in raw]
        only(container, *streams)
        forced = {s.index for s in streams if s.disposition & av.stream.Disposition.forced}
        try:
            for packet in container.demux(streams):
                if packet.pts is None or not packet.size:
                    continue
                start_s = float(packet.pts * packet.time_base) - probe.origin_s
                length_s = float((packet.duration or 0) * packet.time_base)
                for text in _packet_texts(packet):
                    raw[packet.stream_index].append(Cue(start_s, start_s + length_s, text))
        except av.FFmpegError:
            report(f"{name_of(probe.path)}: only a part of its subtitle tracks could be read")
    for stream in wanted:
        cues = _with_ends(raw[stream.index])
        yield Track(stream.language, f"stream {stream.index}", "embedded", cues), stream.index in forced


def _packet_texts(packet: Any) -> Iterator[str]:
    context = packet.stream.codec_context
    if context is None:
        yield _plain(bytes(packet).decode("utf-8", "replace"))
        return
    for rect in packet.decode():
        line = rect.ass.decode("utf-8", "replace")
        text = line.split(",", 8)[-1]  # ReadOrder,Layer,Style,Name,MarginL,MarginR,MarginV,Effect,Text
        if not _DRAWING.search(text):
            yield _plain(_ASS_BRACES.sub("", text) if context.name in ("ass", "ssa") else text)


def _sidecars(path: Path, report: Callable[[str], None]) -> Iterator[tuple[Track, bool]]:
    try:
        neighbours = sorted(path.parent.iterdir())
    except OSError:
        return
    for neighbour in neighbours:
        if neighbour.suffix.lower() not in SIDECAR_SUFFIXES or not neighbour.is_file():
            continue
        if neighbour.stem != path.stem and not neighbour.stem.startswith(path.stem + "."):
            continue
        words = [word.lower() for word in neighbour.stem[len(path.stem) :].split(".") if word]
        if _NOT_SPEECH.intersection(words):
            continue
        name = name_of(neighbour)
        real = neighbour.resolve()
        if real.parent != path.parent.resolve():
            report(f"{name} is a link to another folder and was not read")
            continue
        language = language_of(next((word for word in reversed(words) if is_language(word)), None))
        try:
            with open_plain(real) as file:
                data = file.whole(_SIDECAR_BYTES)
            if data is None:
                report(f"{name} is larger than {_SIDECAR_BYTES >> 20} MiB and was not read")
                continue
            cues = parse(decode_text(data, language), neighbour.suffix.lower())
        except (SourceNotFound, pysubs2.Pysubs2Error, ValueError) as error:
            report(f"{name} could not be read as subtitles ({type(error).__name__})")
            continue
        yield Track(language, name, "sidecar", cues), bool(_SECOND_RATE.intersection(words))


def parse(text: str, suffix: str) -> list[Cue]:
    """The cues of a subtitle file; lines inside a cue are divided by newlines, tags are gone.

    Raises: pysubs2.Pysubs2Error or ValueError: the text is not of that format."""
    form = {".srt": "srt", ".vtt": "vtt"}.get(suffix, "ass")
    styled = form == "ass"
    if form == "vtt":
        text = _only_cues(text)
    cues = []
    for event in pysubs2.SSAFile.from_string(text, format_=form, keep_unknown_html_tags=True):
        if event.is_comment or _DRAWING.search(event.text):
            continue
        plain = _plain(_ASS_BRACES.sub("", event.text) if styled else event.text)
        cues.append(Cue(event.start / 1000, event.end / 1000, plain))
    return _with_ends(cues)


def _only_cues(text: str) -> str:
    """A WebVTT text without notes, styles, regions and cue names: pysubs2 reads those as text of the cue before."""
    blocks = ["WEBVTT"]
    for block in re.split(r"\n[ \t]*\n", _BREAK.sub("\n", text)):
        lines = block.strip("\n").split("\n")
        timing = next((number for number, line in enumerate(lines[:2]) if "-->" in line), None)
        if timing is not None and not lines[0].startswith("NOTE"):
            blocks.append("\n".join(lines[timing:]))
    return "\n\n".join(blocks) + "\n"


def decode_text(data: bytes, language: str | None = None) -> str:
    """The characters of a text file. Tried in turn: its byte order mark, UTF-8, the language's old encoding, cp1252."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if (zeros := data[:2048].count(0)) > len(data[:2048]) // 5:
        even = data[:2048:2].count(0)
        return data.decode("utf-16-be" if even * 2 > zeros else "utf-16-le", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        old = _OLD_ENCODINGS.get((language or "").split("-")[0], "cp1252")
        return data.decode(old, "replace")


def _plain(text: str) -> str:
    text = _TAG.sub("", _STYLE.sub("", text))
    return _BREAK.sub("\n", html.unescape(text).replace("\\h", " "))


def _with_ends(cues: list[Cue]) -> list[Cue]:
    cues.sort(key=lambda cue: (cue.start_s, cue.end_s))
    at = following = float("inf")  # from the last to the first: the start of this cue's group, and of the one after it
    for number, cue in reversed(list(enumerate(cues))):
        if cue.start_s < at:
            at, following = cue.start_s, at
        if cue.end_s <= cue.start_s:
            cues[number] = replace(cue, end_s=min(following, cue.start_s + _NO_LENGTH_S))
    return cues


def _one_per_language(tracks: list[tuple[Track, bool]]) -> list[Track]:
    def rank(item: tuple[Track, bool]) -> tuple[bool, bool, int]:
        track, second = item
        return (track.language is None, second, -sum(len(cue.text) for cue in track.cues))

    kept: list[Track] = []
    for track, _ in sorted(tracks, key=rank):
        if track.language is not None:
            if all(track.language != other.language for other in kept):
                kept.append(track)
        elif not any(_same(track.cues, other.cues) for other in kept):
            kept.append(track)
    return sorted(kept, key=lambda track: -len(track.cues))


def _same(cues: Sequence[Cue], others: Sequence[Cue]) -> bool:
    small, large = sorted((cues, others), key=len)
    starts: dict[str, list[float]] = defaultdict(list)
    for cue in large:
        starts[cue.text.casefold()].append(cue.start_s)
    equal = sum(_near(starts.get(cue.text.casefold(), []), cue.start_s) for cue in small)
    return equal >= _SAME_SHARE * len(small)


def _near(starts: Sequence[float], time_s: float) -> bool:
    """Whether one of the increasing starts lies within _SAME_TIME_S."""
    place = bisect_left(starts, time_s - _SAME_TIME_S)
    return place < len(starts) and starts[place] <= time_s + _SAME_TIME_S


def _ignore(problem: str) -> None:
    """The caller gave no on_problem."""
