"""What the cases of the scale slice share: films and their undisturbed memory, and a client that writes notes."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_tools.media import content_id
from agent_tools.store import Job, Store
from agent_tools.store.entries import remove_entries
from lab.faults.archive import (
    Holding,
    call,
    until,
)
from lab.faults.slices import Outcome
from lab.postgres_server import Server

NOTE = "the lecturer points at the second door"


@dataclass
class World:
    root: Path
    films: list[Path]
    whole: Callable[[Path], Holding]  # of an undisturbed ingest of a film into SQLite
    postgres: Server
    workers: int
    channels: tuple[str, ...]
    rng: random.Random

    def __post_init__(self) -> None:
        self._ids = {content_id(film): film for film in self.films}

    def queue(self, store: Store, count: int | None = None) -> list[str]:
        """Ask for the films, as a server does it; their ids."""
        chosen = list(self._ids)[:count]
        for video_id in chosen:
            film = self._ids[video_id]
            stat = film.stat()
            store.add_video(video_id, film.stem, stat.st_size)
            store.add_source(video_id, str(film), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            store.enqueue(video_id, self.channels, "lite")
        return chosen

    def faults(self, store: Store, wanted: Sequence[str]) -> list[str]:
        """Why the archive is not as the undisturbed home, a line for each video; "" where it is."""
        found = []
        for video_id in wanted:
            job = store.job(video_id)
            if job is None or (job.state, job.error) != ("done", None):
                found.append(f"the job ended as {job}")
            else:
                found.append(Holding.of(store, video_id).unlike(self.whole(self._ids[video_id])))
        return found


def done(store: Store, wanted: Sequence[str]) -> list[Job]:
    """The jobs, once none is open."""

    def ended() -> list[Job]:
        jobs = [job for video_id in wanted if (job := store.job(video_id)) is not None]
        return jobs if all(job.state not in ("queued", "running") for job in jobs) else []

    found: list[Job] = until(ended, "all jobs end")
    return found


def checked(world: World, found: Outcome, store: Store, wanted: Sequence[str]) -> Outcome:
    for why in world.faults(store, wanted):
        found.count(why)
    return found


class Notes:
    """A client that writes one note after another; what was acknowledged is in `kept`."""

    def __init__(self, address: str, video_id: str) -> None:
        self.kept: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(address, video_id))

    def _write(self, address: str, video_id: str) -> None:
        number = 0
        while not self._ended.wait(0.2):
            text = f"{NOTE}, number {number}"
            with contextlib.suppress(Exception):  # the database is away: the client tries again, with the same words
                call(address, "remember", video_id=video_id, start_s=1, end_s=2, text=text)
                self.kept.append(text)
                number += 1

    def __enter__(self) -> Notes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def drop_notes(store: Store, video_id: str) -> None:
    """Take the notes away, so that the rest compares with a home that has none."""
    ids = [entry.id for entry in store.entries(video_id, channels=("notes",))]
    with store.db.write() as c:
        c.execute("DELETE FROM notes WHERE video_id=?", (video_id,))
        remove_entries(store.db, c, video_id, ids)
