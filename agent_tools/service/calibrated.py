"""Calibrations that ship with the package: one JSON for each localizer and profile, with its fit report.

Knows where they lie. Knows nothing of how they were fitted."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_tools.grounding import Calibrator


@functools.cache
def calibrator_for(localizer: str, profile: str) -> Calibrator | None:
    """The calibrator fitted for this localizer on this profile's models, or None: then scores stay raw."""
    from agent_tools.grounding import Calibrator

    file = files("agent_tools.service") / "calibrations" / f"{localizer}.{profile}.json"
    return Calibrator.from_json(file.read_text(encoding="utf-8")) if file.is_file() else None
