"""The token file: agent_tools.memory's Repository on disk, int8 with a scale per token, appended and memory-mapped.

One process appends (the one that holds the video's lease), any number read; one object is for one thread at a time.

    file    = header (32 bytes: magic, version, width, zeros, crc32), records
    record  = header (32 bytes: magic, count, crc32 of the payload, first position, length of the payload, crc32 of
              these), payload
    payload = count scales (float32), count x width values (int8); a number is scale x value. Where that takes less than
              DEFLATED of the room, the values are differences from the row before (modulo 256), and all is deflated:
              what stands before a still camera takes almost nothing. Its length tells which it is.

Version 1 had no length in a record's header and deflated nothing. Such files are read, and appended to in their form.

An append is one record, written in one piece and on the disk before the next begins, so a crash can only tear the last
one; it is then cut off whole. A broken record before others is damage, which is an error and never cut."""

from __future__ import annotations

import bisect
import errno
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from agent_tools.errors import InvalidArgument, ShapeError, StoreError, StoreFull, TokenBudgetError
from agent_tools.home import make_private_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_FILE = struct.Struct("<8sII12xI")
_FILE_MAGIC, _VERSION = b"ATTOKENS", 2
_HEADS = {1: struct.Struct("<8sIIQI"), 2: struct.Struct("<8sIIQII")}  # of a record, by the file's version
DEFLATED = 0.75  # of the bytes as they are; less is not worth the time of reading
_RECORD_MAGIC = b"\x93TOKENS\n"


class TokenFile:
    """A Repository kept in one file. What is read is within half a 127th of each token's greatest magnitude of what was
    appended, and bit-equal however often it is read.

    Args:
        path: made at the first append. A torn last record is not seen, and is cut off by the next append: a reader must
            not cut what a writer is just writing.

    Raises: StoreError: not a token file, of another version, or damaged before its last record."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._width: int | None = None
        self._version = _VERSION
        self._ends: list[int] = []  # per record: position behind its last token
        self._payloads: list[tuple[int, int]] = []  # per record: where its payload begins and ends
        self._sums: list[int] = []
        self._checked: set[int] = set()
        self._end = 0  # where the last whole record ends in the file
        self._map: mmap.mmap | None = None
        self._fd: int | None = None
        self._seen = (0, 0)  # size and time of the file when it was last scanned
        self._scan()

    def __len__(self) -> int:
        """Tokens stored, those of records another process appended since too."""
        self._scan()
        return self._ends[-1] if self._ends else 0

    def append(self, tokens: Tensor) -> range:
        """Store tokens (N, C) behind what is there, on the disk before this returns; the first append fixes C.

        Returns: the N positions they got. Raises: ShapeError: not (N, C), or another C. InvalidArgument: NaN or
        infinity. StoreFull: no room; nothing was stored.
        """
        import torch

        rows = torch.as_tensor(tokens)
        start = len(self)
        if rows.ndim != 2 or not rows.shape[1] or self._width not in (None, rows.shape[1]):
            raise ShapeError(f"tokens of shape {tuple(rows.shape)}: a repository takes (N, {self._width or 'C'}) only")
        if not len(rows):
            return range(start, start)
        rows = rows.detach().to("cpu", torch.float32)
        if not rows.isfinite().all():
            raise InvalidArgument("tokens hold NaN or infinity, which int8 cannot keep: encode the frames again")
        scales = rows.abs().amax(dim=1) / 127
        safe = torch.where(scales > 0, scales, 1.0)
        values = (rows / safe[:, None]).round_().clamp_(-127, 127).to(torch.int8)
        payload = scales.numpy().astype("<f4").tobytes() + values.numpy().tobytes()
        if self._version > 1:
            payload = _deflated(payload, values.numpy())
        told = (_RECORD_MAGIC, len(rows), zlib.crc32(payload), start, *([len(payload)] * (self._version > 1)))
        head = _HEADS[self._version].pack(*told, 0)[:-4]
        data = head + _checksum(head) + payload
        self._write(data if self._width is not None else _header(rows.shape[1]) + data)
        self._scan()
        return range(start, start + len(rows))

    def read(self, start: int, stop: int) -> Tensor:
        """The tokens at positions [start, stop), (stop - start, C) float32, the caller's own copy. See read_array."""
        import torch

        return torch.from_numpy(self.read_array(start, stop))

    def read_array(self, start: int, stop: int) -> NDArray[np.float32]:
        """As read, without torch.

        Raises: TokenBudgetError: a position that was never written. StoreError: a record's checksum is wrong.
        """
        import numpy as np

        count = self._ends[-1] if self._ends else 0
        if stop > count:
            count = len(self)
        if not 0 <= start <= stop <= count:
            raise TokenBudgetError(f"positions {start}-{stop} are not stored: {self.path.name} holds 0-{count}")
        width = self._width or 0
        out = np.empty((stop - start, width), np.float32)
        record = bisect.bisect_right(self._ends, start)
        done = start
        while done < stop:
            first = self._ends[record - 1] if record else 0
            size = self._ends[record] - first
            scales, values = self._record(record, size, width)
            until = min(stop, self._ends[record])
            part = slice(done - first, until - first)
            np.multiply(values[part], scales[part, None], out=out[done - start : until - start])
            done, record = until, record + 1
        return out

    def _record(self, record: int, size: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Scales (size,) and values (size, width) of a record.

        Raises: StoreError: its checksum is wrong."""
        import numpy as np

        if record not in self._checked and not self._intact(record):
            raise self._damaged(record)
        offset, end = self._payloads[record]
        data: mmap.mmap | bytes = self._mapped()
        deflated = end - offset < size * (4 + width)
        if deflated:
            data, offset = zlib.decompress(data[offset:end]), 0
        scales = np.frombuffer(data, "<f4", size, offset)
        values = np.frombuffer(data, np.int8, size * width, offset + 4 * size).reshape(size, width)
        return scales, np.cumsum(values, axis=0, dtype=np.int8) if deflated else values

    def close(self) -> None:
        self._map = None  # closes with its last view, which an error's traceback may hold
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        try:
            if self._fd is None:
                make_private_folder(self.path.parent)
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(self._fd, left) :]
                os.fsync(self._fd)
            except OSError:
                os.ftruncate(self._fd, self._end)
                raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StoreFull(f"There is no room left for {self.path}. Free disk space, then resume.") from error
            raise StoreError(f"{self.path} cannot be written ({error}). Check the folder's permissions.") from error

    def _scan(self) -> None:
        """Take in the whole records that stand behind those known.

        Read by calls, not by the map: what is torn may be cut off meanwhile, and to touch a cut part of a map kills."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return
        size = status.st_size
        if size <= self._end or self._seen == (size, status.st_mtime_ns):
            return
        with self.path.open("rb") as file:
            if self._width is None:
                self._width = self._read_header(file.read(_FILE.size))
                if self._width is None:
                    return
                self._end = _FILE.size
            known = len(self._ends)
            while (record := self._record_at(file, size)) is not None:
                count, checksum, length = record
                offset = self._end + _HEADS[self._version].size
                self._end = offset + length
                self._payloads.append((offset, self._end))
                self._ends.append((self._ends[-1] if self._ends else 0) + count)
                self._sums.append(checksum)
        if len(self._ends) > known and not self._intact(len(self._ends) - 1):
            if self._end < size:
                raise self._damaged(len(self._ends) - 1)
            self._end = self._payloads.pop()[0] - _HEADS[self._version].size
            self._ends.pop()
            self._sums.pop()
        self._seen = (size, status.st_mtime_ns)

    def _record_at(self, file: BinaryIO, size: int) -> tuple[int, int, int] | None:
        """Count, checksum and length of the record that begins at the known end, None behind the last whole one."""
        head_size = _HEADS[self._version].size
        file.seek(self._end)
        if (head := self._head(file.read(head_size))) is not None:
            count, checksum, first, length = head
            whole = first == (self._ends[-1] if self._ends else 0) and self._end + head_size + length <= size
            return (count, checksum, length) if whole else None
        # No header here: torn, unless a whole one stands behind it, which a crash cannot leave.
        file.seek(self._end)
        rest = file.read(size - self._end)
        at = rest.find(_RECORD_MAGIC, 1)
        while at != -1:
            if self._head(rest[at : at + head_size]) is not None:
                raise self._damaged(len(self._ends))
            at = rest.find(_RECORD_MAGIC, at + 1)
        return None

    def _head(self, head: bytes) -> tuple[int, int, int, int] | None:
        """Count, payload checksum, first position and length, or None where no whole record header stands."""
        form = _HEADS[self._version]
        if len(head) < form.size or not head.startswith(_RECORD_MAGIC) or head[-4:] != _checksum(head[:-4]):
            return None
        _, count, checksum, first, *length, _ = form.unpack(head)
        return count, checksum, first, length[0] if length else count * (4 + (self._width or 0))

    def _intact(self, record: int) -> bool:
        offset, end = self._payloads[record]
        with memoryview(self._mapped()) as view, view[offset:end] as payload:
            if zlib.crc32(payload) != self._sums[record]:
                return False
        self._checked.add(record)
        return True

    def _damaged(self, record: int) -> StoreError:
        return StoreError(
            f"{self.path} is damaged in record {record + 1}. Keep a copy, delete the file, and reindex its video."
        )

    def _read_header(self, head: bytes) -> int | None:
        """The width of its tokens; None of a head that was torn while the file was made."""
        if len(head) < _FILE.size and _FILE_MAGIC.startswith(head[: len(_FILE_MAGIC)]):
            return None
        if len(head) < _FILE.size or not head.startswith(_FILE_MAGIC) or head[-4:] != _checksum(head[:-4]):
            raise StoreError(
                f"{self.path} is no token file, or its head is damaged. Move it away, then reindex its video."
            )
        _, version, width, _ = _FILE.unpack(head)
        if version not in _HEADS:
            raise StoreError(
                f"{self.path} is of version {version}; this program reads 1 to {_VERSION}. Update agent-tools."
            )
        self._version = int(version)
        return int(width)

    def _mapped(self) -> mmap.mmap:
        if self._map is None or len(self._map) < self._end:
            with self.path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map


def _header(width: int) -> bytes:
    head = _FILE.pack(_FILE_MAGIC, _VERSION, width, 0)[:-4]
    return head + _checksum(head)


def _deflated(payload: bytes, values: NDArray[np.int8]) -> bytes:
    """The payload with values (N, C) as differences from the row before, deflated, where that is much smaller."""
    import numpy as np

    differences = np.diff(values, axis=0, prepend=np.zeros_like(values[:1]))  # wraps round
    small = zlib.compress(payload[: 4 * len(values)] + differences.tobytes(), 6)
    return small if len(small) < DEFLATED * len(payload) else payload


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(data))
