"""How a long call reports: a share from 0 to 1 and a sentence. The callback may raise, which ends the call."""

from __future__ import annotations

from collections.abc import Callable

OnStep = Callable[[float, str], None]


def silent(_share: float, _sentence: str) -> None:
    """For a caller that wants no reports."""


def within(on_step: OnStep, start: float, end: float) -> OnStep:
    """Reports of a part of the call: its shares 0 to 1 become start to end."""

    def scaled(share: float, sentence: str) -> None:
        on_step(start + (end - start) * share, sentence)

    return scaled
