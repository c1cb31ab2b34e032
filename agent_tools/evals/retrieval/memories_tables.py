"""Memories compared, as a Markdown table and as a plot of right answers over tokens.

Pillow draws the plot, so no plotting library is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 420, 60, 24, 490, 56  # of the diagram, and around it, in pixels
COLOURS = (
    "#a0aec0", "#cbd5e0", "#718096", "#b7791f", "#c05621", "#319795", "#2b6cb0",
    "#63b3ed", "#6b46c1", "#b83280", "#2f855a", "#68d391", "#e53e3e",
)  # fmt: skip


def memories_markdown(report: Mapping[str, Any]) -> str:
    """Two tables: every way at every budget, and ten queries one by one."""
    budgets = [point[0] for point in report["rows"][0]["points"]]
    lines = [
        f"{report['questions']} questions about the hour with the {report['film']} transcript ({report['lines']:,} "
        f"lines, {report['chunks']} chunks). Right: the answer is among what is shown within so many tokens. A frame "
        f"takes {report['frame_tokens']} and shows nothing of what is said.",
        "",
        f"| what is shown | memory | {' | '.join(f'{budget:,}' for budget in budgets)} | ms a question |",
        "|---|---|" + "---|" * (len(budgets) + 1),
    ]
    for row in report["rows"]:
        right = " | ".join(str(point[2]) for point in row["points"])
        lines.append(f"| {row['way']} | {'yes' if row['memory'] else 'no'} | {right} | {row['ms']:.0f} |")
    ways = list(report["ten"][0]["shown"])
    lines += [
        "",
        "Ten of them, within 2,000 tokens: the rank of the answer, and the tokens of all that is shown up to it (- "
        "where it is not among them).",
        "",
        f"| query | {' | '.join(ways)} |",
        "|---" * (len(ways) + 1) + "|",
    ]
    for one in report["ten"]:
        cells = [
            f"{s['rank']} ({s['tokens']:,})" if s["rank"] else f"- ({s['tokens']:,})" for s in one["shown"].values()
        ]
        lines.append(f"| {one['query']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw_memories(report: Mapping[str, Any], path: Path) -> None:
    """Write a PNG: share of right answers over the tokens shown, which double from tick to tick; a line a way."""
    image = Image.new("RGB", (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    budgets = [point[0] for point in report["rows"][0]["points"]]
    low, high = math.log2(budgets[0] / 2), math.log2(budgets[-1])

    def at(tokens: float, share: float) -> tuple[float, float]:
        along = (math.log2(max(tokens, 2**low)) - low) / (high - low)
        return LEFT + along * WIDTH, TOP + (1 - share) * HEIGHT

    pen.rectangle([at(2**low, 1), at(2**high, 0)], outline="black")
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.line([at(2**low, tick), at(2**high, tick)], fill="#dddddd")
        pen.text((LEFT - 8, at(2**low, tick)[1]), f"{tick:.0%}", fill="black", font=font, anchor="rm")
    for budget in budgets:
        pen.text((at(budget, 0)[0], TOP + HEIGHT + 8), f"{budget:,}", fill="black", font=font, anchor="mt")
    said = f"tokens shown; upwards: share of {report['questions']} questions whose answer is among them"
    pen.text((LEFT + WIDTH / 2, TOP + HEIGHT + 32), said, fill="black", font=font, anchor="mt")
    for number, row in enumerate(report["rows"]):
        colour = COLOURS[number % len(COLOURS)]
        points = [at(tokens, right / report["questions"]) for _, tokens, right in row["points"]]
        pen.line(points, fill=colour, width=2 if row["memory"] else 1)
        for x, y in points:
            pen.ellipse([x - 4, y - 4, x + 4, y + 4], fill=colour if row["memory"] else "white", outline=colour)
        height = TOP + 12 + 22 * number
        pen.rectangle([LEFT + WIDTH + 16, height - 5, LEFT + WIDTH + 32, height + 5], fill=colour)
        pen.text((LEFT + WIDTH + 40, height), row["way"], fill="black", font=font, anchor="lm")
    image.save(path)
