"""Progressive visual dropout inside a language model: the deeper a layer, the fewer visual tokens it reads.

Source: VideoChat-Flash, Sec. 3.2: cuts before layers 4 and 18 of 28; the first leaves tokens at even distances, the
later ones those that the last token of the prompt attends to. It works with the decoder layers of Qwen2-VL, Qwen2.5-VL
and Llama in transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from agent_tools.compression import drop_tokens, dropout_schedule


class StagedDecoder:
    """Runs the layers of a loaded model one by one, so that a prompt can lose tokens between two layers."""

    def __init__(self, decoder: Any) -> None:
        """Args: decoder: the language model without its head; see `can_stage`."""
        self._decoder = decoder

    @property
    def depth(self) -> int:
        return len(self._decoder.layers)

    def __call__(
        self, embeds: Tensor, positions: Tensor, cache: Any, visual: Tensor | None = None, cuts: Mapping[int, int] = {}
    ) -> Tensor:
        """Hidden states (1, L', C) after the last norm. The cache gets each layer's keys and values.

        Args:
            embeds: (1, L, C), the prompt with an empty cache, or one more token.
            positions: of the L tokens, in the form of the model's own rotary embedding.
            visual: (L,) bool, the tokens that may be dropped.
            cuts: layer -> number of visual tokens from this layer on; never for the first layer.
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
                attention_mask=None,  # sdpa: causal over a prompt; one more token reads all that is cached
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
    """Whether StagedDecoder computes the same as this language model: full attention in every layer, by sdpa."""
    kinds = set(getattr(decoder.config, "layer_types", None) or ("full_attention",))
    return kinds == {"full_attention"} and decoder.config._attn_implementation == "sdpa"


def cuts_of(depth: int, tokens: int, stages: Sequence[tuple[float, float]]) -> dict[int, int]:
    """layer -> number of visual tokens from it on, by (share of the depth, share of the tokens) in falling order."""
    left = dropout_schedule(tokens, (1.0, *(share for _, share in stages)))[1:]
    cuts = {max(1, round(at * depth)): count for (at, _), count in zip(stages, left, strict=True)}
    return {layer: count for layer, count in cuts.items() if layer < depth}


def load(depth: int, stages: Sequence[tuple[float, float]]) -> float:
    """The mean number of visual tokens that a layer reads, as a share of those that the first layer reads."""
    many = 1_000_000  # so many that rounding has no effect
    cuts, reading, total = cuts_of(depth, many, stages), many, 0
    for layer in range(depth):
        reading = cuts.get(layer, reading)
        total += reading
    return total / (depth * many)


def attention(layer: Any, query: Tensor, turn: tuple[Tensor, Tensor], keys: Tensor) -> Tensor:
    """(L,) attention of the last token, mean over the heads, computed from `query` (1, 1, C) like the layer does."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    own = layer.self_attn
    heads = own.q_proj(layer.input_layernorm(query)).view(1, 1, -1, own.head_dim).transpose(1, 2)  # (1, H, 1, W)
    heads = apply_rotary_pos_emb(heads, heads, *(part[:, -1:] for part in turn))[0]
    keys = keys.repeat_interleave(heads.shape[1] // keys.shape[1], dim=1)  # grouped queries share keys
    shares: Tensor = (heads.float() @ keys.float().transpose(2, 3) * own.scaling).softmax(dim=-1)  # (1, H, 1, L)
    return shares.mean(dim=1)[0, 0]


def _chosen(count: int, keep: int, scores: Tensor | None, columns: Tensor) -> Tensor:
    return drop_tokens(count, keep, None if scores is None else scores[columns])
