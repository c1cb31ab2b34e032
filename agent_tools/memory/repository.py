"""The long-term memory of tokens: every token of every frame, appended once and read by position.

Source: Hour-LLaVA, Sec. 3 (memory repository H_v): per frame 64 tokens and a newline token, 65 in all, uncompressed.
The form in a file is agent_tools.store.TokenFile."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from agent_tools.errors import ShapeError, TokenBudgetError


class Repository(Protocol):
    """Rows of one width. They are appended in order and read by position; a position always gives the same row."""

    def append(self, tokens: Tensor) -> range:
        """Store tokens (N, C) after the stored ones; the first append fixes C.

        Returns: their N positions, in order. Raises: ShapeError: not (N, C), or another C.
        """
        ...

    def read(self, start: int, stop: int) -> Tensor:
        """The tokens at positions [start, stop), (stop - start, C) float32, the caller's own copy.

        Two reads, also before and after a restart, are bit-equal. How near they are to the appended tokens depends on
        the implementation. Raises: TokenBudgetError: a position that was never written.
        """
        ...

    def __len__(self) -> int:
        """Number of stored tokens: the position of the next append, where an interrupted ingest continues."""
        ...


class InMemoryRepository:
    """A Repository in memory, exact in float32: a read gives the appended values."""

    def __init__(self) -> None:
        self._rows = torch.empty(0, 0)
        self._count = 0

    def append(self, tokens: Tensor) -> range:
        """Store tokens (N, C); see Repository.append."""
        width = self._rows.shape[1] if self._count else None
        if tokens.ndim != 2 or width not in (None, tokens.shape[1]):
            raise ShapeError(f"tokens of shape {tuple(tokens.shape)}: a repository takes (N, {width or 'C'})")
        start, stop = self._count, self._count + len(tokens)
        if stop > len(self._rows):
            grown = torch.empty(
                max(stop, 2 * len(self._rows)), tokens.shape[1]
            )  # doubling: an append stays O(1) per row
            grown[:start] = self._rows[:start] if start else grown[:0]
            self._rows = grown
        if stop > start:
            self._rows[start:stop] = tokens.detach()
        self._count = stop
        return range(start, stop)

    def read(self, start: int, stop: int) -> Tensor:
        """The tokens at [start, stop); see Repository.read."""
        if not 0 <= start <= stop <= self._count:
            raise TokenBudgetError(f"positions {start}-{stop} are not stored: the repository holds 0-{self._count}")
        return self._rows[start:stop].clone()

    def __len__(self) -> int:
        return self._count
