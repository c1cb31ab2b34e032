"""A trained MemAug over stored picture vectors: where in a video an event may be, from one read of all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from agent_tools.errors import ModelMissing, ShapeError
from agent_tools.memory import PlaceReader, decayed_places
from agent_tools.models.hub.loader import load_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent_tools.models.devices import Device
    from agent_tools.models.hub.folders import Found

KIND = "memaug"  # model_type in config.json
MOST_FRAMES = 2400  # of one read; a longer video is read at even distances


class PictureMemory:
    """Reads a whole video's frames once for a question."""

    def __init__(self, found: Found, width: int, device: Device, encoder: str) -> None:
        """
        Args:
            width: D of the frame and question vectors.
            encoder: the producer of these vectors.
        Raises: ModelMissing: a folder that holds no such MemAug, or one of another width or encoder.
        """
        config = found.config()
        sizes = [config.get(name) for name in ("dim", "depth", "heads")]
        if config.get("model_type") != KIND or not all(type(size) is int and size > 0 for size in sizes):
            raise ModelMissing(f"{found.folder} holds no MemAug of agent-tools train memaug: see its config.json.")
        if config.get("encoder") != encoder or sizes[0] != width:
            raise ModelMissing(
                f"{found.folder} was trained on vectors of {config.get('encoder')}, {sizes[0]} wide; the frames model "
                f"makes those of {encoder}, {width} wide. Train it again with this model, or leave memaug out."
            )
        try:
            self._reader = PlaceReader(*sizes)  # type: ignore[arg-type]  # checked above
        except ShapeError as error:
            raise ModelMissing(f"{found.folder}: {error}. Get the model again.") from error
        load_weights(self._reader, found.folder, device)
        self._device = device
        self.producer = found.producer("memaug")

    def places(
        self, frames: NDArray[np.float32], question: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(rows (N,) of `frames`, probability (N,) that the event is near each) from frames (T, D), one per second."""
        chosen = np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().astype(np.int64)
        with torch.inference_mode():
            put = torch.from_numpy(frames[chosen]).to(self._device.name, self._device.dtype)
            asked = torch.from_numpy(question).to(self._device.name, self._device.dtype)
            kept = decayed_places(len(chosen))
            logits = self._reader(put, kept.to(put.device), asked)
            near = logits.float().softmax(dim=0).cpu().double().numpy()
        return chosen[kept.numpy()], near
