"""Calibrations by localizer, profile and producer: those that ship with the package, and a home's own.

They are fitted by `agent-tools eval calibrate`."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from agent_tools.errors import InvalidArgument, StoreError
from agent_tools.home import HomeFolder

if TYPE_CHECKING:
    from agent_tools.grounding import Calibrator

SHIPPED = "fitted"  # of the package


def calibrator_for(localizer: str, profile: str, producer: str = "", home: Path | None = None) -> Calibrator | None:
    """The calibrator fitted for this localizer on this profile's models, or None: then scores stay raw.

    One in `home`/calibrations goes before the package's; both are chosen by <localizer>.<profile>.json.
    Args:
        producer: who made the vectors or answers that the scores come from; another model's are other scores.
    Raises: StoreError: a file in `home` is no stored calibration."""
    name = f"{localizer}.{profile}.json"
    own = None if home is None else HomeFolder(home).calibrations / name
    if own is not None and own.is_file():
        found = _own(own, own.stat().st_mtime_ns)
        if found.suits(producer):
            return found.calibrator
    shipped = _shipped(name)
    return shipped.calibrator if shipped is not None and shipped.suits(producer) else None


def stored(calibrator: Calibrator, producer: str) -> str:
    """The text of a calibration's file."""
    return json.dumps({"producer": producer, **json.loads(calibrator.to_json())}, indent=1) + "\n"


class _Stored:
    def __init__(self, text: str) -> None:
        from agent_tools.grounding import Calibrator

        self.calibrator = Calibrator.from_json(text)
        self.producer = str(json.loads(text).get("producer", ""))

    def suits(self, producer: str) -> bool:
        return producer in ("", self.producer) or not self.producer


@functools.cache
def _shipped(name: str) -> _Stored | None:
    file = files("agent_tools.service.verdicts") / SHIPPED / name
    return _Stored(file.read_text(encoding="utf-8")) if file.is_file() else None


@functools.lru_cache(maxsize=32)
def _own(path: Path, _mtime_ns: int) -> _Stored:
    try:
        return _Stored(path.read_text(encoding="utf-8"))
    except (InvalidArgument, UnicodeDecodeError) as error:
        raise StoreError(
            f"{path} is no stored calibration. Remove it, or fit it again with agent-tools eval calibrate --truth."
        ) from error
