"""Bounds of what pictures show, to an eighth of a second: the second between two looked-at frames is opened and halved.

It needs one span that pictures found, and the vector of the event's text. The looker opens the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_tools.service.library.library import Library, VideoSpan

if TYPE_CHECKING:
    from agent_tools.grounding import Proposal
    from agent_tools.service.verdicts.picture_evidence import PictureEvidence

HALVINGS = 3  # of the time between two frames: an eighth is left
LONG_SIDE = 512  # px of a picture that is decoded for this
LEAST_STEP = 0.25  # of the frames' deviation: two frames at a bound that differ less show no bound


@dataclass
class _Bound:
    """A moment between a picture that shows the event and one that does not."""

    inside_s: float
    outside_s: float
    between: float  # score that divides them

    @property
    def middle_s(self) -> float:
        return (self.inside_s + self.outside_s) / 2


def refine_bounds(
    library: Library, scope: VideoSpan, found: Proposal, seen: PictureEvidence, check: Callable[[], None]
) -> Proposal:
    """The span with bounds as its own pictures tell them; as it was where the file is gone or a bound is not seen.

    Args:
        check: raises where the call was cancelled.
    Raises: EngineError: the file cannot be decoded."""
    paths = library.sources(scope.video.id)
    start, end = _bound(seen, found.start_s, -1), _bound(seen, found.end_s, +1)
    bounds = [bound for bound in (start, end) if bound is not None]
    if not paths or not bounds:
        return found
    for _ in range(HALVINGS):
        times = [bound.middle_s for bound in bounds]
        shots = library.looker.pictures(paths[0], times, long_side=LONG_SIDE, check=check)
        for bound, shot in zip(bounds, shots, strict=True):
            if shot is None:
                return found
            if _score(library, seen, shot.jpeg) >= bound.between:
                bound.inside_s = bound.middle_s
            else:
                bound.outside_s = bound.middle_s
    start_s = found.start_s if start is None else start.inside_s
    end_s = found.end_s if end is None else end.outside_s
    return replace(found, start_s=start_s, end_s=end_s) if start_s < end_s else found


def _bound(seen: PictureEvidence, bound_s: float, side: int) -> _Bound | None:
    """The two looked-at frames around a bound; None at the video's ends and where the two look alike."""
    place = next((i for i, (time_s, _) in enumerate(seen.looked_at) if time_s >= bound_s - 1e-6), None)
    if not place:
        return None
    before, after = seen.looked_at[place - 1], seen.looked_at[place]
    inside, outside = (after, before) if side < 0 else (before, after)
    if inside[1] - outside[1] < LEAST_STEP * seen.deviation:
        return None
    return _Bound(inside[0], outside[0], (inside[1] + outside[1]) / 2)


def _score(library: Library, seen: PictureEvidence, jpeg: bytes) -> float:
    import numpy as np
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    return seen.of(float(library.models.picture_vectors(picture[None])[0] @ seen.event))
