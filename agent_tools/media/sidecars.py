"""Which files beside a film belong to it as subtitles, by their names: language, kind, and why one is not read.

Names and sizes only; no file is opened, and PyAV is not needed."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent_tools.media.languages import language_in_name
from agent_tools.media.names import SUFFIXES

READ = frozenset(
    """.srt .vtt .webvtt .ass .ssa .sbv .lrc .ttml .dfxp .itt .xml .smi .sami .sub .mpl .mpl2
    .json .json3 .srv1 .srv2 .srv3 .ytt .txt .tsv .csv""".split()
)
UNREAD = {
    ".idx": "it holds pictures of text (VobSub)",
    ".sup": "it holds pictures of text (PGS)",
    ".scc": "the format (Scenarist captions) is not read",
    ".mcc": "the format (MacCaption) is not read",
    ".stl": "the format (EBU STL) is not read",
    ".usf": "the format (USF) is not read",
    ".rt": "the format (RealText) is not read",
    ".ttxt": "the format (GPAC's timed text) is not read",
    ".aqt": "the format (AQTitle) is not read",
    ".jss": "the format (JACOsub) is not read",
    ".pjs": "the format (Phoenix) is not read",
    ".psb": "the format (PowerDivX) is not read",
    ".cap": "the format (Cheetah captions) is not read",
    ".pac": "the format (Screen Electronics) is not read",
    **dict.fromkeys((".doc", ".docx"), "the format (Word) is not read"),
    ".odt": "the format (OpenDocument) is not read",
    ".rtf": "the format (RTF) is not read",
}
FOLDERS = frozenset({"subs", "sub", "subtitles", "subtitle", "captions"})
_NOT_SPEECH = frozenset("chapters metadata thumbnails storyboard info live_chat chat comments description".split())
_SECOND_RATE = frozenset({"forced", "descriptions", "signs"})
_FOR_THE_DEAF = frozenset({"sdh", "cc", "hi"})
_FLAGS = _SECOND_RATE | _FOR_THE_DEAF | frozenset("default full auto transcript captions subtitles orig".split())
# Zoom names a film after its view and size, and its transcript after the meeting alone.
_ZOOM = re.compile(r"(GMT\d{8}-\d{6}_Recording)(?:_.*)?")
_WORD = re.compile(r"[^\s._()\[\]-]+(?:-[A-Za-z]{2,4}\b)?")


@dataclass(frozen=True)
class Sidecar:
    """A file that belongs to a film by its name."""

    path: Path
    label: str  # its name, with the folder where it lies in one below the film's
    language: str | None
    second: bool  # forced lines or signs: a fuller track of the language is better
    unread: str = ""  # why it is not read, "" where it is to be read


def beside(film: Path) -> list[Sidecar]:
    """The subtitle files of a film: in its folder under its name, and in a Subs folder beside it, in order of names.

    Names are compared in one Unicode form. In a Subs folder a file belongs to the film by the film's name, or by a
    folder of that name, or by its language alone ("2_English.srt") where the film is the only one in its folder."""
    names = _names(film.parent)
    stems = [_form(Path(name).stem) for name in names if Path(name).suffix.lower() in SUFFIXES]
    own = _form(film.stem)
    longer = [stem for stem in stems if stem != own and _rest(own, stem) is not None]
    found = [sidecar for name in names if (sidecar := _sidecar(film.parent / name, name, own, longer)) is not None]
    for folder in (name for name in names if name.lower() in FOLDERS):
        found += _in_folder(film.parent / folder, folder, own, longer, alone=set(stems) <= {own})
    return found


def mark(film: Path) -> str:
    """What lies beside the film as subtitles, by name, size and time. When it changes, they are read again."""
    states = sorted(
        (str(sidecar.path.relative_to(film.parent)), stat.st_size, stat.st_mtime_ns)
        for sidecar in beside(film)
        if (stat := _stat(sidecar.path)) is not None
    )
    return repr(states) if states else ""


def _in_folder(folder: Path, label: str, own: str, longer: list[str], *, alone: bool) -> Iterator[Sidecar]:
    for name in _names(folder):
        path, shown = folder / name, f"{label}/{name}"
        if path.is_dir() and _form(name) == own:
            yield from _in_folder(path, shown, own, longer, alone=True)
            continue
        sidecar = _sidecar(path, shown, own, longer)
        if sidecar is None and alone:
            sidecar = _made(path, shown, _form(path.stem))
        if sidecar is not None:
            yield sidecar


def _sidecar(path: Path, label: str, own: str, longer: list[str]) -> Sidecar | None:
    stem = _form(path.stem)
    rest = _rest(own, stem)
    if rest is None or any(_rest(other, stem) is not None for other in longer):
        return None
    return _made(path, label, rest)


def _made(path: Path, label: str, rest: str) -> Sidecar | None:
    """The sidecar, whose name says `rest` behind the film's; None where it is no subtitle file."""
    suffix = path.suffix.lower()
    if suffix not in READ and suffix not in UNREAD:
        return None
    words = [word for word in rest.lower().split(".") if word]
    parts = [part for word in words for part in _WORD.findall(word)]
    if _NOT_SPEECH.intersection([*words, *parts]) or not path.is_file():
        return None
    return Sidecar(
        path, label, _language(words) or _language(parts), bool(_SECOND_RATE & {*parts}), UNREAD.get(suffix, "")
    )


def _language(words: list[str]) -> str | None:
    """The last language among the words. "hi" behind another one says "for the hard of hearing", else Hindi."""
    for place in range(len(words) - 1, -1, -1):
        language = language_in_name(words[place])
        flag = words[place] in _FOR_THE_DEAF and any(language_in_name(word) for word in words[:place])
        if language is not None and not flag:
            return language
    return None


def _rest(own: str, stem: str) -> str | None:
    """What a name says behind the film's name; None where it is another film's."""
    zoom = _ZOOM.fullmatch(own)
    for start in (own, zoom[1]) if zoom else (own,):
        if stem == start:
            return ""
        rest = stem[len(start) :]
        if not stem.startswith(start):
            continue
        if rest.startswith("."):
            return rest
        words = [word.lower() for word in _WORD.findall(rest)]
        if rest[0] in " _-([" and words and all(word in _FLAGS or language_in_name(word) for word in words):
            return rest
    return None


def _form(name: str) -> str:
    """The name in one Unicode form: one file system composes letters with their accents, another does not."""
    return unicodedata.normalize("NFC", name)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
