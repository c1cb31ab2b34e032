"""The part of a picture that a look is about: [x, y, width, height], in shares of the frame or in pixels."""

from __future__ import annotations

from collections.abc import Sequence

from agent_tools.errors import InvalidArgument

SLACK = 1e-9


def check_region(region: Sequence[float] | None) -> None:
    """Raises: InvalidArgument: not four numbers that name a part of a frame, in shares or in pixels."""
    if region is None:
        return
    good = len(region) == 4 and all(value >= 0 for value in region) and region[2] > 0 and region[3] > 0
    if good and _in_pixels(region):
        good = not any(0 < value < 1 for value in region)
    elif good:
        good = region[0] + region[2] <= 1 + SLACK and region[1] + region[3] <= 1 + SLACK
    if not good:
        raise InvalidArgument(f"region is {list(region)}; it must be [x, y, w, h] in 0..1, such as [0.5, 0, 0.5, 0.5].")


def region_as_shares(
    region: Sequence[float] | None, width: int | None, height: int | None
) -> tuple[Sequence[float] | None, str]:
    """The region in shares of the frame, and a note where it could not be used.

    Args:
        region: as check_region lets it pass.
        width, height: of the frame, in pixels, where they are known.
    Raises: InvalidArgument: in pixels, and wholly outside the frame.
    """
    if region is None or not _in_pixels(region):
        return region, ""
    if not width or not height:
        return None, "region is in pixels and the frame's size is not known: it was not used. Give shares from 0 to 1."
    left, top = region[0] / width, region[1] / height
    right, bottom = min(1.0, left + region[2] / width), min(1.0, top + region[3] / height)
    if right <= left or bottom <= top:
        raise InvalidArgument(f"region {list(region)} lies outside the frame, which has {width} x {height} pixels.")
    return [left, top, right - left, bottom - top], ""


def _in_pixels(region: Sequence[float]) -> bool:
    return any(value > 1 for value in region)
