"""One loaded reader of on-screen text per session: loading costs seconds."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agent_tools.models.ocr import RapidOcr
from agent_tools.models.speech import Speech
from tests.models import checkpoints
from tests.models.fake_speech import FakeDecoder, loaded, loud


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


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.whisper(tmp_path_factory.mktemp("models") / "tiny-whisper")


@pytest.fixture(scope="module")
def real_speech(whisper_folder: Path) -> Speech:
    return loaded(whisper_folder)


@pytest.fixture
def speech(real_speech: Speech, monkeypatch: pytest.MonkeyPatch) -> Speech:
    """The tiny model, with loud samples in the place of speech: voice activity detection needs a real voice."""
    monkeypatch.setattr(real_speech, "_speech", loud)
    monkeypatch.setattr(real_speech, "_decoder", FakeDecoder())
    return real_speech
