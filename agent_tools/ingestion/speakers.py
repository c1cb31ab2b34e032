"""Which voice says each entry of a video's speech: its sound is read once more, and the entries get their labels.

The labels come from a model and are numbers in one recording: never a person's identity. Names that a person gave are
kept when the speech is made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from agent_tools.models.speech import RATE
from agent_tools.models.voices import clusters
from agent_tools.store import Entry, EntryIn, Store, speakers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

LEAST_S = 0.4  # a shorter entry says too little of its voice, and keeps no label
SAME_VOICE = 0.9  # cosine of a voice and one of the same recording before, from which on it keeps that one's name


class VoiceEncoder(Protocol):
    """Samples (n,) at 16 kHz to a vector of length 1."""

    @property
    def producer(self) -> str: ...
    def encode(self, samples: Samples) -> NDArray[np.float32]: ...


def label_voices(
    store: Store,
    base: Store,
    video_id: str,
    encoder: VoiceEncoder,
    blocks: Iterable[tuple[float, Samples]],
    on_progress: Callable[[float], None],
) -> int:
    """Label the video's entries of speech with the voices that say them; returns how many voices there are.

    Args:
        base: the store that holds the video's older voices with their names; may be `store` itself.
        blocks: its sound in order of time, as (start_s, samples (n,) float32 at 16 kHz).
        on_progress: called with the time up to which the sound was read; may raise to stop.
    """
    entries = [entry for entry in store.entries(video_id, channels=(speakers.SPEECH,)) if _lasts(entry) >= LEAST_S]
    found: dict[int, NDArray[np.float32]] = {}
    for entry, samples in sounds(entries, blocks, on_progress):
        found[entry.id] = encoder.encode(samples)
    heard = [entry for entry in entries if entry.id in found]
    seconds = [_lasts(entry) for entry in heard]
    vectors = np.stack([found[entry.id] for entry in heard]) if heard else np.empty((0, 1), np.float32)
    numbers = clusters.voices(vectors, seconds) + 1
    weights = np.asarray(seconds)
    means = {
        int(number): clusters.mean(vectors[numbers == number], weights[numbers == number])
        for number in np.unique(numbers)
    }
    names = _names(base, video_id, encoder.producer, means)
    voice_of = {entry.id: int(number) for entry, number in zip(heard, numbers, strict=True)}

    def choose(entry: Entry) -> EntryIn | None:
        number = voice_of.get(entry.id)
        return None if number is None else speakers.labelled(entry, number, names.get(number, ""))

    speakers.keep_voices(store, video_id, encoder.producer, means)
    speakers.relabel(store, video_id, choose)
    return len(means)


def sounds(
    entries: Sequence[Entry], blocks: Iterable[tuple[float, Samples]], on_progress: Callable[[float], None]
) -> Iterator[tuple[Entry, Samples]]:
    """Each entry with its sound, as soon as that was read; one without sound is left out. Holds no more than that."""
    waiting = sorted(entries, key=lambda entry: entry.end_s)
    parts: dict[int, list[Samples]] = {}
    for start_s, samples in blocks:
        end_s = start_s + len(samples) / RATE
        for entry in waiting:
            first = max(0, round((entry.start_s - start_s) * RATE))
            last = min(len(samples), round((entry.end_s - start_s) * RATE))
            if first < last:
                parts.setdefault(entry.id, []).append(samples[first:last])
        while waiting and waiting[0].end_s <= end_s:
            entry = waiting.pop(0)
            if entry.id in parts:
                yield entry, np.concatenate(parts.pop(entry.id))
        on_progress(end_s)
    for entry in waiting:
        if entry.id in parts:
            yield entry, np.concatenate(parts.pop(entry.id))


def _lasts(entry: Entry) -> float:
    return entry.end_s - entry.start_s


def _names(base: Store, video_id: str, producer: str, means: Mapping[int, NDArray[np.float32]]) -> dict[int, str]:
    """The given names of the voices that are still there: each goes to the one voice that is most like its own."""
    old = speakers.voices(base, video_id).get(producer, {})
    given = {one.number: one.name for one in speakers.speakers(base, video_id) if one.name and one.number in old}
    alike = sorted(((float(old[was] @ mean), was, now) for was in given for now, mean in means.items()), reverse=True)
    found: dict[int, str] = {}
    used: set[int] = set()
    for cosine, was, now in alike:
        if cosine >= SAME_VOICE and was not in used and now not in found:
            found[now] = given[was]
            used.add(was)
    return found
