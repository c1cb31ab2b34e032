"""Sentence vectors of many languages, from encoders whose folder says how they pool: multilingual E5, MiniLM, others.

One transformers encoder with its pooling and its prefixes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import ModelMissing
from agent_tools.models.devices import Device, batch_size, choose, in_batches
from agent_tools.models.hub.folders import Found, read_json
from agent_tools.models.hub.loader import load_model, load_tokenizer

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

FAMILIES = {
    "bert": "BertModel",
    "xlm-roberta": "XLMRobertaModel",
    "roberta": "RobertaModel",
    "mpnet": "MPNetModel",
    "distilbert": "DistilBertModel",
    "modernbert": "ModernBertModel",
}
POOLINGS = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
LONGEST = 512  # tokens of one text that are seen, where the model could see more: entries are short
LARGE_VOCABULARY = 60_000  # word pieces; the vocabularies of English models lie near 30,000 to 50,000
_ACTIVATIONS = 16  # rough count of (tokens, width) arrays that are alive at once in one layer


class Sentences:
    """TextEncoder. Loads on construction (seconds). Not safe for two threads at once.

    Pooling comes from 1_Pooling/config.json (mean without one), prefixes from config_sentence_transformers.json's
    `prompts`, else from the model's card where the folder cannot tell: E5 asks for "query: " and "passage: ".
    """

    def __init__(
        self,
        found: Found,
        *,
        device: Device | None = None,
        threads: int = 1,
        remembered: Path | None = None,
        large_vocabulary: int = LARGE_VOCABULARY,
    ) -> None:
        """A vocabulary of at least `large_vocabulary` pieces counts as that of many languages.

        Raises: ModelMissing: another family or pooling, a missing or broken file. EngineError: too little memory."""
        import torch

        torch.set_num_threads(threads)
        config = found.config()
        family = str(config.get("model_type"))
        if family not in FAMILIES:
            raise ModelMissing(
                f"{found.folder} holds a {family} model; texts are encoded by {', '.join(FAMILIES)} models. "
                "Name another with the setting models, or take --profile lite."
            )
        self._device = device or choose()
        self._pooling = pooling(found.folder)
        self._query, self._passage = prefixes(found.folder, found.name, config)
        self._tokenizer = load_tokenizer(found.folder)
        self._model: Any = load_model(FAMILIES[family], found.folder, self._device, unused="pooler.")
        self.dim = int(self._model.config.hidden_size)
        self._longest = longest(found.folder, self._model.config)
        self.languages = "many" if int(self._model.config.vocab_size) >= large_vocabulary else "English"
        self.producer = found.producer(f"{self._pooling}-{'prefixed' if self._passage else 'plain'}", remembered)

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Vectors (n, dim), float32, L2-normalised, in the order of the texts; n may be 0.

        Args:
            query: the texts are questions, not entries: models with prefixes tell the two apart.
        Raises: EngineError: one text does not fit the memory.
        """
        import torch

        prefix = self._query if query else self._passage
        tokens = [
            self._tokenizer(prefix + text, truncation=True, max_length=self._longest)["input_ids"] for text in texts
        ]
        vectors = np.empty((len(tokens), self.dim), dtype=np.float32)
        by_length = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        width = max((len(ids) for ids in tokens), default=1)
        size = min(32, batch_size(4 * width * self.dim * _ACTIVATIONS, self._device))

        def write(batch: Sequence[int]) -> None:
            vectors[list(batch)] = self._encode([tokens[i] for i in batch])

        with torch.inference_mode():
            for _ in in_batches(write, by_length, size, self.producer):
                pass
        return vectors

    def _encode(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        import torch

        lengths = torch.tensor([[len(ids)] for ids in tokens])
        width = int(lengths.max())
        ids = torch.full((len(tokens), width), int(self._tokenizer.pad_token_id or 0))
        for row, of_text in enumerate(tokens):
            ids[row, : len(of_text)] = torch.tensor(of_text)
        mask = (torch.arange(width) < lengths).long()
        ids, mask = ids.to(self._device.name), mask.to(self._device.name)
        hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()  # (B, N, C)
        unit: NDArray[np.float32] = torch.nn.functional.normalize(self._pooled(hidden, mask), dim=1).cpu().numpy()
        return unit

    def _pooled(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self._pooling == "cls":
            return hidden[:, 0]
        weight = mask[..., None].to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1)


def pooling(folder: Path) -> str:
    """ "mean" or "cls", as 1_Pooling/config.json says; "mean" without that file. Raises: ModelMissing: another one."""
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "mean"
    config = read_json(path)
    chosen = [name for name, key in POOLINGS.items() if config.get(key)]
    others = [
        key for key, on in config.items() if key.startswith("pooling_mode") and on and key not in POOLINGS.values()
    ]
    if config.get("pooling_mode") in POOLINGS:  # newer files name it
        return str(config["pooling_mode"])
    if len(chosen) != 1 or others:
        raise ModelMissing(f"{path} asks for another pooling than {' or '.join(POOLINGS)}. Name another model.")
    return chosen[0]


def prefixes(folder: Path, name: str, config: dict[str, Any]) -> tuple[str, str]:
    """(before a question, before an entry) that the model was trained with; empty where it has none."""
    path = folder / "config_sentence_transformers.json"
    prompts = read_json(path).get("prompts") if path.is_file() else None
    if isinstance(prompts, dict) and any(prompts.values()):
        entry = prompts.get("passage") or prompts.get("document") or ""
        return str(prompts.get("query") or ""), str(entry)
    said = f"{name} {config.get('_name_or_path', '')}".lower()
    if "e5-" in said or said.endswith("e5"):
        return "query: ", "passage: "
    return "", ""


def longest(folder: Path, config: Any) -> int:
    """Tokens of one text that the model can see, at most LONGEST."""
    room = int(config.max_position_embeddings)
    if config.model_type in ("xlm-roberta", "roberta", "mpnet"):
        room -= int(config.pad_token_id or 0) + 1  # their positions begin behind the padding's number
    path = folder / "sentence_bert_config.json"
    try:
        said = json.loads(path.read_text("utf-8")).get("max_seq_length") if path.is_file() else None
    except (OSError, ValueError, AttributeError):
        said = None
    return min(LONGEST, room, int(said or LONGEST))
