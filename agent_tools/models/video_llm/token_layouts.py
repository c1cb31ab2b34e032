"""Where a family of video LLMs keeps its pictures: the columns of the prompt, the tower's tokens, the positions.

Knows the Qwen2-VL, Qwen2.5-VL, SmolVLM and Idefics3 families of transformers. Knows nothing of compression or decoding.
Another family has no layout here, and its pictures go in whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from agent_tools.models.video_llm.visual_tokens import PictureTokens

M_ROPE = frozenset({"qwen2_vl", "qwen2_5_vl"})  # positions by time, height and width
IN_ORDER = frozenset({"smolvlm", "idefics3"})  # positions by order alone
_PIXELS = ("pixel_values", "image_grid_thw", "pixel_attention_mask")


class Layout:
    """One loaded model's layout. All tensors are of a prompt without padding, batch 1."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.family = str(model.config.model_type)
        self._image = int(model.config.image_token_id)
        self.width = int(model.config.get_text_config().hidden_size)

    @property
    def decoder(self) -> Any:
        """The language model without its head."""
        inner = self._model.model
        return inner.language_model if self.family in M_ROPE else inner.text_model

    @property
    def context(self) -> int:
        """Tokens that the language model was made for."""
        return int(self._model.config.get_text_config().max_position_embeddings)

    def text(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Embeddings (L, C) of the prompt; at the columns of pictures they stand for nothing."""
        embedded: Tensor = self._model.get_input_embeddings()(inputs["input_ids"])[0]
        return embedded

    def pictures(self, inputs: Mapping[str, Tensor], count: int) -> list[PictureTokens] | None:
        """The tower's tokens of each of `count` pictures; None where they do not lie as this layout knows it."""
        columns = (inputs["input_ids"][0] == self._image).nonzero().flatten()
        found = self._model.model.get_image_features(
            **{name: inputs[name] for name in _PIXELS if name in inputs}, return_dict=True
        ).pooler_output
        tokens = torch.cat(list(found)).to(columns.device)  # (sum of N, C)
        grids = self._grids(inputs, count, len(tokens))
        sizes = [size for size, _ in grids]
        if len(tokens) != len(columns) or len(sizes) != count or sum(sizes) != len(tokens):
            return None
        return [
            PictureTokens(one, places, grid)
            for one, places, (_, grid) in zip(
                torch.split(tokens, sizes), torch.split(columns, sizes), grids, strict=True
            )
        ]

    def question(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """(Q,) columns of the text behind the last picture, or of all text where nothing follows."""
        shown = inputs["input_ids"][0] == self._image
        text, pictures = (~shown).nonzero().flatten(), shown.nonzero().flatten()
        behind = text[text > pictures[-1]] if len(pictures) else text
        return behind if len(behind) else text

    def positions(self, inputs: Mapping[str, Tensor], kept: Tensor) -> Tensor:
        """Of the columns that are kept, (L,) bool: by time, height and width (3, 1, K) as the model itself computes
        them for the whole prompt, or (1, K) by order alone."""
        if self.family not in M_ROPE:
            return torch.arange(int(kept.sum()), device=kept.device)[None]
        whole: Tensor = self._model.model.get_rope_index(
            inputs["input_ids"],
            mm_token_type_ids=inputs["mm_token_type_ids"],
            image_grid_thw=inputs.get("image_grid_thw"),
        )[0]
        return whole[:, :, kept]

    def _grids(self, inputs: Mapping[str, Tensor], count: int, total: int) -> list[tuple[int, tuple[int, ...]]]:
        """(tokens, grid) of each picture."""
        if self.family in M_ROPE:
            merged = int(self._model.config.vision_config.spatial_merge_size) ** 2
            return [(int(grid.prod()) // merged, tuple(grid.tolist())) for grid in inputs["image_grid_thw"]]
        # a picture is some tiles of equal size, the whole picture last; pictures of one size have equally many
        if total % count:
            return []
        return [(total // count, (total // count,))] * count


def layout_of(model: Any) -> Layout | None:
    """The layout of a loaded model, None where its family is not known here."""
    return Layout(model) if str(model.config.model_type) in M_ROPE | IN_ORDER else None
