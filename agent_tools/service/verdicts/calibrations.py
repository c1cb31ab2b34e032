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
OLDER = "minilm"  # lite's sentence encoder of 0.1


def calibrator_for(localizer: str, profile: str, producer: str = "", home: Path | None = None) -> Calibrator | None:
    """The calibrator fitted for this localizer on this profile's models, or None: then scores stay raw.

    One in `home`/calibrations goes before the package's; both are chosen by <localizer>.<profile>.json. The package has
    another one for the vectors of lite's older encoder, which homes made before hold.
    Args:
        producer: who made the vectors or answers that the scores come from; another model's are other scores.
    Raises: StoreError: a file in `home` is no stored calibration."""
    name = f"{localizer}.{profile}.json"
    own = None if home is None else HomeFolder(home).calibrations / name
    if own is not None and own.is_file():
        found = _own(own, own.stat().st_mtime_ns)
        if found.suits(producer):
            return found.calibrator
    shipped = (_shipped(one) for one in (name, f"{localizer}.{profile}.{OLDER}.json"))
    return next((one.calibrator for one in shipped if one is not None and one.suits(producer)), None)


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
