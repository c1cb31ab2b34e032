"""A speech model with a decoder that is no network: what it hears is known, and so is what must come of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agent_tools.models.devices import Device
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.speech import RATE, Speech
from agent_tools.models.whisper import stretches
from agent_tools.models.whisper.decoder import Encoded, SpokenWord, Window


def loaded(folder: Path, **more: Any) -> Speech:
    return Speech(locate(Reference.of(str(folder)), [], ""), device=Device("cpu", "fp32"), **more)


def loud(samples: np.ndarray) -> list[tuple[int, int]]:
    """Spans of samples over .01, of whole tenths of a second, joined as the real ones are."""
    tenth = RATE // 10
    on = [np.abs(samples[i : i + tenth]).max() > 0.01 for i in range(0, len(samples), tenth)]
    spans: list[tuple[int, int]] = []
    for number, is_loud in enumerate(on):
        begin, end = number * tenth, min(len(samples), (number + 1) * tenth)
        if is_loud and spans and spans[-1][1] == begin and end - spans[-1][0] <= stretches.LONGEST_S * RATE:
            spans[-1] = (spans[-1][0], end)
        elif is_loud:
            spans.append((begin, end))
    return stretches.joined(spans)


class FakeDecoder:
    """Hears one sentence of two words in each window, from .1 s to its end less .1 s, in the language it is told."""

    english_only = False

    def __init__(self) -> None:
        self.heard_s: list[float] = []
        self.read_as: list[str] = []
        self.languages = [[("de", 0.95), ("en", 0.05)]]
        self.more: dict[str, Any] = {}

    def encode(self, samples: np.ndarray, *, ask_language: bool) -> Encoded:
        self.heard_s.append(len(samples) / RATE)
        found = self.languages.pop(0) if len(self.languages) > 1 else self.languages[0]
        return Encoded(None, 100, len(samples) / RATE, found if ask_language and not self.english_only else [])

    def decode(self, encoded: Encoded, language: str) -> Window:
        self.read_as.append(language)
        end = encoded.seconds - 0.1
        middle = 0.1 + (end - 0.1) / 2
        words = (SpokenWord(0.1, middle, " hallo", 0.9), SpokenWord(middle, end, " welt", 0.8))
        return Window(**{"words": words, "no_speech": 0.02, "confidence": 0.7, **self.more})


def sound(*spans: tuple[float, float], seconds: float) -> np.ndarray:
    """Silence with noise in the spans."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    rng = np.random.default_rng(0)
    for begin, end in spans:
        piece = slice(round(begin * RATE), round(end * RATE))
        samples[piece] = 0.2 * rng.standard_normal(len(samples[piece])).astype(np.float32)
    return samples


def blocks(samples: np.ndarray, start_s: float = 0.0, block_s: float = 7.0) -> Iterator[tuple[float, np.ndarray]]:
    size = round(block_s * RATE)
    for first in range(0, len(samples), size):
        yield start_s + first / RATE, samples[first : first + size]
