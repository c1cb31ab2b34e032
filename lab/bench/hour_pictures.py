"""The pictures of the assembled hour, one a second, as assemble.py lays the clips out: no film is coded.

It takes seconds, where the film itself (lab.bench.assembled) takes minutes of all cores. What differs is the noise of
the coding, and by a tenth of a second when a picture is taken."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from agent_tools.media import probe, sample
from agent_tools.timeline import Span
from lab.bench.assembled import FILLER, SHARED_VIDEOS

GRID = 10  # pictures a second of the film
WIDE = 320  # px of the pictures that are held; the film has twice as many
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Placed:
    """A clip in the film: its first picture, their number, and how it is changed."""

    entry: dict[str, Any]  # of the manifest
    first: int  # on the grid
    count: int
    mirrored: bool = False
    crop: float = 1.0  # share of each side that is left
    filler: bool = False

    def spans(self, kind: str) -> list[Span]:
        """The clip's events or texts, in the film's time; none of a filler."""
        start_s, length_s = self.first / GRID, self.count / GRID
        rows = [] if self.filler else self.entry.get(kind) or []
        return [
            Span(round(row["start_s"] + start_s, 2), round(min(row["end_s"], length_s) + start_s, 2))
            for row in rows
            if row.get("end_s")
        ]


def layout(seconds: int = 3600, videos: Path = SHARED_VIDEOS, seed: int = 1) -> list[Placed]:
    """The clips in the order and with the changes that assemble.py draws with this seed."""
    rng = random.Random(seed)
    listed = json.loads((videos / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    clips = [entry for entry in listed if entry["folder"] == "dev" and entry["width"]]
    asked = [entry for entry in clips if entry["name"] not in FILLER]
    rng.shuffle(asked)
    fillers = [entry for entry in clips if entry["name"] in FILLER]
    between_s = max(0.0, seconds - sum(entry["duration_s"] for entry in asked)) / (len(asked) + 1)
    found: list[Placed] = []
    first = 0
    for entry in (*asked, None):
        left_s = between_s
        while left_s > 1:
            filler = rng.choice(fillers)
            taken_s = min(left_s, filler["duration_s"])
            mirrored, crop = rng.random() < 0.5, rng.uniform(0.8, 1)
            count = min(_count(filler), math.ceil(taken_s * GRID))
            found.append(Placed(filler, first, count, mirrored, crop, filler=True))
            first, left_s = first + count, left_s - taken_s
        if entry is not None:
            found.append(Placed(entry, first, _count(entry)))
            first += found[-1].count
    return found


def pictures(placed: list[Placed], size: tuple[int, int], videos: Path = SHARED_VIDEOS) -> Iterator[Pixels]:
    """One picture (H, W, 3) for each second of the film; `size` is (W, H), 16:9."""
    for one in placed:
        held = _held(videos / "dev" / one.entry["name"])
        for k in range(-one.first % GRID, one.count, GRID):
            picture = Image.fromarray(held[min(k, len(held) - 1)])
            if one.mirrored:
                picture = ImageOps.mirror(picture)
            if one.crop < 1:
                picture = picture.crop((0, 0, int(picture.width * one.crop), int(picture.height * one.crop)))
            yield np.asarray(ImageOps.pad(picture, size, Image.Resampling.BOX))


@lru_cache(maxsize=len(FILLER) + 1)
def _held(path: Path) -> Pixels:
    """The clip's pictures on the grid."""
    opened = probe(path.resolve())
    video = opened.video
    assert video is not None, path
    high = max(2, round(WIDE * video.height / video.width))
    return np.stack([shown.picture.rgb(WIDE, high) for shown in sample(opened, fps=float(GRID), threads=1)])


def _count(entry: dict[str, Any]) -> int:
    """How many pictures of a clip come onto the grid."""
    decoded: dict[str, float] = entry["decode"]
    return math.floor((decoded["last_pts_s"] - decoded["first_pts_s"]) * GRID + 1e-5) + 1
