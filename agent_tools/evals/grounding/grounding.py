"""How well ground_event finds events, and how well its verdicts and confidences are calibrated.

An MCP client asks the server for each event of a truth file and counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import anyio
import numpy as np
from mcp import Client
from numpy.typing import NDArray

from agent_tools.datasets.truth import Event, read_truth
from agent_tools.errors import InvalidArgument, VideoNotFound
from agent_tools.evals.agents.session import Session
from agent_tools.evals.grounding.reliability_plot import draw_reliability
from agent_tools.grounding import (
    UNJUDGED,
    Bin,
    Interval,
    bootstrapped_error,
    recall_at,
    reliability_table,
    temporal_iou,
)
from agent_tools.server import build_server
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings

RANKS, OVERLAPS = (1, 5), (0.1, 0.3, 0.5)
LOAD_S = 120.0
MAX_TOKENS = 4000


@dataclass(frozen=True)
class JudgedEvent:
    """An event and what the server said of it."""

    event: Event
    verdict: str
    why: str
    spans: tuple[tuple[float, float], ...]  # best first
    confidence: float | None  # p(present) behind the verdict; None where the reply's confidences are raw
    windows: int
    frames: int
    seconds: float
    tokens: int

    @property
    def judged(self) -> bool:
        """Whether all channels that could show the event were judged; else p(present) is that of the others alone."""
        return UNJUDGED not in self.why


def run_grounding(
    truth: Path,
    home: Path,
    out: Path | None = None,
    *,
    profile: str = "lite",
    models: tuple[str, ...] = (),
    mad_times: Literal["ext_timestamps", "timestamps"] = "ext_timestamps",
    on_line: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Ask every event of a truth file about the videos in `home`, and count.

    Args:
        out: folder for grounding.md (the table), reliability.png and replies.json; none = nothing is written.
        models: role=model, as the setting has it.
        mad_times: which of MAD's two truths is taken.
        on_line: receives a line for each answered event.
    Returns: what the table says, as JSON values.
    Raises: InvalidArgument: no truth file, or none of its videos is in `home`."""
    wanted = read_truth(truth, mad_times)
    settings = Settings.load({}, home=home, profile=profile, models=models)
    library = Library(settings, by_hand=True)
    try:
        library.models.text(LOAD_S)
        named = {event.video: _known(library, event.video) for event in wanted.events}
        there = [event for event in wanted.events if named[event.video]]
        if not there:
            raise InvalidArgument(f"None of the {len(named)} videos of {truth.name} is in {home}: ingest them first.")
        judged = anyio.run(_ask, settings, library, there, named, on_line or (lambda _line: None))
    finally:
        library.close()
    times = mad_times if wanted.format == "mad" else "the only ones"
    report = {
        "truth": truth.name,
        "format": wanted.format,
        "times": times,
        "comparison": f"IoU {'>' if wanted.strict else '>='} threshold, spans disjoint, no further suppression",
        "profile": profile,
        "videos": len({named[event.video] for event in there}),
        "videos_missing": sum(not found for found in named.values()),
        **measured(judged, wanted.strict),
        "groups": {
            name: measured([one for one in judged if one.event.group == name], wanted.strict)
            for name in dict.fromkeys(event.group for event in there if event.group)
        },
    }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "grounding.md").write_text(markdown(report), encoding="utf-8")
        (out / "replies.json").write_text(json.dumps([asdict(one) for one in judged], indent=1), encoding="utf-8")
        draw_reliability([Bin(**one) for one in report["reliability"]], out / "reliability.png")
    return report


def measured(judged: list[JudgedEvent], strict: bool) -> dict[str, Any]:
    """The figures of a list of answers."""
    present = [one for one in judged if one.event.spans]
    absent = [one for one in judged if not one.event.spans]
    predicted, truths = [one.spans for one in present], [list(one.event.spans) for one in present]
    recall = {
        f"R{rank}@{overlap:g}": round(recall_at(predicted, truths, rank, overlap, strict), 3) if present else None
        for rank in RANKS
        for overlap in OVERLAPS
    }
    best = [
        max((temporal_iou(one.spans[0], span) for span in one.event.spans), default=0.0) if one.spans else 0.0
        for one in present
    ]
    sure = [one for one in judged if one.confidence is not None]
    said, right = _said(sure)
    return {
        "present": len(present),
        "absent": len(absent),
        **recall,
        "mIoU": round(float(np.mean(best)), 3) if best else None,
        "verdicts_of_present": dict(Counter(one.verdict for one in present)),
        "verdicts_of_absent": dict(Counter(one.verdict for one in absent)),
        "false_positive_rate": _share(absent, "present"),
        "absent_called_absent": _share(absent, "absent"),
        "present_called_absent": _share(present, "absent"),
        "calibrated": len(sure),
        "ECE": _error(sure),
        "ECE_where_judged": _error([one for one in sure if one.judged]),
        "reliability": [asdict(one) for one in reliability_table(said, right)] if len(sure) else [],
        "frames_processed": sum(one.frames for one in judged),
        "windows": sum(one.windows for one in judged),
        "seconds_per_event": round(float(np.median([one.seconds for one in judged])), 3),
        "tokens_per_event": round(float(np.median([one.tokens for one in judged]))),
    }


def _said(sure: list[JudgedEvent]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The p(present) of each answer, and 1 where the event is there."""
    said = np.array([one.confidence for one in sure], dtype=np.float64)
    return said, np.array([float(bool(one.event.spans)) for one in sure])


def _error(sure: list[JudgedEvent]) -> dict[str, float] | None:
    """The expected calibration error of the answers with its interval."""
    if not sure:
        return None
    error: Interval = bootstrapped_error(*_said(sure), 0)
    return {"value": round(error.value, 3), "low": round(error.low, 3), "high": round(error.high, 3)}


def markdown(report: Mapping[str, Any]) -> str:
    """The report as one Markdown table, and its reliability as another."""
    groups: Mapping[str, Mapping[str, Any]] = report["groups"]
    lines = [f"| what | {' | '.join(['all', *groups])} |", "|---" * (2 + len(groups)) + "|"]
    for name in (name for name in report if name not in ("reliability", "groups")):
        cells = [_cell(report[name]), *(_cell(group[name]) if name in group else "" for group in groups.values())]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    lines += ["", "| p said | n | mean p | present | 95 % interval |", "|---|---|---|---|---|"]
    for one in report["reliability"]:
        if one["n"]:
            lines.append(
                f"| {one['low']:.1f}-{one['high']:.1f} | {one['n']} | {one['mean']:.2f} | {one['right']:.2f} "
                f"| {one['right_low']:.2f}-{one['right_high']:.2f} |"
            )
    return "\n".join([*lines, ""])


SHOWN = (
    *("present", "absent", "R1@0.1", "R1@0.3", "R1@0.5", "R5@0.1", "R5@0.3", "R5@0.5", "mIoU", "verdicts_of_present"),
    *("verdicts_of_absent", "false_positive_rate", "absent_called_absent", "present_called_absent", "ECE"),
    "ECE_where_judged",
    *("frames_processed", "windows", "seconds_per_event", "tokens_per_event"),
)


def side_by_side(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Several reports on the same events as one Markdown table, each with its groups."""
    columns: dict[str, Mapping[str, Any]] = {}
    for name, report in reports.items():
        columns |= {f"{name}: {group}": one for group, one in {"all": report, **report["groups"]}.items()}
    lines = [f"| | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for what in SHOWN:
        lines.append(f"| {what.replace('_', ' ')} | {' | '.join(_cell(one.get(what)) for one in columns.values())} |")
    comparisons = {f"{one['comparison']}; profile {one['profile']}" for one in reports.values()}
    return "\n".join([*lines, "", "; ".join(sorted(comparisons)) + "."])


def _cell(value: Any) -> str:
    if isinstance(value, dict) and "low" in value:
        return f"{value['value']} ({value['low']} to {value['high']})"  # 95 % bootstrap
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in sorted(value.items())) or "-"
    return "-" if value is None else str(value)


async def _ask(
    settings: Settings,
    library: Library,
    events: list[Event],
    named: Mapping[str, str],
    on_line: Callable[[str], None],
) -> list[JudgedEvent]:
    answered = []
    async with Client(build_server(settings, library)) as client:
        session = Session(client)
        for event in events:
            more = {"channels": list(event.channels)} if event.channels else {}
            reply = await session.call(
                "ground_event",
                event=event.text,
                video_id=named[event.video],
                max_spans=max(RANKS),
                max_tokens=MAX_TOKENS,
                **more,
            )
            if reply.error:
                raise InvalidArgument(f"{event.text!r}: {reply.text}")
            answered.append(_read(event, reply.data, session.calls[-1].seconds, session.calls[-1].tokens))
            on_line(f"{answered[-1].verdict:9} {event.text}")
    return answered


def _read(event: Event, data: Mapping[str, Any], seconds: float, tokens: int) -> JudgedEvent:
    return JudgedEvent(
        event,
        data["verdict"],
        data.get("why") or "",
        tuple((one["start_s"], one["end_s"]) for one in data["spans"]),
        data.get("probability"),
        sum(level["windows"] for level in data.get("levels") or ()),
        sum(level["frames"] for level in data.get("levels") or ()),
        seconds,
        tokens,
    )


def _known(library: Library, name: str) -> str:
    """The id of a video, "" where it is not there. VidChapters puts a counter before YouTube's eleven characters."""
    for tried in dict.fromkeys((name, name[-11:])):
        try:
            return library.video(tried).id
        except VideoNotFound:
            continue
    return ""


def _share(judged: list[JudgedEvent], verdict: str) -> float | None:
    return round(sum(one.verdict == verdict for one in judged) / len(judged), 3) if judged else None
