"""A language model that sees pictures, run on this machine by transformers (the Qwen-VL and SmolVLM2 families).

The prompts come from `questions`. visual_tokens, progressive and memory_reader decide which visual tokens it reads.
Frames go in as images, through the Pillow image processor, so torchvision is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from agent_tools.errors import EngineError, ModelMissing
from agent_tools.models.devices import Device, choose, out_of_memory, too_little_memory
from agent_tools.models.hub.folders import Found
from agent_tools.models.hub.loader import load_model, load_processor, parameters_dtype
from agent_tools.models.video_llm.generation import GeneratedTokens, Prompt, write
from agent_tools.models.video_llm.memory_reader import MemoryReader
from agent_tools.models.video_llm.progressive import StagedDecoder, can_stage, cuts_of, load
from agent_tools.models.video_llm.questions import Answer, TokenReport
from agent_tools.models.video_llm.token_layouts import KNOWN_FAMILIES, LayoutFamilies, layout_of
from agent_tools.models.video_llm.visual_tokens import Compressed, PictureTokens, TokenSettings, all_tokens, compress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASS = "AutoModelForImageTextToText"
DEFAULT = TokenSettings()


class VideoLlm:
    """Answerer. Loads on construction (a minute for a large model). Not safe for two threads at once.

    If the family's layout is known (token_layouts), the tokens of pictures are compressed between the vision tower and
    the language model, or go through memory if there is a MemAug; an Answer's `token_report` says what was done. The
    language model reads all tokens of another family's pictures, and producer and Answer say so.
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
        families: LayoutFamilies = KNOWN_FAMILIES,
    ) -> None:
        """
        Args:
            tokens: how visual tokens are compressed; None: not at all.
            memaug: a MemAug that was trained for this model.
            families: the families whose layout is known.
        Raises: ModelMissing: the wrong kind of model, or a missing package or file. EngineError: too little memory.
        """
        torch.set_num_threads(threads)
        self._device = device or choose()
        self._processor: Any = load_processor(found.folder, found.config())
        self._model: Any = load_model(CLASS, found.folder, self._device)
        self._layout, self._tokens = layout_of(self._model, families), tokens
        self._memory: MemoryReader | None = None
        self._staged: StagedDecoder | None = None
        if self._layout is not None and tokens is not None and tokens.stages and can_stage(self._layout.decoder):
            self._staged = StagedDecoder(self._layout.decoder)
        how = ["greedy"]
        if self._layout is None:
            how.append("tokens.whole")
            if memaug is not None:
                raise ModelMissing(f"{found.name}: memaug cannot serve it, {self._why_whole}. Leave it out.")
        elif tokens is not None:
            how.append(tokens.described)
        if memaug is not None and self._layout is not None:
            self._memory = MemoryReader(memaug, self._layout.width, self._device)
            how.append(f"memory.{memaug.producer('memaug', remembered)}")
        self.producer = found.producer(",".join(how), remembered)

    def answer(self, prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer:
        """The model's answer to texts and pictures (H, W, 3) in their order, and the entropy of each written token.

        Decoding is greedy. Entropies are in nats, over the whole vocabulary, from the model's own logits; the token
        that ends the answer counts too, because the model chose it like any other.
        Raises: EngineError: the pictures do not fit the memory or the model, or the logits do not fit the precision.
        """
        try:
            inputs = self._inputs(prompt)
            count = sum(not isinstance(part, str) for part in prompt)
            with torch.inference_mode():
                read = self._read(inputs, count, max_tokens)
                report: TokenReport | None
                if read is None:
                    generated = self._generate_with_all_tokens(inputs, max_tokens)
                    report = TokenReport(count, count, (), note=f"tokens whole: {self._why_whole}")
                else:
                    generated = write(self._model, read[0], max_tokens, self._staged)
                    report = read[1]
        except (RuntimeError, ValueError) as error:
            if out_of_memory(error):
                raise too_little_memory(self.producer) from error
            if isinstance(error, EngineError):
                raise
            raise EngineError(f"{self.producer} cannot answer: {str(error)[:300]}") from error
        rows = torch.stack([logits.float() for logits in generated.logits])  # (K, V)
        if not bool(rows.amax(-1).isfinite().all()):
            raise EngineError(
                f"{self.producer} computed words that are NaN or infinite on {self._device.described}, a precision too "
                f"narrow for it. Set the device to {self._device.name}/fp32 or cpu/fp32, or take another model."
            )
        logs = rows.log_softmax(-1)
        entropies = torch.special.entr(logs.exp()).sum(-1)  # 0 log 0 = 0
        text = self._processor.tokenizer.decode(generated.ids, skip_special_tokens=True)
        return Answer(
            str(text).strip(), tuple(float(value) for value in entropies), token_report=report if count else None
        )

    @property
    def _why_whole(self) -> str:
        if self._layout is None:
            return f"the layout of {self._model.config.model_type} models is not known here"
        return "this prompt's pictures do not lie as they are known to"

    def _read(
        self, inputs: Mapping[str, Tensor], count: int, max_tokens: int
    ) -> tuple[Prompt, TokenReport | None] | None:
        """The language model's input; None if the model itself must put the prompt together."""
        layout = self._layout
        if layout is None:
            return None
        embeds = layout.text(inputs)
        kept = torch.ones(len(embeds), dtype=torch.bool, device=embeds.device)
        if not count:
            return Prompt(embeds, layout.positions(inputs, kept)), None
        pictures = layout.pictures(inputs, count)
        if pictures is None:
            return None
        columns = torch.cat([one.columns for one in pictures])
        context = max(1, layout.context - (len(embeds) - len(columns)) - max_tokens)
        compressed = self._compressed(pictures, embeds, embeds[layout.question(inputs)], context)
        embeds[compressed.columns] = compressed.tokens.to(embeds.dtype)
        kept[columns] = False
        visual = torch.zeros_like(kept)
        visual[compressed.columns] = True
        kept |= visual
        report, cuts = compressed.report, {}
        if self._staged is not None and self._tokens is not None and report.read > self._tokens.most_tokens:
            cuts = cuts_of(self._staged.depth, report.read, self._tokens.stages)
            report = replace(report, layers=tuple(cuts.items()))
        return Prompt(embeds[kept], layout.positions(inputs, kept), visual[kept], cuts), report

    def _compressed(
        self, pictures: Sequence[PictureTokens], embeds: Tensor, question: Tensor, context: int
    ) -> Compressed:
        """Args: context: number of visual tokens that fit the model together with the text."""
        settings, note = self._tokens, ""
        budget = ceiling = context if settings is None else min(context, settings.most_tokens)
        if settings is not None and self._staged is not None:
            ceiling = min(context, int(settings.most_tokens / load(self._staged.depth, settings.stages)))
        if self._memory is not None:
            ends = embeds[torch.stack([one.columns[-1] + 1 for one in pictures])]
            read = self._memory.read(pictures, ends, question, ceiling)
            if read is not None:
                return read
            note = "memory not read: the pictures are of several sizes"
        found = all_tokens(pictures) if settings is None else compress(pictures, question, budget, settings, ceiling)
        return replace(found, report=replace(found.report, note=note))

    def _generate_with_all_tokens(self, inputs: Mapping[str, Tensor], max_tokens: int) -> GeneratedTokens:
        """The same greedy decoding, by transformers, with every visual token."""
        length = inputs["input_ids"].shape[1]
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
        return GeneratedTokens(out.sequences[0, length:].tolist(), [logits[0] for logits in out.logits])

    def _inputs(self, prompt: Sequence[str | NDArray[np.uint8]]) -> dict[str, Any]:
        from PIL import Image

        pictures = [Image.fromarray(part) for part in prompt if not isinstance(part, str)]
        content = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in prompt]
        if not self._processor.chat_template:
            raise ModelMissing(f"{self.producer} has no chat template. Take an instruction-tuned model.")
        # By the tokenizer: some processors would look for the video processor, which is not loaded.
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
