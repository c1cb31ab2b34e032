"""One plain file, opened by its real path. The open file is the checked one, even if the path changes meanwhile.

It works without PyAV."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from agent_tools.errors import SourceNotFound
from agent_tools.untrusted import clean

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Plain:
    """An opened plain file that FFmpeg (through PyAV) and this package read. Garbage collection closes it too."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor: int | None = descriptor
        self.name = str(path)  # FFmpeg looks at its suffix if the content is not clear

    def fileno(self) -> int:
        if self._descriptor is None:
            raise ValueError(f"{self.name} is closed")
        return self._descriptor

    @property
    def size(self) -> int:
        return os.fstat(self.fileno()).st_size

    def read(self, count: int) -> bytes:
        """At most so many bytes, b"" at the end. A read error counts as the end, and is reported as damage."""
        try:
            return os.read(self.fileno(), count)
        except OSError:
            return b""

    def whole(self, max_bytes: int) -> bytes | None:
        """The rest of the file, or None if it has more than max_bytes."""
        found = b""
        while block := self.read(max_bytes + 1 - len(found)):
            found += block
        return found if len(found) <= max_bytes else None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new position, or a negative error number as FFmpeg wants it: damaged files lead to places below 0."""
        try:
            return os.lseek(self.fileno(), offset, whence)
        except (OSError, OverflowError):
            return -errno.EINVAL

    def tell(self) -> int:
        return os.lseek(self.fileno(), 0, os.SEEK_CUR)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def open_plain(path: Path) -> Plain:
    """Open the plain file whose real path this is.

    Callers check a real path against the allowed folders. After that check the file, or a folder above it, may have
    become a link. Then the path is refused here, by the name of the opened file. This is exact on Linux; elsewhere the
    path is checked again after opening.

    Raises: SourceNotFound: there is no plain file, the path leads through a link, or it may not be read.
    """
    path = Path(os.path.abspath(path))
    try:
        opened = Plain(os.open(path, _FLAGS), path)
    except OSError as error:
        if error.errno == errno.ELOOP or (error.errno == errno.ENOENT and path.is_symlink()):
            raise _link(path) from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise _nothing(path) from error
        raise SourceNotFound(f"'{clean(str(path), 400)}' cannot be read: {error.strerror}.") from error
    try:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise _nothing(path)
        if not _stands_at(opened, path):
            raise _link(path)
    except BaseException:
        opened.close()
        raise
    return opened


def is_source_code(path: Path) -> bool:
    """Whether a file is text by its first bytes: ".ts" and ".mts" are endings of films and of TypeScript.

    A film's packets begin with the byte 0x47 at every 188th place, or every 192nd."""
    try:
        with open(path, "rb") as file:
            head = file.read(1024)
    except OSError:
        return False
    if not head or b"\0" in head or (head[:1] == b"G" and head[188:189] == b"G"):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # the read may have cut a character
    return True


def _stands_at(opened: Plain, path: Path) -> bool:
    """Whether the open file is the one at that path, without a link in the path."""
    if sys.platform == "linux":
        return os.readlink(f"/proc/self/fd/{opened.fileno()}") == str(path)
    try:
        return os.path.samestat(os.stat(os.path.realpath(path)), os.fstat(opened.fileno())) and not any(
            part.is_symlink() for part in (path, *path.parents)
        )
    except OSError:
        return False


def _nothing(path: Path) -> SourceNotFound:
    return SourceNotFound(f"No file at '{clean(str(path), 400)}'. Give the path of a video file that exists.")


def _link(path: Path) -> SourceNotFound:
    return SourceNotFound(
        f"'{clean(str(path), 400)}' leads through a link, which may be new. Give the path that the link leads to."
    )
