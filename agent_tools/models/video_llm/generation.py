"""Greedy decoding from embeddings, with the model's own cache: the way from a prompt whose tokens we chose to a text.

Knows a loaded transformers model that takes embeddings. Knows nothing of pictures, tokenizers or prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from agent_tools.models.video_llm.progressive import Staged


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a language model reads before it writes."""

    embeds: Tensor  # (L, C)
    positions: Tensor  # (..., L), as the model's rotary embedding takes them
    visual: Tensor | None = None  # (L,) bool, the visual tokens
    cuts: Mapping[int, int] = field(default_factory=dict)  # layer -> visual tokens left from it on; see progressive


@dataclass(frozen=True, eq=False)
class Written:
    ids: list[int]  # the one that ends the text included
    logits: list[Tensor]  # (V,) for each


def write(model: Any, prompt: Prompt, max_tokens: int, staged: Staged | None = None) -> Written:
    """The most probable token again and again, until one ends the text or there are max_tokens.

    Args:
        staged: runs the layers where the prompt has cuts; the model runs itself otherwise.
    """
    from transformers import DynamicCache

    stop = model.generation_config.eos_token_id
    ends = {stop} if isinstance(stop, int) else set(stop or ())
    embeds, positions = prompt.embeds[None], prompt.positions
    following = int(positions.max()) + 1
    cache = DynamicCache(config=model.config.get_text_config())
    written = Written([], [])
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
        written.logits.append(row)
        written.ids.append(int(row.argmax()))
        if written.ids[-1] in ends:
            break
        embeds = model.get_input_embeddings()(torch.tensor([written.ids[-1:]], device=embeds.device))
        positions = torch.full((*positions.shape[:-1], 1), following + step, device=embeds.device)
    return written
