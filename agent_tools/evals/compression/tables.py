"""Reports of compression as Markdown tables."""

from __future__ import annotations

from typing import Any


def markdown(report: dict[str, Any]) -> str:
    """A report of `compression` or `compare` as Markdown."""
    return _compared(report) if "judges" in report else _stepped(report)


def _stepped(report: dict[str, Any]) -> str:
    lines = [
        f"{report['clips']} clips as one reel of {report['frames']:,} frames, {report['events']} events, "
        f"{report['texts']} texts on screen. Judge of redundancy: {report['judge']}. Tokens of the steps in space: "
        f"{report['tokens_are']}. Likeness: mean cosine of a dropped frame to the likest one that is kept, and of a "
        "dropped token to what stands for it.",
        "",
        "| step | frames | tokens | of naive | CPU s | events kept | texts kept | likeness of what is gone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    naive = report["steps"][0]["tokens"]
    for row in report["steps"]:
        name = row["step"]
        if "high_frames" in row:
            name += f" ({row['high_frames']} of {row['frames']} frames fine, for a context of {report['context']:,})"
        took = f"{row['seconds']:.2f}" if row["seconds"] else "-"
        lines.append(
            f"| {name} | {row['frames']:,} | {row['tokens']:,} | {row['tokens'] / naive:.1%} | {took} "
            f"| {_share(row['events'])} | {_share(row['texts'])} | {_number(row['likeness'])} |"
        )
    fine = next(row for row in report["steps"] if "high_frames" in row)
    lines += [
        "",
        f"Asked with a picture of the moment, the fine grid shows {_share(fine['high_events'])} of the events "
        f"and {_share(fine['high_texts'])} of the texts.",
    ]
    return "\n".join(lines)


def _compared(report: dict[str, Any]) -> str:
    lines = [
        f"{report['clips']} clips, {report['frames']:,} frames, {report['events']} events, {report['texts']} texts on "
        "screen.",
        "",
        "| judge | at | threshold | frames kept | share | events kept | texts kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        lines.append(
            f"| {row['judge']} | {row['at']} | {_number(row['threshold'])} | {row['kept']:,} | {row['share']:.1%} "
            f"| {_share(row['events'])} | {_share(row['texts'])} |"
        )
    lines += [
        "",
        f"Samplers at equal budgets, over the features of {report['judges'][0]}:",
        "",
        "| sampler | at most | events kept | texts kept |",
        "|---|---|---|---|",
    ]
    for row in report["samplers"]:
        budget = f"{row['budget']:,} frames of {row['of']}"
        lines.append(f"| {row['sampler']} | {budget} | {_share(row['events'])} | {_share(row['texts'])} |")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
