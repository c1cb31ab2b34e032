"""Captions inside the pictures' stream (CEA-608, as television and some recorders send them), without decoding it.

Each coded picture may carry caption bytes: in H.264, HEVC and VVC in a message (SEI), in MPEG-2 in user data. Both
begin with the mark GA94 (ATSC A/53, part 4). FFmpeg's caption decoder turns the bytes into texts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import av

from agent_tools.media.cue_formats import packet_text
from agent_tools.media.cues import Cue
from agent_tools.media.fence import open_media
from agent_tools.media.streams import Probe, only

CODECS = frozenset({"h264", "hevc", "vvc", "mpeg2video"})
_MARK = b"GA94\x03"
_ESCAPING = frozenset({"h264", "hevc", "vvc"})  # these put a byte 3 behind two zeros
_LOOK_AT, _LOOK_PACKETS = (0.0, 0.3, 0.6), 300  # shares of the film, and packets there: else there are no captions
_AHEAD = 64  # packets that may come before one that is shown earlier
_COMMANDS = frozenset({0x14, 0x15, 0x1C, 0x1D})  # first byte of a command, for both channels of both fields
_END_OF_CAPTION = 0x2F  # shows the text that was loaded
_MODES = {0x20: False, 0x25: True, 0x26: True, 0x27: True, 0x29: True}  # pop-on; roll-up of 2 to 4 lines; paint-on
_ERASE = b"\xfc\x94\x2c" * 2  # erases the screen; commands come twice
_LONGEST_S = 16.0  # of a text that nothing erases; the standard lets one stand for 16 s


def picture_captions(probe: Probe) -> list[Cue]:
    """The captions of CEA-608's first channel that has any; empty if the stream carries none.

    Raises: av.FFmpegError: the stream cannot be read."""
    if probe.video is None or probe.video.codec not in CODECS:
        return []
    if not _has_captions(probe):
        return []
    with open_media(probe.path) as container:
        stream: Any = container.streams[probe.video.index]
        only(container, stream)
        screen = _Screen(probe.origin_s)
        ordered = _in_order(_carried(container.demux(stream), probe))
        cues = [cue for at_s, data in ordered if data for cue in screen.show(at_s, data)]
        return [*cues, *screen.close()]


def _has_captions(probe: Probe) -> bool:
    """Whether one of some packets at the start and in the middle holds bytes of a caption."""
    assert probe.video is not None
    with open_media(probe.path) as container:
        stream: Any = container.streams[probe.video.index]
        only(container, stream)
        for share in _LOOK_AT:
            if share:
                at_s = probe.origin_s + share * (probe.duration_s or 0.0)
                container.seek(int(at_s / float(stream.time_base)), stream=stream)
            if any(data for _, data in islice(_carried(container.demux(stream), probe), _LOOK_PACKETS)):
                return True
    return False


def _carried(packets: Any, probe: Probe) -> Iterator[tuple[float, bytes]]:
    """(time on the stream's clock, caption bytes without padding) of each packet."""
    assert probe.video is not None
    escaping = probe.video.codec in _ESCAPING
    for packet in packets:
        if packet.pts is not None:
            yield float(packet.pts * packet.time_base), _caption_bytes(bytes(packet), escaping=escaping)


def _caption_bytes(data: bytes, *, escaping: bool) -> bytes:
    """The three-byte groups of line 21 (fields 1 and 2) in a coded picture; empty where it carries only padding."""
    found = b""
    place = data.find(_MARK)
    while place >= 0:
        part = data[place + len(_MARK) : place + len(_MARK) + 160]
        if escaping:
            part = part.replace(b"\0\0\3", b"\0\0")
        count = part[0] & 31 if part else 0
        groups = [part[2 + 3 * n : 5 + 3 * n] for n in range(count)]
        # The low bits of the first byte: valid, and 0 or 1 for a field of line 21 (2 and 3 are CEA-708).
        found += b"".join(g for g in groups if len(g) == 3 and g[0] & 4 and g[0] & 3 < 2)
        place = data.find(_MARK, place + len(_MARK))
    pairs = {bytes((found[n + 1] | 0x80, found[n + 2] | 0x80)) for n in range(0, len(found), 3)}
    return b"" if pairs <= {b"\x80\x80"} else found


def _in_order(items: Iterator[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """The items by time: packets come in the order of decoding."""
    waiting: list[tuple[float, bytes]] = []
    for item in items:
        waiting.append(item)
        if len(waiting) >= 2 * _AHEAD:
            waiting.sort()
            yield from waiting[:_AHEAD]
            del waiting[:_AHEAD]
    yield from sorted(waiting)


class _Screen:
    """The decoder, and since when its text is on screen: it gives a text when that is erased, and no start."""

    def __init__(self, origin_s: float) -> None:
        self._decoder: Any = av.CodecContext.create("cc_dec", "r")
        self._origin_s = origin_s
        self._since_s: float | None = None
        self._at_s = 0.0
        self._at_once = False  # roll-up and paint-on show each letter as it comes; pop-on shows the whole at its end

    def show(self, at_s: float, data: bytes) -> Iterator[Cue]:
        """Take the bytes of one picture; the texts that it erases."""
        self._at_s = at_s
        yield from self._erased(at_s, data)
        for first, second in zip(data[1::3], data[2::3], strict=False):
            command, value = first & 0x7F, second & 0x7F
            if command in _COMMANDS and value == _END_OF_CAPTION:
                self._since_s = at_s
            elif command in _COMMANDS and value in _MODES:
                self._at_once = _MODES[value]
            elif command >= 0x20 and self._at_once and self._since_s is None:
                self._since_s = at_s

    def close(self) -> Iterator[Cue]:
        """The text that nothing has erased by the end of the file."""
        yield from self._erased(self._at_s + _LONGEST_S, _ERASE)

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
