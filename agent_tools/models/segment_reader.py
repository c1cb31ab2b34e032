"""One vector for a whole segment, made for the question: what the sparse levels of a search by pictures look at.

A HierarchicalAdapter where trained weights are named for it; without weights softmax pooling by the question, which is
its analogue and no learnt model. Knows frame vectors and one checkpoint. Knows nothing of videos or levels."""

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
# Pictures and texts lie in a narrow band of cosines: at the default of .1 all frames of a segment would weigh the same.
TEMPERATURE = 0.01


class SegmentReader:
    """Frames of a segment and a question to one vector in their space."""

    def __init__(self, found: Found | None, width: int, device: Device) -> None:
        """
        Args:
            found: an adapter that was trained so that its vector is compared with the question's by cosine; None pools.
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
                f"{found.folder} holds a {config.get('model_type')} model: config.json of an adapter says model_type "
                f'"{KIND}", dim and hidden.'
            )
        if sizes != (width, width):
            raise ModelMissing(
                f"{found.folder} is an adapter from {sizes[0]} to {sizes[1]} numbers; the frames model's vectors have "
                f"{width}, and the adapter's are compared with them. Name the one that was trained with this model."
            )
        self._adapter = HierarchicalAdapter(width, width)
        load_weights(self._adapter, found.folder, device)
        self.name = found.name

    def read(self, frames: NDArray[np.float32], question: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frames (T, D) with T at least 1 and a question (D,) to a vector (D,) of length 1."""
        with torch.inference_mode():
            shown, asking = (
                torch.from_numpy(frames)[None],
                torch.from_numpy(question)[None, None],
            )  # (1, T, D), (1, 1, D)
            if self._adapter is None:
                pooled = softmax_pool(shown, asking, temperature=TEMPERATURE)
            else:
                name, dtype = self._device.name, self._device.dtype
                pooled = self._adapter.sparse(shown.to(name, dtype), asking.to(name, dtype))
            vector: NDArray[np.float32] = F.normalize(pooled[0].float(), dim=0).cpu().numpy()
        return vector
