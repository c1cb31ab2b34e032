"""Films of the drawn world with their subtitles, ingested by the product itself.

A film shows one scene after another with an empty ground between; the camera moves, small other things stand around,
and about a third of the scenes are look-alikes of another scene of the same film. Its subtitles say each scene."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from lab.train.world import THINGS, Camera, Scene, Shot, Thing, look_alike, random_scene

SIDE = 64  # px of a picture
SUBTITLED, EVENT_S, QUIET_S = ".srt", (6, 16), (4, 12)


@dataclass(frozen=True)
class Event:
    scene: Scene
    start_s: float
    end_s: float
    said: str


def draw_film(path: Path, length_s: int, seed: int) -> list[Event]:
    """Write a film at one picture a second, its .srt beside it, and its truth as .json; gives the truth."""
    rng = random.Random(seed)
    events: list[Event] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"crf": "16", "preset": "ultrafast", "g": "30"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        second = 0
        for scene, length in _scenes(length_s, rng):
            shot = Shot(scene, rng, rng.sample(THINGS, rng.randint(0, 2)))
            camera, drift = _start(rng), [rng.uniform(-0.012, 0.012) for _ in range(3)]
            for at in range(length):
                here = Camera(camera.x + at * drift[0], camera.y + at * drift[1], camera.zoom + at * drift[2] / 2)
                picture = av.VideoFrame.from_ndarray(shot.picture(SIDE, here), format="rgb24")
                picture.pts, picture.time_base = second + at, Fraction(1, 1)
                container.mux(stream.encode(picture))
            if scene is not None:
                events.append(Event(scene, float(second), float(second + length), scene.told(rng)))
            second += length
        container.mux(stream.encode(None))
    cues = [f"{i}\n{_clock(e.start_s)} --> {_clock(e.end_s)}\n{e.said}\n" for i, e in enumerate(events, 1)]
    path.with_suffix(SUBTITLED).write_text("\n".join(cues), encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps([asdict(event) for event in events]), encoding="utf-8")
    return events


def truth_of(path: Path) -> list[Event]:
    """What a film holds, from its .json."""

    def thing(said: dict[str, str] | None) -> Thing | None:
        return None if said is None else Thing(**said)

    rows: list[dict[str, Any]] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return [
        Event(
            Scene(r["scene"]["relation"], Thing(**r["scene"]["a"]), thing(r["scene"]["b"])),
            r["start_s"],
            r["end_s"],
            r["said"],
        )
        for r in rows
    ]


def ingest(home: Path, folder: Path, encoder: Path, on_line: Callable[[str], None]) -> None:
    """Ingest every film of the folder: subtitles and frames, by the product's own worker, in this process."""
    from agent_tools.ingestion.worker import work
    from agent_tools.service.ingest_video import ingest_video
    from agent_tools.service.library.library import Library
    from agent_tools.service.library.workers import Workers
    from agent_tools.settings import Settings

    settings = Settings.load({}, home=home, allow=(folder,), profile="lite", models=(f"frames={encoder}",))
    library = Library(settings)
    Workers.ensure = lambda self, store: False  # type: ignore[method-assign]  # the jobs are done below
    try:
        films = sorted(folder.glob("*.mp4"))
        for film in films:
            ingest_video(library, str(film), channels=["frames", "subtitles"], wait_s=0)
    finally:
        library.close()
    on_line(f"ingested {work(settings)} films")


def _scenes(length_s: int, rng: random.Random) -> Iterator[tuple[Scene | None, int]]:
    """(scene or None, seconds) until the film is full; a scene is shown once."""
    at, shown = 0, []
    while at < length_s:
        quiet = min(rng.randint(*QUIET_S), length_s - at)
        yield None, quiet
        at += quiet
        scene = look_alike(rng.choice(shown), rng) if shown and rng.random() < 0.35 else random_scene(rng)
        length = min(rng.randint(*EVENT_S), length_s - at)
        if scene not in shown and length >= EVENT_S[0]:
            yield scene, length
            shown.append(scene)
            at += length


def _start(rng: random.Random) -> Camera:
    return Camera(rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08), rng.uniform(0.85, 1.15))


def _clock(at_s: float) -> str:
    hours, rest = divmod(round(at_s * 1000), 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, ms = divmod(rest, 1000)
    return f"{hours:02}:{minutes:02}:{seconds:02},{ms:03}"
