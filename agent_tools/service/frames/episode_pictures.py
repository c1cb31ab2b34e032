"""What the pictures of episodes say: how long each one stands still, and which earlier episode shows the same."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.service.library.library import Library

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.store import Episode

LEAST_STOOD_S = 4.0  # a picture that stands shorter is a moment of motion


@dataclass(frozen=True)
class EpisodePicture:
    """Of an episode's keyframe."""

    stood_s: float | None = None  # how long it stands still within the episode; None where it moves
    same_as: int | None = None  # the first of the earlier episodes whose keyframe looks like it


def episode_pictures(library: Library, video_id: str, episodes: Sequence[Episode]) -> list[EpisodePicture]:
    """One for each episode of one level, in time order; empty ones where there are no pictures."""
    from agent_tools.compression import first_alike, state_around
    from agent_tools.ingestion.picture_vectors import PictureRows

    row = library.store.channel(video_id, "frames")
    if row is None or not row.producer or not any(one.keyframe_s is not None for one in episodes):
        return [EpisodePicture() for _ in episodes]
    rows = PictureRows(library.store, video_id, row.producer)
    found: list[EpisodePicture] = []
    shown: list[tuple[int, NDArray[np.float32]]] = []  # number of the episode that showed a picture first, its vector
    for number, episode in enumerate(episodes):
        first, last = (bisect.bisect_left(rows.times_s, at) for at in (episode.start_s, episode.end_s))
        if episode.keyframe_s is None or first >= last:
            found.append(EpisodePicture())
            continue
        features = rows[first:last]
        key = min(last - 1, max(first, bisect.bisect_right(rows.times_s, episode.keyframe_s) - 1)) - first
        begun, after = state_around(features, key)
        ends_s = rows.times_s[first + after] if first + after < last else episode.end_s
        stood_s = ends_s - rows.times_s[first + begun] if after - begun > 1 else 0.0
        same = first_alike([vector for _, vector in shown], features[key])
        if same is None:
            shown.append((number, features[key]))
        found.append(
            EpisodePicture(stood_s if stood_s >= LEAST_STOOD_S else None, None if same is None else shown[same][0])
        )
    return found
