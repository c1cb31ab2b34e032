"""Redundancy in time: which frames of a window repeat the others (LongVU, Sec. 3.1).

The features can come from any encoder, but the threshold must fit that encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agent_tools.compression.vectors import TensorLike, checked, unit_rows
from agent_tools.errors import ShapeError, TokenBudgetError

ROUNDING = 1e-9  # a score equal to the threshold is redundant, whatever the last bits of the cosines are


def redundancy(features: TensorLike, window: int = 16) -> Tensor:
    """Return (T,) float64: each frame's mean cosine to all frames of its window, itself included.

    Windows do not overlap and do not see each other, and each is computed by itself in float64, so a pass that
    was interrupted on a window's border and resumed gives the same numbers to the last bit.
    Raises: ShapeError, InvalidArgument (see prune_frames); TokenBudgetError: window is below 1.
    """
    rows = _frames(features, window)
    scores = torch.zeros(len(rows), dtype=torch.float64)
    for start in range(0, len(rows), window):
        unit = unit_rows(rows[start : start + window])
        scores[start : start + window] = (unit @ unit.T).mean(dim=1).cpu()
    return scores


def prune_frames(features: TensorLike, window: int = 16, threshold: float = 0.83) -> Tensor:
    """Return the increasing indices (K,) of the frames that are kept; at least one in each window.

    A frame is dropped when its mean cosine to its window (redundancy) is at least threshold; the middle frame of a
    window (index length // 2) always stays. There is no target ratio: a window that holds a cut mostly stays whole.
    Source: LongVU, Sec. 3.1, temporal reduction. Paper and released code differ: the paper uses windows of 8, leaves
    the frame itself out of the mean and forces no frame; the code uses 16, counts the frame itself and forces the
    middle one. We follow the code. Differs from the code: it skips the step when all frames already fit and thins what
    is left to 400 at even distances; both are the caller's decisions here.
    Args:
        features: (T, D), any real dtype, one row a frame, in time order; their scale does not matter.
        window: frames compared with each other; windows are independent, so streaming by window changes nothing.
        threshold: 0.83 belongs to DINOv2; another encoder needs its own, fitted on real files.
    Raises: ShapeError: features is not (T, D). InvalidArgument: a feature is not finite. TokenBudgetError: window < 1.
    """
    keep = redundancy(features, window) < threshold - ROUNDING
    for start in range(0, len(keep), window):
        keep[start + min(window, len(keep) - start) // 2] = True
    return keep.nonzero().flatten()


def representatives(kept: TensorLike, T: int, features: TensorLike, window: int = 16) -> Tensor:
    """Return (T,) indices: for each frame the kept frame of its own window that is most like it.

    A kept frame stands for itself; between equally similar ones the earlier stands. Not in LongVU: there a pruned
    frame is gone, here memory keeps its time and says which frame shows it.
    Args:
        kept: indices out of prune_frames with the same window, in any order.
        T: number of frames, as in features (T, D).
    Raises: ShapeError: features is not (T, D), or kept lies outside it. TokenBudgetError: a window keeps no frame.
    """
    rows = _frames(features, window)
    chosen = torch.tensor(sorted({int(index) for index in checked(kept, "K", "kept")}), dtype=torch.long)
    if len(rows) != T:
        raise ShapeError(f"features holds {len(rows)} frames, T is {T}; they must be the same frames.")
    if len(chosen) and (int(chosen[0]) < 0 or int(chosen[-1]) >= T):
        raise ShapeError(f"kept runs from {int(chosen[0])} to {int(chosen[-1])}; indices lie in 0..{T - 1}.")
    stands = torch.arange(T)
    for start in range(0, T, window):
        stop = min(start + window, T)
        mine = chosen[(chosen >= start) & (chosen < stop)]
        if not len(mine):
            raise TokenBudgetError(
                f"no frame is kept in {start}..{stop - 1}; each window of {window} keeps at least 1."
            )
        unit = unit_rows(rows[start:stop])
        stands[start:stop] = mine[(unit @ unit[mine - start].T).argmax(dim=1).cpu()]
        stands[mine] = mine
    return stands


def _frames(features: TensorLike, window: int) -> Tensor:
    if window < 1:
        raise TokenBudgetError(f"window is {window}; a window holds at least 1 frame.")
    return checked(features, "T D", "features")
