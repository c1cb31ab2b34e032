"""The pixel descriptor's pruning threshold, fitted on real clips.

    python -m lab.bench.fit_descriptor VIDEOS_DIR [--least-s 2]

Prints for each threshold how many frames prune_frames keeps at 1 fps, and which on-screen texts have no kept frame. In
the column "alone" each clip starts a window of 16. In "phases" the windows start 0 to 15 frames earlier (with frames of
another clip before it), as they do inside a longer video. Use a threshold that misses nothing there."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agent_tools.compression import prune_frames
from agent_tools.media import probe, sample
from agent_tools.models.descriptor import PixelDescriptor

WINDOW = 16
BEFORE = "motorway.mp4"  # whose frames stand before a clip in the phases


@dataclass(frozen=True)
class Clip:
    name: str
    vectors: NDArray[np.float32]  # (T, D), one a second
    spans: list[tuple[float, float, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("videos", type=Path, metavar="VIDEOS_DIR", help="folder with a MANIFEST.json")
    parser.add_argument("--least-s", type=float, default=2.0, help="texts on screen for a shorter time do not count")
    given = parser.parse_args()
    videos, least_s = given.videos, given.least_s
    clips = read(videos, least_s)
    frames, spans = sum(len(clip.vectors) for clip in clips), sum(len(clip.spans) for clip in clips)
    print(f"{len(clips)} clips, {frames} frames at 1 fps, {spans} texts of at least {least_s} s")  # noqa: T201
    apart = np.stack([clip.vectors[len(clip.vectors) // 2] for clip in clips])
    unlike = (apart @ apart.T)[np.triu_indices(len(apart), 1)]
    median, high = np.percentile(unlike, [50, 95])
    print(f"cosine of unrelated clips: median {median:.3f}, 95 % below {high:.3f}\n")  # noqa: T201
    print("| threshold | kept alone | missed alone | kept, mean of 16 phases | missed in all phases |")  # noqa: T201
    print("|---|---|---|---|---|")  # noqa: T201
    before = next(clip.vectors for clip in clips if clip.name == BEFORE)
    for threshold in sorted({0.80, 0.83, 0.85, 0.86, 0.87, 0.88, 0.90, 0.93, PixelDescriptor.threshold}):
        runs = [prune(clips, threshold, before[:phase]) for phase in range(WINDOW)]
        kept, missed = runs[0]
        everywhere = sum(len(names) for _, names in runs)
        mean = np.mean([count for count, _ in runs])
        print(f"| {threshold} | {kept} | {', '.join(missed) or '-'} | {mean:.0f} | {everywhere} |")  # noqa: T201


def read(videos: Path, least_s: float) -> list[Clip]:
    encoder = PixelDescriptor()
    clips = []
    for one in json.loads((videos / "MANIFEST.json").read_text("utf-8"))["files"]:
        if one["folder"] == "dev" and one["width"]:
            shown = sample(probe(videos / "dev" / one["name"]), fps=1.0, on_damage=lambda _: None)
            pictures = np.stack([each.picture.rgb(*encoder.size) for each in shown])
            clips.append(Clip(one["name"], encoder.encode(pictures), texts(one, least_s)))
    return clips


def texts(one: Any, least_s: float) -> list[tuple[float, float, str]]:
    found = [(text["start_s"], text["end_s"], text["text"]) for text in one["on_screen_text"]]
    return [(start, end, text) for start, end, text in found if end - start >= least_s]


def prune(clips: list[Clip], threshold: float, before: NDArray[np.float32]) -> tuple[int, list[str]]:
    """Frames kept over all clips, and the texts that keep none."""
    kept, missed = 0, []
    for clip in clips:
        features = torch.from_numpy(np.concatenate([before, clip.vectors]))
        indices = prune_frames(features, window=WINDOW, threshold=threshold).numpy() - len(before)
        indices = indices[indices >= 0]
        kept += len(indices)
        for start, end, _ in clip.spans:
            if not ((indices >= start) & (indices < end)).any():
                missed.append(f"{clip.name} {start}-{end}")
    return kept, missed


if __name__ == "__main__":
    main()
