"""Answers of a run, one JSON line each; a finished answer is kept however the run ends."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_tools.errors import InvalidArgument

RUN = "run.json"


class Records:
    """The lines of one file, by question. A line is written whole and to the disk before the next question is asked."""

    def __init__(self, path: Path) -> None:
        """Reads what is there. A last line without its end is cut off the file: that question is asked again, and so
        are those that were not answered for a reason that may pass (`again`).

        Raises: InvalidArgument: a line before the last is not one of ours."""
        self._path = path
        self.lines: dict[str, dict[str, Any]] = {}
        if path.is_file():
            self._read()

    def _read(self) -> None:
        data = self._path.read_bytes()
        whole, newline, _torn = data.rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n") if newline else (), 1):
            try:
                value = json.loads(line)
                self.lines[str(value["id"])] = value
            except (ValueError, KeyError, TypeError) as error:
                kind = type(error).__name__
                raise InvalidArgument(
                    f"{self._path}, line {number}: not an answer of a run ({kind}). Repair or remove it."
                ) from error
        self.lines = {name: value for name, value in self.lines.items() if not value.get("again")}
        kept = b"".join(_line(value) for value in self.lines.values())
        if kept != data:
            beside = self._path.with_suffix(".new")
            beside.write_bytes(kept)
            beside.replace(self._path)

    def __contains__(self, name: str) -> bool:
        return name in self.lines

    def add(self, value: Mapping[str, Any]) -> None:
        """Append one line and see it to the disk."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(_line(value))
            file.flush()
            os.fsync(file.fileno())
        self.lines[str(value["id"])] = dict(value)


def same_run(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write down what a run is made with, or make sure that the one begun in this folder is made with the same.

    Raises: InvalidArgument: it was made with something else, which the message names."""
    path = folder / RUN
    made_with = json.loads(json.dumps(settings))
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made_with, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        other = {key for key in {*made_with, *held} if made_with.get(key) != held.get(key)}
    except (ValueError, TypeError) as error:
        raise InvalidArgument(
            f"{path} is not a run of this program ({error}). Use another folder: --out FOLDER"
        ) from error
    if other:
        key = min(other)
        raise InvalidArgument(
            f"{folder} holds a run with {key} {held.get(key)!r}, not {made_with.get(key)!r}. Give another: --out FOLDER"
        )


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
