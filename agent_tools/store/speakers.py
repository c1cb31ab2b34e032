"""Who says an entry: the number of a voice that a model distinguished, or a name, from a file or from a person.

`extra` of an entry holds `speaker`, the name ("Mara", or "speaker 2" where nobody gave one), and `voice`, the voice's
number, where a model told voices apart. A given name stands before the text too ("Mara: ..."), so that words find it;
"speaker 2" does not, because it would be found by every question about a speaker.
The voices' vectors are kept in a space of their own, under their numbers. Pure functions, and three on a Store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from agent_tools.store.entries import AT_ONCE, Entry, EntryIn, insert_entries, remove_entries
from agent_tools.store.vectors import TEXT, VOICE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.store.store import Store

SPEAKER, VOICE_NUMBER = "speaker", "voice"  # in `extra`
SPEECH = "speech"  # the channel whose voices are distinguished


@dataclass(frozen=True)
class Speaker:
    """One voice of a video."""

    number: int  # 1, 2, ... in the order in which they are first heard
    name: str  # "" where nobody gave one
    entries: int
    seconds: float  # that its entries last
    first_s: float  # where it is heard first

    @property
    def label(self) -> str:
        return self.name or label(self.number)


def label(number: int) -> str:
    """What a voice without a name is called."""
    return f"speaker {number}"


def name_of(entry: Entry) -> str:
    """Who says it; "" where this is not known."""
    name = entry.extra.get(SPEAKER)
    return name if isinstance(name, str) else ""


def said(entry: Entry) -> str:
    """The text without the name before it."""
    name = name_of(entry)
    return entry.text.removeprefix(f"{name}: ") if name else entry.text


def shown(entry: Entry) -> str:
    """The text with the speaker before it, where one is known."""
    name = name_of(entry)
    return f"{name}: {said(entry)}" if name else entry.text


def labelled(entry: Entry, number: int, name: str) -> EntryIn:
    """The entry as one of that voice; without a name the text stands alone."""
    extra: dict[str, Any] = {**entry.extra, VOICE_NUMBER: number, SPEAKER: name or label(number)}
    text = f"{name}: {said(entry)}" if name else said(entry)
    return EntryIn(entry.start_s, entry.end_s, text, extra)


def speakers(store: Store, video_id: str) -> list[Speaker]:
    """The distinct voices in a video, by number."""
    found: dict[int, Speaker] = {}
    for entry in store.entries(video_id, channels=(SPEECH,)):
        number = entry.extra.get(VOICE_NUMBER)
        if not isinstance(number, int):
            continue
        name = "" if name_of(entry) == label(number) else name_of(entry)
        before = found.get(number) or Speaker(number, name, 0, 0.0, entry.start_s)
        lasts_s = before.seconds + entry.end_s - entry.start_s
        found[number] = replace(before, entries=before.entries + 1, seconds=lasts_s)
    return [found[number] for number in sorted(found)]


def relabel(store: Store, video_id: str, choose: Callable[[Entry], EntryIn | None]) -> int:
    """Put other labels to a video's speech, in transactions of AT_ONCE entries; vectors of texts stay as they are.

    Args:
        choose: the entry with its new label; None leaves it.
    Returns: how many entries were changed."""
    changed = [
        (entry, new)
        for entry in store.entries(video_id, channels=(SPEECH,))
        if (new := choose(entry)) is not None and (new.text, new.extra) != (entry.text, entry.extra)
    ]
    for at in range(0, len(changed), AT_ONCE):
        some = changed[at : at + AT_ONCE]
        ids = [entry.id for entry, _ in some]
        with store.db.write() as c:
            spaces = [space for space in store.spaces() if space.endswith(f"|{TEXT}")]
            vectors = {space: store.vectors(space, video_id, ids) for space in spaces}
            remove_entries(store.db, c, video_id, ids)
            numbers: dict[int, int] = {}
            for producer, group in groupby(some, key=lambda pair: pair[0].producer):
                own = list(group)
                made = insert_entries(store.db, c, video_id, SPEECH, producer, [new for _, new in own])
                numbers |= {entry.id: number for (entry, _), number in zip(own, made, strict=True)}
            for space, (of, rows) in vectors.items():
                if len(of):
                    store.put_vectors(space, video_id, [numbers[number] for number in of.tolist()], rows)
    return len(changed)


def keep_voices(store: Store, video_id: str, producer: str, voices: Mapping[int, NDArray[np.float32]]) -> None:
    """Keep the vectors of a video's voices, by number, in the place of those that are there."""
    import numpy as np

    drop_voices(store, video_id)
    if voices:
        store.put_vectors(f"{producer}|{VOICE}", video_id, list(voices), np.stack(list(voices.values())))


def voices(store: Store, video_id: str) -> dict[str, dict[int, NDArray[np.float32]]]:
    """Producer -> number -> vector of the video's voices."""
    found: dict[str, dict[int, NDArray[np.float32]]] = {}
    for space in _spaces(store):
        ids, rows = store.vectors(space, video_id)
        if len(ids):
            found[space.rpartition("|")[0]] = dict(zip(ids.tolist(), rows, strict=True))
    return found


def join_voices(vectors: dict[int, NDArray[np.float32]], one: Speaker, into: Speaker) -> None:
    """Make two voices' vectors one, by how long each speaks; the first is taken out."""
    import numpy as np

    both = one.seconds * vectors.pop(one.number) + into.seconds * vectors[into.number]
    vectors[into.number] = np.asarray(both / max(float(np.linalg.norm(both)), 1e-9), np.float32)


def take_voices(store: Store, made: Store, video_id: str) -> None:
    """The voices of a video as another store has them, in the place of those that are here."""
    drop_voices(store, video_id)
    for producer, found in voices(made, video_id).items():
        keep_voices(store, video_id, producer, found)


def drop_voices(store: Store, video_id: str) -> None:
    for space in _spaces(store):
        store.drop_video_vectors(space, video_id)


def _spaces(store: Store) -> list[str]:
    return [space for space in store.spaces() if space.endswith(f"|{VOICE}")]
