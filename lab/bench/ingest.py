"""Lite ingest without OCR against the decode pass alone; peak memory of the worker; bytes per hour.

    python -m lab.bench.ingest [--length 3600] [--rounds 2]       time and bytes
    python -m lab.bench.ingest --long 21600 [--short 600]         only peak memory, of a long and a short film

Prints one JSON row per line. Ratios compare medians of alternating rounds on the same 720p file. Models are loaded
before the clock starts, as the goal says. Memory is the peak resident set of a process that does nothing else."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from lab.bench.rows import emit

CUES_PER_HOUR = 1200


def sidecar(video: Path, length_s: float) -> None:
    """A transcript of a talking hour beside the video: 1,200 cues an hour of plain words."""
    words = "we keep the keys and values of every past token so that the next one is cheap to find again".split()
    lines = []
    for number in range(int(length_s / 3600 * CUES_PER_HOUR)):
        start = number * 3600 / CUES_PER_HOUR
        text = " ".join(words[(number * 7 + i * (1 + number % 3)) % len(words)] for i in range(8)) + f" {number}"
        lines.append(f"{number + 1}\n{_stamp(start)} --> {_stamp(start + 2.5)}\n{text}\n")
    video.with_suffix(".srt").write_text("\n".join(lines), encoding="utf-8")


def decode_once(path: Path, threads: int) -> dict[str, float]:
    """The reference: every second's picture, scaled to 224x224."""
    from agent_tools.media import probe, sample

    opened = probe(path)
    start, cpu = time.perf_counter(), time.process_time()
    for shown in sample(opened, fps=1.0, on_damage=lambda _damage: None, threads=threads):
        shown.picture.rgb(224, 224)
    return {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu, "peak_mb": _peak_mb()}


WITHOUT_OCR, WHOLE = ("subtitles", "frames"), ("subtitles", "frames", "screen_text")


def ingest_once(path: Path, threads: int, channels: tuple[str, ...] = WITHOUT_OCR) -> dict[str, float]:
    """These channels into an empty home; the sentence encoder is loaded first."""
    from agent_tools.ingestion.control import Control
    from agent_tools.ingestion.pipeline import Ingest
    from agent_tools.media import content_id
    from agent_tools.settings import Settings, go_offline
    from agent_tools.store import Store

    go_offline()
    home = Path(tempfile.mkdtemp(prefix="bench-home-"))
    try:
        settings = Settings.load({}, home=home, profile="lite", threads=threads)
        store = Store.open(home)
        video_id, stat = content_id(path), path.stat()
        store.add_video(video_id, path.stem, stat.st_size)
        store.add_source(video_id, str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
        store.enqueue(video_id, channels, "lite")
        job = store.claim("bench", 0)
        assert job is not None
        with Control(store, job, "bench", 20_000) as control:
            work = Ingest(store, job, settings, control)
            work.models.text().encode(["warm"])
            start, cpu = time.perf_counter(), time.process_time()
            failed = work.run()
            wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
        assert not failed, failed
        store.close()
        return {"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": _peak_mb(), "store_mb": settled_mb(home)}
    finally:
        shutil.rmtree(home)


def settled_mb(home: Path) -> float:
    """What the home takes on disk once the log is written back: its log is as long for a minute as for a day."""
    import apsw

    connection = apsw.Connection(str(home / "memory.sqlite3"))
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()
    return sum(f.stat().st_size for f in home.rglob("*") if f.is_file() and "checked" not in f.name) / 1e6


def empty_mb() -> float:
    """What a home without videos takes: it does not grow with the hours."""
    from agent_tools.store import Store

    with tempfile.TemporaryDirectory() as folder:
        Store.open(Path(folder)).close()
        return settled_mb(Path(folder))


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _child(what: str, path: Path, threads: int) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "lab.bench.ingest",
        "--child",
        what,
        "--path",
        str(path),
        "--threads",
        str(threads),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _stamp(seconds: float) -> str:
    whole = int(seconds * 1000)
    return f"{whole // 3600000:02d}:{whole // 60000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--length", type=float, default=3600.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--long", type=float, default=0.0, help="seconds of the long file: peak memory, and no more")
    parser.add_argument("--short", type=float, default=600.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "agent-tools-bench")
    parser.add_argument("--child", choices=("decode", "ingest", "whole"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        work: dict[str, Callable[[Path, int], dict[str, float]]] = {
            "decode": decode_once,
            "ingest": ingest_once,
            "whole": partial(ingest_once, channels=WHOLE),
        }
        row = work[asked.child](asked.path, asked.threads)
        sys.stdout.write(json.dumps(row) + "\n")
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.long:
        memory_row(asked.folder, asked.short, asked.long, asked.threads)
    else:
        time_rows(asked.folder, asked.length, asked.rounds, asked.threads)


def time_rows(folder: Path, length_s: float, rounds: int, threads: int) -> None:
    from lab.bench.decode_material import material

    path = material(folder, "h264-b", length_s)
    sidecar(path, length_s)
    pairs = [(_child("decode", path, threads), _child("ingest", path, threads)) for _ in range(rounds)]
    ratio, cpu_ratio = (median(b[clock] / a[clock] for a, b in pairs) for clock in ("wall_s", "cpu_s"))
    emit(
        f"lite ingest without OCR, {length_s / 60:g} min of 720p, models loaded, {threads} thread",
        against="the decode above, as a library call",
        ours=f"{median(b['wall_s'] for _, b in pairs):.1f} s",
        reference=f"{median(a['wall_s'] for a, _ in pairs):.1f} s",
        ratio=ratio,
        cpu_ratio=cpu_ratio,
        goal="<= 1.3 of its time",
        reached=ratio <= 1.3,
        rounds=rounds,
        ingest_s=round(median(b["wall_s"] for _, b in pairs), 1),
        cpu_s=round(median(b["cpu_s"] for _, b in pairs), 1),
        peak_mb=round(median(b["peak_mb"] for _, b in pairs)),
        length_s=length_s,
    )
    store_mb = median(b["store_mb"] for _, b in pairs)
    whole = length_s >= 3600  # tables grow by whole pages of vectors: minutes say nothing of an hour
    emit(
        f"store size, lite, {length_s / 60:g} min of 720p in motion" + ("" if whole else " (not an hour: not judged)"),
        ours=f"{store_mb / length_s * (3600 if whole else length_s):.1f} MB",
        goal="<= 60 MB an hour",
        reached=store_mb / length_s * 3600 <= 60 if whole else None,
        store_mb=round(store_mb, 2),
        empty_mb=round(empty_mb(), 2),
        length_s=length_s,
    )


def memory_row(folder: Path, short_s: float, long_s: float, threads: int) -> None:
    from lab.bench.decode_material import material

    peaks = []
    for length_s in (short_s, long_s):
        path = material(folder, "h264-b", length_s)
        sidecar(path, length_s)
        peaks.append(_child("ingest", path, threads)["peak_mb"])
    ratio = peaks[1] / peaks[0]
    emit(
        f"peak memory of the worker, {long_s / 3600:g} h of 720p",
        against=f"{short_s / 60:g} min of the same",
        ours=f"{peaks[1]:.0f} MB",
        reference=f"{peaks[0]:.0f} MB",
        ratio=ratio,
        goal="<= 1.1 of it",
        reached=ratio <= 1.1,
        long_mb=round(peaks[1]),
        short_mb=round(peaks[0]),
        long_s=long_s,
    )


if __name__ == "__main__":
    main()
