"""Which frames and tokens stand for the others: time first, then space, then dropout.

Knows tensors of features and tokens. Knows nothing of files, models, threads or MCP, nor what a reply costs.
"""

from __future__ import annotations

from agent_tools.compression.dropout import drop_tokens, dropout_schedule
from agent_tools.compression.keep import FrameKeeper, KeepRule, keep_frames, stand_ins
from agent_tools.compression.merge import TokenMerge, merge_tokens
from agent_tools.compression.samplers import (
    DurationSampler,
    QuerySampler,
    RedundancySampler,
    Sampler,
    UniformSampler,
)
from agent_tools.compression.spatial import high_resolution, prune_tokens
from agent_tools.compression.states import (
    distinct_rows,
    distinct_times,
    first_alike,
    lasting_rows,
    legible_times,
    look_alike,
    seen_before,
    state_around,
)
from agent_tools.compression.temporal import prune_frames, representatives
from agent_tools.compression.times import sample_times, timestamp_prompt

__all__ = [
    "DurationSampler",
    "FrameKeeper",
    "KeepRule",
    "QuerySampler",
    "RedundancySampler",
    "Sampler",
    "TokenMerge",
    "UniformSampler",
    "distinct_rows",
    "distinct_times",
    "drop_tokens",
    "dropout_schedule",
    "first_alike",
    "high_resolution",
    "keep_frames",
    "lasting_rows",
    "legible_times",
    "look_alike",
    "merge_tokens",
    "prune_frames",
    "prune_tokens",
    "representatives",
    "sample_times",
    "seen_before",
    "stand_ins",
    "state_around",
    "timestamp_prompt",
]
