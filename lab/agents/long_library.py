"""A library of 40 hours around the clips: hours of talk beside them, so that no transcript of it fits a context.

    python -m lab.agents.long_library HOME TO [--hours 40]

TO becomes a copy of HOME, the memory with the clips, and 40 videos of an hour are written into it: 950 sentences of
a novel to the hour, in another order each time, with their vectors, and without pictures. They are written into the
store, not ingested from files: a question finds or misses a clip among 38,000 cues as it would among real talk."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_tools.ingestion.text_index import index_entries, write_chunks
from agent_tools.models.routed_text import RoutedText
from agent_tools.store import EntryIn, Episode, Store
from lab.agents.memory import copied
from lab.bench.assembled import FILLER_SENTENCES, READING_S, SHARED_VIDEOS

HOUR_S = 3600.0


class Remembering:
    """An encoder that encodes each text once: the hours share their sentences."""

    def __init__(self, inner: RoutedText) -> None:
        self._inner = inner
        self.producer, self.dim = inner.producer, inner.dim
        self._held: dict[str, NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str], **options: Any) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self._held]
        if new:
            options = {**options, "languages": ["en"] * len(new)} if "languages" in options else options
            self._held.update(zip(new, self._inner.encode(new, **options), strict=True))
        return np.stack([self._held[text] for text in texts])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m lab.agents.long_library", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("home", type=Path, metavar="HOME")
    parser.add_argument("to", type=Path, metavar="TO")
    parser.add_argument("--hours", type=int, default=40)
    given = parser.parse_args()
    lines = (SHARED_VIDEOS / "filler.txt").read_text("utf-8").splitlines()
    store = Store.open(copied(given.home, given.to))
    encoder = Remembering(RoutedText(given.to))
    for hour in range(given.hours):
        add_hour(store, encoder, hour, lines)
        sys.stderr.write(f"hour {hour + 1} of {given.hours}\n")
    store.close()


def add_hour(store: Store, encoder: Any, hour: int, lines: Sequence[str]) -> None:
    """One hour of talk: sentences in an order of its own."""
    video_id = f"{0xA0000000000 + hour:012x}"
    sentences = random.Random(hour).sample(list(lines), FILLER_SENTENCES)
    step_s = HOUR_S / FILLER_SENTENCES
    cues = [EntryIn(i * step_s, i * step_s + READING_S, text) for i, text in enumerate(sentences)]
    store.add_video(video_id, f"reading_{hour + 1:02d}", 1)
    store.update_video(video_id, duration_s=HOUR_S, has_audio=True, audio_s=HOUR_S)
    store.set_channel(video_id, "speech", state="running", producer="speech/1")
    store.add_entries(video_id, "speech", "speech/1", cues)
    index_entries(store, video_id, encoder, lambda _done: None)
    write_chunks(store, video_id, "speech", encoder.producer, HOUR_S, HOUR_S)
    store.set_channel(video_id, "speech", state="done", producer="speech/1", done_to_s=HOUR_S, entries=len(cues))
    starts = [300.0 * i for i in range(12)]
    rows = [
        Episode(i, video_id, "scene", at, at + 300.0, sentences[int(at / step_s)][:80], "speech", at)
        for i, at in enumerate(starts)
    ]
    store.replace_episodes(video_id, "scene", rows)


if __name__ == "__main__":
    main()
