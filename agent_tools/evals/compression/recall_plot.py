"""A plot of what is still seen against its cost: a line per judge and per sampler.

Pillow draws it, so no plotting library is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from agent_tools.budget import naive_tokens

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 420, 60, 24, 300, 56  # of the diagram, and around it, in pixels
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#4a5568", "#975a16", "#285e61")

Point = tuple[float, float]  # share of the frames, share of the events


def lines(report: Mapping[str, Any]) -> dict[str, list[Point]]:
    """The points of each line by its name, in order of cost, from a report of comparing.compare."""
    found: dict[str, list[Point]] = {}
    for row in report["rows"]:
        if row["events"] is not None:
            name = row["judge"].partition(" (")[0]
            found.setdefault("uniform" if name == "uniform" else f"pruned by {name}", []).append(
                (row["share"], row["events"])
            )
    for row in report["samplers"]:
        if row["of"] == "all clips as one reel" and row["events"] is not None:
            share = row["budget"] / report["frames"] if row["share"] is None else row["share"]
            name = row["sampler"].partition(",")[0]
            name = name if name == "uniform" else f"sampler: {name}"
            found.setdefault(name, []).append((share, row["events"]))
    return {name: sorted(set(points)) for name, points in found.items()}


def draw_recall(report: Mapping[str, Any], path: Path) -> None:
    """Write a PNG: events still seen over the frames kept, with the tokens that the frames cost at 256 each."""
    image = Image.new("RGB", (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)

    def at(point: Point) -> Point:
        return LEFT + point[0] * WIDTH, TOP + (1 - point[1]) * HEIGHT

    pen.rectangle([at((0, 1)), at((1, 0))], outline="black")
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.line([at((0, tick)), at((1, tick))], fill="#dddddd")
        pen.text((LEFT - 8, at((0, tick))[1]), f"{tick:.0%}", fill="black", font=font, anchor="rm")
        tokens = naive_tokens(round(tick * report["frames"]))
        pen.text((at((tick, 0))[0], TOP + HEIGHT + 8), f"{tokens / 1000:,.0f}k", fill="black", font=font, anchor="mt")
    said = f"tokens of the frames kept, of {report['frames']:,} frames; upwards: events still seen"
    pen.text((LEFT + WIDTH / 2, TOP + HEIGHT + 32), said, fill="black", font=font, anchor="mt")
    for number, (name, points) in enumerate(lines(report).items()):
        _line(pen, [at(point) for point in points], COLOURS[number % len(COLOURS)])
        height = TOP + 20 + 24 * number
        pen.rectangle(
            [LEFT + WIDTH + 16, height - 5, LEFT + WIDTH + 32, height + 5], fill=COLOURS[number % len(COLOURS)]
        )
        pen.text((LEFT + WIDTH + 40, height), name, fill="black", font=font, anchor="lm")
    image.save(path)


def _line(pen: ImageDraw.ImageDraw, points: Sequence[Point], colour: str) -> None:
    if len(points) > 1:
        pen.line(list(points), fill=colour, width=2)
    for x, y in points:
        pen.ellipse([x - 4, y - 4, x + 4, y + 4], fill=colour)
