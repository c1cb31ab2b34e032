"""Which frames and tokens stand for the others: time first, then space, then dropout.

Knows tensors of features and tokens. Knows nothing of files, models, threads or MCP, nor what a reply costs.
Names are loaded on first use: what compares stored vectors in NumPy must not pull in torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_tools.compression.dropout import drop_tokens as drop_tokens
    from agent_tools.compression.dropout import dropout_schedule as dropout_schedule
    from agent_tools.compression.keep import FrameKeeper as FrameKeeper
    from agent_tools.compression.keep import KeepRule as KeepRule
    from agent_tools.compression.keep import keep_frames as keep_frames
    from agent_tools.compression.keep import stand_ins as stand_ins
    from agent_tools.compression.merge import TokenMerge as TokenMerge
    from agent_tools.compression.merge import merge_tokens as merge_tokens
    from agent_tools.compression.relevance import relevant_rows as relevant_rows
    from agent_tools.compression.samplers import DurationSampler as DurationSampler
    from agent_tools.compression.samplers import QuerySampler as QuerySampler
    from agent_tools.compression.samplers import RedundancySampler as RedundancySampler
    from agent_tools.compression.samplers import Sampler as Sampler
    from agent_tools.compression.samplers import UniformSampler as UniformSampler
    from agent_tools.compression.spatial import high_resolution as high_resolution
    from agent_tools.compression.spatial import prune_tokens as prune_tokens
    from agent_tools.compression.states import distinct_rows as distinct_rows
    from agent_tools.compression.states import distinct_times as distinct_times
    from agent_tools.compression.states import first_alike as first_alike
    from agent_tools.compression.states import lasting_rows as lasting_rows
    from agent_tools.compression.states import legible_times as legible_times
    from agent_tools.compression.states import look_alike as look_alike
    from agent_tools.compression.states import seen_before as seen_before
    from agent_tools.compression.states import state_around as state_around
    from agent_tools.compression.temporal import prune_frames as prune_frames
    from agent_tools.compression.temporal import representatives as representatives
    from agent_tools.compression.times import sample_times as sample_times
    from agent_tools.compression.times import timestamp_prompt as timestamp_prompt

_HOMES = {
    "dropout": (
        "drop_tokens",
        "dropout_schedule",
    ),
    "keep": (
        "FrameKeeper",
        "KeepRule",
        "keep_frames",
        "stand_ins",
    ),
    "merge": (
        "TokenMerge",
        "merge_tokens",
    ),
    "relevance": ("relevant_rows",),
    "samplers": (
        "DurationSampler",
        "QuerySampler",
        "RedundancySampler",
        "Sampler",
        "UniformSampler",
    ),
    "spatial": (
        "high_resolution",
        "prune_tokens",
    ),
    "states": (
        "distinct_rows",
        "distinct_times",
        "first_alike",
        "lasting_rows",
        "legible_times",
        "look_alike",
        "seen_before",
        "state_around",
    ),
    "temporal": (
        "prune_frames",
        "representatives",
    ),
    "times": (
        "sample_times",
        "timestamp_prompt",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
