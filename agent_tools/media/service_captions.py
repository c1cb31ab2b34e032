"""Whether captions of CEA-708 hold letters. They are not read: that takes windows, pens and colours, and no library.

A packet is up to 128 bytes long and comes in groups of two; it holds blocks, each of one service (a language). In a
block letters stand between commands, whose lengths are known (CEA-708-E, sections 5, 6 and 7)."""

from __future__ import annotations

_BEGINS, _GOES_ON = 3, 2  # low bits of a group's first byte
_EXTENDED = 7  # number of a service whose real number stands in the next byte
_WIDE = 0x18  # a command with a letter of two bytes, as Korean has them
_PARAMETERS = {  # bytes that follow a command of the second set; the others have none
    **dict.fromkeys(range(0x88, 0x8E), 1),
    0x90: 2,
    0x91: 3,
    0x92: 2,
    0x97: 4,
    **dict.fromkeys(range(0x98, 0xA0), 6),
}


class Services:
    """Takes the groups of all pictures in the order of time.

    Attributes:
        letters: whether a service has shown a letter."""

    def __init__(self) -> None:
        self.letters = False
        self._packet = b""
        self._length = 0  # of the packet; 0 between packets

    def take(self, groups: bytes) -> None:
        """Groups of three bytes, each marked as the begin of a packet or what follows it."""
        for n in range(0, len(groups) - 2, 3):
            kind, data = groups[n] & 3, groups[n + 1 : n + 3]
            if kind == _BEGINS:
                self._packet, self._length = data, 2 * (data[0] & 63) or 128
            elif kind == _GOES_ON and self._length:
                self._packet += data
            if self._length and len(self._packet) >= self._length:
                self.letters = self.letters or _has_letters(self._packet[1 : self._length])
                self._length = 0


def _has_letters(blocks: bytes) -> bool:
    place = 0
    while place < len(blocks):
        number, size = blocks[place] >> 5, blocks[place] & 31
        place += 2 if number == _EXTENDED else 1
        if not number or not size:
            return False
        if _shows(blocks[place : place + size]):
            return True
        place += size
    return False


def _shows(block: bytes) -> bool:
    """Whether a letter that is no space stands in a service's block."""
    place = 0
    while place < len(block):
        code = block[place]
        if 0x20 < code < 0x80 or code > 0xA0 or code == _WIDE:
            return True
        if code < 0x20:  # the first set: nothing follows the lower half, one byte and then two the rest
            place += 1 if code < 0x10 else 2 if code < _WIDE else 3
        else:
            place += 1 + _PARAMETERS.get(code, 0)
    return False
