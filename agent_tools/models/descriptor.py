"""PixelDescriptor: what a picture looks like, from its pixels alone. The lite profile's frame encoder.

It sees colour layout and edges, not meaning: it has no text side, and two different photographs of one dog are not
similar to it. It serves pruning, scene borders and `like`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent_tools.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, COLUMNS, CELL = 9, 16, 8  # cells of 8 x 8 pixels
EDGE_UNIT = 1.0  # levels of 255 per pixel; well above it cells compare by the logarithm of their edges
COLOUR_WEIGHT = 0.5
# A part weaker than this is mostly noise (black, white, fog): it fades out and is not scaled up to unit length.
EDGE_FLOOR = 1.5
COLOUR_FLOOR = 60.0


class PixelDescriptor:
    """Edges and colour layout on a 9 x 16 grid, without the frame's own mean; (n, 577), L2-normalised.

    With raw pixels, unrelated clips have a cosine of .84, next to the .83 of LongVU's rule; without each frame's own
    mean it is near 0. 38 variants were tried (grids, orientations, scales, weights). This one prunes the most frames
    and still keeps a frame of every text on screen: the logarithm of edge energy per cell separates slides of one
    template and tolerates small motion.

    `threshold` is for compression.prune_frames with its window of 16. Fitted on the 35 real clips of the development
    set at 1 fps (lab/bench/fit_descriptor.py; 656 frames, 23 spans of text of at least 2 s). At .885 no span is
    missed, wherever the windows start (16 phases), and 522 frames are kept (.80; these clips are short and restless: a
    static one keeps 1 of 16). At .86, the lowest value that misses no span if each clip starts a window, 501 frames
    are kept (.76), and three of the other phases miss a span.
    """

    producer = "pixel-descriptor@1/9x16"
    dim = ROWS * COLUMNS * 4 + 1
    size = (COLUMNS * CELL, ROWS * CELL)  # (width, height) px of the pictures that encode takes
    has_text_side = False
    threshold = 0.885
    # The cell of each component, for compression.FrameKeeper: three of colour, one of edges; the last has no cell.
    parts = (*(component // 3 for component in range(ROWS * COLUMNS * 3)), *range(ROWS * COLUMNS), -1)

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, 577) of pictures (n, 72, 128, 3); n may be 0.

        Raises: ShapeError: pictures of another size; scale them to `size` first."""
        width, height = self.size
        if pictures.ndim != 4 or pictures.shape[1:] != (height, width, 3):
            raise ShapeError(f"Pictures are (n, {height}, {width}, 3), not {pictures.shape}.")
        pixels = pictures.astype(np.float32)  # (n, H, W, 3)
        colour = _cells(pixels)  # (n, ROWS, COLUMNS, 3)
        colour -= colour.mean((1, 2), keepdims=True)
        edges = np.log1p(_cells(_edge_energy(_luma(pixels))) / EDGE_UNIT)  # (n, ROWS, COLUMNS)
        edges -= edges.mean((1, 2), keepdims=True)
        colour_part, colour_rest = _faded(colour.reshape(-1, ROWS * COLUMNS * 3), COLOUR_FLOOR)
        edge_part, edge_rest = _faded(edges.reshape(-1, ROWS * COLUMNS), EDGE_FLOOR)
        # What both parts lose goes to one common axis: pictures without features are similar, whatever their noise.
        featureless = np.hypot(COLOUR_WEIGHT * colour_rest, edge_rest)
        vectors = np.concatenate([COLOUR_WEIGHT * colour_part, edge_part, featureless], axis=1)
        return (vectors / np.float32(np.hypot(COLOUR_WEIGHT, 1.0))).astype(np.float32)


def _cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over each cell: (n, H, W, ...) -> (n, ROWS, COLUMNS, ...)."""
    grid = values.reshape(len(values), ROWS, CELL, COLUMNS, CELL, *values.shape[3:])
    mean: NDArray[np.float32] = grid.mean((2, 4))
    return mean


def _luma(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """BT.601, (n, H, W). Not a matrix product: its rounding would depend on the number of pictures."""
    luma: NDArray[np.float32] = 0.299 * pixels[..., 0] + 0.587 * pixels[..., 1] + 0.114 * pixels[..., 2]
    return luma


def _edge_energy(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Length of the gradient (central differences, 0 at the rim), (n, H, W)."""
    across, down = np.zeros_like(luma), np.zeros_like(luma)
    across[:, :, 1:-1] = (luma[:, :, 2:] - luma[:, :, :-2]) / 2
    down[:, 1:-1] = (luma[:, 2:] - luma[:, :-2]) / 2
    length: NDArray[np.float32] = np.hypot(across, down)
    return length


def _faded(part: NDArray[np.float32], floor: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The part at nearly unit length, and the rest (n, 1): the squares of both lengths add up to 1."""
    full = np.sqrt((part**2).sum(1, keepdims=True) + floor**2)
    return part / full, floor / full
