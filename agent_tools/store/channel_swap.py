"""Replaces one channel of a video by that of another store, and the text vectors of all encoders by one encoder's.

A short channel is replaced in one transaction: a search sees the old or the new. A long one is replaced part by part in
order of time, so that nobody waits long for the write lock: each moment shows the old or the new, never both and never
neither, and until the end a gap says that nothing can be called absent."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from agent_tools.channels import made_text_names
from agent_tools.store import speakers
from agent_tools.store.entries import Entry, EntryIn, insert_entries, remove_entries
from agent_tools.store.frames import FrameRow
from agent_tools.store.sql import Sql
from agent_tools.store.store import Store
from agent_tools.store.vectors import AT_ONCE, FRAME, LINE, TEXT, TOKEN_BITS
from agent_tools.store.videos import ChannelRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVELS = "text"  # read by memories of scenes and chapters: every text channel
REPLACED = "a new version is being put in its place; if no ingest runs, agent-tools reindex does it again"
Step = Callable[[Sql], None]  # one part, inside a transaction


def switch_channel(store: Store, made: Store, video_id: str, channel: str, job_id: int | None = None) -> None:
    """Put `made`'s channel in the place of `store`'s: entries or frames, vectors, memories, gaps and its row.

    If a switch ended midway, the next call continues it.
    Args:
        made: the same video in another file, whose channel is done.
        job_id: of the job that made it, for the channel's row; None leaves there what `made` says.
    """
    row = made.channel(video_id, channel)
    if row is None or row.state not in ("done", "absent"):
        raise ValueError(f"channel {channel} of {video_id} is not done: nothing may be put in its place")
    of = _frame_steps if channel == "frames" else _entry_steps
    steps = list(of(store, made, video_id, channel))
    short = len(steps) <= 1
    with store.transaction() if short else nullcontext():
        if not short:
            video = store.video(video_id)
            store.add_gap(video_id, channel, 0.0, (video and video.duration_s) or row.done_to_s, REPLACED)
        for step in steps:
            with store.db.write() as c:
                step(c)
        store.memories.delete(video_id, read=channel)
        store.memories.take(made.memories, video_id, channel)
        if channel == speakers.SPEECH:
            speakers.take_voices(store, made, video_id)
        _switch_row(store, made, row, job_id)


def _switch_row(store: Store, made: Store, row: ChannelRow, job_id: int | None) -> None:
    """The gaps and the row of the channel, in one transaction."""
    with store.transaction():
        store.clear_gaps(row.video_id, row.name)
        for gap in made.gaps(row.video_id):
            if gap.channel == row.name:
                store.add_gap(row.video_id, row.name, gap.start_s, gap.end_s, gap.why)
        store.set_channel(
            row.video_id,
            row.name,
            state=row.state,
            producer=row.producer,
            done_to_s=row.done_to_s,
            entries=row.entries,
            language=row.language,
            detail=row.detail if job_id is None else replace(row.detail, remade=job_id),
            error=None,
        )


def keep_text_vectors(store: Store, video_id: str, producer: str) -> bool:
    """Remove the video's text vectors and memory tokens of all other encoders, if this one's are complete.

    Returns: True where they were complete, and stayed so. False where an entry has no vector yet: it came before, and
    nothing was removed, or it came meanwhile."""
    if not _complete(store, video_id, producer):
        return False
    for space in store.spaces():
        made_by, _, kind = space.rpartition("|")
        if kind in (TEXT, LINE) and made_by != producer:
            store.drop_video_vectors(space, video_id)
    for channel in (*made_text_names(), LEVELS):
        store.memories.delete(video_id, read=channel, made_by_others_than=producer)
    with store.transaction():
        for row in store.channels(video_id):
            if row.name in made_text_names() and row.state == "done":
                store.set_channel(video_id, row.name, detail=replace(row.detail, vectors=(producer,)))
    return _complete(store, video_id, producer)


def _complete(store: Store, video_id: str, producer: str) -> bool:
    return not store.pending_text(video_id, f"{producer}|{TEXT}", limit=1)


def _frame_steps(store: Store, made: Store, video_id: str, _channel: str) -> Iterator[Step]:
    """Frames by their place on the grid."""
    new = made.frames(video_id)
    parts: dict[int, list[FrameRow]] = {frame.k // AT_ONCE: [] for frame in (*store.frames(video_id), *new)}
    for frame in new:
        parts[frame.k // AT_ONCE].append(frame)
    vectors = _read_vectors(made, video_id, FRAME)
    for part in sorted(parts):

        def step(_: Sql, first: int = part * AT_ONCE, rows: list[FrameRow] = parts[part]) -> None:
            store.delete_frames(video_id, first, first + AT_ONCE)
            jpegs = {row.k: made.frame_picture(video_id, row.k) for row in rows if row.kept}
            store.add_frames(video_id, rows, {k: jpeg for k, jpeg in jpegs.items() if jpeg is not None})
            _put_vectors(store, video_id, vectors, {row.k: row.k for row in rows})

        yield step


def _entry_steps(store: Store, made: Store, video_id: str, channel: str) -> Iterator[Step]:
    """Entries by when they begin."""
    old = store.entries(video_id, channels=(channel,), unsure=True)
    new = made.entries(video_id, channels=(channel,), unsure=True)
    starts = sorted(entry.start_s for entry in (*old, *new))
    cuts = sorted({float("-inf"), *starts[AT_ONCE::AT_ONCE], float("inf")})
    vectors = [*_read_vectors(made, video_id, TEXT), *_read_vectors(made, video_id, LINE)]
    for low, high in pairwise(cuts):
        gone = [entry.id for entry in _between(old, low, high)]
        come = sorted(_between(new, low, high), key=lambda entry: entry.id)

        def step(c: Sql, gone: list[int] = gone, come: list[Entry] = come) -> None:
            remove_entries(store.db, c, video_id, gone)
            numbers: dict[int, int] = {}
            for producer, group in groupby(come, key=lambda entry: entry.producer):
                own = list(group)
                copies = [EntryIn(entry.start_s, entry.end_s, entry.text, entry.extra) for entry in own]
                ids = insert_entries(store.db, c, video_id, channel, producer, copies)
                numbers |= {entry.id: number for entry, number in zip(own, ids, strict=True)}
            _put_vectors(store, video_id, vectors, numbers)

        yield step


def _between(entries: list[Entry], low: float, high: float) -> list[Entry]:
    """Those that begin in [low, high), of entries in order of their start."""
    first, last = (bisect_left(entries, edge, key=lambda entry: entry.start_s) for edge in (low, high))
    return entries[first:last]


@dataclass(frozen=True)
class _Matrix:
    """The vectors of a video in one space.

    Attributes:
        ids: increasing.
        bits: the last bits of an id, which say which part of the entry it is."""

    space: str
    bits: int
    ids: NDArray[np.int64]
    rows: NDArray[np.float32]


def _read_vectors(made: Store, video_id: str, kind: str) -> list[_Matrix]:
    bits = TOKEN_BITS if kind == LINE else 0
    spaces = [space for space in made.spaces() if space.endswith(f"|{kind}")]
    return [_Matrix(space, bits, *made.vectors(space, video_id)) for space in spaces]


def _put_vectors(store: Store, video_id: str, matrices: list[_Matrix], numbers: Mapping[int, int]) -> None:
    """Store the vectors of these entries or frames under the numbers that they have here."""
    import numpy as np

    if not numbers:
        return
    wanted = np.sort(np.fromiter(numbers, np.int64, len(numbers)))
    for matrix in matrices:
        firsts = np.searchsorted(matrix.ids, wanted << matrix.bits)
        ends = np.searchsorted(matrix.ids, (wanted + 1) << matrix.bits)
        chosen = np.concatenate([np.arange(first, end) for first, end in zip(firsts, ends, strict=True)])
        if len(chosen):
            last = (1 << matrix.bits) - 1
            named = [
                numbers[number >> matrix.bits] << matrix.bits | number & last for number in matrix.ids[chosen].tolist()
            ]
            store.put_vectors(matrix.space, video_id, named, matrix.rows[chosen])
