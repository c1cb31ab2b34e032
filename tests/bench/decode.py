"""Decode + sample 1 fps + scale to 224x224, and six pictures at random times, against the ffmpeg program.

    python -m tests.bench.decode [--length 120] [--rounds 5] [--codecs h264-b,hevc] [--zoom-length 600]

Prints one JSON row per line. Rounds of both sides are interleaved; a row holds medians and the median of the rounds'
ratios (ffmpeg's time / ours: above 1 = we are faster). Ours runs in a child process that reports the time of the pass
alone and of the whole process; ffmpeg is always timed as a whole process, and is given what a person would type:
`-vf fps=1,scale=224:224` to raw RGB, no -skip_frame. That its pictures are ours is checked apart, on
`fps=1:round=up,scale=224:224:flags=bilinear`: the last picture not after each second, our scaler's filter."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tests.bench.decode_material import CODECS, material, source_name

SIDE = 224
ZOOM = (768, 432)


@dataclass(frozen=True)
class Cost:
    wall_s: float
    cpu_s: float


def find_ffmpeg() -> str | None:
    """ffmpeg of the PATH, else the one inside imageio-ffmpeg, else None."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg_cost(ffmpeg: str, *arguments: str) -> Cost:
    before, start = _children_cpu(), time.perf_counter()
    subprocess.run([ffmpeg, "-v", "error", "-nostdin", *arguments], check=True, stdout=subprocess.DEVNULL)
    return Cost(time.perf_counter() - start, _children_cpu() - before)


def ours_cost(path: Path, threads: int) -> tuple[Cost, Cost]:
    """(the pass alone, the whole process) of a child that samples the file."""
    before, start = _children_cpu(), time.perf_counter()
    command = [sys.executable, "-m", "tests.bench.decode", "--one-pass", str(path), "--threads", str(threads)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    whole = Cost(time.perf_counter() - start, _children_cpu() - before)
    return Cost(report["wall_s"], report["cpu_s"]), whole


def one_pass(path: Path, threads: int) -> dict[str, float]:
    from agent_tools.media import probe, sample

    start, cpu = time.perf_counter(), time.process_time()
    count = sum(s.picture.rgb(SIDE, SIDE).shape[0] == SIDE for s in sample(probe(path), 1.0, threads=threads))
    return {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu, "pictures": count}


def same_pictures(ffmpeg: str, path: Path) -> dict[str, Any]:
    """How ours compare with ffmpeg's pictures of the same sampling rule: counts and peak signal-to-noise ratios."""
    from agent_tools.media import probe, sample

    command = [ffmpeg, "-v", "error", "-nostdin", "-i", str(path)]
    command += ["-vf", f"fps=1:round=up,scale={SIDE}:{SIDE}:flags=bilinear", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    theirs = np.frombuffer(raw, np.uint8).reshape(-1, SIDE, SIDE, 3)
    ours = [s.picture.rgb(SIDE, SIDE) for s in sample(probe(path), 1.0)]
    ratios = [_psnr(a, b) for a, b in zip(ours, theirs, strict=False)]
    return {"pictures": len(ours), "ffmpeg_pictures": len(theirs), "psnr_least": min(ratios), "psnr": median(ratios)}


def share_decoded(path: Path) -> float:
    """Share of the packets that exact skipping decodes in full or as reference; the decoder drops the rest."""
    from agent_tools.media.packets import Grid, Packets, Source
    from agent_tools.media.probing import probe

    found = probe(path)
    source = Source(found)
    given = sent = 0
    for packet, needed in Packets(found, source, Grid(1.0), careful=False):
        source.stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        given += len(packet.decode())
        sent += 1
    source.close()
    return given / max(1, sent - 1)


def decode_row(ffmpeg: str, path: Path, codec: str, rounds: int, threads: int) -> dict[str, Any]:
    theirs, ours, whole = [], [], []
    filters = f"fps=1,scale={SIDE}:{SIDE}"
    for _ in range(rounds):
        theirs.append(
            ffmpeg_cost(
                ffmpeg, "-i", str(path), "-vf", filters, "-pix_fmt", "rgb24", "-f", "rawvideo", "-y", os.devnull
            )
        )
        alone, process = ours_cost(path, threads)
        ours.append(alone)
        whole.append(process)
    return {
        "row": f"decode {codec}",
        "against": f"ffmpeg -vf {filters}",
        "file": path.name,
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "rounds": rounds,
        "ffmpeg": _medians(theirs),
        "ours": _medians(ours),
        "ours_with_process_start": _medians(whole),
        **_ratios("speed", theirs, ours),
        **_ratios("speed_with_process_start", theirs, whole),
        "packets_decoded": round(share_decoded(path), 3),
        **{key: round(value, 2) for key, value in same_pictures(ffmpeg, path).items()},
    }


def zoom_rows(ffmpeg: str, path: Path, length_s: float, rounds: int) -> Iterator[dict[str, Any]]:
    from agent_tools.media import Opener, pictures_at, probe

    generator = random.Random(7)
    found = probe(path)
    names = ("six calls", "one call", "ours, file open", "ours, opened anew")
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    size = f"{ZOOM[0]}x{ZOOM[1]}"
    with Opener() as warm, tempfile.TemporaryDirectory() as folder:
        pictures_at(found, [1.0], warm)
        for _ in range(rounds):
            times = [generator.uniform(0, length_s - 1) for _ in range(6)]
            inputs = [("-ss", f"{t:.3f}", "-i", str(path)) for t in times]
            outputs = [("-frames:v", "1", "-s", size, "-y", f"{folder}/{number}.jpg") for number in range(6)]
            each = [ffmpeg_cost(ffmpeg, *source, *out) for source, out in zip(inputs, outputs, strict=True)]
            costs["six calls"].append(Cost(sum(c.wall_s for c in each), sum(c.cpu_s for c in each)))
            mapped = [("-map", f"{number}:v", *out) for number, out in enumerate(outputs)]
            costs["one call"].append(ffmpeg_cost(ffmpeg, *chain(*inputs, *mapped)))
            costs["ours, file open"].append(_timed(lambda t=times: _jpegs(pictures_at(found, t, warm))))
            costs["ours, opened anew"].append(_timed(lambda t=times: _jpegs(pictures_at(found, t))))
    for name, theirs in (("six calls", costs["six calls"]), ("one call", costs["one call"])):
        yield {
            "row": f"zoom, six pictures anywhere, against {name} of ffmpeg -ss",
            "file": path.name,
            "length_s": length_s,
            "rounds": rounds,
            "ffmpeg": _medians(theirs),
            "ours": _medians(costs["ours, file open"]),
            "ours_opened_anew": _medians(costs["ours, opened anew"]),
            **_ratios("time_ratio", costs["ours, file open"], theirs),
            **_ratios("time_ratio_opened_anew", costs["ours, opened anew"], theirs),
        }


def _jpegs(found: list[Any]) -> None:
    assert all(s.picture.jpeg(ZOOM[0]) for s in found)


def _timed(work: Callable[[], None]) -> Cost:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - start, time.process_time() - cpu)


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _medians(costs: list[Cost]) -> dict[str, float]:
    return {
        "wall_s": round(median(c.wall_s for c in costs), 3),
        "cpu_s": round(median(c.cpu_s for c in costs), 3),
    }


def _ratios(name: str, over: list[Cost], under: list[Cost]) -> dict[str, float]:
    pairs = list(zip(over, under, strict=True))
    return {
        f"{name}_wall": round(median(a.wall_s / b.wall_s for a, b in pairs), 2),
        f"{name}_cpu": round(median(a.cpu_s / max(b.cpu_s, 1e-3) for a, b in pairs), 2),
    }


def _psnr(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--length", type=float, default=120.0, help="seconds of the decoded files")
    parser.add_argument("--zoom-length", type=float, default=600.0, help="seconds of the zoomed file; 0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--codecs", default=",".join(CODECS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "agent-tools-bench")
    parser.add_argument("--one-pass", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one_pass:
        sys.stdout.write(json.dumps(one_pass(asked.one_pass, asked.threads)))
        return
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        sys.stdout.write(json.dumps({"row": "decode", "skipped": "no ffmpeg on PATH and no imageio-ffmpeg"}) + "\n")
        return
    import av

    asked.folder.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([ffmpeg, "-version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    _print(
        row="about",
        ffmpeg=version.split(" Copyright")[0],
        pyav=av.__version__,
        pyav_ffmpeg=av.ffmpeg_version_info,
        cores=os.cpu_count(),
        machine=platform.machine(),
        load=os.getloadavg() if hasattr(os, "getloadavg") else None,
        pictures=source_name(),
    )
    for codec in filter(None, asked.codecs.split(",")):
        if CODECS[codec][0] not in av.codecs_available:
            _print(row=f"decode {codec}", skipped=f"no encoder {CODECS[codec][0]} to make the file with")
            continue
        path = material(asked.folder, codec, asked.length)
        _print(**decode_row(ffmpeg, path, codec, asked.rounds, asked.threads))
    if asked.zoom_length:
        path = material(asked.folder, "h264-b", asked.zoom_length)
        for row in zoom_rows(ffmpeg, path, asked.zoom_length, asked.rounds):
            _print(**row)


def _print(**row: Any) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
