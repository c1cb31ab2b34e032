"""Lite's text vectors: an English encoder and one of sixteen languages side by side, chosen by each text's language.

An English text is [MiniLM; USE] / sqrt(2), any other [0; USE]: 896 numbers, of length 1. So two English texts are
compared by both encoders, and every other pair by USE alone. A text that does not tell its language counts as
English: it has both parts. Measured (`python -m lab.bench languages`): R@1 over translated subtitles .76, where MiniLM
alone has .10; English paraphrases .595, MiniLM .503, USE .479."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_tools.models.minilm import MiniLM
from agent_tools.models.text_language import language_of
from agent_tools.models.use import Use

Array = NDArray[np.float32]

MOST_WORDS = 4_096  # whose vectors stay in memory: 8 MB


class RoutedText:
    """A TextEncoder of English and fifteen other languages. Loads on construction. Not safe for two threads at once."""

    dim = MiniLM.dim + Use.dim
    languages = Use.languages
    producer = f"{MiniLM.producer.split('/')[0]}+{Use.producer.split('/')[0]}/routed-1"

    def __init__(self, made: Path | None = None, *, threads: int = 1, remembered: Path | None = None) -> None:
        """As Use and MiniLM. Raises: ModelMissing: a package is not installed, or holds other bytes."""
        self._english = MiniLM(threads=threads, remembered=remembered)
        self._many = Use(made, threads=threads, remembered=remembered)
        self._words: OrderedDict[str, Array] = OrderedDict()
        self._words_lock = threading.Lock()  # several searches ask at once

    @property
    def older(self) -> tuple[MiniLM, ...]:
        """The encoders of profiles before this one, whose vectors can still be asked: MiniLM alone."""
        return (self._english,)

    def encode(
        self, texts: Sequence[str], *, query: bool = False, languages: Sequence[str | None] | None = None
    ) -> Array:
        """Vectors (n, 896), float32, L2-normalised, in the order of the texts; n may be 0.

        Args:
            languages: of each text, where it is known ("de", "pt-BR"; None where not); else the text decides.
        """
        known = languages if languages is not None else [None] * len(texts)
        english = [
            i for i, (text, language) in enumerate(zip(texts, known, strict=True)) if _is_english(text, language)
        ]
        vectors = np.zeros((len(texts), self.dim), np.float32)
        vectors[:, MiniLM.dim :] = self._many.encode(texts, query=query)
        if english:
            vectors[english, : MiniLM.dim] = self._english.encode([texts[i] for i in english], query=query)
            vectors[english] *= np.float32(0.5**0.5)
        return vectors

    def encode_words(self, words: Sequence[str]) -> Array:
        """Vectors (n, 512) of single words, float32, L2-normalised: of all sixteen languages on one scale.

        The last MOST_WORDS are remembered: the texts of a library share most of their words."""
        with self._words_lock:
            found = {word: self._words[word] for word in words if word in self._words}
        new = list(dict.fromkeys(word for word in words if word not in found))
        found.update(zip(new, self._many.encode(new), strict=True))
        with self._words_lock:
            for word, vector in found.items():
                self._words[word] = vector
                self._words.move_to_end(word)
            while len(self._words) > MOST_WORDS:
                self._words.popitem(last=False)
        return np.array([found[word] for word in words], np.float32).reshape(-1, Use.dim)


@dataclass(frozen=True)
class Sides:
    """Which of some vectors have the English part: two texts are compared by the parts that both have.

    One product of an English text and another is U / sqrt(2), of two English texts (M + U) / 2, where M and U are the
    cosines of the two encoders. So the first is brought to U, and all cosines are on one scale."""

    english: NDArray[np.bool_]  # (n,)

    def cosines(self, products: Array, query: Array) -> Array:
        """Cosines (n,) from the products of these vectors with a query's, (n,)."""
        return products * self.factors(query)

    def factors(self, query: Array) -> Array:
        """What each product (n,) is multiplied with."""
        alike = self.english == bool(query[: MiniLM.dim].any())
        return np.where(alike, np.float32(1), np.float32(2**0.5))


def sides_of(encoder: Any, reach: Callable[[int], NDArray[np.bool_]]) -> Sides | None:
    """The sides of some vectors; None of an encoder with one part.

    Args:
        reach: whether each vector (n,) holds anything in its first so many numbers."""
    return Sides(reach(MiniLM.dim)) if isinstance(encoder, RoutedText) else None


def reach_of(matrix: Array) -> Callable[[int], NDArray[np.bool_]]:
    """What sides_of asks, of vectors as a matrix (n, D)."""
    return lambda first: np.asarray(matrix[:, :first].any(axis=1))


def encode_known(encoder: Any, texts: Sequence[str], languages: Sequence[str | None]) -> Array:
    """Vectors of entries whose languages are known, by any TextEncoder; only a RoutedText asks for the languages."""
    if isinstance(encoder, RoutedText):
        return encoder.encode(texts, languages=languages)
    vectors: Array = encoder.encode(texts)
    return vectors


def _is_english(text: str, language: str | None) -> bool:
    if language and language != "und":
        return language.split("-")[0].lower() in ("en", "eng")
    return language_of(text).maybe_english
