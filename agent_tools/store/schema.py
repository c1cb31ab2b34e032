"""The tables, as ordered migrations: function n brings the file from version n to n + 1.

A released function never changes; a new need is a new function at the end."""

from __future__ import annotations

from collections.abc import Callable

import apsw

from agent_tools.errors import StoreTooNew
from agent_tools.store.database import SqliteDatabase
from agent_tools.store.fts5 import fill_index, new_index


def _first(connection: apsw.Connection) -> None:
    connection.execute("""
    CREATE TABLE videos(
        n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, size_bytes INTEGER NOT NULL,
        duration_s REAL, width INTEGER, height INTEGER, fps REAL, container TEXT, has_audio INTEGER, audio_s REAL,
        metadata TEXT NOT NULL DEFAULT '{}', added_at REAL NOT NULL, error TEXT);

    -- A path is a BLOB: file names need not be valid Unicode.
    CREATE TABLE sources(
        path BLOB PRIMARY KEY, video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX sources_of ON sources(video_id);

    CREATE TABLE channels(
        video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, name TEXT NOT NULL,
        state TEXT NOT NULL CHECK(state IN ('queued', 'running', 'done', 'failed', 'stopped', 'absent')),
        producer TEXT NOT NULL, done_to_s REAL NOT NULL, entries INTEGER NOT NULL, language TEXT,
        detail TEXT NOT NULL, error TEXT, updated_at REAL NOT NULL, PRIMARY KEY(video_id, name)) WITHOUT ROWID;

    CREATE TABLE gaps(
        video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, channel TEXT NOT NULL,
        start_s REAL NOT NULL, end_s REAL NOT NULL, why TEXT NOT NULL,
        PRIMARY KEY(video_id, start_s, end_s, channel, why)) WITHOUT ROWID;

    CREATE TABLE jobs(
        id INTEGER PRIMARY KEY AUTOINCREMENT, video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
        state TEXT NOT NULL CHECK(state IN ('queued', 'running', 'done', 'failed', 'stopped')),
        channels TEXT NOT NULL, profile TEXT NOT NULL, settings TEXT NOT NULL, progress REAL NOT NULL DEFAULT 0,
        eta_s REAL, message TEXT NOT NULL DEFAULT '', error TEXT, worker TEXT, pid INTEGER,
        lease_until REAL NOT NULL DEFAULT 0, stop_requested INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL, updated_at REAL NOT NULL,
        claimed TEXT NOT NULL DEFAULT '[]');
    CREATE UNIQUE INDEX one_open_job ON jobs(video_id) WHERE state IN ('queued', 'running');
    CREATE INDEX jobs_of ON jobs(video_id, id);

    CREATE TABLE entries(
        id INTEGER PRIMARY KEY AUTOINCREMENT, video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
        channel TEXT NOT NULL, producer TEXT NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,
        start_s REAL NOT NULL, end_s REAL NOT NULL, text TEXT NOT NULL, extra TEXT NOT NULL, digest BLOB NOT NULL);
    CREATE UNIQUE INDEX entry_once ON entries(video_id, channel, producer, start_ms, end_ms, digest);
    CREATE INDEX entries_in_time ON entries(video_id, start_s);

    CREATE VIRTUAL TABLE words USING fts5(
        spaced, cjk, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');

    CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters VALUES('version', 0);
    CREATE TABLE spaces(n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL);
    CREATE TABLE vector_rows(
        n INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL REFERENCES spaces(n) ON DELETE CASCADE,
        video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, id INTEGER NOT NULL);
    CREATE UNIQUE INDEX vector_once ON vector_rows(space, video_id, id);
    CREATE TABLE vector_versions(
        space INTEGER NOT NULL REFERENCES spaces(n) ON DELETE CASCADE,
        video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
        version INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY(space, video_id)) WITHOUT ROWID;

    CREATE TABLE memories(
        id INTEGER PRIMARY KEY AUTOINCREMENT, video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
        kind TEXT NOT NULL, start_s REAL NOT NULL, end_s REAL NOT NULL, producer TEXT NOT NULL, text TEXT NOT NULL,
        dim INTEGER NOT NULL, vectors BLOB NOT NULL, context BLOB);
    CREATE UNIQUE INDEX memory_once ON memories(video_id, kind, start_s, end_s, producer);

    CREATE TABLE frames(
        video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, k INTEGER NOT NULL, time_s REAL NOT NULL,
        stands_for INTEGER NOT NULL, kept INTEGER NOT NULL, PRIMARY KEY(video_id, k)) WITHOUT ROWID;
    CREATE TABLE jpegs(
        n INTEGER PRIMARY KEY, video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, k INTEGER NOT NULL,
        jpeg BLOB NOT NULL);
    CREATE UNIQUE INDEX jpeg_once ON jpegs(video_id, k);

    CREATE TABLE episodes(
        id INTEGER PRIMARY KEY AUTOINCREMENT, video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
        level TEXT NOT NULL CHECK(level IN ('chunk', 'scene', 'chapter')), start_s REAL NOT NULL, end_s REAL NOT NULL,
        title TEXT NOT NULL, title_from TEXT NOT NULL, keyframe_s REAL);
    CREATE INDEX episodes_in_time ON episodes(video_id, level, start_s);

    -- No cascade: nothing but delete_video, which says so, takes a note away.
    CREATE TABLE notes(
        video_id TEXT NOT NULL REFERENCES videos(id), number INTEGER NOT NULL, start_s REAL NOT NULL,
        end_s REAL NOT NULL, text TEXT NOT NULL, author TEXT NOT NULL, created_at REAL NOT NULL, looked_at INTEGER,
        replaced_by INTEGER, entry INTEGER, PRIMARY KEY(video_id, number)) WITHOUT ROWID;
    """)


def _second(connection: apsw.Connection) -> None:
    connection.execute("""
    -- 1 where a vector of length 0 was put, to which vec0 knows no cosine.
    ALTER TABLE vector_versions ADD COLUMN irregular INTEGER NOT NULL DEFAULT 0;

    -- What store/index.py makes of the vectors: can be thrown away and made again.
    CREATE TABLE codebooks(
        space INTEGER PRIMARY KEY REFERENCES spaces(n) ON DELETE CASCADE, version INTEGER NOT NULL,
        trained INTEGER NOT NULL, mean BLOB NOT NULL, rotation BLOB NOT NULL, scale REAL NOT NULL, share REAL NOT NULL,
        recall REAL NOT NULL);
    CREATE TABLE codes(
        n INTEGER PRIMARY KEY, space INTEGER NOT NULL REFERENCES spaces(n) ON DELETE CASCADE,
        video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, codebook INTEGER NOT NULL,
        version INTEGER NOT NULL, rows BLOB NOT NULL, signs BLOB NOT NULL, codes BLOB NOT NULL);
    CREATE UNIQUE INDEX codes_once ON codes(space, video_id);
    """)


def _third(connection: apsw.Connection) -> None:
    # 1 where a person gave the path to a command. Of older rows nobody knows, so they count as not given.
    connection.execute("ALTER TABLE sources ADD COLUMN typed INTEGER NOT NULL DEFAULT 0")


def _fourth(connection: apsw.Connection) -> None:
    new_index(connection)


def _fifth(connection: apsw.Connection) -> None:
    connection.execute("""
    -- The vectors of a video that a library is searched by, as codes: can be thrown away and made again.
    DROP TABLE IF EXISTS flat_codes;
    CREATE TABLE flat_codes(
        n INTEGER PRIMARY KEY, space INTEGER NOT NULL REFERENCES spaces(n) ON DELETE CASCADE,
        video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, version INTEGER NOT NULL,
        runs TEXT NOT NULL, ids BLOB NOT NULL, rows BLOB NOT NULL, spans BLOB NOT NULL, scales BLOB NOT NULL,
        codes BLOB NOT NULL, rest_scales BLOB NOT NULL, rest BLOB NOT NULL);
    CREATE UNIQUE INDEX flat_codes_once ON flat_codes(space, video_id);
    """)


def _sixth(connection: apsw.Connection) -> None:
    connection.execute("""
    ALTER TABLE jobs ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN died_at REAL NOT NULL DEFAULT -1; -- progress of the job then
    """)


def _seventh(connection: apsw.Connection) -> None:
    connection.execute("""
    CREATE TABLE tasks(
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL, view TEXT NOT NULL,
        settled INTEGER NOT NULL DEFAULT 0, names TEXT NOT NULL DEFAULT '[]', answers TEXT NOT NULL DEFAULT '{}',
        runner TEXT NOT NULL, runner_until REAL NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE searches(n INTEGER PRIMARY KEY, caller TEXT NOT NULL, hits TEXT NOT NULL, at REAL NOT NULL);
    CREATE INDEX searches_of ON searches(caller, n);
    CREATE TABLE looks(
        n INTEGER PRIMARY KEY, caller TEXT NOT NULL, video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
        start_s REAL NOT NULL, end_s REAL NOT NULL, at REAL NOT NULL);
    CREATE INDEX looks_of ON looks(caller, video_id);
    CREATE INDEX looks_at ON looks(video_id);
    """)


def _eighth(connection: apsw.Connection) -> None:
    connection.execute("""
    -- Of a shared store only: here the files in the data folder are all there are.
    CREATE TABLE token_files(
        video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, producer TEXT NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY(video_id, producer)) WITHOUT ROWID;
    CREATE TABLE token_parts(
        n INTEGER PRIMARY KEY, video_id TEXT NOT NULL REFERENCES videos(id) ON DELETE CASCADE, digest TEXT NOT NULL,
        number INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE UNIQUE INDEX token_part_once ON token_parts(video_id, digest, number);

    CREATE TABLE workers(
        name TEXT PRIMARY KEY, started_at REAL NOT NULL, seen_at REAL NOT NULL, profile TEXT NOT NULL) WITHOUT ROWID;
    """)


def _ninth(connection: apsw.Connection) -> None:
    # The chunks that ended between two times, without reading all that ended before.
    connection.execute("CREATE INDEX memory_ends ON memories(video_id, kind, producer, end_s)")


def _tenth(connection: apsw.Connection) -> None:
    connection.execute("""
    -- Pictures that lie in object storage, see picture_packs.py: numbers, and where each begins, as int64.
    CREATE TABLE packs(
        video_id TEXT PRIMARY KEY REFERENCES videos(id) ON DELETE CASCADE, name TEXT NOT NULL, ks BLOB NOT NULL,
        starts BLOB NOT NULL);
    """)


def _eleventh(connection: apsw.Connection) -> None:
    connection.execute("""
    -- How many vectors a memory has in its space; -1 where the row itself holds them, see memory.py.
    ALTER TABLE memories ADD COLUMN count INTEGER NOT NULL DEFAULT -1;
    """)


MIGRATIONS: tuple[Callable[[apsw.Connection], None], ...] = (
    *(_first, _second, _third, _fourth, _fifth, _sixth),
    *(_seventh, _eighth, _ninth, _tenth, _eleventh),
)


def migrate(database: SqliteDatabase) -> None:
    """Bring the file to this program's version, each step one transaction.

    Raises: StoreTooNew: a newer program wrote it."""
    while True:
        with database.read() as connection:
            version = int(connection.execute("PRAGMA user_version").get)
        if version > len(MIGRATIONS):
            raise StoreTooNew(
                f"{database.path} is of version {version}; this program knows versions up to {len(MIGRATIONS)}. "
                "Update agent-tools, or choose another folder with --home."
            )
        if version == len(MIGRATIONS):
            fill_index(database)
            return
        with database.write() as connection:
            # Another process may have done the step while this one waited for the lock.
            if int(connection.execute("PRAGMA user_version").get) == version:
                MIGRATIONS[version](connection)
                connection.execute(f"PRAGMA user_version={version + 1}")
