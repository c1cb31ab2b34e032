"""Progressive visual dropout: how many tokens each stage of a model keeps, and which (VideoChat-Flash, Sec. 3.2).

It needs the inside of a model that runs on this machine; a model behind an API cannot use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import torch
from torch import Tensor

from agent_tools.compression.vectors import TensorLike, checked
from agent_tools.errors import ShapeError, TokenBudgetError


def dropout_schedule(n: int, keep: Sequence[float] = (1.0, 0.75, 0.25)) -> list[int]:
    """Return the number of visual tokens each stage reads: 8192 -> [8192, 6144, 2048].

    Every ratio is a share of the original n, rounded down, at least 1 token if n is at least 1.
    Source: VideoChat-Flash, model card settings (cuts before layers 4 and 18; the training defaults are 1, .5, .25 and
    .125 at 8, 16 and 24). The paper's headline numbers are without it.
    Raises: TokenBudgetError: n is negative, or the ratios are empty, outside (0, 1], or rise.
    """
    if n < 0 or not keep or not all(0 < ratio <= 1 for ratio in keep) or list(keep) != sorted(keep, reverse=True):
        raise TokenBudgetError(f"n {n}, keep {tuple(keep)}: need n >= 0 and ratios in (0, 1] that never rise.")
    return [min(n, max(1, floor(n * ratio + 1e-9))) for ratio in keep]  # 1e-9: 0.29 * 100 is 28.999999999999996


def drop_tokens(n: int, keep_n: int, scores: TensorLike | None = None) -> Tensor:
    """Return the increasing indices (min(n, keep_n),) of the tokens that are kept.

    Without scores at even distances, first and last included; with scores (n,) the best, of equals the earlier.
    Source: VideoChat-Flash, type uniform0_attention: the first cut uniform, the later ones by the attention of the
    last prompt token (which a caller passes as scores). Same rule as the released code, in whole numbers.
    Raises: TokenBudgetError: n is negative or keep_n below 1. ShapeError: scores is not (n,).
        InvalidArgument: a score is not finite.
    """
    if n < 0 or keep_n < 1:
        raise TokenBudgetError(f"n {n}, keep_n {keep_n}: need n >= 0 and keep_n >= 1.")
    ranked = None if scores is None else checked(scores, "n", "scores")
    if ranked is not None and len(ranked) != n:
        raise ShapeError(f"scores holds {len(ranked)} numbers for {n} tokens.")
    if keep_n >= n:
        return torch.arange(n)
    if ranked is not None:
        return ranked.argsort(descending=True, stable=True)[:keep_n].sort().values.cpu()
    return torch.arange(keep_n) * (n - 1) // max(1, keep_n - 1)
