"""The vectors of every picture that was looked at, in one token file for each video and frame encoder.

The frames channel writes them; episodes, memory tokens and the search for similar moments read them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent_tools.home import HomeFolder
from agent_tools.store import Store, TokenFile


def frame_tokens(home: Path, video_id: str, producer: str) -> TokenFile:
    """The repository of a video: a vector for every picture looked at, in order, pruned ones too (Hour-LLaVA, Sec. 3:
    what is forgotten in the decayed view stays there). Where a redundancy encoder of its own pruned, a pruned picture
    has the vector of the frame that stands for it."""
    return TokenFile(HomeFolder(home).token_file(video_id, producer))


def readable_file(store: Store, video_id: str, producer: str) -> Path:
    """Where the repository lies to be read, wherever it was made: a shared store keeps it once it is whole."""
    fetched = store.fetch_tokens(store.home, video_id, producer) if store.shared else None
    return fetched or HomeFolder(store.home).token_file(video_id, producer)


def share_tokens(store: Store, video_id: str, producer: str) -> None:
    """Keep the repository in a shared store; called when it is whole."""
    if store.shared:
        store.keep_tokens(video_id, producer, HomeFolder(store.home).token_file(video_id, producer))


def forget_files(home: Path, video_id: str) -> None:
    """Remove the files of the video that lie outside the store."""
    own = HomeFolder(home)
    for path in (*own.token_files(video_id), *own.keepers(video_id)):
        path.unlink(missing_ok=True)
    for folder in (own.unread_pictures(video_id), own.reindexed(video_id)):
        shutil.rmtree(folder, ignore_errors=True)


class PictureRows:
    """The repository's vectors of one video's pictures, read slice by slice."""

    def __init__(self, store: Store, video_id: str, producer: str) -> None:
        self._file = readable_file(store, video_id, producer)
        with TokenFile(self._file) as repository:
            rows = store.frames(video_id)[: len(repository)]
        self.times_s = [row.time_s for row in rows]

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        start, stop, _ = part.indices(len(self.times_s))
        with TokenFile(self._file) as repository:
            return repository.read_array(start, stop)


def sequence(
    store: Store, video_id: str, producer: str, start_s: float = 0.0, end_s: float = float("inf")
) -> tuple[list[float], NDArray[np.float32]]:
    """(times_s, vectors (T, D)) of every picture of the sampling grid in a span, out of the repository."""
    with TokenFile(readable_file(store, video_id, producer)) as repository:
        rows = store.frames(video_id)[: len(repository)]
        inside = [i for i, row in enumerate(rows) if start_s <= row.time_s < end_s]
        if not inside:
            return [], np.zeros((0, 0), np.float32)
        return [rows[i].time_s for i in inside], repository.read_array(inside[0], inside[-1] + 1)
