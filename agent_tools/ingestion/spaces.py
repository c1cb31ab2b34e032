"""The names under which vectors and memory tokens are kept: which model made them, and from what.

Imports nothing heavy, because the server reads it at start."""

from __future__ import annotations

CHUNK = "chunk"  # the kind of memory that is written in the light of the chunks before it


def text_space(producer: str) -> str:
    """Where a text encoder's vectors are kept."""
    return f"{producer}|text"


def line_space(producer: str) -> str:
    """Where a text encoder's vectors of single lines of on-screen texts are kept."""
    return f"{producer}|line"


def frame_space(producer: str) -> str:
    """Where a frame encoder's vectors are kept."""
    return f"{producer}|frame"


def memory_producer(producer: str, channel: str) -> str:
    """Who made one channel's memory tokens: the encoder, and what it read."""
    return f"{producer}|{channel}"
