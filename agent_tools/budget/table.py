"""What a video costs in tokens, naively and after each step of compression, computed from measured counts."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite
from typing import TypedDict

from agent_tools.errors import InvalidArgument, TokenBudgetError

CONTEXTS = (25_000, 200_000, 1_000_000)  # a client's limit for one reply; two usual context lengths


class Saving(TypedDict):
    """One step: the frames and tokens after it."""

    step: str
    frames: int
    tokens: int


class Fit(TypedDict):
    """How much of the video one context holds after a step."""

    context: int
    step: str
    share: float  # 1.0: all of it


def naive_frames(duration_s: float, fps: float = 1.0) -> int:
    """Return how many frames a pass at fps sees, the first at 0 s: duration_s * fps rounded up."""
    if not (isfinite(duration_s) and duration_s >= 0 and isfinite(fps) and fps > 0):
        raise InvalidArgument(f"duration_s {duration_s} must not be negative, fps {fps} must be positive.")
    return ceil(duration_s * fps - 1e-9)  # 1e-9: 3 * 0.1 * 10 is 3.0000000000000004


def naive_tokens(duration_s: float, fps: float = 1.0, tokens_per_frame: int = 256) -> int:
    """Return the tokens of every sampled frame at full cost: 5 min 76,800, 30 min 460,800, 1 h 921,600, 6 h 5,529,600.

    256 per frame is the round figure of common summaries; the originals use 64 (Hour-LLaVA, LongVU low), 144 (LongVU
    high) and 16 (VideoChat-Flash).
    Raises: InvalidArgument: a negative duration, or fps not positive. TokenBudgetError: tokens_per_frame below 1.
    """
    if tokens_per_frame < 1:
        raise TokenBudgetError(f"tokens_per_frame is {tokens_per_frame}; a frame costs at least 1.")
    return naive_frames(duration_s, fps) * tokens_per_frame


def savings_table(
    duration_s: float,
    kept_frames: int,
    *,
    high_frames: int = 0,
    spatial_keep: float = 0.596,
    merged_per_frame: int = 16,
    fps: float = 1.0,
    tokens_per_frame: int = 256,
    high: int = 144,
    low: int = 64,
) -> list[Saving]:
    """Return the tokens after each step: naive, redundancy-pruned, resolution, spatial, merged; they never rise.

    Args:
        duration_s: the video's length.
        kept_frames: what an ingest kept of it.
        high_frames: how many of those high_resolution marked; 0 unless a question and a context are given.
        spatial_keep: share of tokens that prune_tokens kept; the default is LongVU's published mean (40.4 % removed).
            Give a measured share if a model gives tokens.
        merged_per_frame: tokens per frame after merge_tokens (VideoChat-Flash: 64 per clip of 4).
    Raises: InvalidArgument: a duration, rate or share outside its range. TokenBudgetError: more frames kept than
        sampled, more high ones than kept, or a cost below 1.
    """
    sampled = naive_frames(duration_s, fps)
    if not 0 <= high_frames <= kept_frames <= sampled:
        raise TokenBudgetError(
            f"high_frames {high_frames}, kept_frames {kept_frames}, sampled {sampled}: each is at most the next."
        )
    if not 0 < spatial_keep <= 1:
        raise InvalidArgument(f"spatial_keep is {spatial_keep}; it is a share in (0, 1].")
    if not (1 <= low <= high and merged_per_frame >= 1):
        raise TokenBudgetError(
            f"low {low}, high {high}, merged {merged_per_frame}: need 1 <= low <= high, 1 <= merged."
        )
    pruned = kept_frames * tokens_per_frame
    resolution = min(pruned, high_frames * high + (kept_frames - high_frames) * low)
    spatial = ceil(resolution * spatial_keep - 1e-9)
    merged = min(spatial, kept_frames * merged_per_frame)
    return [
        {"step": "naive", "frames": sampled, "tokens": naive_tokens(duration_s, fps, tokens_per_frame)},
        {"step": "redundancy-pruned", "frames": kept_frames, "tokens": pruned},
        {"step": "resolution", "frames": kept_frames, "tokens": resolution},
        {"step": "spatial", "frames": kept_frames, "tokens": spatial},
        {"step": "merged", "frames": kept_frames, "tokens": merged},
    ]


def fits(rows: Sequence[Saving], contexts: Sequence[int] = CONTEXTS) -> list[Fit]:
    """Return for each context and step the share of the video that fits, 0..1.

    Raises: TokenBudgetError: a context below 1 token.
    """
    if any(context < 1 for context in contexts):
        raise TokenBudgetError(f"contexts {tuple(contexts)}: each holds at least 1 token.")
    return [
        {"context": context, "step": row["step"], "share": min(1.0, context / row["tokens"]) if row["tokens"] else 1.0}
        for context in contexts
        for row in rows
    ]
