"""Makes a channel again in a store of its own, then puts it in the place of the old one.

Until then searches see the old channel; channel_swap says what they see meanwhile. A killed worker leaves its store
behind; the next worker resumes from it, if it makes the same thing with the same settings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from agent_tools.channels import made_text_names
from agent_tools.home import HomeFolder
from agent_tools.ingestion import picture_vectors, text_index
from agent_tools.ingestion.text_index import TextEncoder
from agent_tools.store import Store, keep_text_vectors, switch_channel

MADE_BY = "made-by.json"


def staged(store: Store, video_id: str, made_by: Sequence[object]) -> Store:
    """Open a store for the video's new channels. It is empty, or holds what an interrupted run has left.

    Args:
        made_by: the settings that decide the result; the work of a run with other settings is removed.
    """
    folder = HomeFolder(store.home).reindexed(video_id)
    mark = json.dumps(list(made_by))
    if not (folder / MADE_BY).is_file() or (folder / MADE_BY).read_text("utf-8") != mark:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / MADE_BY).write_text(mark, "utf-8")
    opened = Store.open(folder)
    video = store.video(video_id)
    if video is not None:
        opened.add_video(video_id, video.title, video.size_bytes)
    return opened


def switched(store: Store, video_id: str, channel: str, job_id: int) -> bool:
    """Whether this job has already put the channel in the place of the old one."""
    row = store.channel(video_id, channel)
    return row is not None and row.detail.remade == job_id


def put_in_place(
    store: Store,
    made: Store,
    video_id: str,
    channel: str,
    job_id: int,
    encoder: TextEncoder | None,
    duration_s: float,
    on_batch: Callable[[int], None],
) -> None:
    """Switch one channel. With a channel of texts, all text vectors of the video are the encoder's afterwards.

    Args:
        encoder: the sentence encoder, for a channel of texts; None for frames.
        on_batch: called with how many of the other texts have a new vector; may raise to stop.
    """
    if channel == "frames":
        row = made.channel(video_id, channel)
        producer = row.producer if row is not None else ""
        _take_tokens(store.home, made.home, video_id, producer)
        picture_vectors.share_tokens(store, video_id, producer)
    if encoder is None:
        switch_channel(store, made, video_id, channel, job_id)
        store.pack_pictures(video_id)
        return
    # New vectors of the other texts are added beside the old ones; a search never compares the two.
    index_all(store, video_id, encoder, duration_s, on_batch, apart=channel)
    switch_channel(store, made, video_id, channel, job_id)
    if not keep_text_vectors(
        store, video_id, encoder.producer
    ):  # meanwhile another server has added a note, with its own vector only
        remake_vectors(store, video_id, encoder, duration_s, on_batch)


def index_all(
    store: Store,
    video_id: str,
    encoder: TextEncoder,
    duration_s: float,
    on_batch: Callable[[int], None],
    apart: str = "",
) -> None:
    """Write a vector of this encoder for every text of the video, notes too, and memory tokens of each text channel."""
    text_index.index_entries(store, video_id, encoder, on_batch, apart=apart)
    if apart != text_index.SCREEN_TEXT:
        text_index.index_lines(store, video_id, encoder)  # also of texts whose own vectors are older
    for channel in made_text_names():
        if channel != apart:
            text_index.write_chunks(store, video_id, channel, encoder.producer, duration_s, duration_s)


def remake_vectors(
    store: Store, video_id: str, encoder: TextEncoder, duration_s: float, on_batch: Callable[[int], None]
) -> None:
    """Make the video's text vectors by another encoder. The old ones are removed when all new ones are there."""
    while True:
        index_all(store, video_id, encoder, duration_s, on_batch)
        if keep_text_vectors(store, video_id, encoder.producer):
            return


def clear(store: Store, video_id: str) -> None:
    """Remove the store in which channels were made again."""
    shutil.rmtree(HomeFolder(store.home).reindexed(video_id), ignore_errors=True)


def drop_old_tokens(store: Store, video_id: str) -> None:
    """Remove token files of frame encoders whose vectors are no longer kept."""
    row = store.channel(video_id, "frames")
    if row is not None and row.state == "done":
        home = HomeFolder(store.home)
        kept = home.token_file(video_id, row.producer)
        store.drop_tokens(video_id, but=row.producer)
        for path in home.token_files(video_id):
            if path != kept:
                path.unlink(missing_ok=True)


def _take_tokens(home: Path, made: Path, video_id: str, producer: str) -> None:
    """Move the token file before the switch, so that no row is without its tokens. A killed worker may have done it."""
    source, target = (HomeFolder(folder).token_file(video_id, producer) for folder in (made, home))
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
