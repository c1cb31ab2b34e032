"""Which files may be read: allowed folders by real path, files a person named on the command line, nothing else.

No file is opened but those whose ending is that of source code too (.ts)."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agent_tools.errors import InvalidArgument, SourceNotAllowed, SourceNotFound
from agent_tools.media.names import SHARED_SUFFIXES, SUFFIXES
from agent_tools.media.plain_file import is_source_code
from agent_tools.untrusted import clean

MOST_FILES = 10_000  # of one folder; a larger one is a mistake more often than a wish
MAX_NAMES = 200_000  # names looked at for them, of any kind


class Fence:
    """Folders that may be read, each by its real path; links are followed before the check, so none leads out."""

    def __init__(self, allowed: Sequence[Path], max_names: int = MAX_NAMES) -> None:
        self.max_names = max_names
        self.folders = tuple(Path(os.path.realpath(folder)) for folder in allowed)

    def permits(self, path: Path) -> bool:
        """Whether the path's real place lies in an allowed folder."""
        real = _real(path)
        return real is not None and any(real == folder or folder in real.parents for folder in self.folders)

    def resolve(self, source: str, named: Iterable[str] = ()) -> Path:
        """The real path of a file or folder that a client names, if it exists and may be read.

        Args:
            source: a path, absolute or relative to an allowed folder; `~` and file:// are understood.
            named: real paths that a person gave to `agent-tools ingest`, which allows them.

        Raises: InvalidArgument: not a local path. SourceNotAllowed: outside; the message shows the line to add.
            SourceNotFound: nothing there.
        """
        path = local_path(source)
        candidates = [path] if path.is_absolute() else [folder / path for folder in self.folders]
        for candidate in candidates:
            real = _real(candidate)
            if real is not None and (self.permits(real) or str(real) in set(named)):
                if _exists(real, source):
                    return _plain(real)
            elif path.is_absolute():
                raise SourceNotAllowed(self._how_to_allow(path))
        if not self.folders and not path.is_absolute():
            raise SourceNotAllowed(self._how_to_allow(path))
        raise SourceNotFound(
            f"Nothing at {clean(source, 200)!r}. Give the path of a file or folder inside an allowed folder; "
            "list_episodes without arguments shows what lies there."
        )

    def files(self, folder: Path, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Media files under a folder by their names' endings, in order; links that lead out are left out. Ends at
        MOST_FILES of them, or after `max_names` names.

        Args:
            check: called at each folder and media file; raises where the call was cancelled.
        """
        count = entries = 0
        for root, folders, names in os.walk(folder, followlinks=False):
            check()
            entries += len(folders) + len(names)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(root) / name
                if path.suffix.lower() not in SUFFIXES or name.startswith("."):
                    continue
                check()
                real = _real(path)
                if real is not None and real.is_file() and (self.permits(real) or folder in real.parents):
                    if real.suffix.lower() in SHARED_SUFFIXES and is_source_code(real):
                        continue
                    yield real
                    count += 1
                    if count >= MOST_FILES:
                        return
            if entries >= self.max_names:
                return

    def _how_to_allow(self, path: Path) -> str:
        """The remedy, from the path alone: it does not tell what is there, or where a link leads."""
        folder = path.parent if path.suffix.lower() in SUFFIXES else path
        line = f'"{clean(str(folder), 200)}"' if path.is_absolute() else "FOLDER"
        return (
            f"{clean(str(path), 200)!r} lies outside the allowed folders, or leads there by a link "
            f"({', '.join(map(str, self.folders)) or 'none is allowed'}). Start the server with: "
            f"agent-tools serve --allow {line}"
        )


def local_path(source: str) -> Path:
    """The path that a source names. Raises: InvalidArgument: an address, or characters no path has."""
    if "\x00" in source or len(source) > 4096:
        raise InvalidArgument("source holds a NUL or more than 4,096 characters. Give a file or folder path.")
    try:
        parts = urlsplit(source) if "://" in source else None
    except ValueError as error:  # such as brackets around what is no IPv6 address
        raise _no_path(source) from error
    if parts is not None and parts.scheme == "file" and parts.netloc in ("", "localhost"):
        name = unquote(parts.path)
        if "\x00" in name:
            raise InvalidArgument("source holds an encoded NUL. Give a file or folder path.")
        if sys.platform == "win32":
            name = name.lstrip("/")
        return Path(name)
    if parts is not None:
        raise _no_path(source)
    if source != "~" and not source.startswith(("~/", "~\\")):
        return Path(
            source
        )  # ~name too: it is no short form of another user's folder here, and a file may have that name
    try:
        return Path(source).expanduser()
    except RuntimeError as error:  # nobody's home
        raise InvalidArgument(f"{clean(source, 200)!r}: this user has no home. Give the whole path.") from error


def _no_path(source: str) -> InvalidArgument:
    return InvalidArgument(
        f"{clean(source, 200)!r} is not a local path. Download it into an allowed folder, then give that path; "
        "a .vtt or .srt of the same name beside it is read too."
    )


def _real(path: Path) -> Path | None:
    """Where a path leads; None where a link on the way may not be read, as those of other users' processes."""
    try:
        return Path(os.path.realpath(path))
    except OSError:
        return None


def _exists(real: Path, source: str) -> bool:
    """Raises: SourceNotFound: a name that the system refuses to look up, or that this user may not see."""
    try:
        return real.exists()
    except OSError as error:
        why = (error.strerror or "it cannot be looked up").lower()
        raise SourceNotFound(
            f"{clean(source, 200)!r}: {why}. Give the path of a file or folder that is there."
        ) from error


def _plain(real: Path) -> Path:
    mode = real.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InvalidArgument(f"{clean(real.name, 100)!r} is a device, pipe or socket. Give a plain file or a folder.")
    return real
