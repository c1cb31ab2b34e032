"""The figures of `python -m lab.train` as Markdown; a part that was not measured is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FORGOTTEN, REMEMBERED = "right, span forgotten", "right, span kept"  # as agent_tools.training.memaug names them
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
    if searches := made.get("searches"):
        lines += ["", f"The recursion read {searches['frames_read']:.0%} of the frames.", ""]
        lines += ["| search with the adapter of all stages | R@1 at IoU .3 |", "|---|---|"]
        lines += [f"| {name} | {_cell(one)} |" for name, one in searches["R@1 at 0.3"].items()]
    if memories := made.get("memories"):
        said = (
            f"A memaug is right if its likeliest token is within 8 s of the span; {made['size']['memory_steps']} steps."
        )
        lines += ["", said, ""]
        lines += ["| trained on | right, span forgotten | right, span kept | forgotten, by seed |", "|---|---|---|---|"]
        for name, row in memories.items():
            cells = [_cell(row[key]) for key in (FORGOTTEN, REMEMBERED)]
            lines.append(f"| {name} | {' | '.join(cells)} | {_each(row[FORGOTTEN]['by_seed'])} |")
    return "\n".join(lines)


def _each(values: Sequence[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in values)


def _cell(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
