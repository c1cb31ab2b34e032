"""Redundancy in space: which frames get the fine grid, and which tokens repeat the first frame of their window.

The scores and the tokens can come from any model.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agent_tools.compression.vectors import TensorLike, checked, unit_rows
from agent_tools.errors import TokenBudgetError


def high_resolution(scores: TensorLike, context: int, text_tokens: int, high: int = 144, low: int = 64) -> Tensor:
    """Return a mask (T,): True for the frames that get `high` tokens, the others get `low`.

    N_h = max(0, floor((context - text_tokens - low * T) / (high - low))), at most T, best scores first; of equal
    scores the earlier frame. The mask is in time order. If low * T + text_tokens fits the context, the sum of all
    tokens fits too. If not, the mask is all False, and the caller must drop frames first (prune_frames).
    Source: LongVU, Sec. 3.2. Paper and released code differ: the code also pays a newline token per grid row (156 and
    72 tokens a frame) and has three regimes by T; we follow the paper's formula. The score there is the mean inner
    product of projected visual tokens with the LLM's text embeddings. Here any relevance to the question can be the
    score; with an image-text cosine the rule is an analogue.
    Args:
        scores: (T,), higher is more relevant to the question.
        context: tokens the model reads in all.
        text_tokens: tokens of the question and of the reserved answer (LongVU reserves 16).
    Raises: ShapeError, InvalidArgument: scores is not (T,) or not finite.
        TokenBudgetError: not 0 < low < high, or context or text_tokens is negative.
    """
    ranked = checked(scores, "T", "scores")
    if not (0 < low < high and context >= 0 and text_tokens >= 0):
        raise TokenBudgetError(
            f"high {high}, low {low}, context {context}, text_tokens {text_tokens}: need 0 < low < high, none negative."
        )
    count = max(0, (context - text_tokens - low * len(ranked)) // (high - low))
    mask = torch.zeros(len(ranked), dtype=torch.bool)
    mask[ranked.argsort(descending=True, stable=True)[:count].cpu()] = True
    return mask


def prune_tokens(tokens: TensorLike, window: int = 8, threshold: float = 0.8) -> Tensor:
    """Return a mask (T, N): True for the tokens that are kept.

    The first frame of each window is kept whole; a token of another frame is kept when its cosine to the first
    frame's token at the same position is below threshold. Raising the threshold never keeps fewer.
    Source: LongVU, Sec. 3.3, spatial token compression; released code and paper agree on the rule and on 0.8 (the ICML
    text says 0.75, the evaluation scripts use 0.65 to 0.8). Differs: the code runs it only above its budget
    and then cuts window tails until the rest fits; here it always runs and cuts nothing else.
    Args:
        tokens: (T, N, C), one grid of N tokens a frame, in time order; their scale does not matter.
    Raises: ShapeError, InvalidArgument: tokens is not (T, N, C) or not finite. TokenBudgetError: window is below 1.
    """
    grid = checked(tokens, "T N C", "tokens")
    if window < 1:
        raise TokenBudgetError(f"window is {window}; a window holds at least 1 frame.")
    mask = torch.ones(grid.shape[:2], dtype=torch.bool)
    for start in range(0, len(grid), window):
        frames = grid[start : start + window]
        unit = unit_rows(frames)
        cosine = (unit * unit[:1]).sum(dim=-1)  # (W, N)
        cosine[(frames == frames[:1]).all(dim=-1)] = 1.0  # equal tokens, also where rounding gave 0.9999999
        mask[start : start + window] = (cosine < threshold).cpu()
        mask[start] = True
    return mask
