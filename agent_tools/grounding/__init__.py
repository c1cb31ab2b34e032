"""Recursive temporal grounding with an honest verdict (ReVisionLLM): levels, localizers, scores, calibration, rules.

Knows spans, evidence and probabilities. Knows nothing of MCP, files, SQL, threads or networks. The networks are loaded
on first use: a verdict without trained weights must not pull in torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from agent_tools.grounding.answers import parse_answer
from agent_tools.grounding.calibration import CalibrationReport, Calibrator, Method
from agent_tools.grounding.confidence import entropy_confidence, mean_entropy, released_confidence
from agent_tools.grounding.curves import CurveSettings, Noise, RelevanceCurveLocalizer
from agent_tools.grounding.evidence import SIGHT, Background, Evidence, EvidenceItem, Localizer, Proposal
from agent_tools.grounding.grounder import Grounder, GrounderSettings, Grounding, Level, LevelReport
from agent_tools.grounding.reliability import (
    Bin,
    Interval,
    bootstrapped_error,
    expected_calibration_error,
    reliability_table,
    wilson,
)
from agent_tools.grounding.rules import JUST_QUOTED, RULES, Named, could_show, named
from agent_tools.grounding.spans import nms, recall_at, temporal_iou, windows
from agent_tools.grounding.verdict import PRESENT_AT_LEAST, UNJUDGED, Verdict, decide
from agent_tools.grounding.verifier import Verification, changes, refine, verify

if TYPE_CHECKING:
    from agent_tools.grounding.adapter import HierarchicalAdapter, softmax_pool
    from agent_tools.grounding.window_head import GroundingNetwork, WindowHead, best_places, window_odds

_NETWORKS = {
    **dict.fromkeys(("HierarchicalAdapter", "softmax_pool"), "adapter"),
    **dict.fromkeys(("GroundingNetwork", "WindowHead", "best_places", "window_odds"), "window_head"),
}
__all__ = [
    "JUST_QUOTED",
    "PRESENT_AT_LEAST",
    "RULES",
    "SIGHT",
    "UNJUDGED",
    "Background",
    "Bin",
    "CalibrationReport",
    "Calibrator",
    "CurveSettings",
    "Evidence",
    "EvidenceItem",
    "Grounder",
    "GrounderSettings",
    "Grounding",
    "GroundingNetwork",
    "HierarchicalAdapter",
    "Interval",
    "Level",
    "LevelReport",
    "Localizer",
    "Method",
    "Named",
    "Noise",
    "Proposal",
    "RelevanceCurveLocalizer",
    "Verdict",
    "Verification",
    "WindowHead",
    "best_places",
    "bootstrapped_error",
    "changes",
    "could_show",
    "decide",
    "entropy_confidence",
    "expected_calibration_error",
    "mean_entropy",
    "named",
    "nms",
    "parse_answer",
    "recall_at",
    "refine",
    "released_confidence",
    "reliability_table",
    "softmax_pool",
    "temporal_iou",
    "verify",
    "wilson",
    "window_odds",
    "windows",
]


def __getattr__(name: str) -> object:
    if name not in _NETWORKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_NETWORKS[name]}"), name)
