"""A language model that sees pictures, run on this machine by transformers (the Qwen-VL and SmolVLM2 families).

Knows one model, its tokenizer and its image processor, and decodes greedily. Knows nothing of videos: what is asked
comes from `asking`; what becomes of visual tokens is visual_tokens' and memory_reader's. Frames go in as images,
through the Pillow image processor: no torchvision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from agent_tools.errors import EngineError, ModelMissing
from agent_tools.models.asking import Answer, Seen
from agent_tools.models.devices import Device, choose, out_of_memory, too_little_memory
from agent_tools.models.folders import Found
from agent_tools.models.loading import load_model, load_processor, parameters_dtype
from agent_tools.models.memory_reader import MemoryReader
from agent_tools.models.token_layouts import layout_of
from agent_tools.models.visual_tokens import Compressed, PictureTokens, TokenSettings, compress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASS = "AutoModelForImageTextToText"
DEFAULT = TokenSettings()


@dataclass(frozen=True, eq=False)
class _Read:
    """A prompt as the language model reads it."""

    embeds: Tensor  # (L, C)
    positions: Tensor | None  # (3, 1, L); None where order alone counts
    seen: Seen | None


@dataclass(frozen=True, eq=False)
class _Written:
    ids: list[int]
    logits: list[Tensor]  # (V,) each


class VideoLlm:
    """Answerer. Loads on construction (a minute for a large model). Not safe for two threads at once.

    Where the family's layout is known (token_layouts), pictures go through the product's own compression, or through
    its memory where a MemAug is given, on their way from the vision tower to the language model; an Answer's `seen`
    says what was done. Another family's pictures go in whole, and producer and Answer say so.
    """

    def __init__(
        self,
        found: Found,
        *,
        device: Device | None = None,
        threads: int = 1,
        remembered: Path | None = None,
        tokens: TokenSettings | None = DEFAULT,
        memaug: Found | None = None,
    ) -> None:
        """
        Args:
            tokens: how visual tokens are compressed; None leaves them whole.
            memaug: a MemAug trained for this very model.
        Raises: ModelMissing: another kind of model, a missing package or file. EngineError: too little memory.
        """
        torch.set_num_threads(threads)
        self._device = device or choose()
        self._processor: Any = load_processor(found.folder, found.config())
        self._model: Any = load_model(CLASS, found.folder, self._device)
        self._layout, self._tokens = layout_of(self._model), tokens
        self._memory: MemoryReader | None = None
        how = ["greedy"]
        if self._layout is None:
            how.append("tokens.whole")
            if memaug is not None:
                raise ModelMissing(
                    f"{found.name} is of a family that memaug cannot serve: {self._unknown}. Leave it out."
                )
        elif memaug is not None:
            self._memory = MemoryReader(memaug, self._layout.width, self._device)
            how.append(f"memory.{memaug.producer('memaug', remembered)}")
        elif tokens is not None:
            how.append(tokens.described)
        self.producer = found.producer(",".join(how), remembered)

    def answer(self, prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer:
        """The model's answer to texts and pictures (H, W, 3) in their order, and the entropy of each written token.

        Greedy. Entropies are of the whole vocabulary, from the model's own logits, in nats; the token that ends the
        answer counts too, for it is a choice like any other.
        Raises: EngineError: the pictures do not fit the memory or the model.
        """
        try:
            inputs = self._inputs(prompt)
            count = sum(not isinstance(part, str) for part in prompt)
            with torch.inference_mode():
                read = self._read(inputs, count, max_tokens)
                written = self._whole(inputs, max_tokens) if read is None else self._write(read, max_tokens)
        except (RuntimeError, ValueError) as error:
            if out_of_memory(error):
                raise too_little_memory(self.producer) from error
            if isinstance(error, EngineError):
                raise
            raise EngineError(f"{self.producer} cannot answer: {str(error)[:300]}") from error
        logs = torch.stack([logits.float() for logits in written.logits]).log_softmax(-1)  # (K, V)
        entropies = torch.special.entr(logs.exp()).sum(-1)  # 0 log 0 = 0
        text = self._processor.tokenizer.decode(written.ids, skip_special_tokens=True)
        seen = read.seen if read is not None else Seen(count, count, (), f"tokens whole: {self._unknown}")
        return Answer(str(text).strip(), tuple(float(value) for value in entropies), seen=seen if count else None)

    @property
    def _unknown(self) -> str:
        return f"the layout of {self._model.config.model_type} models is not known here"

    def _read(self, inputs: Mapping[str, Tensor], count: int, max_tokens: int) -> _Read | None:
        """What the language model reads; None where the model itself must put the prompt together."""
        layout = self._layout
        if layout is None:
            return None
        embeds, positions = layout.text(inputs), layout.positions(inputs)
        if not count:
            return _Read(embeds, positions, None)
        pictures = layout.pictures(inputs, count)
        if pictures is None:
            return None
        shown = torch.cat([one.columns for one in pictures])
        budget = max(1, layout.context - (len(embeds) - len(shown)) - max_tokens)
        question = embeds[layout.question(inputs)]
        compressed = self._compressed(pictures, embeds, question, budget)
        embeds[compressed.columns] = compressed.tokens.to(embeds.dtype)
        kept = torch.ones(len(embeds), dtype=torch.bool, device=embeds.device)
        kept[shown] = False
        kept[compressed.columns] = True
        return _Read(embeds[kept], None if positions is None else positions[:, :, kept], compressed.seen)

    def _compressed(
        self, pictures: Sequence[PictureTokens], embeds: Tensor, question: Tensor, context: int
    ) -> Compressed:
        settings = self._tokens or DEFAULT
        budget = min(settings.most_tokens, context)
        note = ""
        if self._memory is not None:
            ends = embeds[torch.stack([one.columns[-1] + 1 for one in pictures])]
            read = self._memory.read(pictures, ends, question, budget)
            if read is not None:
                return read
            note = "memory not read: the pictures are of several sizes"
        if self._tokens is None:
            tokens, columns = (
                torch.cat(parts) for parts in zip(*((p.tokens, p.columns) for p in pictures), strict=True)
            )
            return Compressed(
                tokens, columns, Seen(len(pictures), len(pictures), (("vision tower", len(tokens)),), note)
            )
        found = compress(pictures, question, budget, settings)
        return replace(found, seen=replace(found.seen, note=note))

    def _write(self, read: _Read, max_tokens: int) -> _Written:
        """Greedy decoding from embeddings, with the model's own cache."""
        ends = self._model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or ())
        embeds, positions = read.embeds[None], read.positions
        following = 0 if positions is None else int(positions.max()) + 1
        cache, ids, logits = None, [], []
        for step in range(max_tokens):
            out = self._model(
                inputs_embeds=embeds,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits.append(out.logits[0, -1])
            ids.append(int(logits[-1].argmax()))
            if ids[-1] in ends:
                break
            cache = out.past_key_values
            embeds = self._model.get_input_embeddings()(torch.tensor([ids[-1:]], device=embeds.device))
            if positions is not None:
                positions = torch.full((3, 1, 1), following + step, device=embeds.device)
        return _Written(ids, logits)

    def _whole(self, inputs: Mapping[str, Tensor], max_tokens: int) -> _Written:
        """The same decoding by transformers, with every visual token."""
        given = inputs["input_ids"].shape[1]
        out = self._model.generate(
            **inputs,
            max_new_tokens=max_tokens,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=1.0,
            return_dict_in_generate=True,
            output_logits=True,
        )
        return _Written(out.sequences[0, given:].tolist(), [logits[0] for logits in out.logits])

    def _inputs(self, prompt: Sequence[str | NDArray[np.uint8]]) -> dict[str, Any]:
        from PIL import Image

        pictures = [Image.fromarray(part) for part in prompt if not isinstance(part, str)]
        content = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in prompt]
        if not self._processor.chat_template:
            raise ModelMissing(f"{self.producer} has no chat template. Take an instruction-tuned model.")
        # through the tokenizer: some processors look for the video processor here, which is not loaded
        text = self._processor.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=self._processor.chat_template,
            add_generation_prompt=True,
            tokenize=False,
        )
        inputs = self._processor(text=[text], images=pictures or None, return_tensors="pt")
        dtype = parameters_dtype(self._model)
        return {
            name: value.to(self._device.name, dtype) if value.is_floating_point() else value.to(self._device.name)
            for name, value in inputs.items()
        }
