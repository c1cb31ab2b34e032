"""Calibrations that ship with the package: one JSON for each localizer and profile, with its fit report.

Knows where they lie. Knows nothing of how they were fitted."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_tools.grounding import Calibrator


@functools.cache
def calibrator_for(localizer: str, profile: str, producer: str = "") -> Calibrator | None:
    """The calibrator fitted for this localizer on this profile's models, or None: then scores stay raw.

    Args:
        producer: who made the vectors that the scores come from; another encoder's cosines are other scores."""
    from agent_tools.grounding import Calibrator

    file = files("agent_tools.service") / "calibrations" / f"{localizer}.{profile}.json"
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8")
    fitted_on = json.loads(text).get("producer", "")
    return Calibrator.from_json(text) if producer in ("", fitted_on) or not fitted_on else None
