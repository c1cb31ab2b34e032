"""The tables in PostgreSQL, as ordered migrations: statement list n brings a database from version n to n + 1.

The same names and columns as in SQLite. Truth values are 0 and 1 there too, so that the parts' SQL is the same."""

from __future__ import annotations

from typing import Any

import psycopg

from agent_tools.errors import StoreError, StoreTooNew

LOCK = 0x6167656E74  # of the advisory lock under which tables are made: "agent"
LEAST = 160_000  # server_version of PostgreSQL 16

_FIRST = """
CREATE TABLE videos(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE, title text NOT NULL,
    size_bytes bigint NOT NULL, duration_s float8, width bigint, height bigint, fps float8, container text,
    has_audio smallint, audio_s float8, metadata text NOT NULL DEFAULT '{}', added_at float8 NOT NULL, error text);

CREATE TABLE sources(
    path bytea PRIMARY KEY, video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    size bigint NOT NULL, mtime_ns bigint NOT NULL, inode bigint NOT NULL, typed smallint NOT NULL DEFAULT 0);
CREATE INDEX ON sources(video_id);

CREATE TABLE channels(
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, name text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK(state IN ('queued', 'running', 'done', 'failed', 'stopped', 'absent')),
    producer text NOT NULL, done_to_s float8 NOT NULL, entries bigint NOT NULL, language text, detail text NOT NULL,
    error text, updated_at float8 NOT NULL, PRIMARY KEY(video_id, name));

CREATE TABLE gaps(
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, channel text COLLATE "C" NOT NULL,
    start_s float8 NOT NULL, end_s float8 NOT NULL, why text NOT NULL,
    PRIMARY KEY(video_id, start_s, end_s, channel, why));

CREATE TABLE jobs(
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    state text NOT NULL CHECK(state IN ('queued', 'running', 'done', 'failed', 'stopped')),
    channels text NOT NULL, profile text NOT NULL, settings text NOT NULL, progress float8 NOT NULL DEFAULT 0,
    eta_s float8, message text NOT NULL DEFAULT '', error text, worker text, pid bigint,
    lease_until float8 NOT NULL DEFAULT 0, stop_requested smallint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0, created_at float8 NOT NULL, updated_at float8 NOT NULL,
    claimed text NOT NULL DEFAULT '[]');
CREATE UNIQUE INDEX one_open_job ON jobs(video_id) WHERE state IN ('queued', 'running');
CREATE INDEX ON jobs(video_id, id);

CREATE TABLE entries(
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, channel text COLLATE "C" NOT NULL,
    producer text COLLATE "C" NOT NULL, start_ms bigint NOT NULL, end_ms bigint NOT NULL, start_s float8 NOT NULL,
    end_s float8 NOT NULL, text text NOT NULL, extra json NOT NULL, digest bytea NOT NULL);
CREATE UNIQUE INDEX entry_once ON entries(video_id, channel, producer, start_ms, end_ms, digest);
CREATE INDEX ON entries(video_id, start_s);

CREATE TABLE words(
    number bigint PRIMARY KEY REFERENCES entries(id) ON DELETE CASCADE, spaced tsvector NOT NULL,
    unspaced tsvector NOT NULL, size bigint NOT NULL);
CREATE INDEX ON words USING gin(spaced);
CREATE INDEX ON words USING gin(unspaced);

CREATE TABLE counters(name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL);
CREATE SEQUENCE vector_version;
CREATE TABLE spaces(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, dim bigint NOT NULL);
CREATE TABLE vector_rows(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, space bigint NOT NULL REFERENCES spaces(n) ON DELETE CASCADE,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, id bigint NOT NULL);
CREATE UNIQUE INDEX vector_once ON vector_rows(space, video_id, id);
CREATE TABLE vector_versions(
    space bigint NOT NULL REFERENCES spaces(n) ON DELETE CASCADE,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, version bigint NOT NULL,
    count bigint NOT NULL, irregular smallint NOT NULL DEFAULT 0, PRIMARY KEY(space, video_id));

CREATE TABLE memories(
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, kind text COLLATE "C" NOT NULL,
    start_s float8 NOT NULL, end_s float8 NOT NULL, producer text COLLATE "C" NOT NULL, text text NOT NULL,
    dim bigint NOT NULL, vectors bytea NOT NULL, context bytea);
CREATE UNIQUE INDEX memory_once ON memories(video_id, kind, start_s, end_s, producer);

CREATE TABLE frames(
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, k bigint NOT NULL,
    time_s float8 NOT NULL, stands_for bigint NOT NULL, kept smallint NOT NULL, PRIMARY KEY(video_id, k));
CREATE TABLE jpegs(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, k bigint NOT NULL,
    jpeg bytea NOT NULL);
CREATE UNIQUE INDEX jpeg_once ON jpegs(video_id, k);

CREATE TABLE episodes(
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    level text COLLATE "C" NOT NULL CHECK(level IN ('chunk', 'scene', 'chapter')), start_s float8 NOT NULL,
    end_s float8 NOT NULL, title text NOT NULL, title_from text NOT NULL, keyframe_s float8);
CREATE INDEX ON episodes(video_id, level, start_s);

-- No cascade: nothing but delete_video, which says so, takes a note away.
CREATE TABLE notes(
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id), number bigint NOT NULL, start_s float8 NOT NULL,
    end_s float8 NOT NULL, text text NOT NULL, author text NOT NULL, created_at float8 NOT NULL, looked_at smallint,
    replaced_by bigint, entry bigint, PRIMARY KEY(video_id, number));

-- What store/index.py and flat_search.py make of the vectors: can be thrown away and made again.
CREATE TABLE codebooks(
    space bigint PRIMARY KEY REFERENCES spaces(n) ON DELETE CASCADE, version bigint NOT NULL, trained bigint NOT NULL,
    mean bytea NOT NULL, rotation bytea NOT NULL, scale float8 NOT NULL, share float8 NOT NULL, recall float8 NOT NULL);
CREATE TABLE codes(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, space bigint NOT NULL REFERENCES spaces(n) ON DELETE CASCADE,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, codebook bigint NOT NULL,
    version bigint NOT NULL, rows bytea NOT NULL, signs bytea NOT NULL, codes bytea NOT NULL);
CREATE UNIQUE INDEX codes_once ON codes(space, video_id);
CREATE TABLE flat_codes(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, space bigint NOT NULL REFERENCES spaces(n) ON DELETE CASCADE,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, version bigint NOT NULL,
    runs text NOT NULL, ids bytea NOT NULL, rows bytea NOT NULL, spans bytea NOT NULL, scales bytea NOT NULL,
    codes bytea NOT NULL, rest_scales bytea NOT NULL, rest bytea NOT NULL);
CREATE UNIQUE INDEX flat_codes_once ON flat_codes(space, video_id);
"""

_SECOND = """
ALTER TABLE jobs ADD COLUMN deaths bigint NOT NULL DEFAULT 0, ADD COLUMN died_at float8 NOT NULL DEFAULT -1;

-- Which transaction changed which video's rows, see changes.py; and a word to the workers that wait for a job.
CREATE TABLE changes(
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(), video_id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY(xid, video_id));
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE of_video text;
BEGIN
    IF TG_TABLE_NAME = 'videos' THEN of_video := CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END;
    ELSE of_video := CASE TG_OP WHEN 'DELETE' THEN OLD.video_id ELSE NEW.video_id END;
    END IF;
    INSERT INTO changes(video_id) VALUES(of_video) ON CONFLICT DO NOTHING;
    IF TG_TABLE_NAME = 'jobs' AND TG_OP <> 'DELETE' THEN
        IF NEW.state = 'queued' THEN PERFORM pg_notify('agent_tools_jobs', ''); END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON videos FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON channels FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON gaps FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON notes FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON entries FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_change
    AFTER INSERT OR UPDATE OR DELETE ON vector_versions FOR EACH ROW EXECUTE FUNCTION note_change();
"""

_THIRD = """
CREATE TABLE tasks(
    id text COLLATE "C" PRIMARY KEY, owner text NOT NULL, tool text NOT NULL, arguments text NOT NULL,
    view text NOT NULL, settled smallint NOT NULL DEFAULT 0, names text NOT NULL DEFAULT '[]',
    answers text NOT NULL DEFAULT '{}', runner text NOT NULL, runner_until float8 NOT NULL, expires_at float8 NOT NULL);
CREATE TABLE searches(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, caller text COLLATE "C" NOT NULL, hits text NOT NULL,
    at float8 NOT NULL);
CREATE INDEX ON searches(caller, n);
CREATE TABLE looks(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, caller text COLLATE "C" NOT NULL,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, start_s float8 NOT NULL,
    end_s float8 NOT NULL, at float8 NOT NULL);
CREATE INDEX ON looks(caller, video_id);
CREATE INDEX ON looks(video_id);
"""

_FOURTH = """
CREATE TABLE token_files(
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, producer text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL, PRIMARY KEY(video_id, producer));
CREATE TABLE token_parts(
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text COLLATE "C" NOT NULL REFERENCES videos(id) ON DELETE CASCADE, digest text COLLATE "C" NOT NULL,
    number bigint NOT NULL, data bytea NOT NULL);
ALTER TABLE token_parts ALTER COLUMN data SET STORAGE EXTERNAL; -- compressed numbers do not get smaller
CREATE UNIQUE INDEX token_part_once ON token_parts(video_id, digest, number);

CREATE TABLE workers(
    name text COLLATE "C" PRIMARY KEY, started_at float8 NOT NULL, seen_at float8 NOT NULL, profile text NOT NULL);
"""

_FIFTH = """
CREATE INDEX ON memories(video_id, kind, producer, end_s);
"""

_SIXTH = """
CREATE TABLE packs(
    video_id text COLLATE "C" PRIMARY KEY REFERENCES videos(id) ON DELETE CASCADE, name text NOT NULL,
    ks bytea NOT NULL, starts bytea NOT NULL);
"""

_SEVENTH = """
ALTER TABLE memories ADD COLUMN count bigint NOT NULL DEFAULT -1;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _SEVENTH)


def migrate(connection: psycopg.Connection[Any], where: str) -> None:
    """Bring the database to this program's version, under a lock, so that of many programs one makes the tables.

    Args:
        where: the address, for messages.

    Raises: StoreError: PostgreSQL is too old, or pgvector cannot be had. StoreTooNew: a newer program wrote it."""
    if connection.info.server_version < LEAST:
        raise StoreError(f"{where} is PostgreSQL {connection.info.server_version // 10_000}; 16 or later is needed.")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        except psycopg.Error as error:
            raise StoreError(
                f"{where} has no pgvector ({str(error).strip().splitlines()[0]}). Install pgvector 0.8 or later on the "
                "server, and let an administrator run CREATE EXTENSION vector there."
            ) from error
        connection.execute("CREATE TABLE IF NOT EXISTS store_version(version bigint NOT NULL)")
        row = connection.execute("SELECT version FROM store_version").fetchone()
        version = 0 if row is None else int(row[0])
        if version > len(MIGRATIONS):
            raise StoreTooNew(
                f"{where} is of version {version}; this program knows versions up to {len(MIGRATIONS)}. "
                "Update agent-tools, or choose another database with --store."
            )
        for step in MIGRATIONS[version:]:
            connection.execute(step.encode())
        if version < len(MIGRATIONS):
            connection.execute("DELETE FROM store_version")
            connection.execute("INSERT INTO store_version VALUES(%s)", (len(MIGRATIONS),))
