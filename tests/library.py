"""A library for a test: settings of the lite profile, a library over them, and ingests that end before the call does.

No worker process starts here. `ingested` does its jobs in the process of the test, which sees every line of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.settings import Settings

OpenLibrary = Callable[..., Library]


def lite(home: Path, *allow: Path, **more: Any) -> Settings:
    """Settings of the lite profile, whatever the environment says."""
    return Settings.load({}, home=home, allow=allow, profile="lite", **more)


def start_no_worker(patch: pytest.MonkeyPatch) -> None:
    """Calls queue their jobs and start no process: the test does them with `work`."""
    patch.setattr(Workers, "ensure", lambda self, store: False)


@contextlib.contextmanager
def opened(settings: Settings, *, by_hand: bool = False) -> Iterator[Library]:
    """A library that is closed at the end."""
    with contextlib.closing(Library(settings, by_hand=by_hand)) as library:
        yield library


def ingested(settings: Settings, *sources: str, channels: list[str] | None = None) -> Settings:
    """The same settings, after all sources have become part of their home. One job each; each must end."""
    with pytest.MonkeyPatch.context() as patch, opened(settings) as library:
        start_no_worker(patch)
        for source in sources:
            ingest_video(library, source, channels=channels, wait_s=0)
    assert work(settings) == len(sources)
    return settings
