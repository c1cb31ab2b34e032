"""The frames channel: one decode pass at the sampling rate; prune in time, keep what stands for the rest.

Knows media, the compression and memory engines, and the store. Knows nothing of clients or of the other channels, but
that each picture is shown to `on_picture` too, so that the file is decoded once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agent_tools.compression import prune_frames, representatives
from agent_tools.ingestion.episodes import chunks
from agent_tools.ingestion.prefetch import Ahead
from agent_tools.ingestion.spaces import CHUNK, frame_space, memory_producer
from agent_tools.media import Damage, Picture, Probe, Sample, sample
from agent_tools.media.picture import jpeg
from agent_tools.memory import Memory, memory_tokens
from agent_tools.models.profiles import FrameEncoder
from agent_tools.store import FrameRow, SqliteMemory, Store, TokenFile

WINDOW = 16  # pictures that are pruned together (LongVU's code); results do not depend on where a run was interrupted
KEPT_SIDE = 352  # longer side of a kept frame, px: legible on a sheet when the source is gone
KEPT_QUALITY = 48  # with it an hour in which nothing can be pruned stays within 60 MB


@dataclass
class _Window:
    """Pictures of one window of the sampling grid, waiting to be judged together."""

    samples: list[tuple[int, float]] = field(default_factory=list)
    judged: list[NDArray[np.uint8]] = field(default_factory=list)  # at the redundancy encoder's size
    small: list[NDArray[np.uint8]] = field(default_factory=list)  # at the search encoder's, where it is another
    large: list[NDArray[np.uint8]] = field(default_factory=list)
    next_k: int | None = None  # first of the next window; None behind the last
    mark: str = ""  # what on_picture's owner had come to by then


@dataclass(frozen=True)
class _Encoded:
    """A window with what the encoders say of it."""

    window: _Window
    places: list[int]  # of the pictures that are kept
    stands: list[int]  # for each picture the place of the kept one that stands for it
    found: NDArray[np.float32]  # vectors of the kept ones
    tokens: NDArray[np.float32]  # vectors of all


class FramePass:
    """Decode once, window by window; each window is committed before the next.

    Decoding, encoding and writing overlap: each is done ahead of the next by at most a window (`Ahead`), so that a slow
    encoder waits for nothing and holds five windows in memory at most.
    """

    def __init__(
        self,
        store: Store,
        video_id: str,
        probe: Probe,
        encoder: FrameEncoder,
        redundancy: FrameEncoder,
        fps: float,
        threads: int,
        duration_s: float,
    ) -> None:
        self.store, self.video_id, self.probe = store, video_id, probe
        self.encoder, self.redundancy = encoder, redundancy
        self.one_encoder = encoder.producer == redundancy.producer
        self.fps, self.threads, self.duration_s = fps, threads, duration_s
        self.space = frame_space(encoder.producer)

    def run(
        self,
        from_k: int,
        on_picture: Callable[[float, Picture], None],
        on_window: Callable[[int, float, str], None],
        on_damage: Callable[[Damage], None],
        mark: Callable[[], str] = str,
    ) -> None:
        """Look at every picture of the grid from `from_k` (a window's first) to the end.

        Args:
            on_picture: called with (time_s, picture) of each, in order, in the thread that decodes; may raise to stop.
            on_window: called with (next k, time_s reached, mark) after each committed window; may raise to stop.
            on_damage: called with each span that could not be decoded, in the thread that decodes.
            mark: asked between two windows for the state of what on_picture does, because decoding is ahead.
        """
        self.position = sum(row.k < from_k for row in self.store.frames(self.video_id))
        pending = [span for span in chunks(self.duration_s) if span.end_s > from_k / self.fps]
        decoded = self._decoded(from_k, on_picture, on_damage, mark)
        with closing(Ahead(decoded)) as windows, closing(Ahead(self._encoded(windows))) as ready:
            for encoded in ready:
                self._commit(encoded)
                next_k = encoded.window.next_k
                if next_k is not None:
                    while pending and pending[0].end_s <= next_k / self.fps:
                        self._remember(pending.pop(0).start_s)
                    on_window(next_k, next_k / self.fps, encoded.window.mark)
        for span in pending:
            self._remember(span.start_s)

    def _decoded(
        self,
        from_k: int,
        on_picture: Callable[[float, Picture], None],
        on_damage: Callable[[Damage], None],
        mark: Callable[[], str],
    ) -> Iterator[_Window]:
        window, number = _Window(), from_k // WINDOW
        stream = sample(self.probe, fps=self.fps, start_s=from_k / self.fps, on_damage=on_damage, threads=self.threads)
        for shown in stream:
            if shown.k // WINDOW != number:
                number = shown.k // WINDOW
                if window.samples:
                    window.next_k, window.mark = number * WINDOW, mark()
                    yield window
                window = _Window()
            self._add(window, shown)
            on_picture(shown.time_s, shown.picture)
        if window.samples:
            yield window

    def _add(self, window: _Window, shown: Sample) -> None:
        window.samples.append((shown.k, shown.time_s))
        window.judged.append(shown.picture.rgb(*self.redundancy.size))
        if not self.one_encoder:
            window.small.append(shown.picture.rgb(*self.encoder.size))
        window.large.append(shown.picture.fit(KEPT_SIDE))

    def _encoded(self, windows: Iterator[_Window]) -> Iterator[_Encoded]:
        """The redundancy encoder sees every picture, the search encoder those alone that are kept."""
        for window in windows:
            judged = self.redundancy.encode(np.stack(window.judged))
            features = torch.from_numpy(judged)
            kept = prune_frames(features, window=WINDOW, threshold=self.redundancy.threshold)
            stands = representatives(kept, len(window.samples), features, window=WINDOW).tolist()
            places = sorted(set(kept.tolist()))
            # What is pruned is never encoded twice: it has the vector of the frame that stands for it.
            found = (
                judged[places] if self.one_encoder else self.encoder.encode(np.stack([window.small[i] for i in places]))
            )
            tokens = judged if self.one_encoder else found[[places.index(stand) for stand in stands]]
            window.judged, window.small = [], []
            yield _Encoded(window, places, stands, found, tokens)

    def _commit(self, encoded: _Encoded) -> None:
        ks = [k for k, _ in encoded.window.samples]
        kept = set(encoded.places)
        rows = [
            FrameRow(self.video_id, k, time_s, ks[encoded.stands[i]], i in kept)
            for i, (k, time_s) in enumerate(encoded.window.samples)
        ]
        jpegs = {ks[i]: jpeg(encoded.window.large[i], KEPT_QUALITY) for i in encoded.places}
        with frame_tokens(self.store.home, self.video_id, self.encoder.producer) as repository:
            if len(repository) <= self.position:  # else this very window was appended before an interruption
                repository.append(torch.from_numpy(encoded.tokens))
        self.store.put_vectors(self.space, self.video_id, [ks[i] for i in encoded.places], encoded.found)
        self.store.add_frames(self.video_id, rows, jpegs)
        self.position += len(rows)

    def _remember(self, start_s: float) -> None:
        """Memory tokens of the chunk that starts here, over every picture of it, kept or not."""
        span = next(span for span in chunks(self.duration_s) if span.start_s == start_s)
        before = self.store.count_frames(self.video_id, span.start_s)
        count = self.store.count_frames(self.video_id, span.end_s) - before
        with frame_tokens(self.store.home, self.video_id, self.encoder.producer) as repository:
            vectors = repository.read(before, before + count).numpy() if count else np.zeros((0, 0), np.float32)
        if len(vectors):
            tokens = memory_tokens(torch.from_numpy(vectors))
            producer = memory_producer(self.encoder.producer, "frames")
            memory = Memory(CHUNK, span.start_s, span.end_s, "", tokens, producer)
            SqliteMemory(self.store).write(self.video_id, [memory])


def shared_threads(threads: int, beside: bool) -> tuple[int, int]:
    """Threads of the decoder and of the encoders, `threads` together but never none for either.

    Args:
        beside: the encoders compute on the processor, while the decoder goes on: they get three of four.
    """
    decoding = max(1, threads // 4) if beside else threads
    return decoding, max(1, threads - decoding) if beside else threads


def frame_tokens(home: Path, video_id: str, producer: str) -> TokenFile:
    """The repository of a video: a vector for every picture looked at, in order, pruned ones too (Hour-LLaVA, Sec. 3:
    what is forgotten in the decayed view stays there). Where a redundancy encoder of its own pruned, a pruned picture
    has the vector of the frame that stands for it."""
    return TokenFile(token_path(home, video_id, producer))


def token_path(home: Path, video_id: str, producer: str) -> Path:
    """Where a video's repository by one frame encoder lies."""
    mark = hashlib.blake2b(producer.encode(), digest_size=4).hexdigest()
    return home / "tokens" / f"{video_id}-{mark}.tokens"


def forget_files(home: Path, video_id: str) -> None:
    """Remove what an ingest of the video wrote beside the store."""
    for path in (home / "tokens").glob(f"{video_id}-*.tokens"):
        path.unlink(missing_ok=True)
    for folder in (video_id, f"{video_id}.new"):  # pictures that wait to be read, and channels that are made anew
        shutil.rmtree(home / "work" / folder, ignore_errors=True)


class PictureRows:
    """The repository's vectors of one video's pictures, read slice by slice."""

    def __init__(self, store: Store, video_id: str, producer: str) -> None:
        self._place = store.home, video_id, producer
        with frame_tokens(*self._place) as repository:
            rows = store.frames(video_id)[: len(repository)]
        self.times_s = [row.time_s for row in rows]

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        start, stop, _ = part.indices(len(self.times_s))
        with frame_tokens(*self._place) as repository:
            return repository.read(start, stop).numpy()


def sequence(
    store: Store, video_id: str, producer: str, start_s: float = 0.0, end_s: float = float("inf")
) -> tuple[list[float], NDArray[np.float32]]:
    """(times_s, vectors (T, D)) of every picture of the sampling grid in a span, out of the repository."""
    with frame_tokens(store.home, video_id, producer) as repository:
        rows = store.frames(video_id)[: len(repository)]
        inside = [i for i, row in enumerate(rows) if start_s <= row.time_s < end_s]
        if not inside:
            return [], np.zeros((0, 0), np.float32)
        return [rows[i].time_s for i in inside], repository.read(inside[0], inside[-1] + 1).numpy()
