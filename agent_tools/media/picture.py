"""One decoded picture, turned and stretched as it is displayed, in any size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import av
import av.video.reformatter
import numpy as np

from agent_tools.errors import InvalidArgument
from agent_tools.media import tone
from agent_tools.media.picture_files import Pixels, jpeg
from agent_tools.media.streams import display_size

_SIZES_KEPT = 8  # scalers kept per pass; a pass needs two or three sizes
# swscale widens the filter when it shrinks a picture, so bilinear does not alias; it costs 1/4 less than bicubic.
_FAST = av.video.reformatter.Interpolation.BILINEAR
_SHARP = av.video.reformatter.Interpolation.BICUBIC

# Matrices between RGB and the coded picture that swscale reads (ITU-T H.273). Others, such as YCgCo and the ICtCp of
# Dolby Vision, are read as the usual one: their first plane is light too, so shapes and letters are right, colours not.
_BT709, _BT2020 = 1, 9
_MATRICES = frozenset({0, _BT709, 2, 4, 5, 6, 7, _BT2020})


class Scaler:
    """swscale with one prepared context per size. Only one thread may use it at a time."""

    def __init__(self) -> None:
        self._prepared: OrderedDict[tuple[int, int, str, int], av.video.reformatter.VideoReformatter] = OrderedDict()

    def scaled(self, frame: Any, width: int, height: int, form: str, how: int) -> Pixels:
        """The coded picture as (H, W, 3) for "rgb24" or (H, W) for "gray"; HDR as it looks on an ordinary screen."""
        key = (width, height, form, how)
        reformatter = self._prepared.pop(key, None) or av.video.reformatter.VideoReformatter()
        self._prepared[key] = reformatter
        while len(self._prepared) > _SIZES_KEPT:
            self._prepared.popitem(last=False)
        curve = int(frame.color_trc)
        if int(frame.colorspace) not in _MATRICES:
            frame.colorspace = _BT2020 if curve in (tone.PQ, tone.HLG) else _BT709
        if curve in (tone.PQ, tone.HLG):
            deep = reformatter.reformat(frame, width, height, format="rgb48le", interpolation=how, threads=1)
            rgb = tone.to_sdr(np.asarray(deep.to_ndarray(), np.uint16), curve)
            return tone.luma(rgb) if form == "gray" else rgb
        small = reformatter.reformat(frame, width, height, format=form, interpolation=how, threads=1)
        return np.asarray(small.to_ndarray(), dtype=np.uint8)


class Picture:
    """A picture as displayed. It holds the decoder's frame, so keep arrays or JPEGs and not many Pictures."""

    def __init__(self, frame: Any, aspect: float = 1.0, scaler: Scaler | None = None) -> None:
        self._frame = frame
        self._turns = round(frame.rotation / 90) % 4  # quarter turns anticlockwise
        self._scaler = scaler or Scaler()
        self.width, self.height = display_size(frame.width, frame.height, aspect, frame.rotation)

    def rgb(self, width: int, height: int) -> Pixels:
        """(height, width, 3) uint8, stretched to exactly that size."""
        return self._scaled(width, height, "rgb24", _FAST)

    def gray(self, width: int, height: int) -> Pixels:
        """(height, width) uint8 luma of full range, stretched to exactly that size."""
        return self._scaled(width, height, "gray", _FAST)

    def fit(self, long_side: int) -> Pixels:
        """(H, W, 3) uint8 whose longer side is at most long_side px; a picture is never enlarged."""
        width, height = fit_size(self.width, self.height, long_side)
        return self._scaled(width, height, "rgb24", _SHARP)

    def jpeg(self, long_side: int, quality: int = 85) -> bytes:
        """The picture as `fit` gives it, as JPEG (quality 1..95)."""
        return jpeg(self.fit(long_side), quality)

    def _scaled(self, width: int, height: int, form: str, how: int) -> Pixels:
        if width < 1 or height < 1:
            raise InvalidArgument(f"{width}x{height} is not a picture size: both sides must be at least 1 px.")
        if self._turns % 2:
            width, height = height, width
        array = self._scaler.scaled(self._frame, width, height, form, how)
        return np.ascontiguousarray(np.rot90(array, self._turns)) if self._turns else array


def fit_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """The size with the same aspect whose longer side is at most long_side px; never larger than width x height."""
    if long_side < 1:
        raise InvalidArgument(f"long_side is {long_side} px; it must be at least 1 px.")
    factor = min(1.0, long_side / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def crop(rgb: Pixels, region: Sequence[float]) -> Pixels:
    """The part [x, y, w, h] of a picture, each a share of its width or height in 0..1.

    Raises: InvalidArgument: the region is not four numbers in 0..1, is empty, or reaches outside.
    """
    if len(region) != 4 or not all(0 <= value <= 1 for value in region):
        raise InvalidArgument(f"region {list(region)} is not [x, y, w, h] with each in 0..1, e.g. [0.5, 0, 0.5, 0.5].")
    x, y, w, h = region
    if w <= 0 or h <= 0 or x + w > 1 + 1e-9 or y + h > 1 + 1e-9:
        raise InvalidArgument(
            f"region {list(region)} is empty or reaches outside: w and h must be above 0, x + w and y + h at most 1."
        )
    height, width = rgb.shape[:2]
    left, top = min(int(x * width), width - 1), min(int(y * height), height - 1)
    right, bottom = max(left + 1, round((x + w) * width)), max(top + 1, round((y + h) * height))
    return np.ascontiguousarray(rgb[top:bottom, left:right])
