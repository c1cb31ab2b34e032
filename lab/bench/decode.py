"""Decoding, sampling at 1 fps and scaling to 224x224, and six pictures at random times, against the ffmpeg program.

    python -m lab.bench.decode [--length 600] [--others 300] [--rounds 5] [--codecs h264-b,hevc] [--zoom-length 3600]

Prints one JSON row per line. Rounds of the two sides alternate. A row holds the medians and the median of the rounds'
ratios (ffmpeg's time / ours: above 1, ours is faster). Both sides are whole processes; the figures also hold the time
of our pass alone. ffmpeg gets the command that a person would type: `-vf fps=1,scale=224:224` to raw RGB, without
-skip_frame. A separate check compares the pictures with those of `fps=1:round=up,scale=224:224:flags=bilinear`: that
is the last picture not after each second, through the filter of our scaler."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lab.bench.decode_material import CODECS, material, source_name
from lab.bench.rows import emit

SIDE = 224
ZOOM = (768, 432)
GOALS = {"h264-b": 1.2, "h264-no-b": 1.0, "vp9": 1.0, "av1": 1.0}  # of ffmpeg's speed; other codecs are shown
ZOOM_GOALS = {"six calls": 0.6, "one call": 1.0}  # of ffmpeg's time
WIDE, WIDE_S, WIDE_CODECS = 16, 0.6, ("h264-b", "hevc", "av1")
QUICK = {"length": 60.0, "others": 60.0, "rounds": 3, "codecs": "h264-b", "zoom_length": 120.0}


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
    command = [sys.executable, "-m", "lab.bench.decode", "--one-pass", str(path), "--threads", str(threads)]
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
    from agent_tools.media.streams import probe

    found = probe(path)
    source = Source(found)
    given = sent = 0
    for packet, needed in Packets(found, source, Grid(1.0), careful=False):
        source.stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        given += len(packet.decode())
        sent += 1
    source.close()
    return given / max(1, sent - 1)


def decode_row(ffmpeg: str, path: Path, codec: str, length_s: float, rounds: int, threads: int) -> None:
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
    ratios = _ratios("speed_with_process_start", theirs, whole)
    speed, goal = ratios["speed_with_process_start_wall"], GOALS.get(codec)
    emit(
        f"decode + 1 picture a second + scale to {SIDE}x{SIDE}, {length_s:g} s of 720p {codec}",
        against=f"ffmpeg -vf {filters}",
        ours=f"{median(c.wall_s for c in whole):.1f} s",
        reference=f"{median(c.wall_s for c in theirs):.1f} s",
        ratio=speed,
        cpu_ratio=ratios["speed_with_process_start_cpu"],
        goal="shown" if goal is None else f">= {goal:g} of its speed",
        reached=None if goal is None else speed >= goal,
        file=path.name,
        megabytes=round(path.stat().st_size / 1e6, 1),
        pictures_of=source_name(),
        rounds=rounds,
        ffmpeg=_medians(theirs),
        pass_alone=_medians(ours),
        whole_process=_medians(whole),
        **_ratios("speed_of_the_pass", theirs, ours),
        **ratios,
        packets_decoded=round(share_decoded(path), 3),
        **{key: round(value, 2) for key, value in same_pictures(ffmpeg, path).items()},
    )


def zoom_rows(ffmpeg: str, path: Path, length_s: float, rounds: int) -> None:
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
    for name, goal in ZOOM_GOALS.items():
        theirs, ours = costs[name], costs["ours, file open"]
        ratios = _ratios("time_ratio", ours, theirs)
        emit(
            f"zoom, six pictures anywhere in {length_s / 60:g} min of 720p",
            against=f"{'six ffmpeg -ss calls' if name == 'six calls' else 'one ffmpeg call, six inputs'}",
            ours=f"{median(c.wall_s for c in ours):.2f} s",
            reference=f"{median(c.wall_s for c in theirs):.2f} s",
            ratio=ratios["time_ratio_wall"],
            cpu_ratio=ratios["time_ratio_cpu"],
            goal=f"<= {goal:g} of its time",
            reached=ratios["time_ratio_wall"] <= goal,
            file=path.name,
            rounds=rounds,
            ffmpeg=_medians(theirs),
            ours_file_open=_medians(ours),
            ours_opened_anew=_medians(costs["ours, opened anew"]),
            **ratios,
            **_ratios("time_ratio_opened_anew", costs["ours, opened anew"], theirs),
        )


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


def wide_row(path: Path, codec: str, length_s: float) -> None:
    """Pictures at even distances as zoom_segment takes them over a wide span: from key frames that lie near."""
    from agent_tools.media import Opener, nearest_keys, pictures_at, probe
    from agent_tools.service.frames.frame_choice import KEY_SHARE

    film, step_s = probe(path), length_s / WIDE
    times = [(number + 0.5) * step_s for number in range(WIDE)]
    with Opener(threads=1) as opener:
        pictures_at(film, [1.0], opener)
        begun = time.process_time()
        pictures_at(film, nearest_keys(film, times, KEY_SHARE * step_s, opener), opener)
        near_s, begun = time.process_time() - begun, time.process_time()
        pictures_at(film, times, opener)
        exact_s = time.process_time() - begun
    emit(
        f"zoom, {WIDE} pictures at even distances over {length_s / 60:g} min of 720p {codec}, CPU",
        against="the pictures of exactly these times",
        ours=f"{near_s:.2f} s",
        reference=f"{exact_s:.2f} s",
        ratio=near_s / exact_s,
        goal=f"<= {WIDE_S} s",
        reached=near_s <= WIDE_S,
        near_s=near_s,
        exact_s=exact_s,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--length", type=float, default=600.0, help="seconds of the H.264 files")
    parser.add_argument("--others", type=float, default=300.0, help="seconds of the files of other codecs")
    parser.add_argument("--zoom-length", type=float, default=3600.0, help="seconds of the zoomed file; 0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--codecs", default=",".join(CODECS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "agent-tools-bench")
    parser.add_argument("--one-pass", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one_pass:
        sys.stdout.write(json.dumps(one_pass(asked.one_pass, asked.threads)))
        return
    if asked.quick:
        vars(asked).update(QUICK)
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        emit("decode and zoom: no ffmpeg on PATH and no imageio-ffmpeg to compare with")
        return
    import av

    asked.folder.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([ffmpeg, "-version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    for codec in filter(None, asked.codecs.split(",")):
        if CODECS[codec][0] not in av.codecs_available:
            emit(f"decode {codec}: no encoder {CODECS[codec][0]} to make the file with")
            continue
        length_s = asked.length if codec.startswith("h264") else asked.others
        path = material(asked.folder, codec, length_s)
        decode_row(ffmpeg, path, codec, length_s, asked.rounds, asked.threads)
    if asked.zoom_length:
        path = material(asked.folder, "h264-b", asked.zoom_length)
        zoom_rows(ffmpeg, path, asked.zoom_length, asked.rounds)
        for codec in WIDE_CODECS:
            if CODECS[codec][0] in av.codecs_available:
                wide_row(material(asked.folder, codec, asked.zoom_length), codec, asked.zoom_length)
    emit(
        "with which programs",
        ours=f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}",
        reference=version.split(" Copyright")[0].replace("ffmpeg version", "ffmpeg"),
    )


if __name__ == "__main__":
    main()
