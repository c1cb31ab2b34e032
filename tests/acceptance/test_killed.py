"""Kill -9 of worker and server in the middle of an ingest: the next server finishes it, and nothing is there twice."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_tools.evals.films.demo_video import draw
from agent_tools.store import Job, Store
from lab.faults.homes import contents, expire, until
from lab.faults.servers import serving

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX"),
]

DURATION_S = 90.0
FPS = ("--fps", "2")
NOTE = "the plan hangs behind the second door"
# Where the worker and its server are killed: the first moment at which the job says so. A quick machine may pass a
# place between two looks; then the kill comes a little later.
PLACES: list[tuple[str, Callable[[Store, Job], bool]]] = [
    ("when it has just begun", lambda store, job: job.state == "running"),
    ("among the pictures", lambda store, job: job.progress >= 0.1),
    ("before the first reading", lambda store, job: job.progress >= 0.45),
    ("among the readings", lambda store, job: job.progress >= 0.6),
    ("near the end", lambda store, job: job.progress >= 0.8),
]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    draw(path, seed=11, duration_s=DURATION_S)
    return path


def test_a_job_killed_at_five_places_ends_as_one_that_ran_through(film: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "whole", film.parent, flags=FPS) as server:
        video_id = server.call("ingest_video", source=film.name, wait_s=0)["video_id"]
        with contextlib.closing(Store.open(tmp_path / "whole")) as store:
            until(store, video_id, lambda _store, job: job.state == "done")
        server.call("remember", video_id=video_id, start_s=10, end_s=20, text=NOTE)
    home = tmp_path / "killed"
    landed = []
    for number, (_, reached) in enumerate(PLACES):
        with serving(home, film.parent, flags=FPS) as server, contextlib.closing(Store.open(home)) as store:
            if number == 0:
                assert server.call("ingest_video", source=film.name, wait_s=0)["video_id"] == video_id
            job = until(
                store, video_id, lambda store, job, reached=reached: job.state != "running" or reached(store, job)
            )
            if job.state == "running" and job.pid is not None:
                os.kill(job.pid, signal.SIGKILL)
                landed.append(job.message)
            if number == 1:  # the worker is dead, the server lives: a note of that time must survive all that comes
                server.call("remember", video_id=video_id, start_s=10, end_s=20, text=NOTE)
        if number and job.pid is not None:  # the lease of a dead worker runs out in 15 s: here it has
            expire(home, job.pid)
    assert len(landed) >= 4, landed
    with serving(home, film.parent, flags=FPS), contextlib.closing(Store.open(home)) as store:
        job = until(store, video_id, lambda _store, job: job.state not in ("queued", "running"))
        assert (job.state, job.error) == ("done", None)
        assert job.attempts == len(landed) + 1
        assert len(store.videos()) == 1
        assert [note.text for note in store.notes(video_id)] == [NOTE]
        assert store.integrity_check() == "ok"
        with contextlib.closing(Store.open(tmp_path / "whole")) as whole:
            expected, found = contents(whole, video_id), contents(store, video_id)
    for part, value in expected.items():
        assert found[part] == value, part
    assert max(Counter(expected["entries"]).values()) == 1
    assert not any((home / "work").iterdir())
