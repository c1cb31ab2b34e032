"""One loaded reader of on-screen text per session: loading costs seconds."""

from __future__ import annotations

import socket

import pytest

from agent_tools.models.ocr import RapidOcr


@pytest.fixture(autouse=True)
def _no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here may open a connection: the lite profile never does."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model of the lite profile tried to open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def reader() -> RapidOcr:
    return RapidOcr()
