"""Compact codes of many vectors in memory, and the few of them that may be nearest a query.

A vector of length 1 is centred on the library's mean and turned by a random rotation, so that every number of it says
equally much, whatever the spectrum. Of each number four bits are kept, and their signs once more as columns of 64.
A query passes three sieves: signs that differ, over all; the four bits, over the thousands that are left; and the
vectors themselves, which the caller reads for the dozens that are left then. 768 numbers take 480 bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

QUERIES = 128  # asked of the sample
STEP = 0.335  # of four-bit quantisation, in standard deviations: least squared error for a normal distribution
SHARES = (1 / 32, 1 / 16)  # of all vectors, left by the first sieve; 1/64 found 985 of 1,000 nearest ones
LEAST = 3_072  # vectors left by the first sieve, at least: a small library needs a larger share
GOAL = 0.98  # recall on the sample at which the share is enough; on a library it is higher (lab/bench/retrieval.py)
ASKED = 3  # neighbours looked for in the sample
BLOCK = 1 << 15  # vectors scanned at once: their part of a column stays in the processor's cache
SOME = 1 << 10  # vectors whose four bits are spread out at once, for the same reason


@dataclass(frozen=True)
class Codebook:
    """How vectors (D,) of one space become codes of P numbers, P the next multiple of 64."""

    version: int
    trained: int  # vectors in the space when it was made
    mean: Floats  # (D,)
    rotation: Floats  # (P, D), orthonormal columns
    scale: float  # one step of the four bits
    share: float  # of all vectors that the first sieve leaves
    recall: float  # that this share had on the sample

    def encode(self, matrix: Floats) -> tuple[Words, Bytes]:
        """Signs (n, P/64) and four-bit codes (n, P/2) of vectors (n, D) of length 1."""
        turned = np.asarray((matrix - self.mean) @ self.rotation.T, np.float32)
        levels = np.clip(np.floor(turned / np.float32(self.scale)) + 8, 0, 15).astype(np.uint8)
        return self._signs(turned), levels[:, ::2] | (levels[:, 1::2] << 4)

    def question(self, query: Floats) -> Question:
        """What the sieves need of a query (D,) of length 1."""
        signs = self._signs(np.vecdot(self.rotation, query - self.mean)[None])[0]
        weights = np.vecdot(self.rotation, query)
        return Question(signs, np.ascontiguousarray(weights[::2]), np.ascontiguousarray(weights[1::2]))

    def _signs(self, turned: Floats) -> Words:
        return np.packbits(turned > 0, axis=1).view(np.uint64)


@dataclass(frozen=True)
class Question:
    signs: Words  # (P/64,)
    low: Floats  # (P/2,)
    high: Floats  # (P/2,)


def train(sample: Floats, version: int, total: int, seed: int = 768_064) -> Codebook:
    """A codebook from a sample (n, D) of a space of `total` vectors.

    The share that the first sieve leaves is the smallest whose recall on the sample reaches GOAL, asked with
    vectors of the sample and with weak likenesses of them: a text is to a picture hardly more than a direction."""
    draw = np.random.default_rng(seed)
    dim = sample.shape[1]
    padded = -(-dim // 64) * 64
    rotation = np.linalg.qr(draw.standard_normal((padded, padded)))[0][:, :dim].astype(np.float32)
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = float(np.sqrt(np.mean(np.square((sample - mean) @ rotation.T), dtype=np.float64)))
    book = Codebook(version, total, mean, rotation, STEP * max(deviation, 1e-6), SHARES[-1], 0.0)
    recalls = _recalls(book, sample, draw)
    chosen = next((at for at, recall in enumerate(recalls) if recall >= GOAL), len(SHARES) - 1)
    return replace(book, share=SHARES[chosen], recall=recalls[chosen])


def _recalls(book: Codebook, sample: Floats, draw: np.random.Generator) -> list[float]:
    centred = sample - book.mean
    queries = sample[draw.choice(len(sample), min(QUERIES, len(sample)), replace=False)]
    mixed = draw.standard_normal((len(queries[::2]), len(sample)), dtype=np.float32) @ centred
    queries[::2] = 0.5 * (queries[::2] - book.mean) + mixed / np.sqrt(len(sample))  # noise of the sample's own spectrum
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    signs, _ = book.encode(sample)
    found = np.zeros(len(SHARES))
    for query in queries:
        scores = sample @ query
        nearest = np.argsort(-scores)[:ASKED]
        order = np.bitwise_count(signs ^ book.question(query).signs).sum(axis=1, dtype=np.int32)
        worse = np.array([(order < order[at]).sum() for at in nearest])
        found += [(worse < share * len(sample)).mean() for share in SHARES]
    return [float(total) / len(queries) for total in found]


class Index:
    """The codes of one space's vectors, by video; 0.625 bytes a number and 8 bytes a vector."""

    def __init__(self, book: Codebook, capacity: int) -> None:
        self.book = book
        words = len(book.rotation) // 64
        self._signs = np.empty((words, capacity), np.uint64)  # a column per 64 numbers, so that a scan reads in order
        self._codes = np.empty((capacity, words * 32), np.uint8)
        self._rows = np.empty(capacity, np.int64)
        self._size = 0
        self._dead = 0
        self._parts: dict[str, list[tuple[int, int]]] = {}
        self.versions: dict[str, int] = {}

    def __len__(self) -> int:
        return self._size - self._dead

    @property
    def nbytes(self) -> int:
        return self._signs.nbytes + self._codes.nbytes + self._rows.nbytes

    def held(self, video_id: str) -> tuple[int, int]:
        """How many vectors of a video are held, and the greatest of their rows (0 for none)."""
        parts = self._parts.get(video_id, [])
        return sum(b - a for a, b in parts), max((int(self._rows[a:b].max()) for a, b in parts), default=0)

    def add(self, video_id: str, version: int, rows: Rows, signs: Words, codes: Bytes) -> None:
        """Put vectors behind those held of this video; `rows` are the names by which they are found."""
        count = len(rows)
        self._reserve(count)
        part = (self._size, self._size + count)
        self._signs[:, part[0] : part[1]] = signs.T
        self._codes[part[0] : part[1]] = codes
        self._rows[part[0] : part[1]] = rows
        self._size += count
        if count:
            self._parts.setdefault(video_id, []).append(part)
        self.versions[video_id] = version

    def drop(self, video_id: str) -> None:
        """Forget a video's vectors."""
        self._dead += sum(b - a for a, b in self._parts.pop(video_id, []))
        self.versions.pop(video_id, None)

    def search(self, question: Question, keep: int, videos: Collection[str] | None = None) -> Rows:
        """Rows of at least `keep` vectors (or all there are) among which the nearest are likely to be."""
        names = self._parts if videos is None else videos
        parts = _joined(part for name in names for part in self._parts.get(name, []))
        blocks = [(a, min(a + BLOCK, end)) for start, end in parts for a in range(start, end, BLOCK)]
        if not blocks:
            return self._rows[:0]
        distance = np.concatenate(list(_scanners().map(lambda block: self._scan(question, *block), blocks)))
        left = max(LEAST, 8 * keep, int(self.book.share * len(distance)))
        border = np.searchsorted(np.cumsum(np.bincount(distance)), left)
        place = np.flatnonzero(distance <= border)
        starts, stops = np.array(parts).T
        before = np.cumsum(stops - starts)  # vectors scanned up to the end of each part
        part = np.searchsorted(before, place, side="right")
        at = place + (stops - before)[part]
        if keep < len(at):
            some = [at[first : first + SOME] for first in range(0, len(at), SOME)]
            scores = np.concatenate(list(_scanners().map(lambda few: self._weigh(question, few), some)))
            at = at[np.argpartition(-scores, keep)[:keep]]
        found: Rows = self._rows[at]
        return found

    def _scan(self, question: Question, start: int, stop: int) -> NDArray[np.uint16]:
        """How many signs differ, of each vector from start to stop."""
        differing = np.empty(stop - start, np.uint64)
        total = np.zeros(stop - start, np.uint16)
        for word, column in zip(question.signs, self._signs, strict=True):
            np.bitwise_xor(column[start:stop], word, out=differing)
            total += np.bitwise_count(differing)
        return total

    def _weigh(self, question: Question, at: Rows) -> Floats:
        """Products of the question with the four bits of the vectors at these places."""
        codes = self._codes[at]
        # vecdot: BLAS would split these over threads, and wait for a busy core longer than the product takes.
        scores: Floats = np.vecdot((codes & 15).astype(np.float32), question.low)
        scores += np.vecdot((codes >> 4).astype(np.float32), question.high)
        return scores

    def _reserve(self, count: int) -> None:
        if self._size + count <= len(self._rows):
            return
        capacity = max(len(self) + count, int(1.2 * len(self)))
        fresh = Index(self.book, capacity)
        for video_id, parts in self._parts.items():
            for a, b in parts:
                fresh.add(video_id, self.versions[video_id], self._rows[a:b], self._signs[:, a:b].T, self._codes[a:b])
        versions = self.versions
        self.__dict__.update(fresh.__dict__)
        self.versions = versions


def _joined(parts: Iterable[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Neighbouring ranges as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(parts):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


_pool: ThreadPoolExecutor | None = None
_pool_pid = 0
_pool_lock = threading.Lock()


def _scanners() -> ThreadPoolExecutor:
    """As many threads as NumPy's own product would use, at most four: the scan waits for memory, not for arithmetic."""
    global _pool, _pool_pid
    with _pool_lock:
        if _pool is None or _pool_pid != os.getpid():
            _pool, _pool_pid = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "scan"), os.getpid()
        return _pool
