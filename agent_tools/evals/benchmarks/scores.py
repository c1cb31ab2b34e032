"""The score of answers: accuracy with its interval, beside baselines without video.

A question without an answer counts as wrong. A question whose right answer the file does not give is not scored. An
answer in words is right where the majority of the judges says so. Evidence is the share of the spans an answer needs of
which some reply held words or pictures. The baselines of multiple choice: chance; the best constant letter, for each
number of options; the same after the options were shuffled, which shows what the letter alone is worth; the best
constant letter of each task; and the model without the video, where it was run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from agent_tools.evals.benchmarks.choices import Question
from agent_tools.grounding import wilson

SHUFFLES = 20
Answers = Mapping[str, Mapping[str, Any]]


def score(questions: Sequence[Question], answers: Answers | None, blind: Answers | None = None) -> dict[str, Any]:
    """The report on the questions asked.

    Args:
        answers: what came of each question, by its id; None where no model was asked.
        blind: what came of it without the video.
    """
    known = [question for question in questions if question.answer or question.reference]
    report: dict[str, Any] = {
        "questions": len(questions),
        "without_label": len(questions) - len(known),
        "baselines": baselines([question for question in known if question.options]),
        "tasks": [
            _row(task, [q for q in known if task in q.tasks], answers, blind)
            for task in sorted({task for question in known for task in question.tasks})
        ],
        "groups": [
            _row(group, [q for q in known if group in q.groups], answers, blind)
            for group in sorted({group for question in known for group in question.groups})
        ],
        "all": _row("all", known, answers, blind),
    }
    if answers is not None:
        shares = [row["accuracy"] for row in report["tasks"]]
        report["mean_of_tasks"] = fmean(shares) if shares else None
        if pairs := _pairs(known, answers):
            report["pairs"] = pairs
        report["missing"] = dict(Counter(_ended(answers, q) for q in questions if not _letter(answers, q)))
        if evidence := [_evidence(answers, question) for question in known if question.evidence]:
            report["evidence"] = fmean(evidence)
        report["cost"] = _cost(answers.values())
    if blind is not None:
        report["blind_cost"] = _cost(blind.values())
    return report


def baselines(known: Sequence[Question]) -> dict[str, Any]:
    """What needs neither model nor video; shares of all questions with a label."""
    if not known:
        return {}
    sizes = sorted({len(question.options) for question in known})
    by_size: list[dict[str, Any]] = []
    for size in sizes:
        held = [question for question in known if len(question.options) == size]
        letter, count = _best_letter(held)
        by_size.append(
            {"options": size, "n": len(held), "letter": letter, "share": count / len(held), "chance": 1 / size}
        )
    shuffled = [fmean(_constant(_shuffled(known, seed), sizes)) for seed in range(SHUFFLES)]
    tasks = {question.tasks[0] for question in known}
    prior = sum(_best_letter([q for q in known if q.tasks[0] == task])[1] for task in tasks)
    return {
        "chance": fmean(1 / len(question.options) for question in known),
        "constant": sum(row["share"] * row["n"] for row in by_size) / len(known),
        "constant_by_options": by_size,
        "constant_shuffled": fmean(shuffled),
        "constant_by_task": prior / len(known),
    }


def markdown(report: Mapping[str, Any]) -> str:
    """The report as tables."""
    lines = [f"## {report.get('benchmark', 'benchmark')}: {report['questions']} questions", ""]
    if report.get("model"):
        lines += [f"Model {report['model']}, through this server's tools.", ""]
    if report["without_label"]:
        lines += [f"{report['without_label']} questions have no label here and are not scored.", ""]
    answered, blind = "cost" in report, "blind_cost" in report
    if answered:
        lines += ["| task | n | accuracy | 95 % | missing |" + (" blind |" if blind else "")]
        lines += ["|---|---|---|---|---|" + ("---|" if blind else "")]
        lines += [_line(row, blind) for row in (*report["tasks"], *report["groups"], report["all"])]
        if len(report["tasks"]) > 1 and report["mean_of_tasks"] is not None:
            lines.append(f"| mean of tasks |  | {report['mean_of_tasks']:.3f} |  |  |" + ("  |" if blind else ""))
        if pairs := report.get("pairs"):
            lines.append(
                f"| both of a pair | {pairs['n']} | {pairs['both'] / pairs['n']:.3f} |  |  |" + ("  |" * blind)
            )
        lines.append("")
    if held := report["baselines"]:
        letters = ", ".join(
            f"{row['letter']} of {row['options']} ({row['share']:.3f} of {row['n']})"
            for row in held["constant_by_options"]
        )
        lines += [
            "| without the video | share |",
            "|---|---|",
            f"| chance | {held['chance']:.3f} |",
            f"| best constant letter: {letters} | {held['constant']:.3f} |",
            f"| the same, options shuffled (mean of {SHUFFLES}) | {held['constant_shuffled']:.3f} |",
            f"| best constant letter of each task | {held['constant_by_task']:.3f} |",
        ]
        if blind:
            lines.append(f"| the model, blind | {report['all']['blind']:.3f} |")
        lines.append("")
    if answered:
        cost, n = report["cost"], max(1, report["cost"]["answers"])
        missing = ", ".join(f"{count} {why}" for why, count in report["missing"].items()) or "none"
        kind = "estimated" if cost["estimated"] else "as the model's server counts"
        if "evidence" in report:
            lines += [f"Evidence that some reply held: {report['evidence']:.3f} of what the questions need.", ""]
        if report.get("judges"):
            lines += [f"Answers in words, judged by {', '.join(report['judges'])}.", ""]
        lines += [
            f"Missing (counted as wrong): {missing}. Per question: {cost['calls'] / n:.1f} calls "
            f"({cost['errors'] / n:.1f} answered by an error), "
            f"{cost['prompt_tokens'] / n:,.0f} + {cost['completion_tokens'] / n:,.0f} tokens ({kind}), "
            f"{cost['seconds'] / n:.1f} s. Together: {cost['prompt_tokens']:,} + {cost['completion_tokens']:,} tokens, "
            + (f"{cost['price']:.4g} at the given prices." if cost["price"] else "price not given."),
        ]
    return "\n".join(lines).rstrip()


def _row(name: str, questions: Sequence[Question], answers: Answers | None, blind: Answers | None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "n": len(questions)}
    if answers is not None and questions:
        right = _right(questions, answers)
        low, high = wilson(right, len(questions))
        missing = sum(not _letter(answers, question) for question in questions)
        row |= {"right": right, "accuracy": right / len(questions), "low": low, "high": high, "missing": missing}
    if blind is not None and questions:
        row["blind"] = _right(questions, blind) / len(questions)
    return row


def _line(row: Mapping[str, Any], blind: bool) -> str:
    if not row["n"]:
        return f"| {row['name']} | 0 |  |  |  |" + ("  |" if blind else "")
    interval = f"{row['low']:.3f}-{row['high']:.3f}"
    cells = f"| {row['name']} | {row['n']} | {row['accuracy']:.3f} | {interval} | {row['missing']} |"
    return cells + (f" {row['blind']:.3f} |" if blind else "")


def _pairs(questions: Sequence[Question], answers: Answers) -> dict[str, int]:
    """How many of the groups that are right together are so."""
    held: dict[str, list[Question]] = {}
    for question in questions:
        if question.pair:
            held.setdefault(question.pair, []).append(question)
    both = sum(_right(part, answers) == len(part) for part in held.values())
    return {"n": len(held), "both": both} if held else {}


def _right(questions: Iterable[Question], answers: Answers) -> int:
    return sum(_is_right(answers, question) for question in questions)


def _is_right(answers: Answers, question: Question) -> bool:
    if question.reference:
        return bool(answers.get(question.id, {}).get("right"))
    return _letter(answers, question) == question.answer


def _evidence(answers: Answers, question: Question) -> float:
    """The share of the question's evidence of which some reply held something."""
    seen = answers.get(question.id, {}).get("spans") or ()
    return fmean(any(a < end_s and b >= start_s for a, b in seen) for start_s, end_s in question.evidence)


def _letter(answers: Answers, question: Question) -> str:
    return str(answers.get(question.id, {}).get("answer", ""))


def _ended(answers: Answers, question: Question) -> str:
    return str(answers.get(question.id, {}).get("ended", "not asked"))


def _cost(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    held = list(lines)
    sums = {
        key: sum(line.get(key, 0) for line in held) for key in ("calls", "errors", "prompt_tokens", "completion_tokens")
    }
    return {
        "answers": len(held),
        **sums,
        "estimated": any(line.get("estimated") for line in held),
        "price": round(sum(line.get("price", 0.0) for line in held), 6),
        "seconds": round(sum(line.get("seconds", 0.0) for line in held), 3),
    }


def _best_letter(questions: Sequence[Question]) -> tuple[str, int]:
    counts = Counter(question.answer for question in questions)
    return max(sorted(counts.items()), key=lambda pair: pair[1])


def _constant(pairs: Sequence[tuple[int, str]], sizes: Sequence[int]) -> list[float]:
    """1 for each question that its size's best constant letter gets right, else 0."""
    best = {}
    for size in sizes:
        counts = Counter(letter for held, letter in pairs if held == size)
        best[size] = max(sorted(counts.items()), key=lambda pair: pair[1])[0]
    return [float(best[size] == letter) for size, letter in pairs]


def _shuffled(questions: Sequence[Question], seed: int) -> list[tuple[int, str]]:
    """(options, letter of the right one) after the options of each question were shuffled."""
    rng = random.Random(f"options {seed}")
    return [(len(question.options), rng.choice(question.letters)) for question in questions]
