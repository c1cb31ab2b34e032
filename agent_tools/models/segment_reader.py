"""Makes one vector of a whole segment for a question. The sparse levels of a search by pictures compare it.

With trained weights it runs a HierarchicalAdapter. Without weights it pools by softmax over the question, an analogue
that has learnt nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from agent_tools.errors import ModelMissing
from agent_tools.grounding import HierarchicalAdapter, softmax_pool
from agent_tools.models.hub.loader import load_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.devices import Device
    from agent_tools.models.hub.folders import Found

KIND = "hierarchical-adapter"  # model_type in config.json
# Cosines of pictures with texts lie in a narrow band: at the default of .1 all frames would have the same weight.
TEMPERATURE = 0.01


class SegmentReader:
    """Turns the frames of a segment and a question into one vector in their space."""

    def __init__(self, found: Found | None, width: int, device: Device) -> None:
        """
        Args:
            found: an adapter whose vector is trained to be compared with the question's by cosine; None: pooling.
            width: D of the frame and question vectors.
        Raises: ModelMissing: a folder that holds no such adapter, or one of another width.
        """
        self._adapter: HierarchicalAdapter | None = None
        self._device = device
        self.name = "softmax pooling by the question, the weightless analogue of a hierarchical adapter"
        if found is None:
            return
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
        self._adapter = HierarchicalAdapter(width, width)
        load_weights(self._adapter, found.folder, device)
        self.name = found.name

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
