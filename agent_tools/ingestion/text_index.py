"""Makes texts findable by meaning: entries get vectors, chunks get memory tokens, in time order and resumable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from agent_tools.ingestion.episodes import TextPiece, chunks
from agent_tools.ingestion.spaces import CHUNK, line_space, memory_producer, text_space
from agent_tools.memory import Memory, memory_tokens
from agent_tools.models.routed_text import encode_known
from agent_tools.store import Entry, Store, line_id, shown_lines
from agent_tools.timeline import Span

TOKENS = 4  # of a chunk's memory; of a scene or a chapter at most
TEXTS_OF_A_TOKEN = 4  # of a scene or a chapter: a scene of a quarter of a minute is not kept as finely as a minute
SPANS_AT_ONCE = 64  # whose texts and vectors are in memory together: about an hour of chunks
SCREEN_TEXT = "screen_text"
LINES_AT_ONCE = 256
MEMORY_TEXT = 400  # characters of a chunk's text kept beside its tokens


class TextEncoder(Protocol):
    """Texts to normalised float32 vectors (n, D); `producer` names model, revision and settings."""

    @property
    def producer(self) -> str: ...

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]: ...


def index_entries(
    store: Store, video_id: str, encoder: TextEncoder, on_batch: Callable[[int], None], apart: str = ""
) -> int:
    """Write a vector for each entry that has no vector yet; see EntryIndex.write."""
    return EntryIndex(store, video_id, encoder).write(on_batch, apart)


def index_lines(store: Store, video_id: str, encoder: TextEncoder) -> int:
    """Write a vector for each line of on-screen text that has none yet; returns how many were written."""
    return LineIndex(store, video_id, encoder).write()


class EntryIndex:
    """The vectors of one video's entries, by one encoder. Entries that it has passed it does not look at again, so a
    channel that is indexed as it grows takes time that grows with it, no faster."""

    def __init__(self, store: Store, video_id: str, encoder: TextEncoder) -> None:
        self._store, self._video_id, self._encoder = store, video_id, encoder
        self._lines = LineIndex(store, video_id, encoder)
        self._last = 0  # id of the last entry that was passed

    def write(self, on_batch: Callable[[int], None] = lambda _: None, apart: str = "") -> int:
        """Write a vector for each entry that has no vector yet, in batches; returns how many were written. The lines of
        on-screen texts get theirs before the texts.

        Args:
            on_batch: called with how many were written.
            apart: a channel whose entries get no vectors, because others will replace them."""
        store, space, written = self._store, text_space(self._encoder.producer), 0
        while batch := store.pending_text(self._video_id, space, limit=128, apart=apart, after=self._last):
            if shown := [entry for entry in batch if entry.channel == SCREEN_TEXT]:
                self._lines.write(shown)
            languages = [str(entry.extra.get("language") or "") or None for entry in batch]
            vectors = encode_known(self._encoder, [entry.text for entry in batch], languages)
            store.put_vectors(space, self._video_id, [entry.id for entry in batch], vectors)
            written += len(batch)
            self._last = batch[-1].id
            on_batch(written)
        return written


class LineIndex:
    """The vectors of the lines of one video's on-screen texts, by one encoder.

    A line that stands on several slides has one vector, under the id of the first entry that shows it."""

    def __init__(self, store: Store, video_id: str, encoder: TextEncoder) -> None:
        self._store, self._video_id, self._encoder = store, video_id, encoder
        self._space = line_space(encoder.producer)
        self._known: dict[str, int] = {}  # lines that have a vector, and its number
        self._version = -1  # of the stored vectors that `_known` is about

    def write(self, new: Sequence[Entry] = ()) -> int:
        """Write a vector for each line that has none yet; returns how many were written.

        Args:
            new: entries of which nothing was written before, when the later ones are not to be looked at yet."""
        if not new or self._store.vectors_version(self._space, self._video_id) != self._version:
            new = self._read(new)
        first: dict[str, int] = {}
        for entry in new:
            for place, line in enumerate(shown_lines(entry)):
                if line.text not in self._known:
                    first.setdefault(line.text, line_id(entry, place))
        texts = list(first)
        for begin in range(0, len(texts), LINES_AT_ONCE):
            part = texts[begin : begin + LINES_AT_ONCE]
            numbers = [first[text] for text in part]
            self._store.put_vectors(self._space, self._video_id, numbers, self._encoder.encode(part))
        if not texts and self._known and any(map(shown_lines, new)):
            self._touch()
        self._known |= first
        self._version = self._store.vectors_version(self._space, self._video_id)
        return len(texts)

    def _read(self, new: Sequence[Entry]) -> list[Entry]:
        """Find out which lines have a vector. Returns: all entries up to the last new one, in order of their ids."""
        there = set(self._store.vectors(self._space, self._video_id)[0].tolist())
        shown = sorted(self._store.entries(self._video_id, channels=(SCREEN_TEXT,)), key=lambda entry: entry.id)
        shown = [entry for entry in shown if not new or entry.id <= new[-1].id]
        self._known = {
            line.text: number
            for entry in shown
            for place, line in enumerate(shown_lines(entry))
            if (number := line_id(entry, place)) in there
        }
        return shown

    def _touch(self) -> None:
        """Indexes have to see that old lines stand on a new slide: write one of them again."""
        number = min(self._known.values())
        vector = self._store.vector(self._space, self._video_id, number)
        if vector is not None:
            self._store.put_vectors(self._space, self._video_id, [number], vector[None])


def write_chunks(
    store: Store,
    video_id: str,
    channel: str,
    producer: str,
    duration_s: float,
    done_to_s: float,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write memory tokens of each chunk whose text is complete (it ends by done_to_s), from the vectors of its entries.

    Writing is idempotent: a resumed ingest writes the same tokens. It goes on hour by hour, so that neither memory nor
    a transaction grows with the video.
    Args:
        check: called after each hour; may raise to stop.
    """
    memory_of = memory_producer(producer, channel)
    there = store.memories.spans(video_id, CHUNK, memory_of)
    ready = [span for span in chunks(duration_s) if span.end_s <= done_to_s + 1e-6]
    _write(store, video_id, (channel,), producer, [s for s in ready if (s.start_s, s.end_s) not in there], CHUNK, check)


def write_level(store: Store, video_id: str, level: str, producer: str, spans: Sequence[Span]) -> None:
    """Write memory tokens of scenes or chapters, over all text channels."""
    _write(store, video_id, None, producer, spans, level, lambda: None)


def pieces(store: Store, video_id: str, producer: str) -> list[TextPiece]:
    """Every text entry of the video except notes, in time order, with its vector where it has one."""
    held = _vectors(store, video_id, producer)
    return [
        TextPiece(
            e.start_s,
            e.end_s,
            e.text,
            e.channel,
            held.get(e.id),
            tuple((line.text, line.height) for line in shown_lines(e)) if e.channel == SCREEN_TEXT else (),
            bool(e.extra.get("doubtful")),
        )
        for e in store.entries(video_id)
        if e.channel != "notes"
    ]


def _write(
    store: Store,
    video_id: str,
    channels: tuple[str, ...] | None,
    producer: str,
    spans: Sequence[Span],
    kind: str,
    check: Callable[[], None],
) -> None:
    memory_of = memory_producer(producer, channels[0] if channels else "text")
    for first in range(0, len(spans), SPANS_AT_ONCE):
        part = spans[first : first + SPANS_AT_ONCE]
        store.memories.write(
            video_id,
            [
                Memory(kind, span.start_s, span.end_s, text, tokens, memory_of)
                for span, text, tokens in _tokens(store, video_id, channels, producer, part)
            ],
        )
        check()


def _tokens(
    store: Store, video_id: str, channels: tuple[str, ...] | None, producer: str, spans: Sequence[Span]
) -> Iterator[tuple[Span, str, torch.Tensor]]:
    """The text and the memory tokens of each span that has any, of a few spans that lie close together."""
    start_s, end_s = min(span.start_s for span in spans), max(span.end_s for span in spans)
    around = [
        entry
        for entry in store.entries(video_id, channels=channels, start_s=start_s, end_s=end_s)
        if entry.channel != "notes"
    ]
    held = _vectors(store, video_id, producer, [entry.id for entry in around])
    entries = [entry for entry in around if entry.id in held]
    for span in spans:
        inside: list[Entry] = [e for e in entries if e.start_s < span.end_s and e.end_s > span.start_s]
        if inside:
            matrix = np.stack([held[e.id] for e in inside])
            count = TOKENS if channels else min(TOKENS, math.ceil(len(inside) / TEXTS_OF_A_TOKEN))
            yield span, " ".join(e.text for e in inside)[:MEMORY_TEXT], memory_tokens(torch.from_numpy(matrix), count)


def _vectors(
    store: Store, video_id: str, producer: str, among: Sequence[int] | None = None
) -> dict[int, NDArray[np.float32]]:
    ids, matrix = store.vectors(text_space(producer), video_id, among)
    return {int(i): row for i, row in zip(ids, matrix, strict=True)}
