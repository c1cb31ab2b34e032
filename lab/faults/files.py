"""Slice files: every edge file, two thousand mutated files and a few bombs, each through a real worker.

No worker may exceed a stated time for one file or a stated amount of memory, and none may leave its job unfinished.
Damage must be reported: a file that lost bytes ends as refused, with gaps, or shorter than it was. A worker that dies
is counted, and the job it died of must say where."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from agent_tools.errors import AgentToolsError
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.settings import Settings, worker_environment
from agent_tools.store import Job, Store
from lab.faults import bombs
from lab.faults.slices import Outcome, Slice
from lab.lifetime import take_along
from tests.conftest import SHARED_VIDEOS
from tests.drawing import draw, even_times, numbered

FILE_LIMIT_S = 120.0  # of processor time at one file
WAITED_LIMIT_S = 900.0  # of time at one file, on a machine that does much else: a worker that only waits hangs too
MEMORY_LIMIT_MB = 2500.0
BATCHES = 40
CHANNELS = ["frames", "subtitles"]  # what decodes; on-screen text reads the pictures that come out of it
MOST_DEATHS = 12  # of workers in one batch: three for each file that kills its worker


@dataclass(frozen=True)
class World:
    root: Path
    seeds: dict[str, bytes]  # ten small files, by name
    batch_size: int = 50


@dataclass
class Watched:
    """What became of a batch: how each file ended, and what its workers used."""

    ended: dict[str, tuple[Job | None, bool, float | None]]  # by name: job, whether gaps were reported, length
    refused: dict[str, str]
    peak_mb: float = 0.0
    longest_s: float = 0.0
    deaths: int = 0
    hung: str = ""


def seeds(folder: Path) -> dict[str, bytes]:
    """Ten files of a second or two: containers and codecs that break in different ways."""
    few = even_times(20, 10)
    made = [
        draw(folder / "a.mp4", few, size=(160, 90), tone=True),
        draw(folder / "b.mp4", few, size=(160, 90), muxer={"movflags": "faststart"}),
        draw(folder / "c.mp4", few, size=(160, 90), muxer={"movflags": "frag_keyframe+empty_moov"}, key_every=5),
        draw(folder / "d.mkv", few, size=(160, 90), b_frames=0, tone=True),
        draw(folder / "e.webm", even_times(10, 10), size=(96, 54), codec="libvpx-vp9", options={"cpu-used": "8"}),
        draw(folder / "f.ts", few, size=(160, 90), tone=True),
        old(folder / "g.avi", "mpeg4", "yuv420p"),
        old(folder / "h.mov", "mjpeg", "yuvj420p"),
        draw(folder / "i.flv", few, size=(160, 90), b_frames=0),
        old(folder / "j.mpg", "mpeg2video", "yuv420p"),
    ]
    return {path.name: path.read_bytes() for path in made}


def old(path: Path, codec: str, form: str) -> Path:
    """Two seconds by a codec that knows whole frame rates only."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 90, form
        for number in range(50):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number, 160, 90), format="rgb24")))
        out.mux(stream.encode(None))
    return path


def mutated(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """The file with bytes flipped, cut, repeated, zeroed or swapped, and what was done."""
    changed = bytearray(data)
    kind = rng.choice(("flip", "flips", "head", "cut", "hole", "zeros", "ones", "repeat", "swap", "size"))
    place = rng.randrange(len(changed))
    span = rng.randrange(1, max(2, len(changed) // 8))
    if kind == "flip":
        changed[place] ^= 1 << rng.randrange(8)
    elif kind in ("flips", "head"):
        for _ in range(rng.randrange(2, 60)):
            changed[rng.randrange(len(changed) if kind == "flips" else min(len(changed), 2000))] = rng.randrange(256)
    elif kind == "cut":
        del changed[place:]
    elif kind == "hole":
        del changed[place : place + span]
    elif kind in ("zeros", "ones"):
        changed[place : place + span] = (b"\0" if kind == "zeros" else b"\xff") * len(changed[place : place + span])
    elif kind == "repeat":
        changed[place:place] = changed[place : place + span]
    elif kind == "swap":
        other = rng.randrange(len(changed))
        piece = changed[place : place + 64]
        changed[place : place + 64] = changed[other : other + 64]
        changed[other : other + 64] = piece
    else:  # a length field becomes a huge or a negative one
        changed[place : place + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0"))
    return bytes(changed), f"{kind} at {place}"


def batch(world: World, name: str) -> Outcome:
    """A batch of mutated files."""
    rng = random.Random(name)
    folder = world.root / "films"
    folder.mkdir()
    done: dict[str, str] = {}
    for number in range(world.batch_size):
        seed_name = rng.choice(sorted(world.seeds))
        data, what = mutated(world.seeds[seed_name], rng)
        path = folder / f"{number:02d}-{seed_name}"
        path.write_bytes(data)
        done[path.name] = what
    watched = through_a_worker(world.root / "home", folder, CHANNELS)
    found = judged(watched, list(done), lambda file: done[file])
    for file, what in done.items():
        _, gaps, length_s = watched.ended.get(file, (None, True, None))
        whole_s = 0.9 if file.endswith(".webm") else 1.9
        silent = what.startswith("cut") and file in watched.ended and _done(watched, file) and not gaps
        if silent and (length_s or 0.0) >= whole_s + 0.15:
            found.failures.append(f"{file} ({what}): done as {length_s} s without a gap")
            found.survived -= 1
    return found


def _done(watched: Watched, file: str) -> bool:
    job = watched.ended[file][0]
    return job is not None and job.state == "done"


def judged(watched: Watched, files: Sequence[str], what: Callable[[str], str]) -> Outcome:
    """One try per file: it must have ended, and said why where it did not end well."""
    found = Outcome.empty()
    for file in files:
        job = watched.ended.get(file, (None, False, None))[0]
        if file in watched.refused:
            found.count("" if ": " in watched.refused[file] else f"{file} ({what(file)}): {watched.refused[file]}")
        elif job is None:
            found.count(f"{file} ({what(file)}): nobody knows of it")
        elif job.state == "done":
            found.count("")
        else:
            clean = job.state == "failed" and job.error and ": " in job.error and "the worker log says" not in job.error
            found.count("" if clean else f"{file} ({what(file)}): {job.state}, {job.error}")
    if watched.hung:
        found.failures.append(f"over {FILE_LIMIT_S:.0f} s of work at {watched.hung}")
        found.survived -= 1
    if watched.peak_mb > MEMORY_LIMIT_MB:
        found.failures.append(f"{watched.peak_mb:.0f} MB, limit {MEMORY_LIMIT_MB:.0f}")
        found.survived -= 1
    found.figures = {
        "peak_mb": round(watched.peak_mb),
        "longest_file_s": round(watched.longest_s, 1),
        "worker_deaths": watched.deaths,
        "file_limit_s": FILE_LIMIT_S,
        "memory_limit_mb": MEMORY_LIMIT_MB,
    }
    return found


def through_a_worker(home: Path, folder: Path, channels: list[str] | None) -> Watched:
    """Queue the folder's files as a client does, then run workers, as a server does, until no job is open."""
    settings = Settings.load({}, home=home, allow=(folder,), profile="lite", memory_mb=int(MEMORY_LIMIT_MB))
    refused: dict[str, str] = {}
    start, Workers.ensure = Workers.ensure, lambda _self, _store: False  # type: ignore[method-assign]  # put back below
    library = Library(settings)
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix in (".srt", ".vtt"):
                continue
            try:
                ingest_video(library, str(path), channels=channels, wait_s=0)
            except AgentToolsError as error:
                refused[path.name] = error.described
    finally:
        library.close()
        Workers.ensure = start  # type: ignore[method-assign]  # as above
    watched = Watched({}, refused)
    with contextlib.closing(Store.open(home)) as store:
        while store.open_jobs() and watched.deaths < MOST_DEATHS:
            _watch_one(store, settings, watched)
        for video in store.videos():
            job = store.job(video.id)
            for source in store.sources(video.id):
                watched.ended[Path(source.path).name] = (job, bool(store.gaps(video.id)), video.duration_s)
    return watched


def _watch_one(store: Store, settings: Settings, watched: Watched) -> None:
    """One worker until it ends, or is ended because it is too long at one file."""
    command = [sys.executable, "-m", "agent_tools", "work"]
    take_along()
    with (settings.home / "worker.err").open("ab") as errors:
        process = subprocess.Popen(command, env=worker_environment(settings), stderr=errors, cwd=settings.home)
    at, since, worked = "", time.monotonic(), 0.0
    while process.poll() is None:
        running = [job for job in store.open_jobs() if job.state == "running"]
        now_at = running[0].video_id if running else ""
        if now_at != at:
            at, since, worked = now_at, time.monotonic(), _worked_s(process.pid)
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    watched.peak_mb = max(watched.peak_mb, int(line.split()[1]) / 1e3)
        at_it_s = _worked_s(process.pid) - worked
        if at:
            watched.longest_s = max(watched.longest_s, at_it_s)
        if at and (at_it_s > FILE_LIMIT_S or time.monotonic() - since > WAITED_LIMIT_S):
            watched.hung = watched.hung or f"{[Path(s.path).name for s in store.sources(at)]}"
            process.kill()
        time.sleep(0.1)
    if process.returncode:
        watched.deaths += 1
        with store.db.write() as connection:
            connection.execute("UPDATE jobs SET lease_until = 0 WHERE state = 'running'")


def _worked_s(pid: int) -> float:
    """Processor time that a process has used."""
    try:
        numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def edge(world: World, _name: str) -> Outcome:
    """Every real file with something odd about it; where they are."""
    folder = SHARED_VIDEOS / "edge"
    if not folder.is_dir():
        return Outcome.empty()
    films = world.root / "films"
    films.mkdir()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix not in (".txt", ".md", ".srt"):
            shutil.copy(path, films / path.name)
    watched = through_a_worker(world.root / "home", films, CHANNELS)
    return judged(watched, sorted(os.listdir(films)), lambda _file: "edge file")


def bomb(world: World, name: str) -> Outcome:
    """A file that is small on disk and huge when read."""
    films = world.root / "films"
    films.mkdir()
    path = bombs.BOMBS[name.removeprefix("bomb ")](films)
    watched = through_a_worker(world.root / "home", films, CHANNELS)
    found = judged(watched, [path.name], lambda _file: name)
    found.figures[name] = f"{watched.peak_mb:.0f} MB, {watched.longest_s:.0f} s"
    return found


def cases(seed: int) -> Sequence[str]:
    batches = [f"batch {seed * BATCHES + number}" for number in range(BATCHES)]
    return [*batches[:2], *(f"bomb {name}" for name in bombs.BOMBS), *batches[2:], "edge"]


@contextlib.contextmanager
def stage(_seed: int, folder: Path, batch_size: int = World.batch_size) -> Iterator[Callable[[str], Outcome]]:
    root = folder.resolve()
    (root / "seeds").mkdir()
    world = World(root / "case", seeds(root / "seeds"), batch_size)
    kinds = {"bomb": bomb, "edge": edge, "batch": batch}

    def run(case: str) -> Outcome:
        world.root.mkdir()
        try:
            return kinds[case.partition(" ")[0]](world, case)
        finally:
            shutil.rmtree(world.root, ignore_errors=True)

    yield run


SLICE = Slice("files", "edge files, mutated files and bombs through a worker", cases, stage)
