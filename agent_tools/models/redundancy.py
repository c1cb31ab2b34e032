"""DINOv2 or DINOv3 patch features, to prune frames that show nothing new. They have no text side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import ModelMissing
from agent_tools.models.devices import Device, batch_size, choose, in_batches
from agent_tools.models.hub.folders import Found
from agent_tools.models.hub.loader import load_model, parameters_dtype
from agent_tools.models.preprocess import PictureRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILIES = {
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "dinov3_vit": "DINOv3ViTModel",
}
_ACTIVATIONS = 12  # rough count of (tokens, width) arrays that are alive at once in one layer


class Redundancy:
    """FrameEncoder of all patch features of a picture, flattened and L2-normalised; loads on construction.

    Source: LongVU, Sec. 3 (released code): cosine of flattened DINOv2 features, threshold .83. Differs: the model's own
    patch grid (16 x 16 at 224 px; LongVU resizes 27 x 27 at 378 px to 24 x 24), and the whole picture, scaled to the
    model's size by the decoder (the model's own processor would cut off the sides).
    A vector holds tokens x width values (98,304 for dinov2-small), so it is used for one window and not kept.
    """

    has_text_side = False
    threshold = 0.83

    def __init__(
        self, found: Found, *, device: Device | None = None, threads: int = 1, remembered: Path | None = None
    ) -> None:
        """Raises: ModelMissing: another family, a file is missing or broken. EngineError: too little memory."""
        import torch

        torch.set_num_threads(threads)
        family = str(found.config().get("model_type"))
        if family not in FAMILIES:
            raise ModelMissing(
                f"{found.folder} holds a {family} model; frames are pruned by dinov2 or dinov3_vit models. "
                "Name another with the setting models, or take --profile lite."
            )
        self._device = device or choose()
        self._rule = PictureRule.read(found.folder)
        self._model: Any = load_model(FAMILIES[family], found.folder, self._device)
        config = self._model.config
        self._first_patch = 1 + int(
            getattr(config, "num_register_tokens", 0)
        )  # after the class token and the registers
        patch = int(config.patch_size)
        self.size = self._rule.size
        tokens = (self.size[0] // patch) * (self.size[1] // patch)
        self.dim = tokens * int(config.hidden_size)
        self.producer = found.producer("1", remembered)
        self._batch = batch_size(4 * self.dim * _ACTIVATIONS, self._device)

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, dim), float32, L2-normalised, of pictures (n, H, W, 3), best of `size`; n may be 0.

        Raises: ShapeError: not (n, H, W, 3) uint8. EngineError: one picture does not fit the memory.
        """
        import torch

        rows = [np.empty((0, self.dim), np.float32)]
        with torch.inference_mode():
            rows += in_batches(self._encode, pictures, self._batch, self.producer)
        if not len(pictures):
            self._rule.prepare(pictures)  # checks the shape
        return np.concatenate(rows)

    def _encode(self, pictures: Any) -> NDArray[np.float32]:
        import torch

        pixels = self._rule.prepare(pictures).to(self._device.name, parameters_dtype(self._model))
        hidden = self._model(pixel_values=pixels).last_hidden_state  # (B, 1 + registers + N, C)
        flat = hidden[:, self._first_patch :].flatten(1).float()  # (B, N * C)
        unit: NDArray[np.float32] = torch.nn.functional.normalize(flat, dim=1).cpu().numpy()
        return unit
