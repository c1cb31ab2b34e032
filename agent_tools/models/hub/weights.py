"""Weights on disk: where a package keeps its data files, and proof that a file is the one it claims to be.

It reads files only and never opens a connection."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import tempfile
from pathlib import Path

from agent_tools.errors import ModelMissing
from agent_tools.home import make_private_folder

# What was checked in this process: (real path, size, mtime_ns) -> sha256. A changed file has another key.
_checked: dict[tuple[str, int, int], str] = {}


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, found without running any of its code; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def sha256_of(path: Path, remembered: Path | None = None) -> str:
    """The file's sha256 as hex, computed once for each (real path, size, mtime).

    Args:
        remembered: a small JSON file that carries the answers from one process to the next; made when missing. A broken
            or unwritable one costs time, never an error.
    """
    path = path.resolve()
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    if key not in _checked:
        known = _recalled(remembered)
        if known.get(str(path), [])[:2] == [stat.st_size, stat.st_mtime_ns]:
            _checked[key] = str(known[str(path)][2])
        else:
            with path.open("rb") as file:
                _checked[key] = hashlib.file_digest(file, "sha256").hexdigest()
            _remember(remembered, {**known, str(path): [stat.st_size, stat.st_mtime_ns, _checked[key]]})
    return _checked[key]


def require(path: Path, sha256: str, remedy: str, remembered: Path | None = None) -> Path:
    """The path, once it is known to hold exactly the expected bytes.

    Raises: ModelMissing: no such file, or other bytes than expected; the message ends in `remedy`."""
    if not path.is_file():
        raise ModelMissing(f"{path} is not there. {remedy}")
    found = sha256_of(path, remembered)
    if found != sha256:
        raise ModelMissing(f"{path} has sha256 {found[:16]}..., expected {sha256[:16]}...: not loaded. {remedy}")
    return path


def _recalled(remembered: Path | None) -> dict[str, list[int | str]]:
    if remembered is None:
        return {}
    try:
        known = json.loads(remembered.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {path: entry for path, entry in known.items() if isinstance(entry, list) and len(entry) == 3}


def _remember(remembered: Path | None, known: dict[str, list[int | str]]) -> None:
    """Written whole and renamed, so that two processes never read half a file."""
    if remembered is None:
        return
    try:
        make_private_folder(remembered.parent)
        handle, name = tempfile.mkstemp(dir=remembered.parent, prefix=remembered.name, suffix=".new")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(known, file)
        os.replace(name, remembered)
    except OSError:
        return  # the answer is known all the same; the next process computes it again
