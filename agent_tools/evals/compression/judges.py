"""Judges of redundancy to compare: frame encoders by name, with two plain baselines, and pictures as token grids."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from agent_tools.errors import ShapeError
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.profiles import FrameEncoder, ModelSettings, frame_encoder, redundancy_encoder
from agent_tools.models.redundancy import FAMILIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

DESCRIPTOR, RAW, GRADIENTS = "descriptor", "raw-pixels", "gradients"
NAMES = (DESCRIPTOR, RAW, GRADIENTS)
LONGVU = 0.83  # LongVU's threshold, fitted to DINOv2 and to nothing here
ROWS, COLUMNS, CELL = 9, 16, 8
BINS = 8  # of unsigned orientation, 22.5 degrees each
GRID, PATCH = 14, 8  # pixel patches of a picture of 112 x 112


class RawPixels:
    """The mean colour of 9 x 16 cells as it is, (n, 432): the judge that a cosine rule should not have."""

    producer = "raw-pixels@1/9x16"
    dim = ROWS * COLUMNS * 3
    size = (COLUMNS * CELL, ROWS * CELL)
    has_text_side = False
    threshold = LONGVU

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return _unit(_cells(_checked(pictures, self.size)).reshape(len(pictures), -1))


class GradientHistogram:
    """Edges by orientation in 9 x 16 cells, each frame's own mean removed, (n, 1152)."""

    producer = "gradient-histogram@1/9x16x8"
    dim = ROWS * COLUMNS * BINS
    size = (COLUMNS * CELL, ROWS * CELL)
    has_text_side = False
    threshold = LONGVU

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = _checked(pictures, self.size)
        luma = 0.299 * pixels[..., 0] + 0.587 * pixels[..., 1] + 0.114 * pixels[..., 2]  # (n, H, W)
        across, down = np.zeros_like(luma), np.zeros_like(luma)
        across[:, :, 1:-1] = (luma[:, :, 2:] - luma[:, :, :-2]) / 2
        down[:, 1:-1] = (luma[:, 2:] - luma[:, :-2]) / 2
        strength, turn = np.hypot(across, down), np.arctan2(down, across) / np.pi % 1.0
        bins = np.minimum((turn * BINS).astype(int), BINS - 1)
        sorted_out = np.where(bins[..., None] == np.arange(BINS), strength[..., None], np.float32(0))
        cells = _cells(sorted_out)  # (n, ROWS, COLUMNS, BINS)
        cells -= cells.mean((1, 2), keepdims=True)
        return _unit(cells.reshape(len(pictures), -1))


@dataclass(frozen=True)
class Judge:
    """A frame encoder under the name it was asked for, and the token grid that the steps in space work on."""

    name: str
    encoder: FrameEncoder
    tokens: PixelPatches | ModelPatches

    @property
    def what(self) -> str:
        """What a report calls it."""
        return f"{self.name} ({self.encoder.producer})"


def judge(name: str) -> Judge:
    """The judge of a name: one of NAMES, or a model by folder, org/name or org/name@revision, loaded.

    DINOv2 and DINOv3 give patch features as LongVU takes them, SigLIP and CLIP the vectors that search uses.
    Raises: InvalidArgument: neither a name nor a model. ModelMissing: no such model on this machine.
    """
    if name == RAW:
        return Judge(name, RawPixels(), PixelPatches())
    if name == GRADIENTS:
        return Judge(name, GradientHistogram(), PixelPatches())
    lite = ModelSettings(profile="lite")
    if name == DESCRIPTOR:
        return Judge(name, frame_encoder(lite), PixelPatches())
    found = locate(Reference.of(name), lite.searched, f"Name one of {', '.join(NAMES)}, or the folder of a model.")
    config = found.config()
    if config.get("model_type") not in FAMILIES:
        return Judge(name, frame_encoder(replace(lite, overrides={"frames": name})), PixelPatches())
    model = redundancy_encoder(replace(lite, overrides={"redundancy": name}))
    side = int(config["patch_size"])
    return Judge(name, model, ModelPatches(model, (model.size[0] // side) * (model.size[1] // side)))


class PixelPatches:
    """A picture as 14 x 14 tokens of 8 x 8 pixels, the frame's mean colour removed: (n, 196, 192).

    They stand in where no model gives tokens; a vision model's tokens are smoother, and more of them are alike."""

    name = "pixel patches 14x14, no model's tokens"
    size = (GRID * PATCH, GRID * PATCH)

    def tokens(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = _checked(pictures, self.size)
        pixels -= pixels.mean((1, 2), keepdims=True)
        grid = pixels.reshape(-1, GRID, PATCH, GRID, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)  # (n, GRID, GRID, P, P, 3)
        return np.ascontiguousarray(grid.reshape(len(pictures), GRID * GRID, PATCH * PATCH * 3))


class ModelPatches:
    """The patch features of a redundancy model as tokens, (n, N, C)."""

    def __init__(self, model: FrameEncoder, number: int) -> None:
        self._model, self._number = model, number
        self.name, self.size = f"patch features of {model.producer}", model.size

    def tokens(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._model.encode(pictures).reshape(len(pictures), self._number, -1)


def _checked(pictures: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    if pictures.ndim != 4 or pictures.shape[1:] != (size[1], size[0], 3):
        raise ShapeError(f"Pictures are (n, {size[1]}, {size[0]}, 3), not {pictures.shape}.")
    return pictures.astype(np.float32)


def _cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over each cell: (n, H, W, C) -> (n, ROWS, COLUMNS, C)."""
    mean: NDArray[np.float32] = values.reshape(len(values), ROWS, CELL, COLUMNS, CELL, -1).mean((2, 4))
    return mean


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """L2-normalised rows; a row of zeros stays one."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norm == 0, 1, norm)).astype(np.float32)
