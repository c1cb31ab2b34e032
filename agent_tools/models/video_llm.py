"""A language model that sees pictures, run on this machine by transformers (the Qwen-VL and SmolVLM2 families).

Knows one model, its tokenizer and its image processor. Knows nothing of videos: what is asked comes from `asking`.
Frames go in as images, through the Pillow image processor: no torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_tools.errors import EngineError, ModelMissing
from agent_tools.models.asking import Answer
from agent_tools.models.devices import Device, choose, out_of_memory, too_little_memory
from agent_tools.models.folders import Found
from agent_tools.models.loading import load_model, load_processor, parameters_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASS = "AutoModelForImageTextToText"


class VideoLlm:
    """Answerer. Loads on construction (a minute for a large model). Not safe for two threads at once."""

    def __init__(
        self, found: Found, *, device: Device | None = None, threads: int = 1, remembered: Path | None = None
    ) -> None:
        """Raises: ModelMissing: another kind of model, a missing package or file. EngineError: too little memory."""
        import torch

        torch.set_num_threads(threads)
        self._device = device or choose()
        self._processor: Any = load_processor(found.folder, found.config())
        self._model: Any = load_model(CLASS, found.folder, self._device)
        self.producer = found.producer("greedy", remembered)

    def answer(self, prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer:
        """The model's answer to texts and pictures (H, W, 3) in their order, and the entropy of each written token.

        Greedy. Entropies are of the whole vocabulary, from the model's own logits, in nats; the token that ends the
        answer counts too, for it is a choice like any other.
        Raises: EngineError: the pictures do not fit the memory or the model.
        """
        import torch

        try:
            inputs = self._inputs(prompt)
            given = inputs["input_ids"].shape[1]
            with torch.inference_mode():
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
        except (RuntimeError, ValueError) as error:
            if out_of_memory(error):
                raise too_little_memory(self.producer) from error
            raise EngineError(f"{self.producer} cannot answer: {str(error)[:300]}") from error
        logs = torch.stack([logits[0].float() for logits in out.logits]).log_softmax(-1)  # (K, V)
        entropies = torch.special.entr(logs.exp()).sum(-1)  # 0 log 0 = 0
        text = self._processor.tokenizer.decode(out.sequences[0, given:], skip_special_tokens=True)
        return Answer(str(text).strip(), tuple(float(value) for value in entropies))

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
