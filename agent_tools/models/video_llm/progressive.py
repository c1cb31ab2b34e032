"""Progressive visual dropout inside a language model: the deeper a layer, the fewer visual tokens it reads.

Source: VideoChat-Flash, Sec. 3.2: cuts before layers 4 and 18 of 28; the first leaves tokens at even distances, the
later ones those that the last token of the prompt attends to. Knows decoder layers as transformers' Qwen2-VL,
Qwen2.5-VL and Llama have them, and one prompt. Knows nothing of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from agent_tools.compression import drop_tokens, dropout_schedule


class Staged:
    """The layers of a loaded model, run one by one, so that a prompt can lose tokens between two of them."""

    def __init__(self, decoder: Any) -> None:
        """Args: decoder: the language model without its head; see `can_stage`."""
        self._decoder = decoder

    @property
    def depth(self) -> int:
        return len(self._decoder.layers)

    def __call__(
        self, embeds: Tensor, positions: Tensor, cache: Any, visual: Tensor | None = None, cuts: Mapping[int, int] = {}
    ) -> Tensor:
        """Hidden states (1, L', C) behind the last norm; each layer's keys and values of what it read are in the cache.

        Args:
            embeds: (1, L, C), the prompt with an empty cache, or one further token.
            positions: as the model's own rotary embedding takes them, of the L tokens.
            visual: (L,) bool, the tokens that may go.
            cuts: layer -> visual tokens that are left from this layer on; not of the first layer.
        """
        decoder, hidden = self._decoder, embeds
        turn = decoder.rotary_emb(hidden, positions)
        scores: Tensor | None = None
        for number, layer in enumerate(decoder.layers):
            if number in cuts and visual is not None:
                kept = ~visual
                columns = visual.nonzero().flatten()
                kept[columns[_chosen(len(columns), cuts[number], scores, columns).to(columns.device)]] = True
                hidden, visual = hidden[:, kept], visual[kept]
                turn = tuple(part[:, kept] for part in turn)
            query = hidden[:, -1:]
            hidden = layer(
                hidden,
                attention_mask=None,  # sdpa: causal over a prompt, and a further token reads all that is cached
                position_ids=None,
                past_key_values=cache,
                use_cache=True,
                position_embeddings=turn,
            )
            later = number + 1 in cuts and number + 1 > min(cuts)
            scores = attention(layer, query, turn, cache.layers[number].keys) if later else None
        normed: Tensor = decoder.norm(hidden)
        return normed


def can_stage(decoder: Any) -> bool:
    """Whether `Staged` runs this language model as it runs itself: full attention in every layer, by sdpa."""
    kinds = set(getattr(decoder.config, "layer_types", None) or ("full_attention",))
    return kinds == {"full_attention"} and decoder.config._attn_implementation == "sdpa"


def cuts_of(depth: int, tokens: int, stages: Sequence[tuple[float, float]]) -> dict[int, int]:
    """layer -> visual tokens left from it on, of (share of the depth, share of the tokens) pairs, in falling order."""
    left = dropout_schedule(tokens, (1.0, *(share for _, share in stages)))[1:]
    cuts = {max(1, round(at * depth)): count for (at, _), count in zip(stages, left, strict=True)}
    return {layer: count for layer, count in cuts.items() if layer < depth}


def load(depth: int, stages: Sequence[tuple[float, float]]) -> float:
    """Visual tokens that a layer reads in the mean, over those that the first one reads."""
    many = 1_000_000  # so that rounding does not count
    cuts, reading, total = cuts_of(depth, many, stages), many, 0
    for layer in range(depth):
        reading = cuts.get(layer, reading)
        total += reading
    return total / (depth * many)


def attention(layer: Any, query: Tensor, turn: tuple[Tensor, Tensor], keys: Tensor) -> Tensor:
    """(L,) attention of the last token, mean over the heads, as the layer computed it from `query` (1, 1, C)."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    own = layer.self_attn
    heads = own.q_proj(layer.input_layernorm(query)).view(1, 1, -1, own.head_dim).transpose(1, 2)  # (1, H, 1, W)
    heads = apply_rotary_pos_emb(heads, heads, *(part[:, -1:] for part in turn))[0]
    keys = keys.repeat_interleave(heads.shape[1] // keys.shape[1], dim=1)  # grouped queries share their keys
    shares: Tensor = (heads.float() @ keys.float().transpose(2, 3) * own.scaling).softmax(dim=-1)  # (1, H, 1, L)
    return shares.mean(dim=1)[0, 0]


def _chosen(count: int, keep: int, scores: Tensor | None, columns: Tensor) -> Tensor:
    return drop_tokens(count, keep, None if scores is None else scores[columns])
