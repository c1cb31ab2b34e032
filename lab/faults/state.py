"""Slice state: what the server says about an ingest that is not whole, and backups of a memory that is in use.

A channel that failed says so in every later reply. A job never reads done while a channel is missing. A missing model
is named. The command line runs backup and restore beside a server that writes. An older store is migrated; a newer one
is refused with the reason."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from agent_tools.errors import EngineError
from agent_tools.ingestion.channels import frames, screen_text, subtitles
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.settings import Settings
from agent_tools.store import Store
from agent_tools.store.schema import MIGRATIONS
from lab.faults.servers import Server, serving
from lab.faults.slices import Outcome, Slice
from tests.acceptance.conftest import environment
from tests.drawing import draw, even_times

CHANNELS = ("subtitles", "frames", "screen_text")
WHY = "the engine of this case broke"
SRT = "1\n00:00:00,500 --> 00:00:03,000\nthe kettle stands on the shelf\n"


@dataclass(frozen=True)
class World:
    root: Path

    def home(self, name: str) -> Path:
        return self.root / name

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent_tools", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment())


def broken(world: World, channel: str) -> Outcome:
    """An ingest of which one channel fails: what job and channel say, and every reply about the video afterwards."""
    home = world.home(f"broken-{channel}")
    settings = Settings.load({}, home=home, allow=(world.root / "films",), profile="lite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workers, "ensure", lambda _self, _store: False)
        patch.setattr(*_fault(channel))
        library = Library(settings)
        video_id = ingest_video(library, "talk.mp4", wait_s=0).video_id or ""
        work(settings)
        job, row = library.store.job(video_id), library.store.channel(video_id, channel)
        library.close()
    assert job is not None
    found = Outcome.of("" if job.state == "failed" and WHY in (job.error or "") else f"the job reads {job.state}")
    found.count("" if row is not None and row.state == "failed" else f"the channel reads {row}")
    with serving(home, world.root / "films", flags=["--read-only"]) as server:
        for tool, arguments in (
            ("list_episodes", {"video_id": video_id}),
            ("retrieve_memory", {"query": "kettle", "video_ids": [video_id]}),
            ("retrieve_memory", {"query": "nothing of the kind"}),
            ("zoom_segment", {"video_id": video_id}),
            ("ground_event", {"event": "a kettle on a shelf", "video_id": video_id}),
        ):
            facts = json.loads(server.result(tool, arguments)["content"][1]["text"])
            words = facts["coverage"]["channels"].get(channel, "")
            found.count("" if words.startswith(("failed", "not searched")) else f"{tool} says {words!r} of {channel}")
        listed = server.call("list_episodes")["videos"][0]
        found.count("" if listed["state"] == "failed" and channel not in listed.get("channels", []) else str(listed))
        read = server.ask("resources/read", uri=f"video://{video_id}")["result"]["contents"][0]["text"]
        states = {one["name"]: one for one in json.loads(read)["channels"]}
        found.count("" if states[channel]["state"] == "failed" and WHY in states[channel]["error"] else read[:300])
        verdict = server.call("ground_event", event="a kettle on a shelf", video_id=video_id)
        found.count("" if verdict["verdict"] != "absent" else "absent, with a channel that failed")
    return found


def _fault(channel: str) -> tuple[Any, str, Any]:
    def breaks(*_: Any, **__: Any) -> Any:
        raise EngineError(WHY)

    places = {
        "subtitles": (subtitles, "read_subtitles"),
        "frames": (frames, "FramePass"),
        "screen_text": (screen_text, "ocr"),
    }
    return *places[channel], breaks


def nameless_models(world: World, _case: str) -> Outcome:
    """Profiles and roles whose models are not on this disk: named in not_known, coverage, doctor and errors."""
    home = world.home("lite")
    found = Outcome.empty()
    with serving(home, world.root / "films", flags=("--models", "speech=off")) as server:
        reply = _done(server)
        not_known = str(reply.get("not_known"))
        found.count("" if "speech=whisper-base" in not_known and "agent-tools models pull" in not_known else not_known)
        channels = server.call("list_episodes", video_id=reply["video_id"])["coverage"]["channels"]
        found.count(
            "" if "not transcribed" in channels["speech"] or "no audio" in channels["speech"] else str(channels)
        )
        verdict = server.call("ground_event", event="somebody says kettle", video_id=reply["video_id"])
        not_judged = str(verdict["not_judged"])
        found.count("" if "profile lite has no speech model" in not_judged else f"not_judged: {not_judged}")
    gone = str(world.root / "no-such-model")
    for role in ("frames", "speech", "text"):
        done = world.cli("ingest", str(world.root / "films" / "talk.mp4"), "--home", str(world.home(f"gone-{role}")),
                         "--profile", "standard", "--models", f"{role}={gone}")  # fmt: skip
        output = done.stdout + done.stderr
        named = "no-such-model" in output or "ModelMissing" in output
        found.count("" if done.returncode and named else f"{role}: {done.returncode} {output[-300:]}")
    return found


def _done(server: Server) -> dict[str, Any]:
    while (reply := server.call("ingest_video", source="talk.mp4", wait_s=40))["state"] in ("queued", "running"):
        pass
    return reply


def backups(world: World, _case: str) -> Outcome:
    """backup while notes are written, restore while a server runs: each acknowledged note is in one of the copies."""
    home, found = world.home("backed"), Outcome.empty()
    with serving(home, world.root / "films") as server:
        video_id = _done(server)["video_id"]
        written: list[str] = []
        ended = threading.Event()

        def write() -> None:
            while not ended.is_set():
                text = f"note {len(written)}"
                server.call("remember", video_id=video_id, start_s=0, end_s=1, text=text)
                written.append(text)

        writer = threading.Thread(target=write)
        writer.start()
        copies = []
        for number in range(3):
            before = list(written)
            copy = world.root / f"copy-{number}.sqlite3"
            done = world.cli("backup", str(copy), "--home", str(home))
            found.count("" if done.returncode == 0 else done.stderr)
            copies.append((copy, before))
        ended.set()
        writer.join()
        for copy, before in copies:
            texts = _texts(copy, video_id)
            found.count(
                "" if set(before) <= set(texts) and len(texts) == len(set(texts)) else f"{copy.name} lacks notes"
            )
        done = world.cli("restore", str(copies[0][0]), "--home", str(home))
        found.count("" if done.returncode == 0 else done.stderr)
        kept = next((home / "backups").glob("before-restore-*.sqlite3"))
        found.count("" if set(_texts(kept, video_id)) == set(written) else "what was there before is not kept whole")
        note = server.call("remember", video_id=video_id, start_s=2, end_s=3, text="after the restore")
        hits = server.call("retrieve_memory", query='"after the restore"', video_ids=[video_id])["hits"]
        found.count("" if note["stored"] and hits else f"the server does not go on: {note} {hits}")
        odd = world.root / "odd.sqlite3"
        odd.write_bytes(b"no store" * 900)
        refused = world.cli("restore", str(odd), "--home", str(home))
        found.count("" if refused.returncode == 1 and "InvalidArgument" in refused.stderr else refused.stderr)
    with contextlib.closing(Store.open(home)) as store:
        found.count("" if store.integrity_check() == "ok" else store.integrity_check())
    return found


def _texts(copy: Path, video_id: str) -> list[str]:
    connection = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    found = [row[0] for row in connection.execute("SELECT text FROM notes WHERE video_id = ?", (video_id,))]
    connection.close()
    return found


def versions(world: World, _case: str) -> Outcome:
    """A store of each older version is made new with its rows; one of a newer version is refused, untouched."""
    found = Outcome.empty()
    for version in range(1, len(MIGRATIONS) + 1):
        home = world.home(f"version-{version}")
        home.mkdir()
        connection = apsw.Connection(str(home / "memory.sqlite3"))
        for step in MIGRATIONS[:version]:
            step(connection)
        connection.execute(f"PRAGMA user_version={version}")
        connection.execute("INSERT INTO videos(id, title, size_bytes, added_at) VALUES('0123456789ab', 'old', 1, 1)")
        connection.close()
        done = world.cli("ls", "--home", str(home), "--json")
        found.count("" if done.returncode == 0 and "0123456789ab" in done.stdout else f"{version}: {done.stderr}")
    home = world.home("newer")
    shutil.copytree(world.home(f"version-{len(MIGRATIONS)}"), home)
    connection = apsw.Connection(str(home / "memory.sqlite3"))
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    connection.close()
    for command in (["ls"], ["search", "x"], ["backup", str(world.root / "newer.bak")], ["doctor"]):
        done = world.cli(*command, "--home", str(home))
        output = done.stdout + done.stderr
        right = done.returncode != 0 and f"is of version {len(MIGRATIONS) + 1}" in output and "Update" in output
        found.count("" if right else f"{command[0]} of a newer store: {done.returncode} {output[-200:]}")
    with serving(home, world.root / "films") as server:
        error = server.result("list_episodes", {})["content"][0]["text"]
        found.count("" if error.startswith("StoreTooNew: ") else error)
    return found


CASES: dict[str, Callable[[World, str], Outcome]] = {
    **dict.fromkeys(CHANNELS, broken),
    "models": nameless_models,
    "backups": backups,
    "versions": versions,
}


def cases(_seed: int) -> Sequence[str]:
    return list(CASES)


@contextlib.contextmanager
def stage(_seed: int, folder: Path) -> Iterator[Callable[[str], Outcome]]:
    root = folder.resolve()
    (root / "films").mkdir()
    draw(root / "films" / "talk.mp4", even_times(30, 5), tone=True)
    (root / "films" / "talk.srt").write_text(SRT, encoding="utf-8")
    world = World(root)
    yield lambda case: CASES[case](world, case)


SLICE = Slice(
    "state", "what is said of a failed channel, a missing model, copies and versions of the memory", cases, stage
)
