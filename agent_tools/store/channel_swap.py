"""Replaces one channel of a video by that of another store, and the text vectors of all encoders by one encoder's.

Each happens in one transaction: a search sees the old or the new, never both and never neither."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_tools.channels import made_text_names
from agent_tools.store.entries import EntryIn, insert_entry, remove_entries
from agent_tools.store.sql import Sql
from agent_tools.store.store import Store
from agent_tools.store.vectors import LINE, TEXT, TOKEN_BITS

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS = "text"  # read by memories of scenes and chapters: every text channel
BATCH = 256  # pictures in memory at once


def switch_channel(store: Store, made: Store, video_id: str, channel: str, job_id: int) -> None:
    """Put `made`'s channel in the place of `store`'s: entries or frames, vectors, memories, gaps and its row.

    Args:
        made: the same video in another file, whose channel is done.
        job_id: of the job that made it, for the channel's row.
    """
    row = made.channel(video_id, channel)
    if row is None or row.state not in ("done", "absent"):
        raise ValueError(f"channel {channel} of {video_id} is not done: nothing may be put in its place")
    with store.db.write() as c:
        if channel == "frames":
            _switch_frames(store, made, video_id)
        else:
            _switch_entries(c, store, made, video_id, channel)
        store.memories.delete(video_id, read=channel)
        store.memories.write(video_id, made.memories.read_all(video_id, channel))
        store.clear_gaps(video_id, channel)
        for gap in made.gaps(video_id):
            if gap.channel == channel:
                store.add_gap(video_id, channel, gap.start_s, gap.end_s, gap.why)
        store.set_channel(
            video_id,
            channel,
            state=row.state,
            producer=row.producer,
            done_to_s=row.done_to_s,
            entries=row.entries,
            language=row.language,
            detail=replace(row.detail, remade=job_id),
            error=None,
        )


def keep_text_vectors(store: Store, video_id: str, producer: str) -> bool:
    """Remove the video's text vectors and memory tokens of all other encoders, if this one's are complete.

    Returns: True where they were complete. False where a new entry has no vector yet; then nothing is changed."""
    with store.db.write():
        if store.pending_text(video_id, f"{producer}|{TEXT}", limit=1):
            return False
        for space in store.spaces():
            made_by, _, kind = space.rpartition("|")
            if kind in (TEXT, LINE) and made_by != producer:
                store.drop_video_vectors(space, video_id)
        for channel in (*made_text_names(), LEVELS):
            store.memories.delete(video_id, read=channel, made_by_others_than=producer)
        for row in store.channels(video_id):
            if row.name in made_text_names() and row.state == "done":
                store.set_channel(video_id, row.name, detail=replace(row.detail, vectors=(producer,)))
    return True


def _switch_frames(store: Store, made: Store, video_id: str) -> None:
    store.delete_frames(video_id)
    frames = made.frames(video_id)
    for first in range(0, len(frames), BATCH):
        rows = frames[first : first + BATCH]
        jpegs = {row.k: made.frame_jpeg(video_id, row.k) for row in rows if row.kept}
        store.add_frames(video_id, rows, {k: jpeg for k, jpeg in jpegs.items() if jpeg is not None})
    _copy_vectors(store, made, video_id, "frame")


def _switch_entries(c: Sql, store: Store, made: Store, video_id: str, channel: str) -> None:
    old: list[Any] = c.execute("SELECT id FROM entries WHERE video_id=? AND channel=?", (video_id, channel)).fetchall()
    remove_entries(store.db, c, video_id, [row[0] for row in old])
    numbers = {
        entry.id: insert_entry(
            store.db, c, video_id, channel, entry.producer, EntryIn(entry.start_s, entry.end_s, entry.text, entry.extra)
        )
        for entry in sorted(made.entries(video_id, channels=(channel,)), key=lambda entry: entry.id)
    }
    _copy_vectors(store, made, video_id, TEXT, numbers)
    _copy_vectors(store, made, video_id, LINE, numbers, TOKEN_BITS)


def _copy_vectors(
    store: Store, made: Store, video_id: str, kind: str, numbers: Mapping[int, int] | None = None, bits: int = 0
) -> None:
    """The video's vectors of a kind; those of entries under the numbers that the entries have here.

    Args:
        bits: the last bits of an id, which say which part of the entry it is."""
    for space in made.spaces():
        if not space.endswith(f"|{kind}"):
            continue
        ids, matrix = made.vectors(space, video_id)
        rows = [row for row, number in enumerate(ids.tolist()) if numbers is None or number >> bits in numbers]
        named = ids[rows].tolist()
        if numbers is not None:
            named = [numbers[number >> bits] << bits | number & (1 << bits) - 1 for number in named]
        if rows:
            store.put_vectors(space, video_id, named, matrix[rows])
