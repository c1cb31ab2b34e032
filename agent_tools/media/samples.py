"""Pictures on a regular grid of times, in one streaming pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent_tools.errors import InvalidArgument
from agent_tools.media.damage import Damage
from agent_tools.media.decoder import decode
from agent_tools.media.packets import TIME_EPS, Grid
from agent_tools.media.picture import Picture, Scaler
from agent_tools.media.streams import Probe


@dataclass(frozen=True)
class Sample:
    """The picture on screen at time_s."""

    k: int  # index on the grid: time_s = k / fps, but for a file's last picture; see sample
    time_s: float
    pts_s: float  # when that picture came on screen
    picture: Picture


def sample(
    probe: Probe,
    fps: float = 1.0,
    start_s: float = 0.0,
    end_s: float | None = None,
    on_damage: Callable[[Damage], None] | None = None,
    threads: int = 0,
) -> Iterator[Sample]:
    """The picture on screen at each k / fps in [start_s, end_s): the last one whose time is not after it, as
    `ffmpeg -vf fps=FPS:round=up` shows. Times without a readable picture are left out and reported as damage.

    Where pictures stand for a step or longer, as in a screen recording that keeps changes alone, the last picture of
    the file may come after the last time of the grid. It is given too, at the time it came.

    Memory does not grow with the length. A pass from start_s gives the same pictures as a pass from 0.
    Args:
        fps: grid points per second, above 0.
        end_s: None = to the end of the pictures.
        on_damage: called with each unreadable or damaged span, clipped to [start_s, end_s), after the pass reaches it.
        threads: decoder threads, 0 = as many as cores.
    Raises: InvalidArgument: fps is not a positive number.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise InvalidArgument(f"fps {fps} is not a sampling rate: it must be above 0, e.g. 1.")
    video = probe.video
    if video is None:
        return
    from_s, to_s = max(0.0, start_s), math.inf if end_s is None else end_s

    def clipped(damage: Damage) -> None:
        start, end = max(damage.start_s, from_s), min(damage.end_s, to_s)
        if on_damage is not None and end > start:
            on_damage(Damage(start, end, damage.why))

    scaler = Scaler()
    grid = Grid(fps, to_s)
    for shown in decode(probe, grid, math.ceil(from_s * fps - TIME_EPS), clipped, threads):
        picture = Picture(shown.frame, video.pixel_aspect, scaler)
        yield Sample(shown.number, shown.time_s, shown.pts_s, picture)
