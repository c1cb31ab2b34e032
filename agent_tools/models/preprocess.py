"""Prepares pictures for a vision model by its preprocessor_config.json, as its own image processor would.

It works without torchvision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import ModelMissing, ShapeError
from agent_tools.models.hub.folders import read_json

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

_FILTERS = (2, 3)  # Pillow's numbers: bilinear, bicubic


@dataclass(frozen=True)
class PictureRule:
    """The steps from a picture to a model's input. `size` is the size of that input, (width, height) px."""

    size: tuple[int, int]
    resize_to: tuple[int, int] | None  # (width, height); None if there is a short side
    short_side: int | None  # the picture keeps its aspect, then its middle is cut to `size`
    resample: int  # Pillow's number of the filter
    rescale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, folder: Path) -> PictureRule:
        """The rule in preprocessor_config.json, or in processor_config.json (newer versions).

        Raises: ModelMissing: neither file is there, or it does not describe RGB pictures of one fixed size.
        """
        path = folder / "preprocessor_config.json"
        if path.is_file():
            return cls.of(read_json(path), path)
        path = folder / "processor_config.json"
        return cls.of(read_json(path).get("image_processor", {}), path)

    @classmethod
    def of(cls, config: Mapping[str, Any], path: Path) -> PictureRule:
        try:
            size, crop = config.get("size") or {}, config.get("crop_size") or {}
            size = {"shortest_edge": size} if isinstance(size, int) else size
            crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
            exact = (int(size["width"]), int(size["height"])) if "height" in size else None
            short = int(size["shortest_edge"]) if exact is None else None
            cropped = config.get("do_center_crop", bool(crop)) and crop
            shown = (int(crop["width"]), int(crop["height"])) if cropped else exact
            if shown is None:
                raise KeyError("crop_size")
            return cls(
                size=shown,
                resize_to=exact,
                short_side=short,
                resample=_FILTERS[_FILTERS.index(int(config.get("resample", 3)))],
                rescale=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
                mean=_three(config["image_mean"]) if config.get("do_normalize", True) else (0.0, 0.0, 0.0),
                std=_three(config["image_std"]) if config.get("do_normalize", True) else (1.0, 1.0, 1.0),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelMissing(
                f"{path} does not describe pictures of one fixed size ({error}). Take a model of fixed resolution."
            ) from error

    def prepare(self, pictures: NDArray[np.uint8]) -> torch.Tensor:
        """Pixels (n, 3, h, w) float32 of pictures (n, H, W, 3).

        Pictures of `size` are only normalised: the decoder has scaled them, and it keeps the whole picture, while some
        processors cut off the sides. Others are scaled and cropped as the model's own processor does, with the same
        Pillow filter; the results differ only by the rounding of float32 (1e-5).
        Raises: ShapeError: not (n, H, W, 3) uint8.
        """
        import torch

        if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
            raise ShapeError(f"Pictures are (n, height, width, 3) uint8, not {pictures.shape} {pictures.dtype}.")
        if len(pictures) and (pictures.shape[2], pictures.shape[1]) != self.size:
            pictures = np.stack([self._scaled(picture) for picture in pictures])
        pixels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)  # (n, 3, H, W)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (self.mean, self.std))
        return (pixels.float() * self.rescale - mean) / std

    def _scaled(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        from PIL import Image

        height, width = picture.shape[:2]
        if self.resize_to is not None:
            size = self.resize_to
        else:
            assert self.short_side is not None
            long_side = int(self.short_side * max(height, width) / min(height, width))
            size = (self.short_side, long_side) if width <= height else (long_side, self.short_side)
        scaled = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling(self.resample)))
        return _middle(scaled, *self.size)


def _middle(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The middle width x height px of (H, W, 3), with black around a picture that is smaller."""
    below, right = max(0, height - picture.shape[0]), max(0, width - picture.shape[1])
    if below or right:
        around = ((below // 2, math.ceil(below / 2)), (right // 2, math.ceil(right / 2)), (0, 0))
        picture = np.pad(picture, around)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _three(values: Any) -> tuple[float, ...]:
    found = tuple(float(value) for value in values)
    if len(found) != 3:
        raise ValueError("three colour channels are needed")
    return found
