"""An archive in PostgreSQL under test: its databases, workers as processes, calls to servers, and what it holds.

Each worker has a data folder of its own, as on a machine of its own. Its connections carry its name, so that a case can
tell from the database itself who wrote what, and when."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np

from agent_tools.store import Job, Store
from lab.faults.homes import NEAR, alive, contents
from lab.lifetime import take_along
from lab.postgres_server import Server
from tests.acceptance.conftest import environment

LONGEST_S = 1200.0  # on a machine that does much else
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "archive", "version": "1"},
}
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
AUDITED = ("channels", "entries", "frames", "jpegs", "vector_rows", "memories", "episodes", "gaps", "words")


@dataclass(frozen=True)
class Archive:
    """One database of a server.

    Attributes:
        address: of the server: its socket's folder, or HOST:PORT."""

    server: Server
    name: str

    def url(self, client: str = "lab", host: str = "") -> str:
        """Args: client: whose connections these are. host: HOST:PORT instead of the server's socket."""
        place = f"{host}/{self.name}?" if host else f"/{self.name}?host={self.server.folder}&"
        return f"postgresql://postgres@{place}application_name={quote(client)}"

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[Store]:
        with contextlib.closing(Store.connect(folder, self.url())) as store:
            yield store

    def asked(self, statement: str, *values: Any) -> list[Any]:
        """The rows of a statement, whose values stand as %s, outside of the program under test."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute(statement.encode(), values or None)
            return found.fetchall() if found.description else []

    def audit(self) -> None:
        """From now on, each row that is written is noted with the client that wrote it and the time."""
        self.asked("CREATE TABLE audit(client text, place text, at float8)")
        self.asked(
            """CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               INSERT INTO audit VALUES(current_setting('application_name'), TG_TABLE_NAME,
                                        extract(epoch FROM clock_timestamp()));
               RETURN NULL; END $$"""
        )
        for table in AUDITED:
            when = f"AFTER INSERT OR UPDATE OR DELETE ON {table}"
            self.asked(f"CREATE TRIGGER audit {when} FOR EACH ROW EXECUTE FUNCTION note_it()")


@contextlib.contextmanager
def archive(server: Server, name: str) -> Iterator[Archive]:
    """A new database with the store's tables."""
    admin = Archive(server, "postgres")
    admin.asked(f"CREATE DATABASE {name}")
    made = Archive(server, name)
    try:
        with made.opened(server.folder.parent / "none"):
            pass
        yield made
    finally:
        with contextlib.suppress(Exception):  # a server that a case broke is removed whole
            admin.asked(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass
class Worker:
    """`agent-tools work --stay` as a process, on a data folder of its own."""

    name: str
    process: subprocess.Popen[bytes]
    home: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None and alive(self.process.pid)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        written = self.home / "logs" / "worker.log"
        return written.read_text(errors="replace") if written.is_file() else ""


@contextlib.contextmanager
def working(
    root: Path,
    archive: Archive,
    count: int,
    host: str = "",
    first: str = "worker-0",
    program: str = "agent_tools",
    **variables: str,
) -> Iterator[list[Worker]]:
    """So many workers.

    Args:
        host: HOST:PORT by which the first one reaches the database.
        program: what runs them; it takes the arguments of agent-tools.
        variables: of their environment."""
    workers: list[Worker] = []
    take_along()
    try:
        for number in range(count):
            name = first.replace("0", str(number))
            home = root / name
            home.mkdir(parents=True, exist_ok=True)
            url = archive.url(name, host if number == 0 else "")
            command = [sys.executable, "-m", program, "work", "--stay", "--home", str(home), "--profile", "lite"]
            own = {"AGENT_TOOLS_STORE": url, "OMP_NUM_THREADS": "1", **variables}
            with (home / "worker.err").open("ab") as errors:
                process = subprocess.Popen(command, stdout=errors, stderr=errors, env=environment(**own))
            workers.append(Worker(name, process, home))
        yield workers
    finally:
        for worker in workers:
            worker.process.send_signal(signal.SIGCONT)
            worker.kill()


def call(address: str, tool: str, *, task: bool = False, **arguments: Any) -> dict[str, Any]:
    """The structured reply of a tool, or the task that it became. Raises: AssertionError: it was an error."""
    meta = {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": TASKS if task else {}}
    result = ask(address, "tools/call", tool, {"name": tool, "arguments": arguments, "_meta": meta})
    assert not result.get("isError"), result
    found: dict[str, Any] = result if task else result["structuredContent"]
    return found


def task_of(address: str, number: str) -> dict[str, Any]:
    meta = {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": TASKS}
    return ask(address, "tasks/get", number, {"taskId": number, "_meta": meta})


def ask(address: str, method: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """The result of one request of the 2026 era: no session, so any server can answer it."""
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        "mcp-name": name,
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = httpx2.post(address, json=body, headers=headers, timeout=120)
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    told = json.loads(lines[-1] if lines else answer.text)  # one that took long comes as a stream of events
    assert "error" not in told, answer.text
    found: dict[str, Any] = told["result"]
    return found


def until(told: Callable[[], Any], what: str) -> Any:
    """What `told` says as soon as it says anything true."""
    deadline = time.monotonic() + LONGEST_S
    while not (said := told()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
    return said


def running(store: Store, share: float = 0.0) -> Job | None:
    """A job that a worker holds and has looked at so much of the pictures of. The row's own progress is a second old,
    and a short film takes no longer."""
    return next((job for job in store.open_jobs() if job.state == "running" and _looked_at(store, job) >= share), None)


def _looked_at(store: Store, job: Job) -> float:
    row, video = store.channel(job.video_id, "frames"), store.video(job.video_id)
    length_s = video.duration_s if video is not None else None
    return row.done_to_s / length_s if row is not None and length_s else 0.0


@dataclass(frozen=True)
class Holding:
    """All that is kept of a video: rows, and the vectors beside them."""

    rows: dict[str, Any]
    numbers: dict[str, tuple[list[Any], Any]]

    @classmethod
    def of(cls, store: Store, video_id: str) -> Holding:
        rows = contents(store, video_id)
        for part in ("vectors", "memories", "tokens"):  # tokens stay on the machine that made them
            del rows[part]
        entries = {entry.id: entry for entry in store.entries(video_id, unsure=True)}
        numbers = {}
        for space in store.spaces():
            ids, matrix = store.vectors(space, video_id)
            if not len(ids):  # made for another video, or for notes that are gone
                continue
            kind = space.rpartition("|")[2]
            keys = [repr(_key(entries, kind, int(number))) for number in ids]
            order = sorted(range(len(keys)), key=lambda at: (keys[at], matrix[at].round(3).tolist()))
            numbers[space] = [keys[at] for at in order], matrix[order]
        memories = [memory for memory, _ in store.memories.held(video_id)]
        vectors = [one.vectors.numpy().ravel() for one in memories]
        told = [(*one.key, one.text) for one in memories]
        numbers["memories"] = told, np.concatenate(vectors) if vectors else np.zeros(0)
        return cls(rows, numbers)

    def unlike(self, other: Holding) -> str:
        """What differs from the other; "" for nothing."""
        for part, value in other.rows.items():
            if self.rows[part] != value:
                return f"{part} differ: {str(self.rows[part])[:300]} not {str(value)[:300]}"
        if self.numbers.keys() != other.numbers.keys():
            return f"spaces {sorted(self.numbers)} not {sorted(other.numbers)}"
        for space, (keys, matrix) in other.numbers.items():
            mine, ours = self.numbers[space]
            if mine != keys:
                return f"{space} holds {str(mine)[:200]} not {str(keys)[:200]}"
            if len(matrix) and float(np.abs(ours - matrix).max()) > NEAR:
                return f"{space} differs by {np.abs(ours - matrix).max():.1e}"
        return ""


def _key(entries: dict[int, Any], kind: str, number: int) -> Any:
    if kind == "text":
        return entries[number].channel, entries[number].start_s, entries[number].text
    return 0 if kind in ("line", "memory") else number  # the id of whichever row showed it first


class Proxy:
    """A TCP port before the server's socket. `pause()` cuts the line and tells neither end, as a network does."""

    def __init__(self, server: Server) -> None:
        self._target = str(server.folder / ".s.PGSQL.5432")
        self._open, self._ended = threading.Event(), threading.Event()
        self._open.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def pause(self) -> None:
        self._open.clear()

    def resume(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._ended.set()
        self._open.set()
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as target, contextlib.suppress(OSError):
            self._open.wait()
            target.connect(self._target)
            other = {client: target, target: client}
            while not self._ended.is_set():
                for ready in select.select(list(other), [], [], 0.05)[0]:
                    data = ready.recv(65536)
                    self._open.wait()  # what was under way when the line was cut arrives later, or never
                    if not data:
                        return
                    other[ready].sendall(data)


def struck(pid: int) -> None:
    """SIGKILL, and wait until the process is gone."""
    os.kill(pid, signal.SIGKILL)
    while alive(pid):
        time.sleep(0.01)
