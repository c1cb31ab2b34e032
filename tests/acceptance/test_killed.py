"""Kill -9 of worker and server in the middle of an ingest: the next server finishes it, and nothing is there twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from agent_tools.evals.demo_video import draw
from agent_tools.store import Job, Store, TokenFile
from tests.acceptance.conftest import environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX"),
]

DURATION_S = 90.0
LONGEST_WAIT_S = 240.0
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


class Server:
    """`agent-tools serve` over stdio, spoken to line by line, so that it can be killed at any time."""

    def __init__(self, home: Path, allow: Path) -> None:
        command = [sys.executable, "-m", "agent_tools", "serve", "--home", str(home), "--allow", str(allow)]
        self.process = subprocess.Popen(
            [*command, "--profile", "lite", "--fps", "2"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        self._ask("initialize", **hello)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = self._ask("tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), result
        told: dict[str, Any] = json.loads(result["content"][0]["text"])
        return told

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _ask(self, method: str, **params: Any) -> Any:
        self._send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message.get("id") == 1:
                return message["result"]
        raise AssertionError(f"the server ended during {method}")

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()


@contextlib.contextmanager
def serving(home: Path, allow: Path) -> Iterator[Server]:
    server = Server(home, allow)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    draw(path, seed=11, duration_s=DURATION_S)
    return path


def test_a_job_killed_at_five_places_ends_as_one_that_ran_through(film: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "whole", film.parent) as server:
        video_id = server.call("ingest_video", source=film.name, wait_s=0)["video_id"]
        with contextlib.closing(Store.open(tmp_path / "whole")) as store:
            until(store, video_id, lambda _store, job: job.state == "done")
        server.call("remember", video_id=video_id, start_s=10, end_s=20, text=NOTE)
    home = tmp_path / "killed"
    landed = []
    for number, (_, reached) in enumerate(PLACES):
        with serving(home, film.parent) as server, contextlib.closing(Store.open(home)) as store:
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
        if number:  # the lease of a dead worker runs out in 15 s: here it has
            expire(home)
    assert len(landed) >= 4, landed
    with serving(home, film.parent), contextlib.closing(Store.open(home)) as store:
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


def until(store: Store, video_id: str, reached: Callable[[Store, Job], bool]) -> Job:
    """The job as soon as a server has taken it up (again) and it is as far as `reached` says."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while True:
        job = store.job(video_id)
        if job is not None and (job.state in ("done", "failed") or alive(job.pid)) and reached(store, job):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


def alive(pid: int | None) -> bool:
    """Whether a process runs under that id, as a process that can still work: not a zombie."""
    if pid is None:
        return False
    status = Path(f"/proc/{pid}/stat")
    if status.parent.parent.joinpath("self").exists():
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def expire(home: Path) -> None:
    """Let the time pass after which a worker that does not beat counts as dead."""
    connection = apsw.Connection(str(home / "memory.sqlite3"))
    connection.set_busy_timeout(10_000)
    connection.execute("UPDATE jobs SET lease_until = 0 WHERE state = 'running'")
    connection.close()


def contents(store: Store, video_id: str) -> dict[str, Any]:
    """All that the ingest of a video made, without row numbers and clock times."""
    entries = {entry.id: entry for entry in store.entries(video_id)}
    frames = store.frames(video_id)
    vectors: dict[str, Any] = {}
    for space in store.spaces():
        ids, matrix = store.vectors(space, video_id)
        texts = space.endswith("|text")
        keys = [
            (entries[int(i)].channel, entries[int(i)].start_s, entries[int(i)].text) if texts else int(i) for i in ids
        ]
        vectors[space] = sorted((key, row.round(4).tolist()) for key, row in zip(keys, matrix, strict=True))
    rows = [
        (row.name, row.state, row.producer, round(row.done_to_s, 3), row.entries, row.language)
        for row in store.channels(video_id)
    ]
    return {
        "video": [getattr(store.video(video_id), name) for name in ("duration_s", "width", "height", "fps", "error")],
        "channels": rows,
        "entries": sorted(
            (e.channel, e.producer, e.start_s, e.end_s, e.text, json.dumps(e.extra)) for e in entries.values()
        ),
        "frames": [(row.k, row.time_s, row.stands_for, row.kept) for row in frames],
        "pictures": [digest(store.frame_jpeg(video_id, row.k) or b"") for row in frames if row.kept],
        "vectors": vectors,
        "memories": memories(store, video_id),
        "tokens": tokens(store, video_id),
        "episodes": [
            (level, e.start_s, e.end_s, e.title, e.title_from, e.keyframe_s)
            for level in ("chunk", "scene", "chapter")
            for e in store.episodes(video_id, level)
        ],
        "gaps": [(gap.channel, gap.start_s, gap.end_s, gap.why) for gap in store.gaps(video_id)],
    }


def memories(store: Store, video_id: str) -> list[Any]:
    """Memory tokens of every level and producer, straight from the file."""
    connection = apsw.Connection(str(store.home / "memory.sqlite3"), flags=apsw.SQLITE_OPEN_READONLY)
    query = (
        "SELECT kind, start_s, end_s, producer, text, vectors, context FROM memories WHERE video_id = ? "
        "ORDER BY 1, 2, 3, 4"
    )
    rows = [(*row[:5], digest(row[5]), digest(row[6] or b"")) for row in connection.execute(query, (video_id,))]
    connection.close()
    return rows


def tokens(store: Store, video_id: str) -> list[tuple[int, str]]:
    """Length and content of each of the video's token files."""
    found = []
    for path in sorted((store.home / "tokens").glob(f"{video_id}*")):
        with TokenFile(path) as file:
            found.append((len(file), digest(file.read(0, len(file)).numpy().tobytes())))
    return found


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
