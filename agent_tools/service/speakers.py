"""The distinct voices in the library's speech: listed, named by a person, joined where they are one.

A voice is a number in one recording. That a voice of another video may be the same is a suggestion with its score; no
name is ever carried over by itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from agent_tools.errors import InvalidArgument
from agent_tools.service.library.library import Library
from agent_tools.store import VideoRow, speakers
from agent_tools.timeline import clock, rounded, video_uri
from agent_tools.untrusted import clean

LONGEST_NAME = 80
ALIKE = 0.8  # cosine from which on a voice of another video is suggested
MOST_ALIKE = 3  # suggestions for one voice


@dataclass(frozen=True)
class Likeness:
    """A voice of another video that may be the same person's."""

    video_id: str
    number: int
    label: str
    score: float  # cosine of the two voices' vectors


@dataclass(frozen=True)
class KnownSpeaker:
    """One voice of one video."""

    video_id: str
    title: str
    number: int
    label: str  # the name that a person gave, or "speaker 2"
    named: bool
    entries: int
    seconds: float
    at: str  # where it is heard first
    uri: str
    alike: tuple[Likeness, ...] = ()

    def compact(self) -> dict[str, Any]:
        return asdict(self)


def list_speakers(library: Library, video: VideoRow | None = None) -> list[KnownSpeaker]:
    """The voices of a video, or of all, each with the voices of other videos that are most like it."""
    store = library.store
    known = {row.id: (row, speakers.speakers(store, row.id), speakers.voices(store, row.id)) for row in store.videos()}
    found = []
    for row, there, vectors in known.values():
        if video is not None and row.id != video.id:
            continue
        for one in there:
            alike = []
            for producer, of in vectors.items():
                if one.number in of:
                    others = [(other, *known[other][1:]) for other in known if other != row.id]
                    alike = _alike(of[one.number], producer, others)
            found.append(
                KnownSpeaker(
                    video_id=row.id,
                    title=row.title,
                    number=one.number,
                    label=one.label,
                    named=bool(one.name),
                    entries=one.entries,
                    seconds=rounded(one.seconds),
                    at=clock(one.first_s),
                    uri=video_uri(row.id, one.first_s, one.first_s + 1.0),
                    alike=tuple(alike),
                )
            )
    return found


def _alike(vector: Any, producer: str, others: list[Any]) -> list[Likeness]:
    found = [
        Likeness(video_id, one.number, one.label, round(score, 2))
        for video_id, there, vectors in others
        for one in there
        if one.number in vectors.get(producer, {})
        if (score := float(vector @ vectors[producer][one.number])) >= ALIKE
    ]
    return sorted(found, key=lambda one: -one.score)[:MOST_ALIKE]


def name_speaker(library: Library, video: VideoRow, number: int, name: str) -> int:
    """Give a voice a name, which stands before what it says from then on; "" takes the name away.

    Returns: how many entries carry it. Raises: InvalidArgument: no such voice, or no such name is allowed."""
    _known(library, video, number)
    name = clean(" ".join(name.split()), LONGEST_NAME).strip().rstrip(":")
    if ":" in name:
        raise InvalidArgument(f"name is {name!r}; it cannot hold a colon, which stands between a name and the text.")
    return _put(library, video, lambda voice: (voice, name) if voice == number else None)


def merge_speakers(library: Library, video: VideoRow, number: int, into: int) -> int:
    """Make two voices of a video one: what `number` says is of `into` from then on, with its name.

    Returns: how many entries have changed. Raises: InvalidArgument: no such voice, or twice the same."""
    if number == into:
        raise InvalidArgument(f"{number} and {number} are the same speaker. Name two different numbers.")
    one, other = _known(library, video, number), _known(library, video, into)
    for producer, vectors in speakers.voices(library.store, video.id).items():
        if one.number in vectors and other.number in vectors:
            speakers.join_voices(vectors, one, other)
            speakers.keep_voices(library.store, video.id, producer, vectors)
    return _put(library, video, lambda voice: (into, other.name) if voice == number else None)


def _known(library: Library, video: VideoRow, number: int) -> speakers.Speaker:
    there = speakers.speakers(library.store, video.id)
    for one in there:
        if one.number == number:
            return one
    if there:
        listed = ", ".join(f"{one.number} ({one.name})" if one.name else str(one.number) for one in there)
        raise InvalidArgument(f"{video.id} has no speaker {number}. There is: {listed}.")
    raise InvalidArgument(
        f"No speakers were distinguished in {video.id}. Do it with: "
        f"agent-tools reindex {video.id} --channel speech --models speakers=resemblyzer"
    )


def _put(library: Library, video: VideoRow, wanted: Any) -> int:
    """Label the entries again of the voices that `wanted` gives a (number, name) for."""

    def choose(entry: Any) -> Any:
        voice = entry.extra.get(speakers.VOICE_NUMBER)
        chosen = wanted(voice) if isinstance(voice, int) else None
        return None if chosen is None else speakers.labelled(entry, *chosen)

    return speakers.relabel(library.store, video.id, choose)
