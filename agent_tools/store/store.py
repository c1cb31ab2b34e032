"""The store: everything that outlives a process, in one SQLite file that many processes share.

A later kind of store has the same parts, each over its own database."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from agent_tools.errors import InvalidArgument, ModelMissing, StoreError, StoreFull
from agent_tools.home import HomeFolder, make_private_folder
from agent_tools.store.codes import Codes, IndexSettings
from agent_tools.store.database import BUSY_S, SqliteDatabase
from agent_tools.store.entries import AT_ONCE, Entries, remove_entries
from agent_tools.store.episodes import Episodes
from agent_tools.store.flat_search import FlatSearch
from agent_tools.store.frames import Frames
from agent_tools.store.jobs import Job, Jobs
from agent_tools.store.looks import Looks
from agent_tools.store.memory import SqliteMemory
from agent_tools.store.nearest import VectorSearch
from agent_tools.store.notes import Notes
from agent_tools.store.objects import Objects
from agent_tools.store.overview import Overview
from agent_tools.store.picture_packs import PicturePacks
from agent_tools.store.picture_tokens import PictureTokens
from agent_tools.store.privacy import make_file_private
from agent_tools.store.queue import Queue
from agent_tools.store.roots import Roots
from agent_tools.store.schema import migrate
from agent_tools.store.search import WordSearch
from agent_tools.store.sql import Clock, Database
from agent_tools.store.tasks import TaskRows
from agent_tools.store.vectors import Vectors, drop_vectors
from agent_tools.store.videos import ChannelRow, VideoRow, Videos, refuse_notes, remove_video
from agent_tools.store.word_shares import WordShares

DEFAULT_INDEX = IndexSettings()
NO_ROOTS = Roots()


class Store:
    """One home folder's memory. Safe to use from any number of threads and processes at once.

    A store consists of parts: videos, jobs, entries, notes, vectors, memories, frames, episodes, the overview, and what
    searches them. __init__ lists the methods of each part that are the store's own; the part documents them.

    Attributes:
        home: the folder.
        roots: folders whose names stand for them in paths.
        now: the clock of its leases, in seconds since 1970.
        db: the database file, for this package and its tests.
        memories: what was remembered of spans, as vectors; see SqliteMemory.
    """

    def __init__(
        self, home: Path, db: Database, now: Clock, index: IndexSettings, roots: Roots = NO_ROOTS, files: str = ""
    ) -> None:
        self.home, self.db, self.now, self.roots = home, db, now, roots
        objects = Objects(files) if files else None

        videos = Videos(db, now, roots)
        self.add_video, self.update_video = videos.add_video, videos.update_video
        self._video, self._videos, self.find_videos = videos.video, videos.videos, videos.find_videos
        self.add_source, self.known_id = videos.add_source, videos.known_id
        self.sources, self.all_sources = videos.sources, videos.all_sources
        self.set_channel, self._channel, self._channels = videos.set_channel, videos.channel, videos.channels
        self.add_gap, self.gaps, self.clear_gaps = videos.add_gap, videos.gaps, videos.clear_gaps

        self._jobs = jobs = Jobs(db, now)
        self.enqueue, self.claim, self.beat, self.request_stop = jobs.enqueue, jobs.claim, jobs.beat, jobs.request_stop
        self._job, self.open_jobs, self.workers_alive = jobs.job, jobs.open_jobs, jobs.workers_alive
        self.guard, self.unguard, self.release = jobs.guard, jobs.unguard, jobs.release
        self.survived, self.pass_on = jobs.survived, jobs.pass_on
        self.worker_may_start, self.worker_starts = jobs.worker_may_start, jobs.worker_starts
        self.worker_here, self.worker_leaves = jobs.worker_here, jobs.worker_leaves

        queue = Queue(db, now)
        self.see_worker, self.forget_worker, self.workers_seen = (
            queue.see_worker,
            queue.forget_worker,
            queue.workers_seen,
        )
        self.queue_state = queue.queue_state

        tasks, looks = TaskRows(db, now), Looks(db, now)
        self.add_task, self.task, self.tell_task = tasks.add_task, tasks.task, tasks.tell_task
        self.end_task, self.take_task = tasks.end_task, tasks.take_task
        self.answer_task, self.drop_task = tasks.answer_task, tasks.drop_task
        self.add_search, self.last_searches = looks.add_search, looks.last_searches
        self.add_look, self.looks = looks.add_look, looks.looks

        entries = Entries(db, now)
        self.add_entries, self.delete_entries = entries.add_entries, entries.delete_entries
        self.entries, self.entries_in, self.entries_by_id = entries.entries, entries.entries_in, entries.entries_by_id
        self.all_texts = entries.all_texts
        self.pending_text = entries.pending_text
        self.search_words = WordSearch(db, now).search_words
        self._shares = WordShares(db, now)
        self.word_shares, self.videos_with = self._shares.word_shares, self._shares.videos_with

        notes = Notes(db, now)
        self.add_note, self.keep_note = notes.add_note, notes.keep_note
        self.note, self.notes, self._count_notes = notes.note, notes.notes, notes.count_notes

        vectors = Vectors(db, now)
        self.put_vectors, self.vectors, self.vector = vectors.put_vectors, vectors.vectors, vectors.vector
        self.vectors_version, self.spaces = vectors.vectors_version, vectors.spaces
        self.drop_space = vectors.drop_space
        self.drop_video_vectors, self.load_vec0 = vectors.drop_video_vectors, vectors.load_vec0
        self._codes, self._flat = Codes(db, now, index), FlatSearch(db, now, index.flat_bytes, HomeFolder(home).work)
        self.flat_view, self.exact_products = self._flat.flat_view, self._flat.exact_products
        self.rests = self._flat.rests
        self.vector_search = VectorSearch(db, now, index)
        self.nearest = self.vector_search.nearest
        self.memories = SqliteMemory(self)

        tokens = PictureTokens(db, now, objects)
        self.keep_tokens, self.fetch_tokens, self.drop_tokens = (
            tokens.keep_tokens,
            tokens.fetch_tokens,
            tokens.drop_tokens,
        )

        packs = PicturePacks(db, now, objects)
        self.frame_picture, self.pack_pictures, self._drop_objects = (
            packs.frame_picture,
            packs.pack_pictures,
            packs.drop_objects,
        )
        frames = Frames(db, now, packs)
        self.add_frames, self.delete_frames = frames.add_frames, frames.delete_frames
        self.frames, self.count_frames = frames.frames, frames.count_frames
        self.standing, self.times_of = frames.standing, frames.times_of

        episodes = Episodes(db, now)
        self.replace_episodes, self.episodes = episodes.replace_episodes, episodes.episodes

        overview = Overview(db, now)
        self.overview, self.snapshot, self.in_snapshot = overview.overview, overview.snapshot, overview.in_snapshot
        self.entries_mark, self._seen, self._all_seen = overview.entries_mark, overview.seen, overview.all_seen

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        now: Clock = time.time,
        busy_s: float = BUSY_S,
        vfs: str = "",
        index: IndexSettings = DEFAULT_INDEX,
        roots: Roots = NO_ROOTS,
        files: str = "",
    ) -> Self:
        """Open home's memory.sqlite3, making folder and file where they are missing and older files new.

        Raises: StoreTooNew: a newer program wrote it. StoreFull. StoreError: damaged, locked, or not permitted."""
        _make_home(home)
        make_file_private(HomeFolder(home).store)
        database = SqliteDatabase(HomeFolder(home).store, busy_s=busy_s, vfs=vfs)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(home, database, now, index, roots, files)

    @classmethod
    def connect(
        cls,
        home: Path,
        url: str,
        *,
        now: Clock | None = None,
        index: IndexSettings = DEFAULT_INDEX,
        roots: Roots = NO_ROOTS,
        files: str = "",
        **settings: Any,
    ) -> Self:
        """Open the store in PostgreSQL at `url`, making its tables where they are missing.

        Args:
            home: the folder for what stays on this machine: token files, logs, downloads.
            now: another clock than the server's.

        Raises: StoreError: it cannot be reached. StoreTooNew. ModelMissing: the extra `postgres` is not installed."""
        try:
            from agent_tools.store.postgres import open_database
        except ImportError as error:
            raise ModelMissing(
                f"A store in PostgreSQL needs packages that are not installed ({error}). "
                'Install them with: pip install "agent-tools-video[postgres]"'
            ) from error
        _make_home(home)
        database, servers_clock = open_database(url, **settings)
        return cls(home, database, now or servers_clock, index, roots, files)

    def close(self) -> None:
        self.db.close()

    @property
    def shared(self) -> bool:
        """Whether servers and workers on other machines use it too."""
        return self.db.shared

    @property
    def place(self) -> str:
        """Where the memory lies, for people: the folder, or the database's address without its password."""
        return self.db.place if self.db.shared else str(self.home)

    def wait_for_job(self, most_s: float) -> None:
        """Return as soon as a job was queued, or after so long; it may return for nothing."""
        self.db.wait_for_job(most_s)

    def data_version(self) -> int:
        """Changes whenever any process or thread committed; comparable within this process only."""
        return self.db.data_version()

    # -- What `snapshot` holds: within it as it was at its beginning.

    def videos(self) -> list[VideoRow]:
        """All of them, in the order they were added."""
        known = self._all_seen()
        return self._videos() if known is None else [one.video for one in known.values()]

    def video(self, video_id: str) -> VideoRow | None:
        known = self._all_seen()
        if known is None:
            return self._video(video_id)
        return known[video_id].video if video_id in known else None

    def channels(self, video_id: str) -> list[ChannelRow]:
        """The channels of a video by name."""
        known = self._seen(video_id)
        return self._channels(video_id) if known is None else list(known.channels.values())

    def channel(self, video_id: str, name: str) -> ChannelRow | None:
        known = self._seen(video_id)
        return self._channel(video_id, name) if known is None else known.channels.get(name)

    def job(self, video_id: str) -> Job | None:
        """The video's newest job, open or not."""
        known = self._seen(video_id)
        return self._job(video_id) if known is None else known.job

    def count_notes(self, video_id: str) -> int:
        """All that are kept, replaced ones too."""
        known = self._seen(video_id)
        return self._count_notes(video_id) if known is None else known.notes[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of this thread within it are kept together, or none of them is."""
        with self.db.write():
            yield

    def delete_video(self, video_id: str, *, with_notes: bool = True) -> bool:
        """Remove a video with all its rows, vectors and pictures, and their traces in the file.

        In short transactions. One that was begun and not finished holds a part of the video, says in its channels that
        nothing of it is searched, and can be deleted again.
        Args:
            with_notes: False refuses a video that has notes, also those written meanwhile, so that none is lost.

        Returns: whether no trace is left; see wipe.
        Raises: InvalidArgument: it has notes and with_notes is False."""
        with self.db.write() as c:
            refuse_notes(c, video_id, with_notes=with_notes)
            c.execute("UPDATE channels SET state='stopped', done_to_s=0 WHERE video_id=?", (video_id,))
        while True:
            with self.db.write() as c:
                rows: list[Any] = c.execute(
                    "SELECT id FROM entries WHERE video_id=? LIMIT ?", (video_id, AT_ONCE)
                ).fetchall()
                remove_entries(self.db, c, video_id, [row[0] for row in rows])
            if not rows:
                break
        while self._drop_some_vectors(video_id):
            pass
        self.delete_frames(video_id)
        self.memories.delete(video_id)
        with self.db.write() as c:
            remove_video(c, video_id, with_notes=with_notes)
        self.vector_search.forget_vectors(video_id)
        self._drop_objects(video_id)
        return self.wipe()

    def _drop_some_vectors(self, video_id: str) -> bool:
        """Remove a part of a video's vectors; False where none was left."""
        with self.db.write() as c:
            rows: list[Any] = c.execute(
                """SELECT r.id, s.name FROM vector_rows r JOIN spaces s ON s.n=r.space
                   WHERE r.video_id=? ORDER BY r.space LIMIT ?""",
                (video_id, AT_ONCE),
            ).fetchall()
            for name in {row[1] for row in rows}:
                kind = name.rpartition("|")[2]
                drop_vectors(self.db, c, kind, video_id, [row[0] for row in rows if row[1] == name])
            return bool(rows)

    def wipe(self) -> bool:
        """Remove the traces that deleted texts leave in the file; False where some stay until the next wipe, because
        the disk is full or another program reads the log."""
        try:
            return self.db.wipe()
        except StoreFull:
            return False

    def keeps_traces(self) -> bool:
        """Whether an older program wrote it, which did not overwrite what it deleted."""
        return self.db.keeps_traces()

    def rewrite(self) -> None:
        """Write the whole file again without traces of deleted texts. Others cannot write meanwhile.

        Raises: StoreError: the file is locked. StoreFull: it takes as much room again as the file has."""
        self.db.rewrite()

    def finish(self, job_id: int, worker: str, state: str, error: str | None = None) -> None:
        """End a job this worker holds, and write the search codes of what it brought; see Jobs.finish."""
        self._jobs.finish(job_id, worker, state, error)
        with suppress(StoreFull):  # the job is done; codes can be written, or done without, at any time
            self.index_vectors()

    def index_vectors(self) -> None:
        """Write what a process that starts needs to search the whole library soon: codes of all finished videos.

        `finish` calls this at the end of each job. It is cheap where nothing changed."""
        self._codes.index_vectors()
        self._flat.write_codes()

    def stats(self) -> dict[str, int]:
        """Counts of what is stored, and the file's bytes with its log."""
        counts: list[Any] = self.db.ask(
            """SELECT (SELECT count(*) FROM videos), (SELECT count(*) FROM entries), (SELECT count(*) FROM notes),
               (SELECT count(*) FROM frames),
                   (SELECT count(*) FROM jpegs) + (SELECT coalesce(sum(length(ks)), 0) / 8 FROM packs),
                   (SELECT count(*) FROM vector_rows),
               (SELECT count(*) FROM memories), (SELECT count(*) FROM jobs WHERE state IN ('queued', 'running'))"""
        ).fetchall()
        names = ("videos", "entries", "notes", "frames", "pictures", "vectors", "memories", "open_jobs")
        return {
            "file_bytes": self.db.size_bytes(),
            **dict(zip(names, counts[0], strict=True)),
        }

    def integrity_check(self) -> str:
        """ "ok", or what is wrong, line by line."""
        return "\n".join(self.db.faults()) or "ok"

    def backup(self, path: Path) -> None:
        """Copy the whole store into a new file, while others go on reading and writing.

        Raises: InvalidArgument: the file exists. StoreFull, StoreError."""
        if path.exists():
            raise InvalidArgument(f"{path} exists. A backup never overwrites: name a new file.")
        self.db.backup(path)


def open_store(home: Path, url: str = "", roots: Sequence[str] = (), files: str = "") -> Store:
    """The store that the settings name: in PostgreSQL at `url`, or, without one, the SQLite file of the home.

    Args:
        roots: NAME=FOLDER of this machine, see roots.Roots.
        files: where pictures and token files are kept, see objects.Objects; "" = in the database.

    Raises: as Store.open and Store.connect."""
    named = Roots(roots)
    if url:
        return Store.connect(home, url, roots=named, files=files)
    return Store.open(home, roots=named, files=files)


def _make_home(home: Path) -> None:
    try:
        make_private_folder(home)
    except OSError as error:
        raise StoreError(f"The data folder {home} cannot be made ({error}). Choose another with --home.") from error
