"""Pictures and texts in one space: SigLIP 2, SigLIP and CLIP through transformers, from files on this machine.

To search pictures by words, take the cosine of `encode_text` with `encode`."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import ModelMissing
from agent_tools.models.devices import Device, batch_size, choose, in_batches
from agent_tools.models.hub.folders import Found, read_json
from agent_tools.models.hub.loader import load_model, load_tokenizer, parameters_dtype
from agent_tools.models.preprocess import PictureRule

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

FAMILIES = {"siglip": "SiglipModel", "clip": "CLIPModel"}  # config's model_type; SigLIP 2 of fixed size has siglip
ENGLISH_ONLY = "clip"
_PUNCTUATION = re.compile("[" + re.escape(string.punctuation) + "]")
_ACTIVATIONS = 12  # rough count of (tokens, width) arrays that are alive at once in one layer of a vision tower


class ImageText:
    """FrameEncoder with a text side. Loads on construction. Not safe for two threads at once.

    `threshold` is LongVU's .83 for DINOv2 features. Profiles prune by `Redundancy`; this value is used only if there
    is no redundancy encoder.
    """

    has_text_side = True
    threshold = 0.83

    def __init__(
        self, found: Found, *, device: Device | None = None, threads: int = 1, remembered: Path | None = None
    ) -> None:
        """
        Args:
            found: a folder with config.json, safetensors, preprocessor_config.json and tokenizer files.
            remembered: see weights.sha256_of.
        Raises: ModelMissing: another family, a file is missing or broken. EngineError: too little memory.
        """
        import torch

        torch.set_num_threads(threads)
        family = str(found.config().get("model_type"))
        if family not in FAMILIES:
            raise ModelMissing(
                f"{found.folder} holds a {family} model; pictures are searched with siglip (SigLIP 1, and SigLIP 2 of "
                "fixed resolution) or clip models. Name another with the setting models, or take --profile lite."
            )
        self._family = family
        self._device = device or choose()
        self._rule = PictureRule.read(found.folder)
        self._tokenizer = load_tokenizer(found.folder)
        self._model: Any = load_model(FAMILIES[family], found.folder, self._device)
        self._canonical = read_tokenizer_class(found.folder) == "SiglipTokenizer"
        text = self._model.config.text_config
        self._max_tokens = int(text.max_position_embeddings)
        self.dim = int(self._model.config.projection_dim) if family == "clip" else int(text.projection_size)
        self.size = self._rule.size
        self.languages = "English" if family == ENGLISH_ONLY or self._canonical else "many"
        self.producer = found.producer("1", remembered)
        vision = self._model.config.vision_config
        tokens = (vision.image_size // vision.patch_size) ** 2
        self._batch = batch_size(4 * tokens * vision.hidden_size * _ACTIVATIONS, self._device)

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, dim), float32, L2-normalised, of pictures (n, H, W, 3); n may be 0.

        Pictures of another size than `size` are scaled and cropped as the model's own processor does.
        Raises: ShapeError: not (n, H, W, 3) uint8. EngineError: one picture does not fit the memory.
        """
        import torch

        rows = [np.empty((0, self.dim), np.float32)]
        with torch.inference_mode():
            rows += in_batches(self._encode, pictures, self._batch, self.producer)
        if not len(pictures):
            self._rule.prepare(pictures)  # checks the shape
        return np.concatenate(rows)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, dim), float32, L2-normalised, in the space of `encode`; n may be 0.

        SigLIP gets each text in lower case and padded to its full length, as in its training; CLIP lowers the case
        itself. Text beyond the model's length (64 or 77 tokens) is cut off.
        """
        import torch

        rows = [np.empty((0, self.dim), np.float32)]
        with torch.inference_mode():
            rows += in_batches(self._encode_text, list(texts), 64, self.producer)
        return np.concatenate(rows)

    def _encode(self, pictures: Any) -> NDArray[np.float32]:
        pixels = self._rule.prepare(pictures).to(self._device.name, parameters_dtype(self._model))
        pooled = self._model.vision_model(pixel_values=pixels).pooler_output
        return _unit(self._model.visual_projection(pooled) if self._family == "clip" else pooled)

    def _encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        lowered = [text.lower() for text in texts]
        if self._canonical:  # what SigLIP 1's own tokenizer does before it cuts words
            lowered = [" ".join(_PUNCTUATION.sub("", text).split()) for text in lowered]
        tokens = self._tokenizer(
            lowered,
            padding="longest" if self._family == "clip" else "max_length",
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        ).to(self._device.name)
        if self._family == "clip":
            pooled = self._model.text_model(tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output
            return _unit(self._model.text_projection(pooled))
        return _unit(self._model.text_model(tokens.input_ids).pooler_output)  # trained without a mask


def read_tokenizer_class(folder: Path) -> str:
    path = folder / "tokenizer_config.json"
    return str(read_json(path).get("tokenizer_class", "")) if path.is_file() else ""


def _unit(vectors: torch.Tensor) -> NDArray[np.float32]:
    import torch

    unit: NDArray[np.float32] = torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()
    return unit
