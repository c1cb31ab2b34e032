"""Cases of slice paths: a file that is swapped for another one between the check and the reading."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from agent_tools.store import Store
from lab.faults.slices import Outcome

if TYPE_CHECKING:
    from lab.faults.paths import World

ROUNDS = 12


def red(data: bytes) -> bool:
    """Whether the red film is in a picture, whole or as a cell of a sheet."""
    rgb = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    return bool(((rgb[..., 0] - rgb[..., 2]) > 60).mean() > 0.02)


def shown(result: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(block["data"]) for block in result["content"] if block["type"] == "image"]


@contextlib.contextmanager
def swapping(path: Path, true: Path, other: Path) -> Iterator[None]:
    """Over and over `path` is a plain file (a hard link to `true`), then a link to `other`; each swap is atomic."""
    ended = threading.Event()
    spare = path.with_name(path.name + ".swap")

    def swap() -> None:
        while not ended.is_set():
            for make in (lambda: spare.symlink_to(other), lambda: os.link(true, spare)):
                make()
                os.replace(spare, path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def twins(world: World, name: str, nonce: bytes) -> tuple[Path, Path, Path]:
    """(a path in the allowed folder, the blue file behind it, a red file outside): same size, same time."""
    blue, red_one = (world.allowed / "film.mp4").read_bytes(), (world.outside / "secret.mp4").read_bytes()
    size = max(len(blue), len(red_one)) + 64
    true, other = world.root / f"{name}.true", world.outside / name
    for path, data in ((true, blue), (other, red_one)):
        path.write_bytes(data + nonce.ljust(size - len(data), b"\0"))
        os.utime(path, (1_700_000_000, 1_700_000_000))
    path = world.allowed / name
    os.link(true, path)
    return path, true, other


def hard_link(world: World) -> Outcome:
    """A second name of a file outside is a file of the folder: whoever could make it could as well have copied it."""
    (world.root / "private").mkdir()
    from lab.faults.paths import film

    kept = film(world.root / "private" / "kept.mp4", (20, 200, 20))
    os.link(kept, world.allowed / "hard.mp4")
    reply = world.server.result("ingest_video", {"source": "hard.mp4", "wait_s": 20})
    found = Outcome.of("" if not reply.get("isError") else f"a file of the folder was refused: {reply}"[:300])
    found.count(
        "" if world.server.result("ingest_video", {"source": str(kept)}).get("isError") else "its other name too"
    )
    return found


def swapped(world: World) -> Outcome:
    """After a good ingest the file's place is taken by a link to a red one of the same size and time."""
    path, _, other = twins(world, "swapped.mp4", b"swapped")
    video_id = world.server.call("ingest_video", source=path.name, wait_s=40)["video_id"]
    path.unlink()
    path.symlink_to(other)
    return _looks(world, video_id, 4)


def at_zoom(world: World) -> Outcome:
    path, true, other = twins(world, "zoomed.mp4", b"zoomed")
    video_id = world.server.call("ingest_video", source=path.name, wait_s=40)["video_id"]
    with swapping(path, true, other):
        return _looks(world, video_id, world.looks)


def _looks(world: World, video_id: str, count: int) -> Outcome:
    found = Outcome.empty()
    for number in range(count):
        start_s = number % 15 / 10
        result = world.server.result(
            "zoom_segment", {"video_id": video_id, "start_s": start_s, "end_s": start_s + 0.4, "max_frames": 1}
        )
        found.count("a picture of the film outside was shown" if any(map(red, shown(result))) else "")
        if number % 10 == 0:
            answer = world.server.ask("resources/read", uri=f"video://{video_id}/frame/{start_s}")
            blobs = [base64.b64decode(c["blob"]) for c in answer.get("result", {}).get("contents", ()) if "blob" in c]
            found.count("a frame of the film outside was read" if any(map(red, blobs)) else "")
    return found


def at_ingest(world: World) -> Outcome:
    """Ingests of a path that changes all the time: whatever gets into memory is blue."""
    found = Outcome.empty()
    for number in range(ROUNDS):
        path, true, other = twins(world, f"raced-{number}.mp4", b"raced %d" % number)
        with swapping(path, true, other):
            world.server.result("ingest_video", {"source": path.name, "wait_s": 30, "channels": ["frames"]})
        with contextlib.closing(Store.open(world.home)) as store:
            wrong = [
                video.title
                for video in store.videos()
                for row in store.frames(video.id)
                if row.kept and red(store.frame_picture(video.id, row.k) or b"")
            ]
        found.count(f"frames of the film outside are in memory: {wrong[:3]}" if wrong else "")
    return found
