"""How time, disk and memory grow from one hour to a hundred.

    python -m lab.bench.growth [--hours 1,10,100] [--json FILE]

Decoding a hundred hours would take three, so these hours are made up: 950 sentences each with vectors (those of 1,500
encoded sentences, with noise added to each), chunk memory tokens as an ingest writes them, and 2,800 drawn frame
vectors without pictures. The store's own calls write each library, and retrieve_memory searches it in a fresh process;
the time of the sentence encoder is subtracted. How decoding grows with the length is measured separately, on real files
of 5 and 20 minutes. The growth is the slope of a line through the logarithms: 1 is proportional, 0 is no growth."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.bench.assembled import SHARED_VIDEOS
from lab.bench.calls import CUES_PER_HOUR, questions
from lab.bench.ingest import _child, settled_mb, sidecar

if TYPE_CHECKING:
    from agent_tools.store import Store

FRAMES, WIDTH = 2800, 577  # kept frames of an hour, and their vectors' width
POOL, NOISE = 1500, 0.35
LEAST = 0.01  # below it a value is as good as nothing, and its growth says nothing
REAL_S = (300.0, 1200.0)
WRITES = {"put_s": "written, s", "index_s": "indexed, s", "mb": "store, MB"}
READS = {
    "first_s": "first search, s",
    "ms": "search, ms",
    "cpu_ms": "search, CPU ms, encoder included",
    "one_ms": "in one video, ms",
    "encoder_ms": "the encoder besides, ms",
    "resident_mb": "memory, MB",
}
COLUMNS = {**WRITES, **READS}


class Varied:
    """A sentence encoder's vectors of a pool of sentences, each time with other noise: as many as are wanted."""

    def __init__(self) -> None:
        from agent_tools.models.profiles import ModelSettings, text_encoder

        encoder = text_encoder(ModelSettings(profile="lite"))
        path = SHARED_VIDEOS / "filler.txt"
        self.sentences = path.read_text(encoding="utf-8").splitlines()[:POOL] if path.exists() else _drawn_sentences()
        self.producer = encoder.producer
        self._known = dict(zip(self.sentences, encoder.encode(self.sentences), strict=True))
        self._draw = np.random.default_rng(3)

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        base = np.stack([self._known[text.rpartition(" (")[0]] for text in texts])
        other = self._draw.standard_normal(base.shape).astype(np.float32)
        other *= NOISE / np.linalg.norm(other, axis=1, keepdims=True)
        mixed: NDArray[np.float32] = base + other
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        return mixed


def _drawn_sentences() -> list[str]:
    rng = random.Random(0)
    words = "river stone lamp winter garden letter engine bridge copper window sister money".split()
    return list(dict.fromkeys(" ".join(rng.choices(words, k=9)) for _ in range(POOL)))


def make(home: Path, hours: int, encoder: Varied) -> dict[str, float]:
    """A library of so many hours, and what writing it took."""
    from agent_tools.store import Store

    store = Store.open(home)
    took = fill(store, range(hours), encoder)
    store.close()
    return {**took, "mb": settled_mb(home)}


def fill(store: Store, hours: range, encoder: Varied, *, texts_alone: bool = False) -> dict[str, float]:
    """Write these hours into a store; how long it took.

    Args:
        texts_alone: without frame vectors and chunk memory tokens, which a search of texts does not read."""
    from agent_tools.ingestion.spaces import frame_space
    from agent_tools.ingestion.text_index import index_entries, write_chunks
    from agent_tools.models.profiles import ModelSettings, frame_encoder
    from agent_tools.store import EntryIn

    space = frame_space(frame_encoder(ModelSettings(profile="lite")).producer)
    put_s = 0.0
    for hour in hours:
        rng, draw = (
            random.Random(hour + 1),
            np.random.default_rng(hour + 2),
        )  # an hour is the same however many it is of
        video_id = f"{hour:012x}"
        frames = draw.standard_normal((0 if texts_alone else FRAMES, WIDTH)).astype(np.float32)
        frames /= np.linalg.norm(frames, axis=1, keepdims=True)
        step = 3600 / CUES_PER_HOUR
        cues = [
            EntryIn(i * step, i * step + 3.4, f"{rng.choice(encoder.sentences)} ({hour}.{i})")
            for i in range(CUES_PER_HOUR)
        ]
        begun = time.perf_counter()
        store.add_video(video_id, f"hour {hour}", 1)
        store.update_video(video_id, duration_s=3600.0)
        store.set_channel(video_id, "subtitles", state="running", producer="bench")
        store.add_entries(video_id, "subtitles", "bench", cues)
        index_entries(store, video_id, encoder, lambda _done: None)
        if not texts_alone:
            write_chunks(store, video_id, "subtitles", encoder.producer, 3600.0, 3600.0)
            for start in range(0, FRAMES, 400):
                store.put_vectors(space, video_id, range(start, start + 400), frames[start : start + 400])
        store.set_channel(video_id, "subtitles", state="done", entries=len(cues), done_to_s=3600.0)
        put_s += time.perf_counter() - begun
    begun = time.perf_counter()
    store.index_vectors()
    index_s = time.perf_counter() - begun
    return {"put_s": put_s, "index_s": index_s}


def search(home: Path) -> dict[str, float]:
    """retrieve_memory's own work in this process, the encoder warm: the first, later ones, and in one video."""
    from agent_tools.service.library.library import Library
    from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
    from agent_tools.settings import Settings, go_offline

    go_offline()
    library = Library(Settings.load({}, home=home, profile="lite"))
    encoder = library.models.text(120.0)
    assert encoder is not None
    encoder.encode(["warm"], query=True)
    before = _resident_mb()
    begun = time.perf_counter()
    retrieve_memory(library, SearchRequest(query="the first question"), wait_s=60.0)
    first_s = time.perf_counter() - begun
    calls: dict[str, Callable[[str], object]] = {
        "encoder": lambda query: encoder.encode([query], query=True),
        "all": lambda query: retrieve_memory(library, SearchRequest(query=query)),
        "one": lambda query: retrieve_memory(library, SearchRequest(query=query, video_ids=["0" * 12])),
    }
    wall: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    for number, query in enumerate(questions() * 2):
        for name, call in calls.items():
            asked = f"{query} {name} {number}"  # no two are the same: the last ones are remembered with their vectors
            begun, begun_cpu = time.perf_counter(), time.process_time()
            call(asked)
            wall[name].append(1000 * (time.perf_counter() - begun))
            cpu[name].append(1000 * (time.process_time() - begun_cpu))
    own = {name: median(took) for name, took in wall.items()}
    resident = _resident_mb() - before
    library.close()
    all_ms, one_ms = (max(0.01, own[name] - own["encoder"]) for name in ("all", "one"))
    return {
        "first_s": first_s,
        "ms": all_ms,
        "cpu_ms": median(cpu["all"]),
        "one_ms": one_ms,
        "encoder_ms": own["encoder"],
        "resident_mb": resident,
    }


def growth(hours: Sequence[float], values: Sequence[float]) -> float:
    """The exponent of the power of the hours that the values follow."""
    return float(np.polyfit(np.log(hours), np.log(np.maximum(values, 1e-6)), 1)[0])


def table(report: Mapping[str, Any]) -> str:
    """The report as Markdown, a row for each size and one for the growth."""
    columns = [name for name in COLUMNS if name in report["rows"][0]]  # a report of before has fewer
    lines = [f"| hours | {' | '.join(COLUMNS[name] for name in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in report["rows"]:
        lines.append(f"| {row['hours']} | {' | '.join(_short(row[name]) for name in columns)} |")
    hours = [row["hours"] for row in report["rows"]]
    held = [[row[name] for row in report["rows"]] for name in columns]
    grown = [f"{growth(hours, values):.2f}" if min(values) >= LEAST else "-" for values in held]
    lines.append(f"| growth, as hours to the power of | {' | '.join(grown)} |")
    short, long = report["real"]
    lines += [
        "",
        f"Lite ingest without OCR of a real file, decode and all: {short['s'] / 60:g} min in {short['ingest_s']:.1f} "
        f"s, {long['s'] / 60:g} min in {long['ingest_s']:.1f} s, growth {report['real_growth']:.2f}. "
        f"On {report['machine']}, {report['date']}.",
    ]
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this bench reads memory from /proc, which this system does not have")


def measure(hours: Sequence[int], folder: Path) -> dict[str, Any]:
    from lab.bench.decode_material import material

    encoder, found = Varied(), []
    for number in hours:
        with tempfile.TemporaryDirectory() as home:
            row = {"hours": number, **make(Path(home), number, encoder)}
            command = [sys.executable, "-m", "lab.bench.growth", "--search", home]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found.append({**row, **json.loads(done.stdout.splitlines()[-1])})
        sys.stderr.write(f"{found[-1]}\n")
    real = []
    for length_s in REAL_S:
        path = material(folder, "h264-b", length_s)
        sidecar(path, length_s)
        real.append({"s": length_s, "ingest_s": _child("ingest", path, 1)["wall_s"]})
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "rows": found,
        "real": real,
        "real_growth": growth([one["s"] for one in real], [one["ingest_s"] for one in real]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", default="1,10,100")
    parser.add_argument("--json", type=Path, help="also write the numbers here, as lab/measured/scaling.json")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "agent-tools-bench")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.search:
        sys.stdout.write(json.dumps(search(asked.search)))
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    report = measure([int(part) for part in asked.hours.split(",")], asked.folder)
    sys.stdout.write(table(report) + "\n")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
