"""Models that tests draw: deterministic, named by a producer, and able to stop or to die at a given place."""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent_tools.ingestion.channels import base, screen_text
from agent_tools.ingestion.channels import frames as frames_channel
from agent_tools.models.ocr import OcrLine

Hook = Callable[[int], None]  # called with how many calls there were before


def die_at(call: int) -> Hook:
    """End this process as a kill does, at that call."""

    def hook(before: int) -> None:
        if before == call:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def nothing(_: int) -> None:
    """No hook."""


class Pictures:
    """A FrameEncoder: a random product of the pixels, another for each producer."""

    has_text_side = False
    threshold = 0.95

    def __init__(self, producer: str, size: tuple[int, int] = (16, 12), dim: int = 24, hook: Hook = nothing) -> None:
        self.producer, self.size, self.dim, self.hook = producer, size, dim, hook
        draw = np.random.default_rng(zlib.crc32(producer.encode()))
        self._weights = draw.standard_normal((self.size[0] * self.size[1] * 3, dim)).astype(np.float32)
        self.seen: list[int] = []

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.hook(len(self.seen))
        self.seen.append(len(pictures))
        flat = pictures.reshape(len(pictures), -1).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        # Row by row: a product of several rows may round by how many there are.
        vectors = np.stack([row @ self._weights for row in flat])
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


class Words:
    """A TextEncoder: texts are alike by the words they share; another space for each producer."""

    languages = "many"

    def __init__(self, producer: str, dim: int = 64, hook: Hook = nothing) -> None:
        self.producer, self.dim, self.hook = producer, dim, hook
        self.calls = 0

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        if not query:
            self.hook(self.calls)
            self.calls += 1
        matrix = np.full((len(texts), self.dim), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                matrix[row, zlib.crc32(f"{self.producer} {word}".encode()) % self.dim] += 1
        return np.asarray(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), np.float32)


class Levels:
    """An OCR engine that reads how bright a picture is."""

    def __init__(self, producer: str = "levels@1/1", hook: Hook = nothing) -> None:
        self.producer, self.hook, self.calls = producer, hook, 0

    def read(self, rgb: NDArray[np.uint8]) -> list[OcrLine]:
        self.hook(self.calls)
        self.calls += 1
        return [OcrLine(f"slide of brightness {round(100 * float(rgb.mean()))}", 0.9, (0.1, 0.1, 0.9, 0.2))]


def use(patch: pytest.MonkeyPatch, frames: Any = None, text: Any = None, ocr: Any = None) -> None:
    """The pipeline takes these models, whatever the profile; frames are pruned by the same model that is searched."""
    for home, name, model in (
        (frames_channel, "frame_encoder", frames),
        (frames_channel, "redundancy_encoder", frames),
        (screen_text, "ocr", ocr),
        (base, "text_encoder", text),
    ):
        if model is not None:
            patch.setattr(home, name, lambda _settings, model=model: model)
