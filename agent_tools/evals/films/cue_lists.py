"""Videos made only of cue lists: what is said and shown when, without a picture, stored as an ingest would.

They measure what reads only text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from agent_tools.ingestion.text_index import index_entries
from agent_tools.store import ChannelDetail, EntryIn, Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Line:
    """What is said or shown in [start_s, end_s)."""

    start_s: float
    end_s: float
    text: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()  # of each line of a shown text, where they are known


@dataclass(frozen=True)
class Film:
    """A video as its text channels see it."""

    title: str
    duration_s: float
    subtitles: tuple[Line, ...]
    screen_text: tuple[Line, ...]
    language: str = "en"
    voice: str = (
        ""  # of espeak-ng: the subtitles are said, and nothing but the sound tells them; "" for a subtitle file
    )

    @cached_property
    def video_id(self) -> str:
        """Of all that it holds: two films of one title are two videos."""
        return hashlib.blake2b(repr(self).encode(), digest_size=6).hexdigest()


class Encoder(Protocol):
    """What `Remembered` takes: a text encoder of the models package."""

    @property
    def producer(self) -> str: ...

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]: ...


@dataclass
class Remembered:
    """A text encoder that encodes each text once, however many films hold it."""

    encoder: Encoder
    _seen: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def producer(self) -> str:
        return self.encoder.producer

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._seen]
        if new:
            self._seen.update(zip(new, self.encoder.encode(new, query=query), strict=True))
        return np.stack([self._seen[text] for text in texts])


def lay_down(store: Store, film: Film, encoder: Encoder) -> str:
    """Store a film with entries and vectors, its pictures as seen and its sound as not transcribed; gives its id."""
    video_id = film.video_id
    store.add_video(video_id, film.title, 1)
    store.update_video(video_id, duration_s=film.duration_s, width=1280, height=720, fps=25.0, has_audio=True)
    for name, lines in (("subtitles", film.subtitles), ("screen_text", film.screen_text)):
        rows = [
            EntryIn(
                line.start_s, line.end_s, line.text, {"boxes": [list(box) for box in line.boxes]} if line.boxes else {}
            )
            for line in lines
        ]
        store.add_entries(video_id, name, "cue list", rows)
        store.set_channel(
            video_id,
            name,
            state="absent" if name == "subtitles" and not rows else "done",
            producer="cue list",
            done_to_s=film.duration_s,
            entries=len(rows),
            language=film.language if name == "subtitles" else None,
        )
    store.set_channel(video_id, "frames", state="done", producer="none", done_to_s=film.duration_s)
    store.set_channel(
        video_id, "speech", state="absent", detail=ChannelDetail(why="not transcribed: profile lite has no model")
    )
    index_entries(store, video_id, encoder, lambda _written: None)
    return video_id
