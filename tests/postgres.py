"""A PostgreSQL server for tests: one for each process that runs them, and a schema of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from lab.postgres_server import Missing, server


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a server with pgvector; skips where the package that carries it is not installed."""
    try:
        with server() as running:
            yield running.url
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """An empty schema in that server, dropped afterwards."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield f"{server_url}&options={quote(f'-csearch_path={name},public')}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")
