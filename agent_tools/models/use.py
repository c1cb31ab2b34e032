"""Google's Universal Sentence Encoder, multilingual, v3: texts of sixteen languages to vectors, in NumPy.

Source: Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval" (2019); the shape of the network
follows the weights: word vectors beside three convolutions over 2, 3 and 5 words, summed over the text, then a
residual network. The word vectors are kept in 8 bits and widened where they are read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent_tools.models.text_language import SIXTEEN
from agent_tools.models.use_files import CHUNKS, WEIGHTS_SHA256, load
from agent_tools.models.use_pieces import are_few

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

BEGIN, END, UNKNOWN = 1, 2, 0
ORDERS = ((2, 0), (3, 1), (5, 2))  # words that a convolution sees, and how many of them lie before the word itself
WIDTH = 256  # of each convolution
BATCH_TOKENS = 384  # of several texts in one matrix product; more does not fit the processor's cache
MAX_TOKENS = 1024  # of one text
# Questions about nothing, and what they ask as statements. The mean difference is what a question looks like to this
# encoder, whatever it is about: without it every question is near every question that somebody says.
QUESTIONS = (
    ("Who is it?", "It is someone."),
    ("What is this about?", "This is about something."),
    ("Where is it?", "It is there."),
    ("When was it?", "It was then."),
    ("Why did it happen?", "It happened."),
    ("How many are there?", "There are some."),
    ("Wer ist das?", "Das ist jemand."),
    ("¿Qué es esto?", "Esto es algo."),
    ("Où est-ce ?", "C'est là."),
    ("谁?", "有人。"),
    ("누구예요?", "누군가예요."),
    ("Что это?", "Это что-то."),
)


class Use:
    """Loads on construction: a fraction of a second where the unpacked files are there. Not safe for two threads."""

    dim = 512
    languages = SIXTEEN
    producer = f"use-multilingual-v3@{WEIGHTS_SHA256[:8]}/1"

    def __init__(self, made: Path | None = None, *, threads: int = 1, remembered: Path | None = None) -> None:
        """
        Args:
            made: folder of the unpacked files, see use_files.load.
            threads: of NumPy's matrix products.
        Raises: ModelMissing: the package is not installed, or holds other bytes.
        """
        files = load(made, remembered)
        self._weights, self._files, self._threads = files.weights, files, threads
        self._table = files.weights["table"]
        self._eps = float(files.weights["eps"][0])
        self._projection = np.concatenate([files.weights[f"proj{order}"] for order, _ in ORDERS], axis=1)
        self._projection_bias = np.concatenate([files.weights[f"proj_b{order}"] for order, _ in ORDERS])

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Array:
        """Vectors (n, 512), float32, L2-normalised, in the order of the texts; n may be 0.

        Args:
            query: take out what all questions have in common: a question is to find its answer, not other questions."""
        vectors = self._encode(texts)
        if query and len(vectors):
            vectors -= (vectors @ self._asking)[:, None] * self._asking
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    @cached_property
    def _asking(self) -> Array:
        """The direction (512,) from statements to questions."""
        asked, said = (self._encode([pair[side] for pair in QUESTIONS]) for side in (0, 1))
        direction: Array = (asked - said).mean(axis=0)
        return direction / np.linalg.norm(direction)

    def _encode(self, texts: Sequence[str]) -> Array:
        from agent_tools.models import blas

        tokens = [[BEGIN, *(ids[: MAX_TOKENS - 2] or [UNKNOWN]), END] for ids in self._ids(texts)]
        vectors = np.empty((len(tokens), self.dim), np.float32)
        with blas.threads(self._threads):
            first = 0
            while first < len(tokens):
                end, count = first + 1, len(tokens[first])
                while end < len(tokens) and count + len(tokens[end]) <= BATCH_TOKENS:
                    count += len(tokens[end])
                    end += 1
                vectors[first:end] = self._forward(tokens[first:end])
                first = end
        return vectors

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of each text."""
        if are_few(texts) and not self._files.has_tokenizer:
            return [self._files.pieces.encode(text) for text in texts]
        return [one.ids for one in self._files.tokenizer.encode_batch(list(texts))]

    def _forward(self, tokens: Sequence[Sequence[int]]) -> Array:
        """Texts one behind the other: (tokens, C) in one product. Convolutions do not see across the borders."""
        weights = self._weights
        lengths = np.array([len(ids) for ids in tokens])
        begins = np.cumsum(lengths) - lengths
        ids = np.concatenate([np.asarray(ids, np.int64) for ids in tokens])
        words = self._table[ids].astype(np.float32)
        words *= weights["scale"][ids % CHUNKS, None]
        words += weights["lo"][ids % CHUNKS, None]
        narrow = words @ self._projection + self._projection_bias
        gain = np.concatenate([weights[f"ln_g{order}"] for order, _ in ORDERS])
        shift = np.concatenate([weights[f"ln_b{order}"] for order, _ in ORDERS])
        narrow = _normalised(narrow, gain, shift, self._eps)
        near = _neighbours(lengths, begins)
        features = [words]
        for number, (order, before) in enumerate(ORDERS):
            hidden = narrow[:, number * WIDTH : (number + 1) * WIDTH]
            seen = near[:, 2 - before : 2 - before + order]
            for step in ("1", "2"):
                hidden = _convolved(hidden, seen, weights[f"w{step}_{order}"], weights[f"b{step}_{order}"])
            features.append(hidden)
        whole = _normalised(np.concatenate(features, axis=1), weights["ln_g"], weights["ln_b"], self._eps)
        counts = lengths.astype(np.float32)[:, None]
        total = np.add.reduceat(whole, begins, axis=0) @ weights["cnn_W"] + counts * weights["cnn_b"]
        return self._residual(total / np.sqrt(counts))

    def _residual(self, x: Array) -> Array:
        weights = self._weights
        first = np.maximum(x @ weights["d0"], 0)
        middle = np.maximum(x @ weights["p1"] + first @ weights["d1"], 0)
        second = np.maximum(middle @ weights["d2"], 0)
        last: Array = np.tanh(middle @ weights["p3"] + second @ weights["d3"])
        last /= np.linalg.norm(last, axis=1, keepdims=True)
        return last


def _neighbours(lengths: NDArray[np.int64], begins: NDArray[np.int64]) -> NDArray[np.int64]:
    """(tokens, 7): the places two before to four behind each token; the row behind the last stands for no token."""
    total = int(lengths.sum())
    places = np.arange(total)[:, None] + np.arange(-2, 5)
    inside = places >= np.repeat(begins, lengths)[:, None]
    inside &= places < np.repeat(begins + lengths, lengths)[:, None]
    return np.where(inside, places, total)


def _convolved(hidden: Array, seen: NDArray[np.int64], weight: Array, bias: Array) -> Array:
    padded = np.concatenate([hidden, np.zeros((1, hidden.shape[1]), np.float32)])
    product = padded[seen].reshape(len(hidden), -1) @ weight
    product += bias
    np.maximum(product, 0, out=product)
    product += hidden
    convolved: Array = product
    return convolved


def _normalised(x: Array, gain: Array, shift: Array, eps: float) -> Array:
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("nc,nc->n", x, x) / x.shape[1]
    x *= (1 / np.sqrt(variance + eps))[:, None]
    x *= gain
    x += shift
    return x
