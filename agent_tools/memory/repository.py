"""The token-level long-term memory: every token of every frame, appended once and read by position.

Source: Hour-LLaVA, Sec. 3 (memory repository H_v): per frame 64 tokens and a newline token, 65 in all, uncompressed.
The form in a file is agent_tools.store.TokenFile."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from agent_tools.errors import ShapeError, TokenBudgetError


class Repository(Protocol):
    """Rows of one width that are appended in order, and read by position as often as wanted, always the same."""

    def append(self, tokens: Tensor) -> range:
        """Store tokens (N, C) behind what is there; the first append fixes C.

        Returns: the N positions they got, in order. Raises: ShapeError: not (N, C), or another C.
        """
        ...

    def read(self, start: int, stop: int) -> Tensor:
        """The tokens at positions [start, stop), (stop - start, C) float32, the caller's own copy.

        Read twice, before or after a restart, they are bit-equal. How near they are to what was appended is the form's
        own statement. Raises: TokenBudgetError: a position that was never written.
        """
        ...

    def __len__(self) -> int:
        """Tokens stored: the position the next append begins at, which is where an interrupted ingest goes on."""
        ...


class InMemoryRepository:
    """A Repository in memory, exact in float32: what was appended is what is read."""

    def __init__(self) -> None:
        self._rows = torch.empty(0, 0)
        self._count = 0

    def append(self, tokens: Tensor) -> range:
        """Store tokens (N, C); see Repository.append."""
        known = self._rows.shape[1] if self._count else None
        if tokens.ndim != 2 or known not in (None, tokens.shape[1]):
            raise ShapeError(f"tokens of shape {tuple(tokens.shape)}: a repository takes (N, {known or 'C'}) only")
        start, stop = self._count, self._count + len(tokens)
        if stop > len(self._rows):
            grown = torch.empty(max(stop, 2 * len(self._rows)), tokens.shape[1])  # doubling: appends stay O(1) a row
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
