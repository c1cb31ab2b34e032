"""The sound of a file as a stream of sample blocks, 16 kHz mono. The whole sound is never in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from agent_tools.errors import InvalidArgument
from agent_tools.media.damage import Damage
from agent_tools.media.fence import open_media
from agent_tools.media.streams import Probe, only

RATE = 16_000  # samples per second; what speech models take
BLOCK_S = 30.0
JUMP_S = (
    0.1  # a hole or step back of more than this begins a new block at its own time; less is jitter of the container
)
SEEK_EARLY_S = 5.0  # decoders need some time before the start, and key frames of sound are spread unevenly
READ_ERRORS = 64  # in a row, before the rest counts as unreadable
MIX = 0.5**0.5  # of each of two channels, as FFmpeg mixes them
CANCELLED = 0.1  # share of the louder channel's energy; a mix with less has lost what its channels held

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Consecutive samples. start_s counts from the first picture: stream time minus the probe's origin."""

    start_s: float
    samples: Samples  # (n,) float32 in -1..1, n at most block_s * RATE

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / RATE


def audio(
    probe: Probe,
    start_s: float = 0.0,
    block_s: float = BLOCK_S,
    on_damage: Callable[[Damage], None] = lambda _: None,
    stream_index: int | None = None,
) -> Iterator[Block]:
    """Blocks of one sound stream from start_s to its end, in time order; no block if the file has no sound.

    Sound before the first picture (times below 0) is left out. Consecutive blocks join without a gap. If the file has a
    gap of more than JUMP_S, a new block begins at its own time.
    Args:
        block_s: length of a block; the last one, and one before a gap, may be shorter.
        on_damage: called with each span that could not be read.
        stream_index: one of the file's streams; by default the first sound stream with a known codec.
    Raises: InvalidArgument: no such sound stream, or block_s is not positive.
    """
    if block_s <= 0:
        raise InvalidArgument(f"block_s is {block_s}; it must be above 0.")
    index = _stream(probe, stream_index)
    if index is not None:
        blocks = _Blocks(max(1, round(block_s * RATE)))
        for at_s, samples in _decoded(probe, index, start_s, on_damage):
            yield from blocks.add(at_s, samples, start_s)
        yield from blocks.rest()


def _stream(probe: Probe, wanted: int | None) -> int | None:
    known = [stream.index for stream in probe.audio if stream.codec != "unknown"]
    if wanted is None:
        return known[0] if known else None
    if wanted not in known:
        shown = ", ".join(map(str, known)) or "none"
        raise InvalidArgument(f"stream_index is {wanted}; the file's readable sound streams are {shown}.")
    return wanted


class _Blocks:
    """Joins pieces of sound into blocks of one length."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.start_s = 0.0
        self.pieces: list[Samples] = []
        self.count = 0

    def add(self, at_s: float, samples: Samples, from_s: float) -> Iterator[Block]:
        early = round((max(0.0, from_s) - at_s) * RATE)
        if early > 0:  # samples before from_s
            samples, at_s = samples[early:], at_s + early / RATE
        if not len(samples):
            return
        expected_s = self.start_s + self.count / RATE
        if self.count and abs(at_s - expected_s) > JUMP_S:
            yield from self.rest()
        if not self.count:
            self.start_s = at_s
        self.pieces.append(samples)
        self.count += len(samples)
        while self.count >= self.size:
            whole = np.concatenate(self.pieces)
            yield Block(self.start_s, whole[: self.size])
            self.start_s += self.size / RATE
            self.pieces, self.count = [whole[self.size :]], len(whole) - self.size

    def rest(self) -> Iterator[Block]:
        if self.count:
            yield Block(self.start_s, np.concatenate(self.pieces))
        self.pieces, self.count = [], 0


def _decoded(
    probe: Probe, index: int, start_s: float, on_damage: Callable[[Damage], None]
) -> Iterator[tuple[float, Samples]]:
    """(time of the first sample, samples) of each decoded piece. Each one continues the last, except after a gap."""
    with open_media(probe.path) as container:
        stream: Any = container.streams[index]
        only(container, stream)
        if start_s > SEEK_EARLY_S:
            try:
                container.seek(round((start_s - SEEK_EARLY_S + probe.origin_s) / stream.time_base), stream=stream)
            except av.FFmpegError:
                container.seek(0)  # no index: read from the start
        clock = _Clock(probe.origin_s)
        packets = container.demux(stream)
        errors, broken_s = 0, None
        while errors < READ_ERRORS:
            try:
                packet = next(packets, None)
                frames = [] if packet is None else packet.decode()
            except av.FFmpegError:
                errors += 1
                broken_s = clock.next_s if broken_s is None else broken_s
                packets = container.demux(stream)  # an error ends the generator, not the file
                continue
            for frame in frames:
                for at_s, samples in clock.resampled(frame):
                    if broken_s is not None and at_s > broken_s + JUMP_S:
                        on_damage(Damage(broken_s, at_s, "sound could not be decoded"))
                    errors, broken_s = 0, None
                    yield at_s, samples
            if packet is None:
                break
        yield from clock.flushed()
        end_s = probe.duration_s
        if broken_s is not None and end_s is not None and end_s > broken_s + JUMP_S:
            on_damage(Damage(broken_s, end_s, "sound could not be decoded"))


class _Clock:
    """Resamples frames to mono at RATE and counts samples from the last known time."""

    def __init__(self, origin_s: float) -> None:
        self.origin_s = origin_s
        self.next_s = 0.0
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[object, ...] = ()
        self._frame_end_s: float | None = None

    def resampled(self, frame: Any) -> Iterator[tuple[float, Samples]]:
        at_s = self._frame_end_s
        if frame.pts is not None and frame.time_base is not None:
            at_s = float(frame.pts * frame.time_base) - self.origin_s
        if at_s is None:
            at_s = 0.0
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        jumped = self._frame_end_s is not None and abs(at_s - self._frame_end_s) > JUMP_S
        if self._resampler is None or form != self._form or jumped:
            yield from self.flushed()
            layout = "stereo" if len(frame.layout.channels) == 2 else "mono"
            self._resampler = av.AudioResampler(format="flt", layout=layout, rate=RATE)
            self._form, self.next_s = form, at_s
        self._frame_end_s = at_s + frame.samples / frame.sample_rate
        frame.pts = None  # the resampler would fill or cut at jitter of the container
        yield from self._out(self._resampler.resample(frame))

    def flushed(self) -> Iterator[tuple[float, Samples]]:
        if self._resampler is not None:
            yield from self._out(self._resampler.resample(None))
        self._resampler = None

    def _out(self, frames: list[Any]) -> Iterator[tuple[float, Samples]]:
        for frame in frames:
            samples = np.array(frame.to_ndarray(), dtype=np.float32).reshape(-1, len(frame.layout.channels))
            samples = mixed(samples) if samples.shape[1] == 2 else samples[:, 0]
            if len(samples):
                yield self.next_s, samples
                self.next_s += len(samples) / RATE


def mixed(samples: Samples) -> Samples:
    """Two channels (n, 2) as one (n,). Where one is the other turned upside down (a swapped cable, a "wide" effect),
    their sum is silence, so the louder one is taken."""
    both = np.asarray(MIX * samples.sum(axis=1), np.float32)
    energies = (samples.astype(np.float64) ** 2).sum(axis=0)
    if float(both.astype(np.float64) @ both) < CANCELLED * energies.max():
        return np.ascontiguousarray(samples[:, int(energies.argmax())])
    return both
