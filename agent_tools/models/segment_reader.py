"""Makes one vector of a whole segment for a question. The sparse levels of a search by pictures compare it.

With trained weights it runs a HierarchicalAdapter, and the head that was trained with it where the folder holds one.
Without weights it pools by softmax over the question, an analogue that has learnt nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from agent_tools.errors import ModelMissing
from agent_tools.grounding import GroundingNetwork, HierarchicalAdapter, softmax_pool, window_odds
from agent_tools.models.hub.loader import load_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.devices import Device
    from agent_tools.models.hub.folders import Found

KIND = "hierarchical-adapter"  # model_type in config.json
MOST_SECONDS = 600  # of a head's window
# Cosines of pictures with texts lie in a narrow band: at the default of .1 all frames would have the same weight.
TEMPERATURE = 0.01


class SegmentReader:
    """Turns the frames of a segment and a question into one vector in their space."""

    def __init__(self, found: Found | None, width: int, device: Device, encoder: str = "") -> None:
        """
        Args:
            found: an adapter whose vector is trained to be compared with the question's by cosine; None: pooling.
            width: D of the frame and question vectors.
            encoder: the producer of these vectors; an adapter that names another is refused.
        Raises: ModelMissing: a folder that holds no such adapter, or one of another width or encoder.
        """
        self._adapter: HierarchicalAdapter | None = None
        self._network: GroundingNetwork | None = None
        self.seconds = 0  # of a window that the head answers; 0: no head was trained
        self._device = device
        self.name = "softmax pooling by the question, the weightless analogue of a hierarchical adapter"
        self.producer = "softmax pooling"
        if found is None:
            return
        self.producer = found.producer("adapter")
        config = found.config()
        sizes = config.get("dim"), config.get("hidden")
        if config.get("model_type") != KIND:
            raise ModelMissing(
                f"{found.folder} holds a {config.get('model_type')} model: an adapter's config.json must have "
                f'model_type "{KIND}", dim and hidden.'
            )
        if sizes != (width, width):
            raise ModelMissing(
                f"{found.folder} is an adapter from {sizes[0]} to {sizes[1]} numbers; the vectors of the frames "
                f"model have {width}, and both are compared. Name the adapter that was trained with this model."
            )
        trained_on = config.get("encoder")
        if encoder and trained_on and trained_on != encoder:
            raise ModelMissing(
                f"{found.folder} was trained on vectors of {trained_on}; the frames model makes those of {encoder}. "
                "Train it again with this model, or name the frames model that it was trained with."
            )
        self.seconds = config.get("seconds") or 0
        if type(self.seconds) is not int or not 0 <= self.seconds <= MOST_SECONDS:
            raise ModelMissing(f"{found.folder}: seconds in config.json is not a whole number up to {MOST_SECONDS}.")
        if self.seconds:
            self._network = GroundingNetwork(width, self.seconds)
            load_weights(self._network, found.folder, device)
            self.seconds = self.seconds if config.get("windows", True) else 0
        else:
            self._adapter = HierarchicalAdapter(width, width)
            load_weights(self._adapter, found.folder, device)
        self.name = found.name

    @property
    def judges(self) -> bool:
        """Whether `existence` is there: the folder holds what was trained with the adapter."""
        return self._network is not None

    def read(self, frames: NDArray[np.float32], question: NDArray[np.float32]) -> NDArray[np.float32]:
        """One vector (D,) of length 1 from frames (T, D), T at least 1, and a question (D,)."""
        with torch.inference_mode():
            segment = torch.from_numpy(frames)[None]  # (1, T, D)
            query = torch.from_numpy(question)[None, None]  # (1, 1, D)
            if self._adapter is None:
                pooled = softmax_pool(segment, query, temperature=TEMPERATURE)
            else:
                name, dtype = self._device.name, self._device.dtype
                pooled = self._adapter.sparse(segment.to(name, dtype), query.to(name, dtype))
            vector: NDArray[np.float32] = F.normalize(pooled[0].float(), dim=0).cpu().numpy()
        return vector

    def existence(self, frames: NDArray[np.float32], question: NDArray[np.float32]) -> float:
        """p that a segment of frames (T, D), T at least 1, holds what the question (D,) asks for; needs a head."""
        network = self._trained()
        with torch.inference_mode():
            logit = network.segments(self._put(frames)[None], self._put(question)[None], self._mask(1, len(frames)))
            return float(logit.float().sigmoid())

    def windows(
        self, frames: Sequence[NDArray[np.float32]], question: NDArray[np.float32]
    ) -> list[tuple[torch.Tensor, float]]:
        """The head's two tokens (2, seconds + 1) for each window of at most `seconds` frames (T, D), one a second; and
        p(present) of a video whose best window this is."""
        network = self._trained()
        put = [F.pad(self._put(one), (0, 0, 0, self.seconds - len(one))) for one in frames]
        with torch.inference_mode():
            mask = self._mask(len(put), self.seconds)
            for row, one in zip(mask, frames, strict=True):
                row[len(one) :] = False
            logits = network.windows(torch.stack(put), self._put(question).expand(len(put), -1), mask).float()
            present = network.present(window_odds(logits)).cpu().tolist()
            return list(zip(logits.softmax(dim=-1).cpu(), present, strict=True))

    def _trained(self) -> GroundingNetwork:
        if self._network is None:
            raise ModelMissing(f"{self.name} holds no head for windows. Train one with agent-tools train adapter.")
        return self._network

    def _put(self, values: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(values).to(self._device.name, self._device.dtype)

    def _mask(self, batch: int, count: int) -> torch.Tensor:
        return torch.ones(batch, count, dtype=torch.bool, device=self._device.name)
