"""The report beside the weights: data, counts, curves, figures before and after with intervals, command, date."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent_tools.grounding import temporal_iou, wilson
from agent_tools.training.films import Example
from agent_tools.training.loop import History

if TYPE_CHECKING:
    from agent_tools.service.library.library import Library

OVERLAPS = (0.3, 0.5)
MOST_QUERIES = 100
WIDE, HIGH, MARGIN = 720, 360, 56  # of the plot, in pixels
INKS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")
SMOOTH = 50  # steps that a point of a curve is the mean of


@dataclass(frozen=True)
class Query:
    """A held-out sentence, asked about one video."""

    sentence: str
    video: str
    spans: tuple[tuple[float, float], ...]  # () = the words say that it is not there


@dataclass(frozen=True)
class Asked:
    """What the server's own search by pictures answered."""

    overlap: float  # IoU of its best span with the truth; 0 without a span or a truth
    found: bool  # it named a span
    score: float
    share: float  # of the frames of a flat search that it read


def queries(examples: Sequence[Example], seed: int, most: int = MOST_QUERIES) -> list[Query]:
    """Held-out sentences where they are true, and half as often where they are not; drawn by the seed."""
    rng = random.Random(seed)
    present = [Query(e.pair.sentence, e.film.id, e.spans) for e in examples if e.spans]
    absent = [Query(e.pair.sentence, e.film.id, ()) for e in examples if not e.spans]
    absent += [Query(e.pair.sentence, film.id, ()) for e in examples for film in e.elsewhere[:1]]
    absent = list(dict.fromkeys(absent))
    return rng.sample(present, min(len(present), most)) + rng.sample(absent, min(len(absent), most // 2))


def ask(library: Library, asked: Sequence[Query]) -> list[Asked]:
    """Each query by pictures alone, as ground_event searches them with this library's models."""
    from agent_tools.service.verdicts.event_search import search

    answers = []
    for query in asked:
        span = library.video_span(query.video)
        outcome = search(library, span, query.sentence, ("frames",), lambda _share, _line: None, use_video_llm=False)
        grounding = outcome.sources[0].grounding
        best = grounding.proposals[0] if grounding.proposals else None
        overlap = max((temporal_iou(best, true) for true in query.spans), default=0.0) if best else 0.0
        answers.append(Asked(overlap, best is not None, grounding.best_score or 0.0, grounding.share))
    return answers


def measured(asked: Sequence[Query], answers: Sequence[Asked]) -> dict[str, Any]:
    """R@1, false positives and frames read, each share with its 95 % Wilson interval."""
    there = [answer for query, answer in zip(asked, answers, strict=True) if query.spans]
    absent = [answer for query, answer in zip(asked, answers, strict=True) if not query.spans]
    return {
        "present": len(there),
        "absent": len(absent),
        **{f"R1@{iou:g}": share([answer.overlap >= iou for answer in there]) for iou in OVERLAPS},
        "false_positives": share([answer.found for answer in absent]),
        "frames_read": round(float(np.mean([answer.share for answer in answers])), 3) if answers else None,
    }


def share(right: Sequence[bool]) -> dict[str, float] | None:
    """A share with its interval; None of nothing."""
    if not right:
        return None
    low, high = wilson(sum(right), len(right))
    return {"value": round(sum(right) / len(right), 3), "low": round(low, 3), "high": round(high, 3)}


def better(before: Mapping[str, Any], after: Mapping[str, Any], name: str = "R1@0.3") -> str:
    """One sentence: whether the trained search is better beyond the intervals. Shown, never assumed."""
    old, new = before.get(name), after.get(name)
    if not old or not new:
        return "No held-out pairs, so nothing says whether training helped."
    said = f"{name} went from {_cell(old)} to {_cell(new)}"
    if new["low"] > old["high"]:
        return f"{said}: better, outside the intervals."
    if new["high"] < old["low"]:
        return f"{said}: worse, outside the intervals. Do not serve it."
    return f"{said}: no difference outside the intervals."


def silence(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """One sentence: how often a span is named though the event is absent."""
    old, new = before.get("false_positives"), after.get("false_positives")
    if not old or not new:
        return ""
    return f"A span is named for {_cell(new)} of the absent events; before, for {_cell(old)}."


def write(folder: Path, report: Mapping[str, Any], history: History) -> None:
    """report.json, report.md and curves.png."""
    (folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False, default=str) + "\n", "utf-8")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    draw_curves(history, folder / "curves.png")


def markdown(report: Mapping[str, Any]) -> str:
    """The report for a reader."""
    lines = [
        f"# {report['recipe']}",
        "",
        report["verdict"],
        "",
        "| held-out queries | before | after |",
        "|---|---|---|",
    ]
    before, after = report["before"], report["after"]
    for name in dict.fromkeys((*before, *after)):
        lines.append(f"| {name} | {_cell(before.get(name))} | {_cell(after.get(name))} |")
    lines += ["", f"Made on {report['date']} by `{report['command']}`.", "", "| | |", "|---|---|"]
    for part in ("data", "settings"):
        lines += [f"| {part}: {name} | {value} |" for name, value in report[part].items()]
    return "\n".join([*lines, "", "![loss by step](curves.png)", ""])


def draw_curves(history: History, path: Path) -> None:
    """The loss of each stage over its steps, one line per stage, smoothed over SMOOTH steps."""
    image = Image.new("RGB", (WIDE + 2 * MARGIN, HIGH + 2 * MARGIN), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    curves = {name: _smooth(losses) for name, losses in history.losses.items() if losses}
    top = max((max(curve) for curve in curves.values()), default=1.0) or 1.0
    longest = max((len(curve) for curve in curves.values()), default=1)

    def at(step: float, loss: float) -> tuple[float, float]:
        return MARGIN + step / max(1, longest - 1) * WIDE, MARGIN + (1 - loss / top) * HIGH

    pen.rectangle([at(0, top), at(longest - 1, 0)], outline="black")
    for number, (name, curve) in enumerate(curves.items()):
        ink = INKS[number % len(INKS)]
        pen.line(
            [at(step, loss) for step, loss in enumerate(curve)] if len(curve) > 1 else [at(0, curve[0])] * 2, ink, 2
        )
        words = f"{name}: {curve[0]:.3f} -> {curve[-1]:.3f}"
        pen.text((MARGIN + WIDE - 8, MARGIN + 8 + 18 * number), words, fill=ink, font=font, anchor="ra")
    pen.text((MARGIN, MARGIN - 8), f"{top:.2f}", fill="black", font=font, anchor="lb")
    pen.text((MARGIN + WIDE, MARGIN + HIGH + 8), f"{longest} steps", fill="black", font=font, anchor="rt")
    image.save(path)


def _smooth(losses: Sequence[float]) -> list[float]:
    sums = np.cumsum([0.0, *losses])
    return [
        float((sums[i + 1] - sums[max(0, i + 1 - SMOOTH)]) / (i + 1 - max(0, i + 1 - SMOOTH)))
        for i in range(len(losses))
    ]


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['value']} ({value['low']} to {value['high']})"
    return "-" if value is None else str(value)
