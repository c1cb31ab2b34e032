"""Where the pictures of a video LLM's prompt lie: their columns, the vision tower's tokens, and the positions.

It covers the Qwen2-VL, Qwen2.5-VL, SmolVLM and Idefics3 families of transformers. The language model reads all visual
tokens of any other family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from agent_tools.models.video_llm.visual_tokens import PictureTokens

_PIXELS = ("pixel_values", "image_grid_thw", "pixel_attention_mask")


@dataclass(frozen=True)
class LayoutFamilies:
    """The families whose layout is known, by the model_type of their config.json."""

    m_rope: frozenset[str] = frozenset({"qwen2_vl", "qwen2_5_vl"})  # positions by time, height and width
    in_order: frozenset[str] = frozenset({"smolvlm", "idefics3"})  # positions by order alone


KNOWN_FAMILIES = LayoutFamilies()


class Layout:
    """One loaded model's layout. All tensors are of a prompt without padding, batch 1."""

    def __init__(self, model: Any, *, m_rope: bool) -> None:
        """Args: m_rope: the model's positions are by time, height and width."""
        self._model = model
        self._m_rope = m_rope
        self._image = int(model.config.image_token_id)
        self.width = int(model.config.get_text_config().hidden_size)

    @property
    def decoder(self) -> Any:
        """The language model without its head."""
        inner = self._model.model
        return inner.language_model if self._m_rope else inner.text_model

    @property
    def context(self) -> int:
        """The most tokens that the language model can read."""
        return int(self._model.config.get_text_config().max_position_embeddings)

    def text(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Embeddings (L, C) of the prompt; at the columns of pictures they have no meaning."""
        embedded: Tensor = self._model.get_input_embeddings()(inputs["input_ids"])[0]
        return embedded

    def pictures(self, inputs: Mapping[str, Tensor], count: int) -> list[PictureTokens] | None:
        """The tower's tokens of each of `count` pictures; None if the prompt does not have this layout."""
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
        """(Q,) columns of the text after the last picture, or of all text if no text follows it."""
        is_picture = inputs["input_ids"][0] == self._image
        text, pictures = (~is_picture).nonzero().flatten(), is_picture.nonzero().flatten()
        after = text[text > pictures[-1]] if len(pictures) else text
        return after if len(after) else text

    def positions(self, inputs: Mapping[str, Tensor], kept: Tensor) -> Tensor:
        """Positions of the K columns that `kept`, (L,) bool, marks: (3, 1, K) by time, height and width, as the model
        computes them for the whole prompt, or (1, K) by order alone."""
        if not self._m_rope:
            return torch.arange(int(kept.sum()), device=kept.device)[None]
        whole: Tensor = self._model.model.get_rope_index(
            inputs["input_ids"],
            mm_token_type_ids=inputs["mm_token_type_ids"],
            image_grid_thw=inputs.get("image_grid_thw"),
        )[0]
        return whole[:, :, kept]

    def _grids(self, inputs: Mapping[str, Tensor], count: int, total: int) -> list[tuple[int, tuple[int, ...]]]:
        """(tokens, grid) of each picture."""
        if self._m_rope:
            merged = int(self._model.config.vision_config.spatial_merge_size) ** 2
            return [(int(grid.prod()) // merged, tuple(grid.tolist())) for grid in inputs["image_grid_thw"]]
        # A picture is several tiles of equal size, then the whole picture; pictures of one size have the same number.
        if total % count:
            return []
        return [(total // count, (total // count,))] * count


def layout_of(model: Any, families: LayoutFamilies = KNOWN_FAMILIES) -> Layout | None:
    """The layout of a loaded model; None if its family is not one of `families`."""
    family = str(model.config.model_type)
    known = family in families.m_rope | families.in_order
    return Layout(model, m_rope=family in families.m_rope) if known else None
