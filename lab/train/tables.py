"""The figures of `python -m lab.train` as Markdown; a part that was not measured is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.train.verdicts import FORGOTTEN, ROWS, of_memories, of_rows, table

REMEMBERED = "right, span kept"  # as agent_tools.training.memaug names it
NEAR = "8 s, or four of the frames that are read of a long film,"
NAMES = ("R@1 at IoU .3", "R@1 at IoU .5", "named, absent look-alike", "named, another absent event")
COLUMNS = ("R@1 at 0.3", "R@1 at 0.5", "named, alike", "named, other", "calibration error")


def markdown(made: dict[str, Any]) -> str:
    lines = [
        f"{made['films']} drawn films, {made['hours']} hours, {made['pairs']['train']['pairs']} pairs to train on; "
        f"{made['seeds']} seeds; {made['asked']['R@1 at 0.3']} present events and twice "
        f"{made['asked']['named, alike']} absent ones of held-out films, asked by paraphrases that people wrote. No "
        "real image-text weights: the encoder is a small SigLIP trained on the drawn world. "
        f"`{made['command']}`, {made['date']}, {made['cpu_s'] / 60:.0f} CPU minutes of one core.",
        "",
        "| | R@1 at IoU .3 | R@1 at IoU .5 | a span is named for an absent look-alike | for another absent event "
        "| calibration error | R@1 at .3 by seed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in made["rows"].items():
        cells = [_cell(row.get(key)) for key in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} | {_each(row['by_seed'])} |")
    if differences := made.get("apart"):
        lines += ["", "The same queries in two rows: a row minus all stages, with the paired 95 % interval.", ""]
        lines += [f"| a row minus all stages | {' | '.join(NAMES)} |", "|---" * (1 + len(NAMES)) + "|"]
        lines += [
            f"| {name} | {' | '.join(_signed(row[key]) for key in COLUMNS[: len(NAMES)])} |"
            for name, row in differences.items()
        ]
    if tool := made.get("served"):
        lines += [
            "",
            f"The tool itself, asked by an MCP client over pictures alone: {tool['queries']} present events.",
            "",
        ]
        lines += ["| | R@1 at IoU .3 | R@1 at IoU .5 |", "|---|---|---|"]
        lines += [
            f"| {name} | {' | '.join(_cell(row[key]) for key in COLUMNS[:2])} |" for name, row in tool["rows"].items()
        ]
        lines.append(f"| the difference, paired | {' | '.join(_signed(tool['apart'][key]) for key in COLUMNS[:2])} |")
    if searches := made.get("searches"):
        lines += ["", f"The recursion read {searches['frames_read']:.0%} of the frames.", ""]
        lines += ["| search with the adapter of all stages | R@1 at IoU .3 |", "|---|---|"]
        lines += [f"| {name} | {_cell(one)} |" for name, one in searches["R@1 at 0.3"].items()]
    if judged := table(of_rows(made)):
        lines += [
            "",
            "Claims, each by the difference that speaks for it, with its 95 % interval (paired).",
            "",
            *judged,
        ]
    if made.get("memories"):
        lines += ["", *_memories(made)]
    if missing := _missing(made):
        lines += ["", f"This run did not measure: {'; '.join(missing)}."]
    return "\n".join(lines)


def _missing(made: dict[str, Any]) -> list[str]:
    """What a whole run has, and this one has not."""
    rows = dict.fromkeys(row for _, row, _, _ in ROWS if row not in made["rows"])
    parts = {
        "searches": "frames read by the recursion beside the flat search, and ranking by entropy beside the cosine",
        "served": "ground_event asked by an MCP client",
        "memories": "memaugs with and without memory, on short and on whole videos",
    }
    return ([f"the rows {', '.join(rows)}"] if rows else []) + [
        said for part, said in parts.items() if not made.get(part)
    ]


def _memories(made: dict[str, Any]) -> list[str]:
    """What memaugs found in the same held-out films."""
    memories = made["memories"]
    asked = max(row["queries"] for row in memories.values())
    lines = [
        f"A memaug is right if its likeliest token is within {NEAR} of the span. {made['size']['memory_steps']} steps "
        f"for each row; {asked} held-out sentences of the archive.",
        "",
        "| trained on | right, span forgotten | right, span kept | forgotten, by seed |",
        "|---|---|---|---|",
    ]
    for name, row in memories.items():
        cells = [_cell(row[key]) for key in (FORGOTTEN, REMEMBERED)]
        lines.append(f"| {name} | {' | '.join(cells)} | {_each(row[FORGOTTEN]['by_seed'])} |")
    return [*lines, "", *table(of_memories(memories))]


def _each(values: Sequence[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in values)


def _signed(value: dict[str, float]) -> str:
    return f"{value['value']:+.2f} ({value['low']:+.2f} to {value['high']:+.2f})"


def _cell(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
