"""Forgetting: which frames and which of their tokens stay in the decayed view. It works on indexes alone.

Source: Hour-LLaVA, Sec. 3 (spatial and temporal forgetting)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agent_tools.errors import TokenBudgetError

_MIN_FRAMES = 128  # shorter videos are stretched to this many before forgetting
_TEMPORAL = 4  # one frame in four stays


@dataclass(frozen=True, eq=False)
class Forgotten:
    """The frames and tokens that forgetting keeps, as int64 indexes."""

    frame: Tensor  # (K,) kept source frames, never decreasing, with the last frame
    token: Tensor  # (K, keep_tokens) kept tokens of each frame, increasing
    position: Tensor  # (K * (keep_tokens + 1),) their rows in the repository; each frame ends with its newline token


def forget(
    frames: int, tokens_per_frame: int = 64, keep_tokens: int = 16, max_frames: int = 512, seed: int = 0
) -> Forgotten:
    """Keep one frame in four, evenly spread, at most `max_frames`; of each `keep_tokens` random tokens and the newline.

    600 frames leave 150 x 17 = 2,550 tokens, 3600 leave 512 x 17 = 8,704. Fewer than 128 frames are repeated evenly up
    to 128, so 32 are kept. A frame that is kept twice gets two draws of tokens.

    Source: Hour-LLaVA, Sec. 3, and its released code. Differs: the draw has a seed (theirs has none, even at
    inference); the even spread is exact in integers and ends at the last frame (theirs may append it and give one frame
    more); repeated frames share their source's positions, because our repository holds each frame once.

    Args:
        frames: frames of the video, at least 1.
        tokens_per_frame: tokens of a frame in the repository, without the newline token that follows them.
    Raises: TokenBudgetError: a number below 1, or more tokens to keep than a frame has.
    """
    if frames < 1 or max_frames < 1 or not 1 <= keep_tokens <= tokens_per_frame:
        raise TokenBudgetError(
            f"{frames} frames, max_frames {max_frames}, {keep_tokens} of {tokens_per_frame} tokens: "
            "each must be at least 1, and a frame cannot keep more tokens than it has"
        )
    count = min(max_frames, max(frames, _MIN_FRAMES) // _TEMPORAL)
    frame = torch.arange(count) * (frames - 1) // (count - 1) if count > 1 else torch.tensor([frames - 1])  # (K,)
    draw = torch.rand(len(frame), tokens_per_frame, generator=torch.Generator().manual_seed(seed))
    token = draw.argsort(dim=1)[:, :keep_tokens].sort(dim=1).values  # (K, keep_tokens)
    newline = torch.full((len(frame), 1), tokens_per_frame)
    position = frame[:, None] * (tokens_per_frame + 1) + torch.cat([token, newline], dim=1)
    return Forgotten(frame, token, position.flatten())
