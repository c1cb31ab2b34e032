"""Folders with a name, so that a video may lie at another path on each machine of a shared store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

MARK = "root:"  # no absolute path begins so


class Roots:
    """Paths below a named folder are kept by that name, and read as they are here.

    Args:
        given: NAME=FOLDER, as the setting has them."""

    def __init__(self, given: Sequence[str] = ()) -> None:
        pairs = [text.partition("=")[::2] for text in given]
        self._folders = {name: str(Path(folder).expanduser().absolute()) for name, folder in pairs}

    @property
    def folders(self) -> tuple[Path, ...]:
        return tuple(map(Path, self._folders.values()))

    def kept(self, path: str) -> str:
        """A path as the store keeps it: by the name of the innermost root that it lies in, else as it is."""
        inside = [(len(folder), name) for name, folder in self._folders.items() if path.startswith(folder + os.sep)]
        if not inside:
            return path
        length, name = max(inside)
        return f"{MARK}{name}/{path[length + 1 :].replace(os.sep, '/')}"

    def here(self, kept: str) -> str:
        """A kept path on this machine; as it is where its root has no folder here."""
        if not kept.startswith(MARK):
            return kept
        name, _, rest = kept.removeprefix(MARK).partition("/")
        folder = self._folders.get(name)
        return kept if folder is None else os.path.join(folder, *rest.split("/"))
