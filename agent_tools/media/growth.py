"""Recordings that are still being written: which files may grow, and whether one does.

Matroska, MPEG-TS and fragmented MP4 can be read while a recorder writes them. It works without PyAV."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from agent_tools.media.plain_file import open_plain

# In a video's metadata: it was read while it was being recorded, and is known by its path and by this mark of its
# beginning.
GREW = "grew"
QUIET_S = 10.0  # a recording that nobody has written to for so long has ended
LOOK_S = 1.5  # a new file is looked at for so long: recorders write at least once a second
_POLL_S = 0.1
_HEAD_BYTES = 1 << 16
_REWRITTEN_BYTES = 4096  # at the beginning: recorders write lengths there when they end
_SEGMENT = b"\x18\x53\x80\x67"  # of Matroska; its size follows
_UNKNOWN_SIZES = (b"\x01\xff\xff\xff\xff\xff\xff\xff", b"\xff")  # the recorder writes the size when it ends
_PACKET_BYTES, _SYNC = 188, 0x47  # of MPEG-TS


def may_grow(path: Path) -> bool:
    """Whether the file's container can be read before it is whole, and nothing in it says that it is.

    Raises: SourceNotFound: there is no plain file, or it may not be read."""
    with open_plain(path) as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        size_at = head.find(_SEGMENT) + len(_SEGMENT)
        return size_at >= len(_SEGMENT) and head[size_at : size_at + 8].startswith(_UNKNOWN_SIZES)
    if head[4:8] in (b"ftyp", b"styp"):
        return b"moof" in head or b"mvex" in head  # fragments, or a header that announces them
    return len(head) > 2 * _PACKET_BYTES and all(head[at] == _SYNC for at in (0, _PACKET_BYTES, 2 * _PACKET_BYTES))


def beginning(path: Path, length: int | None = None) -> str:
    """A mark of a file's first bytes, as "length:digest", that stays the same while a recorder writes behind them.

    Args:
        length: how many bytes; None: as many as there are, up to 64 KiB.
    Raises: SourceNotFound: there is no plain file, or it may not be read."""
    with open_plain(path) as file:
        count = min(file.size, _HEAD_BYTES) if length is None else length
        file.seek(min(count, _REWRITTEN_BYTES))
        head = b""
        while len(head) < count - _REWRITTEN_BYTES and (block := file.read(count - _REWRITTEN_BYTES - len(head))):
            head += block
    return f"{count}:{hashlib.blake2b(head, digest_size=8).hexdigest()}"


def begins_as(path: Path, mark: str) -> bool:
    """Whether the file has the beginning that `beginning` marked."""
    length = mark.partition(":")[0]
    return length.isdigit() and beginning(path, int(length)) == mark


def is_quiet(path: Path) -> bool:
    """Whether nobody has written to the file for a while. Raises: OSError: the file is gone."""
    return time.time() - os.stat(path).st_mtime > QUIET_S


def grows(path: Path) -> bool:
    """Whether the file is being written, by looking at it for up to LOOK_S. Raises: OSError: the file is gone."""
    if is_quiet(path) or not may_grow(path):
        return False
    size, deadline = os.stat(path).st_size, time.monotonic() + LOOK_S
    while time.monotonic() < deadline:
        time.sleep(_POLL_S)
        if os.stat(path).st_size > size:
            return True
    return False
