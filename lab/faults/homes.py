"""Data folders compared by content: everything that the ingest of a video made, without row numbers and clock times."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from agent_tools.store import Job, Store, TokenFile
from agent_tools.store.flat_index import LARGEST

NEAR = 1e-6  # numbers of two ingests of one film may differ by so much
LONGEST_WAIT_S = 900.0  # on a machine that does much else


def until(store: Store, video_id: str, reached: Callable[[Store, Job], bool]) -> Job:
    """The job as soon as a server has taken it up (again) and it is as far as `reached` says."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while True:
        job = store.job(video_id)
        if job is not None and (job.state in ("done", "failed") or alive(job.pid)) and reached(store, job):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


def settled(store: Store, video_id: str) -> None:
    """Wait until every note has its vector: a server gives it those as soon as its sentence encoder is loaded."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while any(store.pending_text(video_id, space, only="notes") for space in store.spaces() if space.endswith("|text")):
        assert time.monotonic() < deadline, "a note has no vector"
        time.sleep(0.05)


def alive(pid: int | None) -> bool:
    """Whether a process runs under that id, as a process that can still work: not a zombie."""
    if pid is None:
        return False
    status = Path(f"/proc/{pid}/stat")
    if status.parent.parent.joinpath("self").exists():
        try:
            return status.read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def expire(home: Path, pid: int) -> None:
    """Let the time pass after which this worker, that does not beat, counts as dead."""
    connection = apsw.Connection(str(home / "memory.sqlite3"))
    connection.set_busy_timeout(10_000)
    connection.execute("UPDATE jobs SET lease_until = 0 WHERE state = 'running' AND pid = ?", (pid,))
    connection.close()


@dataclass(frozen=True, eq=False)
class Near:
    """Numbers that equal others within so much."""

    values: NDArray[np.float32]
    within: float = NEAR

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Near) and self.values.shape == other.values.shape and self.apart(other) <= self.within

    __hash__ = None  # type: ignore[assignment]

    def apart(self, other: Near) -> float:
        return float(np.abs(self.values - other.values).max(initial=0.0))


def contents(store: Store, video_id: str) -> dict[str, Any]:
    """All that the ingest of a video made, without row numbers and clock times."""
    entries = {entry.id: entry for entry in store.entries(video_id)}
    frames = store.frames(video_id)
    vectors: dict[str, Any] = {}
    for space in store.spaces():
        ids, matrix = store.vectors(space, video_id)
        kind = space.rpartition("|")[2]

        def key(number: int, kind: str = kind) -> Any:
            if kind == "text":
                return entries[number].channel, entries[number].start_s, entries[number].text
            return 0 if kind == "line" else number  # a line's id is that of whichever entry showed it first

        rows = [(key(int(number)), row.round(3).tolist(), Near(row)) for number, row in zip(ids, matrix, strict=True)]
        vectors[space] = [(row[0], row[2]) for row in sorted(rows, key=lambda row: row[:2])]
    channels = [
        (row.name, row.state, row.producer, round(row.done_to_s, 3), row.entries, row.language)
        for row in store.channels(video_id)
    ]
    return {
        "video": [getattr(store.video(video_id), name) for name in ("duration_s", "width", "height", "fps", "error")],
        "channels": channels,
        "entries": sorted(
            (e.channel, e.producer, e.start_s, e.end_s, e.text, json.dumps(e.extra)) for e in entries.values()
        ),
        "frames": [(row.k, row.time_s, row.stands_for, row.kept) for row in frames],
        "pictures": [digest(store.frame_picture(video_id, row.k) or b"") for row in frames if row.kept],
        "vectors": vectors,
        "memories": memories(store, video_id),
        "tokens": tokens(store, video_id),
        "episodes": [
            (level, e.start_s, e.end_s, e.title, e.title_from, e.keyframe_s)
            for level in ("chunk", "scene", "chapter")
            for e in store.episodes(video_id, level)
        ],
        "gaps": [(gap.channel, gap.start_s, gap.end_s, gap.why) for gap in store.gaps(video_id)],
    }


def memories(store: Store, video_id: str) -> list[Any]:
    """Memory tokens of every level and producer, and what chunks read of their past."""
    return [
        (*memory.key, memory.text, Near(memory.vectors.numpy()), None if past is None else _rounded(past.numpy()))
        for memory, past in store.memories.held(video_id)
    ]


def _rounded(past: NDArray[np.float32]) -> Near:
    """Kept as int8 numbers: a number that lies between two of them may become either."""
    return Near(past, NEAR + float(np.abs(past).max(initial=0.0)) / LARGEST)


def tokens(store: Store, video_id: str) -> list[tuple[int, str]]:
    """Length and content of each of the video's token files."""
    found = []
    for path in sorted((store.home / "tokens").glob(f"{video_id}*")):
        with TokenFile(path) as file:
            found.append((len(file), digest(file.read(0, len(file)).numpy().tobytes())))
    return found


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
