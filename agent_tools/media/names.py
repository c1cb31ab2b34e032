"""What names of media files say: which are media at all, and which are parts of one recording.

Names only; no file is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass

SUFFIXES = frozenset(
    """.360 .3gp .aac .aif .aiff .amr .asf .avi .caf .divx .dv .f4v .flac .flv .gif .insv .m2ts .m2v .m4a .m4b .m4v .mka
    .mkv .mov .mp3 .mp4 .mpe .mpeg .mpg .mts .mxf .oga .ogg .ogm .ogv .opus .qt .rm .rmvb .ts .vob .wav .weba .webm .wma
    .wmv .wtv""".split()
)
SHARED_SUFFIXES = frozenset({".ts", ".mts"})  # also of TypeScript: what lies in the file decides

# GoPro: GX020417 is part 2 of recording 0417; older ones name part 1 GOPR0417 and the others GP010417, GP020417.
_GOPRO = re.compile(r"(G[HXLSP])(\d\d)(\d{4})", re.IGNORECASE)
_OLD_GOPRO = re.compile(r"GOPR(\d{4})", re.IGNORECASE)
# Names that end in a counter after a mark of its own: "talk part 2", "talk_pt2", "talk.cd1", "talk-disc 2".
_COUNTED = re.compile(
    r"(?P<head>.*?)[\s._-]*\(?(?:part|pt|cd|disc|disk|chapter|teil)[\s._-]*(?P<number>\d{1,3})\)?", re.I
)
_OF_ALL = re.compile(r"(?P<head>.*?)[\s._-]*\(?(?P<number>\d{1,3})[\s_-]*(?:of|von|de|di|/)[\s_-]*\d{1,3}\)?", re.I)
_DVD = re.compile(r"(VTS_\d\d)_([1-9])", re.IGNORECASE)  # VTS_01_0 is the menu


@dataclass(frozen=True, order=True)
class Part:
    """One file of a recording that a camera has split: its recording's key, and its place, from 1."""

    recording: str
    place: int


def part_of(stem: str) -> Part | None:
    """The recording that a file's name (without its ending) counts it to; None where the name counts nothing."""
    if (found := _GOPRO.fullmatch(stem)) is not None:
        family, place, recording = found[1].upper(), int(found[2]), found[3]
        return Part(f"GoPro {recording}", place + 1) if family == "GP" else Part(f"GoPro {family} {recording}", place)
    if (old := _OLD_GOPRO.fullmatch(stem)) is not None:
        return Part(f"GoPro {old[1]}", 1)
    if (disc := _DVD.fullmatch(stem)) is not None:
        return Part(disc[1].upper(), int(disc[2]))
    if (counted := _COUNTED.fullmatch(stem) or _OF_ALL.fullmatch(stem)) is not None and counted["head"]:
        return Part(counted["head"], int(counted["number"]))
    return None
