"""Sound in pieces that a speech model can hear: where somebody speaks, cut at silences.

At most HELD_S of sound and one block are in memory at a time. Voice activity detection is Silero's, which
faster-whisper brings along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from agent_tools.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 16_000
HELD_S = 60.0  # sound that is held while silences are looked for
LONGEST_S = 28.0  # of one piece that voice activity detection gives: Whisper's window is 30 s
WINDOW_S = 15.0  # of pieces that are heard together: a longer window costs more and reads no better
PAUSE_S = 0.8  # two pieces with a longer pause between them are heard apart: the language may change in it
JOIN_S = 0.02  # blocks closer than this follow each other
QUIET = 0.02  # loudness of a stretch (what 99.5 % of its samples stay under) below which it is raised to this
MOST_GAIN = 1000.0  # 60 dB; what is still quieter is the noise of the recorder
BREATH_S, LEAST_S = 0.2, 1.0  # a window is parted at pauses of BREATH_S; no part is shorter than LEAST_S


@dataclass(frozen=True)
class Stretch:
    """Sound with the spans of it to hear now."""

    start_s: float
    samples: Samples  # (n,) float32, 16 kHz mono
    speech: Sequence[tuple[int, int]]  # [begin, end) in samples
    heard_to: int  # in samples; the sound after it comes again, with what follows


def spoken(samples: Samples) -> list[tuple[int, int]]:
    """Where somebody speaks: [begin, end) in samples, each at most LONGEST_S long and heard as one window."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(threshold=0.5, min_silence_duration_ms=500, speech_pad_ms=200, max_speech_duration_s=LONGEST_S)
    return joined([(int(one["start"]), int(one["end"])) for one in get_speech_timestamps(samples, options)])


def parts(samples: Samples) -> list[tuple[int, int]]:
    """One window parted at every pause in it: [begin, end) in samples, which together are the whole window."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(threshold=0.5, min_silence_duration_ms=round(BREATH_S * 1000), speech_pad_ms=0)
    spans = [(int(one["start"]), int(one["end"])) for one in get_speech_timestamps(samples, options)]
    cuts = [0]
    for (_, before), (after, _) in pairwise(spans):
        cut = (before + after) // 2
        if cut - cuts[-1] >= LEAST_S * RATE and len(samples) - cut >= LEAST_S * RATE:
            cuts.append(cut)
    return list(pairwise([*cuts, len(samples)]))


def stretches(
    blocks: Iterable[tuple[float, Samples]], speech: Callable[[Samples], Sequence[tuple[int, int]]]
) -> Iterator[Stretch]:
    """Stretches in time order, cut where nobody speaks if such a place exists.

    Args:
        blocks: (start_s, samples (n,) float32 at 16 kHz mono), in time order. A gap between two blocks ends a stretch.
    Raises: ShapeError: samples of another shape or type.
    """
    held: list[Samples] = []
    start_s, count, most = 0.0, 0, round(HELD_S * RATE)
    for at_s, samples in blocks:
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise ShapeError(f"Sound is (n,) float32, not {samples.shape} {samples.dtype}.")
        if count and abs(at_s - (start_s + count / RATE)) > JOIN_S:
            yield _stretch(start_s, np.concatenate(held), speech)
            held, count = [], 0
        if not count:
            start_s = at_s
        held.append(samples)
        count += len(samples)
        while count >= most:
            whole = np.concatenate(held)
            stretch = raised(whole[:most])
            spans = speech(stretch)
            heard_to = _safe_end(spans, most)
            yield Stretch(start_s, stretch, [span for span in spans if span[0] < heard_to], heard_to)
            start_s += heard_to / RATE
            held, count = [whole[heard_to:]], len(whole) - heard_to
    if count:
        yield _stretch(start_s, np.concatenate(held), speech)


def raised(samples: Samples) -> Samples:
    """The samples; very quiet ones louder, because neither voice activity detection nor Whisper hears them else."""
    level = float(np.quantile(np.abs(samples), 0.995)) if len(samples) else 0.0
    return samples if level >= QUIET or not level else samples * np.float32(min(MOST_GAIN, QUIET / level))


def _stretch(start_s: float, samples: Samples, speech: Callable[[Samples], Sequence[tuple[int, int]]]) -> Stretch:
    """The last stretch before a gap or the end, heard whole."""
    samples = raised(samples)
    return Stretch(start_s, samples, speech(samples), len(samples))


def joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours with a short pause between them become one span, up to WINDOW_S: context helps the model."""
    together: list[tuple[int, int]] = []
    for begin, end in spans:
        near = together and begin - together[-1][1] <= PAUSE_S * RATE
        if near and end - together[-1][0] <= WINDOW_S * RATE:
            together[-1] = (together[-1][0], end)
        else:
            together.append((begin, end))
    return together


def _safe_end(spans: Sequence[tuple[int, int]], size: int) -> int:
    """Up to where a stretch is heard now: the begin of speech that touches its end, unless that is most of it."""
    if not spans or spans[-1][1] < size - RATE // 2:
        return size
    begin = spans[-1][0]
    return begin if begin > size // 4 else size
