"""What the visual path finds by meaning, in a world small enough to train for: README's tiny-world table.

    python -m tests.models.tiny_world_table [--json lab/measured/tiny_world.json]

A tiny SigLIP learns coloured shapes (tests/models/tiny_world.py), is saved as transformers saves models, and is loaded
by the product's own loader out of that folder; then a drawn film of 20 minutes is ingested, searched, looked into and
grounded through the service. The same film by the same model untrained is the control: what the trained one finds comes
from neither the drawings nor the measure."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agent_tools.grounding import temporal_iou
from agent_tools.ingestion.worker import work
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.image_text import ImageText
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.settings import Settings
from tests.library import start_no_worker
from tests.models.tiny_world import STEPS, THINGS, gallery, scores, train
from tests.service.test_tiny_world import ABSENT, QUIET_S, SCENE_S, film, told

HELD_OUT = 600  # drawings that no training saw
MOST_FRAMES = 4  # of one zoom
SAME = 0.9  # intersection over union from which a span is the right one

Spans = Mapping[Any, tuple[float, float]]


def measure(steps: int, folder: Path, video: Path, spans: Spans) -> dict[str, Any]:
    """A model of so many steps: trained, loaded, and asked for everything that the film shows."""
    begun = time.perf_counter()
    model = train(folder / f"siglip-{steps}", steps=steps)
    trained_s = time.perf_counter() - begun
    settings = Settings.load(
        {}, home=folder / f"home-{steps}", allow=(video.parent,), profile="lite", models=(f"frames={model}",)
    )
    library = Library(settings)
    try:
        with pytest.MonkeyPatch.context() as patch:
            start_no_worker(patch)
            ingest_video(library, video.name, channels=["frames"], wait_s=0)
        begun = time.perf_counter()
        work(settings)
        ingested_s = time.perf_counter() - begun
        library.models.picture_words(60)
        return {
            "steps": steps,
            "trained_s": round(trained_s),
            "ingested_s": round(ingested_s),
            "precision_at_5": round(_precision(model), 3),
            **_asked(library, spans),
        }
    finally:
        library.close()


def _precision(model: Path) -> float:
    """Of the five held-out drawings nearest to a thing's name, the share that shows it."""
    shown, pictures = gallery(HELD_OUT, seed=99)
    found = scores(ImageText(locate(Reference.of(str(model)), [], "")), [thing.told for thing in THINGS], pictures)
    right = [[shown[i] == thing for i in np.argsort(-row)[:5]] for thing, row in zip(THINGS, found, strict=True)]
    return float(np.mean(right))


def _asked(library: Library, spans: Spans) -> dict[str, Any]:
    video = library.store.videos()[0].id
    first = looked = grounded = 0
    for thing, (start_s, end_s) in spans.items():
        hits = retrieve_memory(library, SearchRequest(query=told(thing), channels=["frames"], video_ids=[video])).hits
        best = min(hits, key=lambda hit: hit.rank, default=None)
        first += best is not None and best.start_s < end_s and best.end_s > start_s
        frames = zoom_segment(library, ZoomRequest(video_id=video, query=told(thing), max_frames=MOST_FRAMES)).facts[
            "frames"
        ]
        looked += any(start_s <= frame["at_s"] < end_s for frame in frames)
        found = ground_event(library, event=told(thing), video_id=video, channels=["frames"]).spans or []
        grounded += bool(found) and temporal_iou(found[0], (start_s, end_s)) >= SAME
    absent = ground_event(library, event=told(ABSENT), video_id=video, channels=["frames"])
    kept = [row.time_s for row in library.store.frames(video, kept_only=True)]
    return {
        "things": len(spans),
        "kept": len(kept),
        "scenes_kept": sum(any(start_s <= t < end_s for t in kept) for start_s, end_s in spans.values()),
        "first": first,
        "looked": looked,
        "grounded": grounded,
        "spans_of_absent": len(absent.spans or []),
    }


def markdown(report: Mapping[str, Any]) -> str:
    trained, control, things = report["trained"], report["untrained"], report["trained"]["things"]

    def row(what: str, name: str, form: str = "{} of " + str(things)) -> str:
        return f"| {what} | {form.format(trained[name])} | {form.format(control[name])} |"

    return "\n".join(
        [
            f"A film of {report['film_s'] / 60:.0f} minutes that shows {things} of {report['drawn']} things, "
            f"{SCENE_S} s each with {QUIET_S} s of nothing between. `python -m tests.models.tiny_world_table`, "
            f"{report['machine']}.",
            "",
            f"| asked by name | trained, {trained['steps']} steps | untrained |",
            "|---|---|---|",
            row("training, seconds of one core", "trained_s", "{}"),
            row(f"{HELD_OUT} drawings that no training saw: precision at 5", "precision_at_5", "{:.2f}"),
            row("ingest of the film, seconds", "ingested_s", "{}"),
            row("scenes of which a frame is kept", "scenes_kept"),
            row("retrieve_memory: the thing's scene is the first hit (R@1)", "first"),
            row(f"zoom_segment over the whole film: one of {MOST_FRAMES} frames shows the thing", "looked"),
            row(f"ground_event: the best span is the scene (IoU >= {SAME:g})", "grounded"),
            row("ground_event, a thing that is never shown: spans", "spans_of_absent", "{}"),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "films").mkdir()
        video = folder / "films" / "things.mp4"
        spans = film(video, [thing for thing in THINGS if thing != ABSENT])
        report = {
            "film_s": max(end_s for _, end_s in spans.values()),
            "drawn": len(THINGS),
            "machine": f"{time.strftime('%Y-%m-%d')}, one thread",
            "trained": measure(STEPS, folder, video, spans),
            "untrained": measure(0, folder, video, spans),
        }
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(markdown(report) + "\n")


if __name__ == "__main__":
    main()
