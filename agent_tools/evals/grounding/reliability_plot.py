"""A reliability diagram: stated confidence against the share that was right, with the interval of each bin.

Pillow draws it, so no plotting library is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from agent_tools.grounding import Bin

SIDE, MARGIN, COUNTS = 480, 64, 90  # of the diagram, around it, and for the bars of counts below, in pixels


def draw_reliability(bins: Sequence[Bin], path: Path) -> None:
    """Write a PNG: the diagonal is perfect; a dot per bin with its 95 % interval, and below how many fell into it."""
    image = Image.new("RGB", (SIDE + 2 * MARGIN, SIDE + 2 * MARGIN + COUNTS), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)

    def at(x: float, y: float) -> tuple[float, float]:
        return MARGIN + x * SIDE, MARGIN + (1 - y) * SIDE

    draw.rectangle([at(0, 1), at(1, 0)], outline="black")
    draw.line([at(0, 0), at(1, 1)], fill="#999999", width=2)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        draw.text(at(tick, -0.02), f"{tick:g}", fill="black", font=font, anchor="mt")
        draw.text(at(-0.02, tick), f"{tick:g}", fill="black", font=font, anchor="rm")
    draw.text(at(0.5, -0.075), "p(present) said", fill="black", font=font, anchor="mt")
    draw.text(
        at(0.5, 1.03), "share of them present, 95 % interval; bars: how many", fill="black", font=font, anchor="mb"
    )
    most = max((one.n for one in bins), default=0) or 1
    floor = MARGIN + SIDE + COUNTS + MARGIN - 8
    for one in bins:
        if not one.n or one.mean is None or one.right is None or one.right_low is None or one.right_high is None:
            continue
        draw.line([at(one.mean, one.right_low), at(one.mean, one.right_high)], fill="#2b6cb0", width=3)
        x, y = at(one.mean, one.right)
        draw.ellipse([x - 6, y - 6, x + 6, y + 6], fill="#2b6cb0")
        left, right = at(one.low, 0)[0] + 4, at(one.high, 0)[0] - 4
        top = floor - one.n / most * (COUNTS - 20)
        draw.rectangle([left, top, right, floor], fill="#a0aec0")
        draw.text(((left + right) / 2, top - 2), str(one.n), fill="black", font=font, anchor="mb")
    image.save(path)
