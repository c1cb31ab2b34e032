"""What an hour costs by LongVU's windows and by KeepRule: bytes on disk, vectors, encoder time, searches.

    python -m lab.bench.keep_cost [--length 3600] [--folder DIR] [--write]

Two films: real clips in motion (lab.bench.decode_material) and drawn slides with a talking head (lab.bench.lectures).
Each is ingested by lite twice, subtitles and frames, by a process of its own; two more processes then search each home.
Times are seconds of the processor, which other work on the machine changes little. The encoder time of the standard
profile is arithmetic: the pictures that are kept, times the seconds for one of a random network of SigLIP 2 base's
shape. --write puts the rows into lab/measured/keep_cost.json."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.bench import lectures
from lab.bench.decode_material import material
from lab.bench.ingest import WITHOUT_OCR, settled_mb, sidecar

MEASURED = Path(__file__).parents[1] / "measured" / "keep_cost.json"
WINDOWS, KEEPER = "windows of 16", "KeepRule"
RULES = (WINDOWS, KEEPER)
MOTION, SLIDES = "real clips in motion", "slides with a talking head"
GOAL_MB = {MOTION: 30, SLIDES: 8}
PROCESSES, CALLS = 3, 9  # cold starts, and warm calls in each
LAYERS, WIDTH, SIDE, BATCH = 12, 768, 224, 8  # of SigLIP 2 base


class WindowKeeper:
    """LongVU's rule in the place of FrameKeeper: it decides on each window of 16 by itself."""

    def __init__(self, rule: Any = None, parts: Sequence[int] | None = None) -> None:
        """Both are FrameKeeper's and change nothing here."""

    def keep(self, features: NDArray[np.float32], times_s: Sequence[float]) -> NDArray[np.bool_]:
        from agent_tools.compression import prune_frames
        from agent_tools.models.descriptor import PixelDescriptor

        mask = np.zeros(len(times_s), dtype=bool)
        mask[prune_frames(features, len(times_s), PixelDescriptor.threshold).numpy()] = True
        return mask

    def saved(self) -> bytes:
        return b""


def ingest(path: Path, home: Path, rule: str) -> dict[str, float]:
    """Ingest by a rule into a home, which is kept."""
    import agent_tools.ingestion.channels.frames as channel
    from agent_tools.ingestion.worker import work
    from agent_tools.service.ingest_video import ingest_video
    from agent_tools.service.library.library import Library
    from agent_tools.service.library.workers import Workers

    if rule == WINDOWS:
        channel.FrameKeeper = WindowKeeper  # type: ignore[assignment, attr-defined]  # what a pass calls of it is there
    Workers.ensure = lambda self, store: False  # type: ignore[method-assign]  # the job is done below
    settings = _settings(home, path)
    with contextlib.closing(Library(settings)) as library:
        ingest_video(library, str(path), channels=list(WITHOUT_OCR), wait_s=0)
        begun = time.process_time()
        done = work(settings)
        took_s = time.process_time() - begun
        (video,) = library.store.videos()
        rows = library.store.frames(video.id)
        assert done == 1, library.store.job(video.id)
        kept = [row.k for row in rows if row.kept]
        pictures = sum(len(library.store.frame_picture(video.id, k) or b"") for k in kept)
    return {"cpu_s": took_s, "frames": len(rows), "kept": len(kept), "jpeg_mb": pictures / 1e6, "mb": settled_mb(home)}


def look(path: Path, home: Path) -> dict[str, float]:
    """The first search by words of this process, and the medians of later ones by likeness and of looks."""
    from agent_tools.service.library.library import Library
    from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
    from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
    from agent_tools.timeline import video_uri

    begun = time.process_time()
    with contextlib.closing(Library(_settings(home, path))) as library:
        retrieve_memory(library, SearchRequest(query="the keys and values of every past token"))
        first_s = time.process_time() - begun
        (video,) = library.store.videos()
        length_s = video.duration_s or 0.0
        uris = [video_uri(video.id, at, at + 2) for at in np.linspace(0.1, 0.9, CALLS) * length_s]

        def timed(call: Callable[[str], object]) -> float:
            spent = []
            for uri in uris:
                started = time.process_time()
                call(uri)
                spent.append(time.process_time() - started)
            return median(spent)

        like_s = timed(lambda uri: retrieve_memory(library, SearchRequest(like=uri)))
        zoom_s = timed(lambda _: zoom_segment(library, ZoomRequest(video_id=video.id, max_frames=9)))
    return {"first_s": first_s, "like_s": like_s, "zoom_s": zoom_s}


def encoder_s() -> float:
    """Seconds of one core for one picture through a random network of SigLIP 2 base's shape."""
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": LAYERS}
    model = SiglipVisionModel(SiglipVisionConfig(**shape, num_attention_heads=12, image_size=SIDE, patch_size=16))
    pictures = torch.rand(BATCH, 3, SIDE, SIDE)
    spent = []
    with torch.inference_mode():
        for _ in range(4):
            begun = time.process_time()
            model(pixel_values=pictures)
            spent.append(time.process_time() - begun)
    return median(spent[1:]) / BATCH


def markdown(report: dict[str, Any]) -> str:
    """The report as a table: for each film a row for each rule."""
    lines = [
        f"{report['length_s'] / 60:g} minutes of each film; lite, subtitles and frames. Seconds are of one core; "
        f"search, like and zoom (without the decoding) are medians of {PROCESSES} processes. "
        "Encoder time of standard: pictures kept x "
        f"{report['encoder_s']:.2f} s for one through a random network of SigLIP 2 base's shape.",
        "",
        "| film | rule | frames' vectors | store | of that pictures | ingest | encoder of standard | first search "
        "| `like` | zoom |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        lines.append(
            f"| {row['film']} | {row['rule']} | {row['kept']:,} of {row['frames']:,} | {row['mb']:.1f} MB "
            f"| {row['jpeg_mb']:.1f} MB | {row['cpu_s']:.0f} s | {row['kept'] * report['encoder_s']:,.0f} s "
            f"| {row['first_s']:.2f} s | {1000 * row['like_s']:.0f} ms | {1000 * row['zoom_s']:.0f} ms |"
        )
    return "\n".join(lines)


def measure(film: str, path: Path, folder: Path, length_s: float) -> list[dict[str, Any]]:
    """A row for each rule."""
    found = []
    for number, rule in enumerate(RULES):
        home = folder / f"home-{path.stem}-{number}-{length_s:g}"
        made = _child("ingest", path, home, rule)
        looks = [_child("look", path, home, rule) for _ in range(PROCESSES)]
        found.append(
            {"film": film, "rule": rule, **made, **{key: median(one[key] for one in looks) for key in looks[0]}}
        )
        sys.stderr.write(f"{film}, {rule}: {found[-1]['mb']:.1f} MB\n")
    return found


def _settings(home: Path, path: Path) -> Any:
    from agent_tools.settings import Settings, go_offline

    go_offline()
    return Settings.load({}, home=home, allow=(path.parent,), profile="lite", threads=1)


def _slides(folder: Path, length_s: float) -> Path:
    path = folder / f"slides-{length_s:g}.mp4"
    if not path.exists():
        lectures.draw(path, lectures.Lecture("slides with a talking head", 17, head=True), round(length_s))
    return path


def _child(what: str, path: Path, home: Path, rule: str) -> dict[str, float]:
    """What a process of its own measures. An ingest that is done is not repeated: its figures lie beside its home."""
    done_before = home.with_suffix(".json")
    if what == "ingest" and done_before.exists():
        before: dict[str, float] = json.loads(done_before.read_text(encoding="utf-8"))
        return before
    command = [sys.executable, "-m", "lab.bench.keep_cost", "--child", what]
    command += ["--path", str(path), "--home", str(home), "--rule", rule]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if what == "ingest":
        done_before.write_text(json.dumps(result), encoding="utf-8")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--length", type=float, default=3600.0)
    parser.add_argument("--folder", type=Path, help="films and homes are kept here; default: a temporary one")
    parser.add_argument("--write", action="store_true", help="put the rows into lab/measured/keep_cost.json")
    parser.add_argument("--child", choices=("ingest", "look"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rule", choices=RULES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        made = ingest(asked.path, asked.home, asked.rule) if asked.child == "ingest" else look(asked.path, asked.home)
        sys.stdout.write(json.dumps(made) + "\n")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        films = {MOTION: material(folder, "h264-b", asked.length), SLIDES: _slides(folder, asked.length)}
        rows = []
        for film, path in films.items():
            sidecar(path, asked.length)
            rows += measure(film, path, folder, asked.length)
    report = {"length_s": asked.length, "encoder_s": encoder_s(), "rows": rows}
    sys.stdout.write(markdown(report) + "\n")
    if asked.length >= 3600:
        for row in rows:
            if row["rule"] == KEEPER:
                goal = GOAL_MB[row["film"]]
                sys.stdout.write(f"{row['film']}: {row['mb']:.1f} MB, goal <= {goal}: {row['mb'] <= goal}\n")
    if asked.write:
        MEASURED.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
