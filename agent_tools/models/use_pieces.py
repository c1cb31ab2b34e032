"""The pieces of a few short texts in USE's vocabulary, without its tokenizer, which takes .3 s to build at each start.

The same search as SentencePiece's unigram model (Kudo, 2018): of all ways to divide a text the one whose pieces have
the highest sum of scores; of ways with equal sums the tokenizer may take another. Pieces are found by their hashes in
a sorted array, which stays on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = 0
UNKNOWN_PENALTY = 10.0  # below the worst piece, as SentencePiece has it
MOST_TEXTS, MOST_CHARACTERS = 16, 1200  # of what is "a few": more is faster with the tokenizer
SPACE = "▁"
_DIGEST = 8


class Pieces:
    """Not safe for two threads. `arrays`: what `arrays_of` made."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._hashes = np.ascontiguousarray(arrays["piece_hashes"]).view(np.uint64).ravel()
        self._ids, self._scores = arrays["piece_ids"].view(np.int32).ravel(), arrays["piece_scores"]
        self._charsmap = arrays["charsmap"]
        self._longest = int(arrays["piece_bounds"][0])
        self._unknown_score = float(arrays["piece_bounds"][1]) - UNKNOWN_PENALTY

    @cached_property
    def _normaliser(self) -> Any:
        return normaliser(self._charsmap.tobytes())

    def encode(self, text: str) -> list[int]:
        """The ids of the text's pieces, as the tokenizer gives them."""
        text = self._normaliser.normalize_str(text).replace(" ", SPACE)
        if not text:
            return []
        text = text if text.startswith(SPACE) else SPACE + text
        known = self._known(text)
        ends: list[tuple[float, int, int]] = [(0.0, 0, UNKNOWN), *[(-np.inf, -1, UNKNOWN)] * len(text)]
        for start in range(len(text)):
            so_far = ends[start][0]
            found = known[start]
            if not any(end == start + 1 for end, _, _ in found):
                found = [(start + 1, self._unknown_score, UNKNOWN), *found]
            for end, score, piece in found:
                if ends[end][1] < 0 or so_far + score > ends[end][0]:
                    ends[end] = (so_far + score, start, piece)
        ids: list[int] = []
        at = len(text)
        while at:
            _, at, piece = ends[at]
            if not (piece == UNKNOWN and ids and ids[-1] == UNKNOWN):  # unknown letters in a row are one piece
                ids.append(piece)
        return ids[::-1]

    def _known(self, text: str) -> list[list[tuple[int, float, int]]]:
        """For each place (end, score, id) of the pieces that begin there, the shortest first."""
        size = len(text)
        spans = [(i, end) for i in range(size) for end in range(i + 1, min(size, i + self._longest) + 1)]
        hashes = np.array([hashed(text[start:end]) for start, end in spans], np.uint64)
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        there = (self._hashes[places] == hashes).nonzero()[0]
        found: list[list[tuple[int, float, int]]] = [[] for _ in range(size)]
        for row in there.tolist():
            (start, end), place = spans[row], int(places[row])
            found[start].append((end, float(self._scores[place]), int(self._ids[place])))
        return found


def arrays_of(vocabulary: Sequence[tuple[str, float]], charsmap: bytes) -> dict[str, NDArray[Any]]:
    """What Pieces reads, as arrays of bytes and float32 (a safetensors file holds them).

    Args:
        vocabulary: (piece, score) in the order of the ids."""
    hashes = np.array([hashed(piece) for piece, _ in vocabulary], np.uint64)
    order = np.argsort(hashes)
    scores = np.array([score for _, score in vocabulary], np.float32)
    bounds = [max(len(piece) for piece, _ in vocabulary), scores.min()]
    return {
        "piece_hashes": hashes[order].view(np.uint8),
        "piece_ids": order.astype(np.int32).view(np.uint8),
        "piece_scores": scores[order],
        "piece_bounds": np.array(bounds, np.float32),
        "charsmap": np.frombuffer(charsmap, np.uint8),
    }


def normaliser(charsmap: bytes) -> Any:
    """The normaliser of the model, of the library tokenizers."""
    from tokenizers import Regex, normalizers

    return normalizers.Sequence(
        [normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" +"), " "), normalizers.Strip()]
    )


def are_few(texts: Sequence[str]) -> bool:
    return len(texts) <= MOST_TEXTS and sum(map(len, texts)) <= MOST_CHARACTERS


def hashed(piece: str) -> int:
    return int.from_bytes(hashlib.blake2b(piece.encode(), digest_size=_DIGEST).digest(), "little")
