"""Videos, the files they came from, their channels and gaps.

No file is opened here: paths, sizes and times are what the caller saw."""

from __future__ import annotations

import json
import os
import re
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import apsw

from agent_tools.errors import InvalidArgument, VideoNotFound
from agent_tools.store.channel_detail import NO_DETAIL, ChannelDetail
from agent_tools.store.part import Part, storable, to_json
from agent_tools.store.roots import Roots
from agent_tools.store.spelling import name_key
from agent_tools.store.sql import Ask, Clock, Database, Sql


@dataclass(frozen=True)
class VideoRow:
    """A video; what is not known yet is None."""

    id: str
    title: str
    size_bytes: int
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    container: str | None = None
    has_audio: bool | None = None
    audio_s: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    added_at: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Source:
    """A file that held a video's content when it was last seen."""

    video_id: str
    path: str
    size: int
    mtime_ns: int
    inode: int
    typed: bool = False  # a person gave this path to a command, which allows it


@dataclass(frozen=True)
class ChannelRow:
    """How far a channel of a video has come, and what made it."""

    video_id: str
    name: str
    state: str = "queued"
    producer: str = ""
    done_to_s: float = 0.0
    entries: int = 0
    language: str | None = None
    detail: ChannelDetail = NO_DETAIL
    error: str | None = None
    updated_at: float = 0.0


@dataclass(frozen=True)
class Gap:
    """A span that could not be read, or not yet; channel "" means all channels."""

    video_id: str
    channel: str
    start_s: float
    end_s: float
    why: str


VIDEO = """SELECT id, title, size_bytes, duration_s, width, height, fps, container, has_audio, audio_s, metadata,
    added_at, error FROM videos"""
SOURCE = "SELECT video_id, path, size, mtime_ns, inode, typed FROM sources"
CHANNEL = """SELECT video_id, name, state, producer, done_to_s, entries, language, detail, error, updated_at
    FROM channels"""


def titles(file: Path, most: int) -> list[str]:
    """The first titles of a store that is not open, in the order they were added; [] where it cannot be read."""
    try:
        db = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return [row[0] for row in db.execute("SELECT title FROM videos ORDER BY n LIMIT ?", (most,))]
        finally:
            db.close()
    except apsw.Error:
        return []  # another version's, or broken: the first call that opens it says what is wrong


class Videos(Part):
    """Videos, sources, channels and gaps, as rows. Paths of sources are kept by the name of their root."""

    def __init__(self, db: Database, now: Clock, roots: Roots) -> None:
        super().__init__(db, now)
        self._roots = roots

    def add_video(self, video_id: str, title: str, size_bytes: int) -> bool:
        """Make a video known; True where it is new."""
        with self.db.write() as c:
            c.execute(
                "INSERT INTO videos(id, title, size_bytes, added_at) VALUES(?, ?, ?, ?) ON CONFLICT(id) DO NOTHING",
                (video_id, storable(title), size_bytes, self.now()),
            )
            return c.changes() == 1

    def update_video(self, video_id: str, **fields: Any) -> None:
        """Set fields of VideoRow, any but `id`.

        Raises: VideoNotFound."""
        if "id" in fields:
            raise TypeError("the id of a video is its content; it cannot be set")
        with self.db.write() as c:
            self.db.hold(c, video_id)
            row = _video(c.execute, video_id)
            if row is None:
                raise VideoNotFound(f"No video {video_id!r}. list_episodes shows the ingested ones.")
            row = replace(row, **fields)
            c.execute(
                """UPDATE videos SET title=?, size_bytes=?, duration_s=?, width=?, height=?, fps=?, container=?,
                   has_audio=?, audio_s=?, metadata=?, added_at=?, error=? WHERE id=?""",
                (
                    storable(row.title),
                    *astuple(row)[2:10],
                    to_json(row.metadata),
                    row.added_at,
                    None if row.error is None else storable(row.error),
                    video_id,
                ),
            )

    def video(self, video_id: str) -> VideoRow | None:
        return _video(self.db.ask, video_id)

    def videos(self) -> list[VideoRow]:
        """All of them, in the order they were added."""
        return [video_of(row) for row in self.db.ask(f"{VIDEO} ORDER BY n")]

    def find_videos(self, text: str) -> list[VideoRow]:
        """The videos that `text` may mean: those of the first of these rules that matches any.

        The exact id; the title; a source's file name, with or without suffix; the beginning of an id (4 hex digits or
        more); of a title; of a file name. Letter case, accents, the number of spaces and Unicode forms do not count."""
        wanted = name_key(text)
        if not wanted:
            return []
        if (exact := self.video(wanted)) is not None:
            return [exact]
        rows = self.videos()
        names: dict[str, list[tuple[str, str]]] = {}
        for source in self.all_sources():
            path = PurePath(source.path)
            names.setdefault(source.video_id, []).append((name_key(path.name), name_key(path.stem)))
        rules = (
            lambda row: name_key(row.title) == wanted,
            lambda row: any(wanted in pair for pair in names.get(row.id, [])),
            lambda row: re.fullmatch("[0-9a-f]{4,}", wanted) is not None and row.id.startswith(wanted),
            lambda row: name_key(row.title).startswith(wanted),
            lambda row: any(name.startswith(wanted) for name, _ in names.get(row.id, [])),
        )
        for rule in rules:
            if found := [row for row in rows if rule(row)]:
                return found
        return []

    def add_source(
        self, video_id: str, path: str, size: int, mtime_ns: int, inode: int, *, typed: bool = False
    ) -> None:
        """The file at `path` holds this video now; whatever it held before, it holds no more. What was typed once
        stays typed."""
        with self.db.write() as c:
            c.execute(
                """INSERT INTO sources(path, video_id, size, mtime_ns, inode, typed) VALUES(?, ?, ?, ?, ?, ?)
                   ON CONFLICT(path) DO UPDATE SET video_id=excluded.video_id, size=excluded.size,
                   mtime_ns=excluded.mtime_ns, inode=excluded.inode, typed=sources.typed | excluded.typed""",
                (self._kept(path), video_id, size, mtime_ns, _signed(inode), int(typed)),
            )

    def sources(self, video_id: str) -> list[Source]:
        rows = self.db.ask(f"{SOURCE} WHERE video_id=? ORDER BY path", (video_id,))
        return [self._source(row) for row in rows]

    def all_sources(self) -> list[Source]:
        rows = self.db.ask(f"{SOURCE} ORDER BY path")
        return [self._source(row) for row in rows]

    def known_id(self, path: str, size: int, mtime_ns: int, inode: int) -> str | None:
        """The id found for this very file before, so that its content need not be read again."""
        row = self.db.ask(
            "SELECT video_id FROM sources WHERE path=? AND size=? AND mtime_ns=? AND inode=?",
            (self._kept(path), size, mtime_ns, _signed(inode)),
        ).fetchone()
        return None if row is None else str(row[0])

    def _kept(self, path: str) -> bytes:
        return os.fsencode(self._roots.kept(path))

    def _source(self, row: tuple[Any, ...]) -> Source:
        path = self._roots.here(os.fsdecode(row[1]))
        return Source(row[0], path, row[2], row[3], row[4] & (2**64 - 1), bool(row[5]))

    def set_channel(self, video_id: str, name: str, **fields: Any) -> None:
        """Make a channel or change fields of it. Raises: VideoNotFound."""
        with self.db.write() as c:
            self.db.hold(c, video_id)
            row = replace(
                _channel(c.execute, video_id, name) or ChannelRow(video_id, name), **fields, updated_at=self.now()
            )
            values = (*astuple(row)[:7], to_json(row.detail.to_json()), row.error, row.updated_at)
            c.execute(
                """INSERT INTO channels(video_id, name, state, producer, done_to_s, entries, language, detail, error,
                   updated_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                   ON CONFLICT(video_id, name) DO UPDATE SET state=excluded.state, producer=excluded.producer,
                   done_to_s=excluded.done_to_s, entries=excluded.entries, language=excluded.language,
                   detail=excluded.detail, error=excluded.error, updated_at=excluded.updated_at""",
                values,
            )

    def channel(self, video_id: str, name: str) -> ChannelRow | None:
        return _channel(self.db.ask, video_id, name)

    def channels(self, video_id: str) -> list[ChannelRow]:
        rows = self.db.ask(f"{CHANNEL} WHERE video_id=? ORDER BY name", (video_id,))
        return [channel_of(row) for row in rows]

    def add_gap(self, video_id: str, channel: str, start_s: float, end_s: float, why: str) -> None:
        """Record a gap; the same gap again changes nothing."""
        with self.db.write() as c:
            c.execute(
                "INSERT INTO gaps(video_id, channel, start_s, end_s, why) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (video_id, channel, start_s, end_s, storable(why)),
            )

    def gaps(self, video_id: str) -> list[Gap]:
        rows = self.db.ask(
            "SELECT video_id, channel, start_s, end_s, why FROM gaps WHERE video_id=? ORDER BY start_s, end_s",
            (video_id,),
        )
        return [Gap(*row) for row in rows]

    def clear_gaps(self, video_id: str, channel: str) -> None:
        with self.db.write() as c:
            c.execute("DELETE FROM gaps WHERE video_id=? AND channel=?", (video_id, channel))


def remove_video(c: Sql, video_id: str, *, with_notes: bool) -> None:
    """Inside a transaction: remove the video's row and all that cascades from it.

    Raises: InvalidArgument: it has notes and with_notes is False."""
    refuse_notes(c, video_id, with_notes=with_notes)
    c.execute("DELETE FROM notes WHERE video_id=?", (video_id,))
    c.execute("DELETE FROM videos WHERE id=?", (video_id,))


def refuse_notes(c: Sql, video_id: str, *, with_notes: bool) -> None:
    """Raises: InvalidArgument: the video has notes and with_notes is False."""
    notes = int(c.execute("SELECT count(*) FROM notes WHERE video_id=?", (video_id,)).get)
    if notes and not with_notes:
        raise InvalidArgument(
            f"Video {video_id} has {notes} notes, which would be lost. Export them first, then delete with notes."
        )


def _signed(inode: int) -> int:
    """SQLite's integers are signed 64 bit, a file system's need not be."""
    inode &= 2**64 - 1
    return inode - 2**64 if inode >= 2**63 else inode


def _video(ask: Ask, video_id: str) -> VideoRow | None:
    row = ask(f"{VIDEO} WHERE id=?", (storable(video_id),)).fetchone()
    return None if row is None else video_of(row)


def video_of(row: tuple[Any, ...]) -> VideoRow:
    values = list(row)
    values[8] = None if row[8] is None else bool(row[8])
    values[10] = json.loads(row[10])
    return VideoRow(*values)


def _channel(ask: Ask, video_id: str, name: str) -> ChannelRow | None:
    row = ask(f"{CHANNEL} WHERE video_id=? AND name=?", (video_id, name)).fetchone()
    return None if row is None else channel_of(row)


def channel_of(row: tuple[Any, ...]) -> ChannelRow:
    values = list(row)
    values[7] = ChannelDetail.from_json(json.loads(row[7]))
    return ChannelRow(*values)
