"""Greedy decoding by a transformers model from embeddings, so that the caller chooses the prompt's tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from agent_tools.models.video_llm.progressive import StagedDecoder


@dataclass(frozen=True, eq=False)
class Prompt:
    """The input of a language model."""

    embeds: Tensor  # (L, C)
    positions: Tensor  # (..., L), in the form of the model's rotary embedding
    visual: Tensor | None = None  # (L,) bool, the visual tokens
    cuts: Mapping[int, int] = field(
        default_factory=dict
    )  # layer -> number of visual tokens from that layer on; see progressive


@dataclass(frozen=True, eq=False)
class GeneratedTokens:
    ids: list[int]  # with the token that ends the text
    logits: list[Tensor]  # (V,) for each id


def write(model: Any, prompt: Prompt, max_tokens: int, staged: StagedDecoder | None = None) -> GeneratedTokens:
    """Take the most probable token at each step, until a token ends the text or there are max_tokens.

    Args:
        staged: runs the layers if the prompt has cuts; without cuts the model runs itself.
    """
    from transformers import DynamicCache

    stop = model.generation_config.eos_token_id
    ends = {stop} if isinstance(stop, int) else set(stop or ())
    embeds, positions = prompt.embeds[None], prompt.positions
    following = int(positions.max()) + 1
    cache = DynamicCache(config=model.config.get_text_config())
    generated = GeneratedTokens([], [])
    for step in range(max_tokens):
        if staged is not None and prompt.cuts:
            visual, cuts = (prompt.visual, prompt.cuts) if step == 0 else (None, {})
            row = model.get_output_embeddings()(staged(embeds, positions, cache, visual, cuts)[0, -1])
        else:
            row = model(
                inputs_embeds=embeds,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[0, -1]
        generated.logits.append(row)
        generated.ids.append(int(row.argmax()))
        if generated.ids[-1] in ends:
            break
        embeds = model.get_input_embeddings()(torch.tensor([generated.ids[-1:]], device=embeds.device))
        positions = torch.full((*positions.shape[:-1], 1), following + step, device=embeds.device)
    return generated
