"""A memory in PostgreSQL: a worker fills it as it fills a home, and every tool answers as over the home."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from agent_tools import cli
from agent_tools.evals.films.demo_video import draw
from agent_tools.ingestion.picture_vectors import sequence
from agent_tools.ingestion.worker import HOST, held, work
from agent_tools.service.doctor import checkup
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.remember import remember
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.settings import Settings
from agent_tools.store import Store, open_store
from tests.drawing import draw as draw_film
from tests.drawing import even_times
from tests.library import ingested, lite, opened, start_no_worker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, server_url: str) -> tuple[Settings, Settings]:
    """Settings of a home and of an archive, in which the same drawn film was ingested."""
    folder = tmp_path_factory.mktemp("archive")
    draw(folder / "week 3.mp4", seed=11, duration_s=60.0)
    import psycopg

    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE archive")
    shared = server_url.replace("/postgres?", "/archive?")
    home, archive = lite(folder / "home", folder), lite(folder / "this machine", folder, store=shared)
    for settings in (home, archive):
        ingested(settings, "week 3.mp4")
    return home, archive


@pytest.fixture
def libraries(homes: tuple[Settings, Settings], loaded_encoder: None) -> Iterator[tuple[Library, Library]]:
    with opened(homes[0]) as home, opened(homes[1]) as archive:
        for library in (home, archive):
            assert library.models.text(60) is not None
        yield home, archive


def rows(store: Store) -> dict[str, Any]:
    """All that an ingest wrote but ids, vectors and times of writing."""
    (video,) = store.videos()
    texts = {entry.id: (entry.channel, entry.start_s, entry.text) for entry in store.entries(video.id, unsure=True)}
    return {
        "video": (video.id, video.title, video.duration_s, video.width, video.metadata),
        "entries": [(e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra) for e in store.entries(video.id)],
        "frames": [(f, store.frame_picture(video.id, f.k)) for f in store.frames(video.id)],
        "channels": [
            (c.name, c.state, c.producer, c.entries, c.done_to_s, c.language) for c in store.channels(video.id)
        ],
        "episodes": [
            (e.level, e.start_s, e.end_s, e.title, e.title_from, e.keyframe_s)
            for level in ("chunk", "scene", "chapter")
            for e in store.episodes(video.id, level)
        ],
        "spaces": sorted(store.spaces()),
        "texts": sorted(texts.values()),
    }


def test_a_worker_fills_an_archive_as_it_fills_a_home(libraries: tuple[Library, Library]) -> None:
    home, archive = (library.store for library in libraries)
    assert rows(archive) == rows(home)
    (video,) = home.videos()
    for space in home.spaces():
        there, here = archive.vectors(space, video.id), home.vectors(space, video.id)
        assert len(there[0]) == len(here[0]) > 0
        assert np.abs(np.sort(there[1], axis=0) - np.sort(here[1], axis=0)).max() <= 1e-6


@pytest.mark.parametrize("query", ["gate code", "what does the slide say about keys?", '"code"', "a purple elephant"])
def test_a_search_finds_the_same(libraries: tuple[Library, Library], query: str) -> None:
    replies = [retrieve_memory(library, SearchRequest(query=query)).model_dump() for library in libraries]
    assert replies[1] == replies[0]


def test_the_other_tools_answer_the_same(libraries: tuple[Library, Library]) -> None:
    (video,) = libraries[0].store.videos()
    asked = ZoomRequest(video_id=video.id, start_s=0, end_s=30)
    for tool in (
        lambda library: list_episodes(library, video_id=video.id).model_dump(),
        lambda library: ground_event(library, event="the gate code", video_id=video.id).model_dump(),
        lambda library: zoom_segment(library, asked).facts,
    ):
        home, archive = map(tool, libraries)
        assert archive == home


def test_a_note_is_found_by_another_server(
    homes: tuple[Settings, Settings], libraries: tuple[Library, Library]
) -> None:
    _, archive = libraries
    (video,) = archive.store.videos()
    remember(archive, video_id=video.id, start_s=3.0, end_s=5.0, text="the lecturer waves at somebody")
    with opened(homes[1]) as other:
        hits = retrieve_memory(other, SearchRequest(query="lecturer waves")).hits
    assert any("waves at somebody" in hit.model_dump_json() for hit in hits)


def test_a_machine_that_made_nothing_reads_the_vectors_of_all_pictures(
    homes: tuple[Settings, Settings], tmp_path: Path
) -> None:
    read = []
    for place, url in ((homes[0].home, ""), (tmp_path / "another machine", homes[1].store)):
        with contextlib.closing(open_store(place, url)) as store:
            (video,) = store.videos()
            row = store.channel(video.id, "frames")
            assert row is not None
            read.append(sequence(store, video.id, row.producer))
    (times_s, vectors), (other_times_s, others) = read
    assert other_times_s == times_s
    assert len(times_s) >= 60
    assert np.array_equal(others, vectors)


def test_the_doctor_names_the_archive(homes: tuple[Settings, Settings]) -> None:
    lines = [line for _, line in checkup(homes[1])]
    assert any(line.startswith("memory at postgresql://") and "/archive: ok" in line for line in lines), lines


def test_a_home_is_published_by_one_command(homes: tuple[Settings, Settings], database_url: str) -> None:
    home = homes[0].home
    for _ in range(2):
        told = CliRunner().invoke(cli.app, ["publish", "--to", database_url, "--home", str(home)])
        assert told.exit_code == 0, told.output
        assert "1 videos are in postgresql://" in told.stdout
    shared, own = open_store(home, database_url), open_store(home)
    assert rows(shared) == rows(own)
    for store in (shared, own):
        store.close()


def test_a_job_of_another_machine_is_held_as_long_as_its_lease(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_film(tmp_path / "a.mp4", even_times(75, 25.0))
    settings = lite(tmp_path / "home", tmp_path, store=database_url)
    start_no_worker(monkeypatch)
    with opened(settings) as library:
        ingest_video(library, "a.mp4", channels=["frames"], wait_s=0)
        taken = library.store.claim("77-abcd@elsewhere", 1, lease_s=1.0)
        assert taken is not None
        now = library.store.now()
        assert held(taken, now)
        assert not held(taken, now + 2)
        assert work(settings) == 0  # nothing is free, and what is held is not waited for
        library.store.release(taken.id, "77-abcd@elsewhere")
        assert work(settings) == 1
        (job,) = [library.store.job(video.id) for video in library.store.videos()]
        assert job is not None
        assert (job.state, job.attempts) == ("done", 2)


def test_a_server_starts_a_worker_only_where_the_archive_has_none(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workers, "_start", lambda _: subprocess.Popen([sys.executable, "-c", ""]))
    with opened(lite(tmp_path / "home", tmp_path, store=database_url)) as library:
        store, workers = library.store, library.workers
        store.add_video("0123456789ab", "Talk", 1)
        store.enqueue("0123456789ab", ["frames"], "lite")
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        store.see_worker("77-abcd@elsewhere", "lite")
        store.see_worker(f"{dead.pid}-abcd@{HOST}", "lite")
        assert not workers.ensure(store)
        store.forget_worker("77-abcd@elsewhere")
        assert workers.ensure(store)
        workers.join()
