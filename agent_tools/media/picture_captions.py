"""Captions inside the pictures' stream (CEA-608, as television and some recorders send them), without decoding it.

Each coded picture may carry caption bytes: in H.264, HEVC and VVC in a message (SEI), in AV1 in metadata, in MPEG-2 in
user data. They begin with the mark GA94 (ATSC A/53, part 4), on a DVD with another one. FFmpeg's caption decoder turns
the bytes of CEA-608 into texts. No library here reads CEA-708, which digital television has beside or instead of it:
whether such captions hold letters is all that is found out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

import av

from agent_tools.media.cue_formats import packet_text
from agent_tools.media.cues import Cue
from agent_tools.media.fence import open_media
from agent_tools.media.service_captions import Services
from agent_tools.media.streams import Probe, only

CODECS = frozenset({"h264", "hevc", "vvc", "av1", "mpeg2video"})
FIELDS = ("CEA-608", "CEA-608, second field")  # the second one holds another language, if any
_MARK, _DVD_MARK = b"GA94\x03", b"CC\x01\xf8"
_ESCAPING = frozenset({"h264", "hevc", "vvc"})  # these put a byte 3 behind two zeros
_LOOK_AT, _LOOK_PACKETS = (0.0, 0.3, 0.6), 300  # shares of the film, and packets there: else there are no captions
_DVD_STEP_S = 1001 / 30000  # between two pairs of a DVD, which come together with the first picture of a group
_AHEAD = 64  # packets that may come before one that is shown earlier
_COMMANDS = frozenset({0x14, 0x15, 0x1C, 0x1D})  # first byte of a command, for both channels of both fields
_PROGRAM, _PROGRAM_ENDS = range(0x01, 0x0F), 0x0F  # of what a broadcaster says of its programme in the second field
_END_OF_CAPTION = 0x2F  # shows the text that was loaded
_MODES = {0x20: False, 0x25: True, 0x26: True, 0x27: True, 0x29: True}  # pop-on; roll-up of 2 to 4 lines; paint-on
_ERASE = tuple(bytes((first, 0x94, 0x2C)) * 2 for first in (0xFC, 0xFD))  # by field; commands come twice
_LONGEST_S = 16.0  # of a text that nothing erases; the standard lets one stand for 16 s


@dataclass(frozen=True)
class PictureCaptions:
    """
    Attributes:
        cues: of each of FIELDS that has any.
        unread: "CEA-708" if there are only such captions, "" if there are none."""

    cues: dict[str, list[Cue]]
    unread: str = ""


@dataclass(frozen=True)
class _Carried:
    """Three-byte groups of one moment, at_s on the stream's clock: of line 21 by field, and of CEA-708."""

    at_s: float
    fields: tuple[bytes, bytes] = (b"", b"")
    dtv: bytes = b""


def picture_captions(probe: Probe) -> PictureCaptions:
    """The captions of CEA-608 in both fields of line 21, and whether there are others.

    Raises: av.FFmpegError: the stream cannot be read."""
    if probe.video is None or probe.video.codec not in CODECS or not _has_room(probe):
        return PictureCaptions({})
    with open_media(probe.path) as container:
        stream: Any = container.streams[probe.video.index]
        only(container, stream)
        screens = [_Screen(probe.origin_s, erase) for erase in _ERASE]
        cues: list[list[Cue]] = [[] for _ in FIELDS]
        dtv = Services()
        for one in _in_order(_carried(container.demux(stream), probe)):
            dtv.take(one.dtv)
            for screen, found, data in zip(screens, cues, one.fields, strict=True):
                if data:
                    found.extend(screen.show(one.at_s, data))
    for screen, found in zip(screens, cues, strict=True):
        found.extend(screen.close())
    read = {name: found for name, found in zip(FIELDS, cues, strict=True) if found}
    return PictureCaptions(read, "CEA-708" if dtv.letters and not read else "")


def _has_room(probe: Probe) -> bool:
    """Whether one of some packets at the start and in the middle has room for captions, filled or not."""
    assert probe.video is not None
    with open_media(probe.path) as container:
        stream: Any = container.streams[probe.video.index]
        only(container, stream)
        for share in _LOOK_AT:
            if share:
                at_s = probe.origin_s + share * (probe.duration_s or 0.0)
                container.seek(int(at_s / float(stream.time_base)), stream=stream)
            packets = islice(container.demux(stream), _LOOK_PACKETS)
            if any(mark in data for data in map(bytes, packets) for mark in (_MARK, _DVD_MARK)):
                return True
    return False


def _carried(packets: Any, probe: Probe) -> Iterator[_Carried]:
    """What each packet carries, without padding."""
    assert probe.video is not None
    escaping, has_dvd = probe.video.codec in _ESCAPING, probe.video.codec == "mpeg2video"
    for packet in packets:
        if packet.pts is not None:
            at_s, data = float(packet.pts * packet.time_base), bytes(packet)
            yield _sorted_groups(at_s, _groups(data, escaping=escaping))
            for number, group in enumerate(_dvd_groups(data) if has_dvd else ()):
                yield _sorted_groups(at_s + number // 2 * _DVD_STEP_S, [group])


def _groups(data: bytes, *, escaping: bool) -> Iterator[bytes]:
    """The valid groups in a coded picture."""
    place = data.find(_MARK)
    while place >= 0:
        part = data[place + len(_MARK) : place + len(_MARK) + 160]
        if escaping:
            part = part.replace(b"\0\0\3", b"\0\0")
        count = part[0] & 31 if part else 0
        groups = (part[2 + 3 * n : 5 + 3 * n] for n in range(count))
        yield from (group for group in groups if len(group) == 3 and group[0] & 4)
        place = data.find(_MARK, place + len(_MARK))


def _dvd_groups(data: bytes) -> Iterator[bytes]:
    """The groups that a DVD keeps in the user data of a group of pictures, written as the others are."""
    place = data.find(_DVD_MARK)
    if place < 0:
        return
    part = data[place + len(_DVD_MARK) :]
    count = 2 * (part[0] >> 1 & 31) + (part[0] & 1) if part else 0
    for n in range(count):
        group = part[1 + 3 * n : 4 + 3 * n]
        if len(group) == 3 and group[0] & 0xFE == 0xFE:
            yield bytes((0xFC if group[0] & 1 else 0xFD, *group[1:]))


def _sorted_groups(at_s: float, groups: Iterable[bytes]) -> _Carried:
    """By the low bits of a group's first byte: 0 and 1 are the fields of line 21, 2 and 3 are CEA-708."""
    kinds: list[list[bytes]] = [[], [], []]
    for group in groups:
        kinds[min(2, group[0] & 3)].append(group)
    first, second = (b"".join(kind) for kind in kinds[:2])
    return _Carried(at_s, (_without_padding(first), _without_padding(second)), b"".join(kinds[2]))


def _without_padding(groups: bytes) -> bytes:
    pairs = {bytes((groups[n + 1] | 0x80, groups[n + 2] | 0x80)) for n in range(0, len(groups), 3)}
    return b"" if pairs <= {b"\x80\x80"} else groups


def _in_order(items: Iterator[_Carried]) -> Iterator[_Carried]:
    """The items by time: packets come in the order of decoding."""
    waiting: list[_Carried] = []
    for item in items:
        waiting.append(item)
        if len(waiting) >= 2 * _AHEAD:
            waiting.sort(key=_time)
            yield from waiting[:_AHEAD]
            del waiting[:_AHEAD]
    yield from sorted(waiting, key=_time)


def _time(item: _Carried) -> float:
    return item.at_s


class _Screen:
    """The decoder, and since when its text is on screen: it gives a text when that is erased, and no start."""

    def __init__(self, origin_s: float, erase: bytes) -> None:
        self._decoder: Any = av.CodecContext.create("cc_dec", "r")
        self._origin_s, self._erase = origin_s, erase
        self._since_s: float | None = None
        self._at_s = 0.0
        self._of_program = False  # whether the last pair was a part of what is said of the programme
        self._at_once = False  # roll-up and paint-on show each letter as it comes; pop-on shows the whole at its end

    def show(self, at_s: float, data: bytes) -> Iterator[Cue]:
        """Take the bytes of one picture; the texts that it erases."""
        self._at_s = at_s
        data = self._captions(data)
        if not data:
            return
        yield from self._erased(at_s, data)
        for first, second in zip(data[1::3], data[2::3], strict=False):
            command, value = first & 0x7F, second & 0x7F
            if command in _COMMANDS and value == _END_OF_CAPTION:
                self._since_s = at_s
            elif command in _COMMANDS and value in _MODES:
                self._at_once = _MODES[value]
            elif command >= 0x20 and self._at_once and self._since_s is None:
                self._since_s = at_s

    def _captions(self, data: bytes) -> bytes:
        """The groups without those that say something of the programme (XDS)."""
        kept = b""
        for n in range(0, len(data) - 2, 3):
            first = data[n + 1] & 0x7F
            if first in _PROGRAM:
                self._of_program = True
            elif 0x10 <= first < 0x20:
                self._of_program = False
            if not self._of_program:
                kept += data[n : n + 3]
            elif first == _PROGRAM_ENDS:
                self._of_program = False
        return kept

    def close(self) -> Iterator[Cue]:
        """The text that nothing has erased by the end of the file."""
        yield from self._erased(self._at_s + _LONGEST_S, self._erase)

    def _erased(self, at_s: float, data: bytes) -> Iterator[Cue]:
        packet = av.Packet(data)
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = round(at_s * 1000)
        start_s = at_s if self._since_s is None else self._since_s
        for rect in self._decoder.decode2(packet) or ():
            said = packet_text(rect.ass.decode("utf-8", "replace"), styled=True)
            if said is not None and said[0].strip():
                yield Cue(start_s - self._origin_s, at_s - self._origin_s, said[0])
            self._since_s = None
