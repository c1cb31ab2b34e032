"""The store in PostgreSQL: one archive that servers and workers on many machines share.

The same parts as in SQLite (see ..sql) over another engine: transactions from a pool, words as tsvector, vectors as
pgvector columns. Needs PostgreSQL 16 or later with pgvector 0.8, and the extra `postgres`."""

from agent_tools.store.postgres.database import PostgresDatabase, open_database

__all__ = ["PostgresDatabase", "open_database"]
