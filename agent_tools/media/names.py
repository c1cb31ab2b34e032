"""What names of media files say: which are media at all, and which are parts of one recording.

Names only; no file is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass

SUFFIXES = frozenset(
    """.3gp .asf .avi .divx .f4v .flac .flv .gif .m2ts .m4a .m4v .mka .mkv .mov .mp3 .mp4 .mpeg .mpg .mts .mxf .oga .ogg
    .ogm .ogv .opus .ts .vob .wav .webm .wmv""".split()
)
SHARED_SUFFIXES = frozenset({".ts", ".mts"})  # also of TypeScript: what lies in the file decides

# GoPro: GX020417 is part 2 of recording 0417; older ones name part 1 GOPR0417 and the others GP010417, GP020417.
_GOPRO = re.compile(r"(G[HXLP])(\d\d)(\d{4})", re.IGNORECASE)
_OLD_GOPRO = re.compile(r"GOPR(\d{4})", re.IGNORECASE)
# Names that end in a counter after a mark of its own: "talk part 2", "talk_pt2", "talk.cd1", "talk-disc 2".
_COUNTED = re.compile(
    r"(?P<head>.*?)[\s._-]*\(?(?:part|pt|cd|disc|disk|chapter|teil)[\s._-]*(?P<number>\d{1,3})\)?", re.I
)


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
    if (counted := _COUNTED.fullmatch(stem)) is not None and counted["head"]:
        return Part(counted["head"], int(counted["number"]))
    return None
