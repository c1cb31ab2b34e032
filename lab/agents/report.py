"""Numbers of a run of `lab.agents`: right answers with intervals, first calls, cost, and the commonest faults."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from agent_tools.evals.benchmarks.records import Records
from agent_tools.grounding import wilson
from lab.agents.questions import Question

Line = Mapping[str, Any]
MOST_FAULTS = 10
ABOUT = "about.json"  # in the folder of a run: what was asked of what


def line_of(question: Question, condition: str, done: Any, right: bool) -> dict[str, Any]:
    """What is kept of an answer: short, without the conversation."""
    faults = [fault(call) for call in done.calls if call["error"]]
    made_up = [place for place, call in enumerate(done.calls) if call["error"] and "NotFound" in call["text"][:40]]
    held = any(not call["error"] for call in done.calls)
    return {
        "id": f"{condition}/{question.id}",
        "condition": condition,
        "kind": question.kind,
        "right": right,
        "ended": done.ended,
        "why": done.why,
        "said": done.said[-300:],
        "calls": len(done.calls),
        "tools": [call["tool"] for call in done.calls],
        "first_valid": bool(done.calls) and not done.calls[0]["error"],
        "faults": faults,
        **({"first_only": True} if done.ended == "first call" else {}),
        "made_up": len(made_up),
        "not_recovered": bool(made_up) and not right and all(call["error"] for call in done.calls[made_up[-1] :]),
        "answered_without_a_reply": not held and condition != "transcript",
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "seconds": round(done.seconds, 1),
        **({"again": True} if done.ended == "refused" else {}),
    }


def fault(call: Mapping[str, Any]) -> str:
    """A failing call as one kind: the tool and the rule that it broke, without its values."""
    rule = re.sub(r"'[^']*'|\"[^\"]*\"|[\d.]+", "…", call["text"].split(". ")[0])
    return f"{call['tool']}: {rule[:90]}"


def summary(lines: Iterable[Line]) -> dict[str, Any]:
    """The report: a row for each condition, right answers by kind, and the faults."""
    by: dict[str, list[Line]] = {}
    for line in lines:
        by.setdefault(line["condition"], []).append(line)
    return {
        "conditions": [_row(name, held) for name, held in by.items()],
        "kinds": {name: _kinds(held) for name, held in by.items()},
        "faults": {name: _faults(held) for name, held in by.items() if name != "transcript"},
    }


def _row(name: str, lines: Sequence[Line]) -> dict[str, Any]:
    right = sum(line["right"] for line in lines)
    low, high = wilson(right, len(lines))
    called = [line for line in lines if line["calls"]]
    return {
        "condition": name,
        **({"first_only": True} if any(line.get("first_only") for line in lines) else {}),
        "questions": len(lines),
        "right": right,
        "low": low,
        "high": high,
        "no_call": 0 if name == "transcript" else len(lines) - len(called),
        "first_valid": sum(line["first_valid"] for line in called),
        "called": len(called),
        "calls": fmean(line["calls"] for line in lines),
        "made_up": sum(line["made_up"] for line in lines),
        "not_recovered": sum(line["not_recovered"] for line in lines),
        "tokens_in": fmean(line["prompt_tokens"] for line in lines),
        "tokens_out": fmean(line["completion_tokens"] for line in lines),
    }


def _kinds(lines: Sequence[Line]) -> dict[str, str]:
    kinds = dict.fromkeys(line["kind"] for line in lines)
    return {kind: "{} of {}".format(*_right([line for line in lines if line["kind"] == kind])) for kind in kinds}


def _right(lines: Sequence[Line]) -> tuple[int, int]:
    return sum(line["right"] for line in lines), len(lines)


def _faults(lines: Sequence[Line]) -> list[tuple[str, int]]:
    counted: Counter[str] = Counter()
    for line in lines:
        counted.update(line["faults"])
        if not line["calls"]:
            counted["no call: the model answered without the tools"] += 1
        elif not line["right"] and not line.get("first_only"):
            counted[f"wrong answer after valid calls ({line['kind']})"] += not line["faults"]
    return [(name, count) for name, count in counted.most_common(MOST_FAULTS) if count]


def describe(folder: Path, model: str, questions: str, library: Mapping[str, float]) -> None:
    """Note in the folder of a run what was asked of what. Args: questions: the name of their file."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"model": model.partition("@")[0], "questions": questions, **library}
    (folder / ABOUT).write_text(json.dumps(about) + "\n", encoding="utf-8")


def model_of(folder: Path) -> str:
    """The model of a run."""
    name: str = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["model"]
    return name


def of_folder(folder: Path) -> dict[str, Any]:
    """The report on a run, out of its folder."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return {**about, **summary(Records(folder / "answers.jsonl").lines.values())}


def markdown(runs: Sequence[Mapping[str, Any]]) -> str:
    """The tables of runs: all conditions beside each other, right answers by kind, and the commonest faults."""
    lines = [
        "| model | library | questions | condition | right | 95 % interval | first call valid | calls | tokens in "
        "| tokens out | made-up ids, not recovered |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        about = f"| {run['model']} | {run['videos']} videos, {run['hours']:g} h | {_plain(run['questions'])} "
        lines += [about + _columns(row) for row in run["conditions"]]
    for run in runs:
        lines += _kinds_table(run)
        for name, faults in run["faults"].items():
            if faults:
                lines += ["", f"{_title(run)}, commonest faults, {name}:", ""]
                lines += [f"- {count} x {fault}" for fault, count in faults]
    return "\n".join(lines)


def _kinds_table(run: Mapping[str, Any]) -> list[str]:
    first_only = {row["condition"] for row in run["conditions"] if row.get("first_only")}
    held = {name: kinds for name, kinds in run["kinds"].items() if name not in first_only}
    if not held:
        return []
    lines = ["", f"{_title(run)}, right answers by kind:", ""]
    lines += [f"| kind | {' | '.join(held)} |", "|---|" + "---|" * len(held)]
    for kind in dict.fromkeys(kind for of in held.values() for kind in of):
        lines.append(f"| {kind} | {' | '.join(held[name].get(kind, '-') for name in held)} |")
    return lines


def _columns(row: Mapping[str, Any]) -> str:
    tools = row["condition"] != "transcript"
    first_only = row.get("first_only")  # such a run has no answers
    right = "- | -" if first_only else f"{row['right']} of {row['questions']} | {row['low']:.2f} to {row['high']:.2f}"
    valid = f"{row['first_valid']} of {row['questions']}" if tools else "-"
    made_up = f"{row['made_up']}, {row['not_recovered']}" if tools and not first_only else "-"
    tokens = f"{row['tokens_in']:,.0f} | {row['tokens_out']:,.0f}" if row["tokens_in"] else "- | -"
    cost = f"{row['calls']:.1f} | {tokens}"
    name = row["condition"] + (", first call alone" if first_only else "")
    return f"| {name} | {right} | {valid} | {cost} | {made_up} |"


def _title(run: Mapping[str, Any]) -> str:
    return f"{run['model']}, {run['videos']} videos, {_plain(run['questions'])}"


def _plain(questions: str) -> str:
    return questions.replace("_", " ")
