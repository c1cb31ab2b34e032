"""The frames channel: one decode pass at the sampling rate; still pictures are kept once, motion at even distances.

Each picture is shown to the reader of on-screen text too, so that the file is decoded once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from agent_tools.compression import FrameKeeper, KeepRule, stand_ins
from agent_tools.errors import EngineError, ModelMissing
from agent_tools.home import HomeFolder
from agent_tools.ingestion.channels.base import ChannelMaker, OpenEnd
from agent_tools.ingestion.channels.screen_text import ScreenText, looks_per_sample, reader_of
from agent_tools.ingestion.episodes import chunks
from agent_tools.ingestion.picture_vectors import forget_files, frame_tokens, share_tokens
from agent_tools.ingestion.prefetch import Ahead
from agent_tools.ingestion.spaces import CHUNK, frame_space, memory_producer
from agent_tools.media import Damage, Picture, Probe, Sample, sample
from agent_tools.media.picture_files import picture_file
from agent_tools.memory import Memory, memory_tokens
from agent_tools.models.devices import choose
from agent_tools.models.profiles import FrameEncoder, frame_encoder, ocr, redundancy_encoder
from agent_tools.store import ChannelDetail, FrameRow, Store

WINDOW = 16  # pictures that are encoded and committed together; what is kept does not depend on it
KEPT_SIDE = 352  # longer side of a kept frame, px: legible on a sheet when the source is gone


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
class Glances:
    """Pictures between the sampled ones, which only the reader of on-screen text sees."""

    looks: int  # pictures that are decoded for each sampled one, itself included
    show: Callable[[float, Picture], None]


NO_GLANCES = Glances(1, lambda time_s, picture: None)


@dataclass(frozen=True)
class _Encoded:
    """A window with what the encoders say of it."""

    window: _Window
    places: list[int]  # of the pictures that are kept; a window of a still picture may keep none of its own
    stands_for: list[int]  # for each picture the k of the kept one that stands for it
    found: NDArray[np.float32]  # vectors of the kept ones
    tokens: NDArray[np.float32]  # vectors of all
    keeper: bytes  # the keeper's state behind the window


class Frames(ChannelMaker):
    """The frames that are kept, with their vectors; the pass shows each picture to the reader of screen_text too."""

    name = "frames"
    follows_growth = True
    rule = KeepRule()

    def forget(self) -> None:
        self.store.delete_frames(self.video_id)
        self.store.memories.delete(self.video_id, read=self.name)
        self.store.clear_gaps(self.video_id, self.name)
        self.store.drop_tokens(self.video_id)
        forget_files(self.store.home, self.video_id)

    def run(self) -> None:
        if self.file.video is None:
            self.end_absent()
            return
        fps = self.context.settings.fps
        decoding, encoder, judge = self._models()
        # These decide which pictures are looked at and kept: a pass under other settings starts from the beginning.
        made_by = ChannelDetail(fps=fps, judge=judge.producer, keep=json.dumps(asdict(self.rule)))
        row = self.context.row(self.name)
        next_k = self._resume_at(encoder.producer, made_by)
        if not next_k:
            self.store.set_channel(self.video_id, self.name, done_to_s=0.0, detail=made_by)
            self.forget()
        reader = reader_of(self.context)
        reader.restore(row.detail.rule if row is not None and next_k else "")
        self.begin(encoder.producer)
        reads = ScreenText.name in self.context.job.channels and not self.context.finished(ScreenText.name)
        work = FramePass(
            self.store, self.video_id, self.file, encoder, judge, fps, decoding, self.duration_s, self.rule
        )
        if reads:
            with suppress(ModelMissing):  # the channel screen_text says so
                reader.search_with(ocr(self.context.models.settings))
        glances = Glances(looks_per_sample(fps), reader.glance) if reads else NO_GLANCES

        def on_picture(time_s: float, picture: Picture) -> None:
            if reads:
                reader.show(time_s, picture)
            self.control.check()

        def on_window(k: int, time_s: float, rule: str) -> None:
            share = self.share(time_s)
            detail = replace(made_by, next_k=k, rule=rule, done=round(share, 3))
            self.store.set_channel(self.video_id, self.name, done_to_s=time_s, detail=detail)
            self.control.tell(0.08 + 0.37 * share, f"looking at pictures: {time_s:.0f} of {self.duration_s:.0f} s")
            if self.context.growing and k + WINDOW > self.duration_s * fps:
                raise OpenEnd  # a window that is not full is judged when it is

        def on_damage(damage: Damage) -> None:
            if self.context.growing and damage.end_s > self.duration_s - WINDOW / fps:
                return  # what is half written is read again
            self.store.add_gap(self.video_id, self.name, damage.start_s, damage.end_s, damage.why)

        if self.context.growing:
            with suppress(OpenEnd):
                if next_k + WINDOW <= self.duration_s * fps:
                    work.run(next_k, on_picture, on_window, on_damage, reader.saved, glances)
            return
        work.run(next_k, on_picture, on_window, on_damage, reader.saved, glances)
        if reads:
            reader.close()
        rows = self.store.frames(self.video_id)
        if not rows:
            raise EngineError("no picture could be decoded. The file is damaged, or its codec is not supported.")
        share_tokens(self.store, self.video_id, encoder.producer)
        self.store.pack_pictures(self.video_id)
        self.end(entries=sum(row.kept for row in rows), detail=replace(made_by, pictures=len(rows)))

    def _models(self) -> tuple[int, FrameEncoder, FrameEncoder]:
        """Threads of the decoder; the encoder whose vectors are kept, and the one that frames are pruned by."""
        settings, profile = self.context.models.settings, self.context.models.profile
        learnt = profile.model("frames")
        beside = learnt is not None and learnt.from_hub and choose(settings.device).kind == "cpu"
        decoding, encoding = shared_threads(self.context.settings.worker_threads, beside)
        models = replace(settings, threads=encoding)
        return decoding, frame_encoder(models), redundancy_encoder(models)

    def _resume_at(self, producer: str, made_by: ChannelDetail) -> int:
        """The frame of the grid at which an interrupted pass goes on, 0 where the pass starts from the beginning."""
        row = self.context.row(self.name)
        if row is None or row.producer != producer or _choice(row.detail) != _choice(made_by):
            return 0
        next_k = row.detail.next_k
        with frame_tokens(self.store.home, self.video_id, producer) as repository:
            lost = len(repository) < sum(frame.k < next_k for frame in self.store.frames(self.video_id))
        kept = HomeFolder(self.store.home).keeper(self.video_id, next_k).is_file()
        return next_k if kept and not lost else 0


def _choice(detail: ChannelDetail) -> tuple[float | None, str | None, str]:
    """What decides which pictures are looked at and which of them are kept."""
    return detail.fps, detail.judge, detail.keep


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
        rule: KeepRule | None = None,
    ) -> None:
        self.store, self.video_id, self.probe = store, video_id, probe
        self.encoder, self.redundancy = encoder, redundancy
        self.one_encoder = encoder.producer == redundancy.producer
        self.fps, self.threads, self.duration_s = fps, threads, duration_s
        self.space = frame_space(encoder.producer)
        self.rule = rule or KeepRule()

    def run(
        self,
        from_k: int,
        on_picture: Callable[[float, Picture], None],
        on_window: Callable[[int, float, str], None],
        on_damage: Callable[[Damage], None],
        mark: Callable[[], str] = str,
        glances: Glances = NO_GLANCES,
    ) -> None:
        """Look at every picture of the grid from `from_k` (a window's first) to the end.

        Args:
            on_picture: called with (time_s, picture) of each, in order, in the thread that decodes; may raise to stop.
            on_window: called with (next k, time_s reached, mark) after each committed window; may raise to stop.
            on_damage: called with each span that could not be decoded, in the thread that decodes.
            mark: asked between two windows for the state of what on_picture does, because decoding is ahead.
            glances: who sees the pictures between, in the thread that decodes.
        """
        self._go_on(from_k)
        pending = [span for span in chunks(self.duration_s) if span.end_s > from_k / self.fps]
        decoded = self._decoded(from_k, on_picture, on_damage, mark, glances)
        with closing(Ahead(decoded)) as windows, closing(Ahead(self._encoded(windows))) as ready:
            for encoded in ready:
                self._commit(encoded)
                next_k = encoded.window.next_k
                if next_k is not None:
                    self._save_keeper(next_k, encoded.keeper)
                    while pending and pending[0].end_s <= next_k / self.fps:
                        self._remember(pending.pop(0).start_s)
                    on_window(next_k, next_k / self.fps, encoded.window.mark)
                    self._drop_keepers(but=next_k)
        for span in pending:
            self._remember(span.start_s)
        self._drop_keepers()

    def _decoded(
        self,
        from_k: int,
        on_picture: Callable[[float, Picture], None],
        on_damage: Callable[[Damage], None],
        mark: Callable[[], str],
        glances: Glances,
    ) -> Iterator[_Window]:
        window, number = _Window(), from_k // WINDOW
        looks, start_s = glances.looks, from_k / self.fps
        for look in sample(self.probe, self.fps * looks, start_s, on_damage=on_damage, threads=self.threads):
            if look.k % looks:
                glances.show(look.time_s, look.picture)
                continue
            shown = replace(look, k=look.k // looks)
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

    def _go_on(self, from_k: int) -> None:
        """Set the state in which `from_k` finds the pass: what keeps frames, and the last frame that was kept."""
        rows = [row for row in self.store.frames(self.video_id) if row.k < from_k]
        self.position = len(rows)
        self._keeper, self._last_k = FrameKeeper(self.rule, self._parts()), 0
        self._last_vector = np.zeros((0, 0), np.float32)
        if from_k:
            saved = HomeFolder(self.store.home).keeper(self.video_id, from_k).read_bytes()
            self._keeper, self._last_k = FrameKeeper.restored(saved, self.rule, self._parts()), rows[-1].stands_for
            with frame_tokens(self.store.home, self.video_id, self.encoder.producer) as repository:
                self._last_vector = repository.read(self.position - 1, self.position).numpy()

    def _parts(self) -> Sequence[int] | None:
        parts: Sequence[int] | None = getattr(self.redundancy, "parts", None)  # encoders with a grid have them
        return parts

    def _encoded(self, windows: Iterator[_Window]) -> Iterator[_Encoded]:
        """The redundancy encoder sees every picture; the search encoder sees only those that are kept."""
        for window in windows:
            judged = self.redundancy.encode(np.stack(window.judged))
            mask = self._keeper.keep(judged, [k / self.fps for k, _ in window.samples])
            places = np.flatnonzero(mask).tolist()
            if self.one_encoder:
                found, tokens = judged[places], judged
            else:
                small = [window.small[place] for place in places]
                found = self.encoder.encode(np.stack(small)) if small else judged[:0, :0]
                # What is pruned is never encoded: it has the vector of the frame that stands for it.
                rows = [*self._last_vector, *found]
                before = len(self._last_vector)
                tokens = np.stack([rows[before - 1 + kept] for kept in np.cumsum(mask)])
                self._last_vector = tokens[-1:]
            ks = np.array([k for k, _ in window.samples])
            stands = stand_ins(mask)
            stands_for = np.where(stands < 0, self._last_k, ks[stands]).tolist()
            self._last_k = stands_for[-1]
            window.judged, window.small = [], []
            yield _Encoded(window, places, stands_for, found, tokens, self._keeper.saved())

    def _commit(self, encoded: _Encoded) -> None:
        ks = [k for k, _ in encoded.window.samples]
        kept = set(encoded.places)
        rows = [
            FrameRow(self.video_id, k, time_s, encoded.stands_for[i], i in kept)
            for i, (k, time_s) in enumerate(encoded.window.samples)
        ]
        pictures = {ks[i]: picture_file(encoded.window.large[i]) for i in encoded.places}
        with frame_tokens(self.store.home, self.video_id, self.encoder.producer) as repository:
            if len(repository) <= self.position:  # else this very window was appended before an interruption
                repository.append(torch.from_numpy(encoded.tokens))
        if encoded.places:
            self.store.put_vectors(self.space, self.video_id, [ks[i] for i in encoded.places], encoded.found)
        self.store.add_frames(self.video_id, rows, pictures)
        self.position += len(rows)

    def _save_keeper(self, next_k: int, state: bytes) -> None:
        """Before the window counts as done: whoever goes on from it finds the state that belongs to it."""
        path = HomeFolder(self.store.home).keeper(self.video_id, next_k)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.part")
        unfinished.write_bytes(state)
        unfinished.replace(path)

    def _drop_keepers(self, but: int | None = None) -> None:
        home = HomeFolder(self.store.home)
        last = None if but is None else home.keeper(self.video_id, but)
        for path in home.keepers(self.video_id):
            if path != last:
                path.unlink(missing_ok=True)

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
            self.store.memories.write(self.video_id, [memory])


def shared_threads(threads: int, beside: bool) -> tuple[int, int]:
    """Threads of the decoder and of the encoders, `threads` together but never none for either.

    Args:
        beside: the encoders compute on the processor, while the decoder goes on: they get three of four.
    """
    decoding = max(1, threads // 4) if beside else threads
    return decoding, max(1, threads - decoding) if beside else threads
