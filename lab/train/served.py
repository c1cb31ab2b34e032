"""End to end: ground_event, asked by an MCP client over pictures alone, with a trained adapter and without one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_tools.evals.grounding.grounding import run_grounding
from agent_tools.grounding import temporal_iou
from agent_tools.training.report import OVERLAPS, Query, share
from lab.train.figures import difference, joined

WEIGHTLESS, TRAINED = "ground_event without weights", "ground_event with the trained adapter"


def served(
    home: Path,
    out: Path,
    queries: Sequence[Query],
    models: Mapping[str, tuple[str, ...]],
    on_line: Callable[[str], None],
) -> dict[str, dict[str, list[bool]]]:
    """Which of the queries' spans the tool found, by server and IoU.

    Args:
        out: folder for the questions, every answer and the tool's own report.
        models: of each server, as --models has them."""
    out.mkdir(parents=True, exist_ok=True)
    truth = out / "truth.json"
    asked = [{"video": q.video, "event": q.sentence, "spans": list(q.spans), "channels": ["frames"]} for q in queries]
    truth.write_text(json.dumps(asked), encoding="utf-8")
    found = {}
    for number, (name, given) in enumerate(models.items()):
        run_grounding(truth, home, out / str(number), models=given, on_line=on_line)
        replies = json.loads((out / str(number) / "replies.json").read_text(encoding="utf-8"))
        found[name] = {f"R@1 at {iou:g}": [_overlap(reply) >= iou for reply in replies] for iou in OVERLAPS}
    return found


def together(found: Sequence[Mapping[str, Mapping[str, list[bool]]]]) -> dict[str, Any]:
    """All seeds: shares with intervals, and the trained one's minus the other's with the paired interval."""
    made: dict[str, Any] = {
        "queries": len(joined([own[TRAINED] for own in found], "R@1 at 0.3")),
        "rows": {},
        "apart": {},
    }
    for iou in OVERLAPS:
        key = f"R@1 at {iou:g}"
        right = {name: joined([own[name] for own in found], key) for name in (WEIGHTLESS, TRAINED)}
        for name, own in right.items():
            made["rows"].setdefault(name, {})[key] = share(own)
        made["apart"][key] = difference(right[TRAINED], right[WEIGHTLESS])
    return made


def _overlap(reply: Mapping[str, Any]) -> float:
    """IoU of the best span with the truth."""
    if not reply["spans"]:
        return 0.0
    return max(temporal_iou(tuple(reply["spans"][0]), tuple(true)) for true in reply["event"]["spans"])
