"""When to look: sampling times for a duration, and the sentence that tells a model those times.

The number of frames in the file does not count: if there are fewer, the caller takes the nearest ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite

from agent_tools.errors import InvalidArgument, TokenBudgetError


def sample_times(duration_s: float, fps: float = 1.0, t_min: int = 64, t_max: int = 512, clip: int = 4) -> list[float]:
    """Return the midpoints, in seconds, of equal intervals of the duration: for overviews and model inputs.

    The number of frames is duration_s * fps held between t_min and t_max, then rounded down to a multiple of clip
    (at least one clip): 10, 70, 511 and 3600 s give 64, 68, 508 and 512.
    Source: VideoChat-Flash, duration-based sampling (paper and released code agree). Differs: the released code
    takes no more frames than the file holds; here the decoder gives the frames nearest to the times.
    Not for ingestion, which looks at every second however long the video is.
    Raises: InvalidArgument: duration_s or fps is not a positive number. TokenBudgetError: t_min, t_max or clip
        is below 1, t_min is above t_max, or clip is above t_max.
    """
    if not (isfinite(duration_s) and duration_s > 0 and isfinite(fps) and fps > 0):
        raise InvalidArgument(f"duration_s {duration_s} and fps {fps} must be positive numbers.")
    if not (1 <= t_min <= t_max and 1 <= clip <= t_max):
        raise TokenBudgetError(
            f"t_min {t_min}, t_max {t_max}, clip {clip}: need 1 <= t_min <= t_max, 1 <= clip <= t_max."
        )
    wanted = min(t_max, max(floor(duration_s * fps + 1e-9), t_min))  # 1e-9: 0.1 * 30 must not lose a frame
    count = max(clip, wanted // clip * clip)
    return [duration_s * (2 * index + 1) / (2 * count) for index in range(count)]


def timestamp_prompt(duration_s: float, times: Sequence[float]) -> str:
    """Return the sentence a video model reads before its frames: duration, number of frames, the seconds.

    Source: VideoChat-Flash, timestamp prompt, long form (also Hour-LLaVA). Differs: our own words, and the frames
    are not called uniform because pruned frames are not.
    Raises: InvalidArgument: the duration is negative or not finite, or a time is not finite.
    """
    if not (isfinite(duration_s) and duration_s >= 0 and all(isfinite(time) for time in times)):
        raise InvalidArgument(f"duration_s {duration_s} and every time must be finite, the duration not negative.")
    head = f"The video lasts {duration_s:.2f} seconds"
    if not len(times):
        return f"{head}. No frames of it follow."
    noun = "frame" if len(times) == 1 else "frames"
    return f"{head}. Of it {len(times)} {noun} follow, taken at these seconds: {', '.join(f'{t:.2f}' for t in times)}."
