"""A haystack at one picture a second with needles in it: drawn, or made from any video.

A drawn haystack is the demo's story: slides, moving pictures, cards of another layout, and a subtitle file beside the
video."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from agent_tools.errors import InvalidArgument
from agent_tools.evals.films.demo_pictures import HEIGHT, WIDTH, Motion, card, slide
from agent_tools.evals.films.demo_story import Scene, srt, tell
from agent_tools.timeline import Span

NEEDLE_S = 4  # each needle is shown four times in a row, as the original repeats it
APART_S = 3  # seconds of haystack between two needles, at least

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Placed:
    """A needle's image name, and when it is on screen."""

    image: str
    span: Span


def places(chains: Sequence[Sequence[str]], depths: Sequence[float], frames: int, rng: random.Random) -> list[Placed]:
    """Where the needles of each chain lie, in time order.

    The last name of a chain goes to its depth (0..1 of the video), the others are spread evenly over the whole in a
    drawn order, so that a chain runs forward and back. Needles that would meet are moved apart.
    Raises: InvalidArgument: they do not fit.
    """
    wanted: list[tuple[float, str]] = []
    for names, depth in zip(chains, depths, strict=True):
        *others, last = names
        rng.shuffle(others)
        last_start = frames - NEEDLE_S
        wanted.append((depth * last_start, last))
        shift = rng.uniform(0, 1)
        wanted += [((n + shift) / len(others) % 1.0 * last_start, name) for n, name in enumerate(others)]
    step = NEEDLE_S + APART_S
    wanted.sort()
    if len(wanted) * step > frames:
        raise InvalidArgument(f"{len(wanted)} needles of {NEEDLE_S} s do not fit into {frames} frames at 1 fps.")
    starts = [round(start_s) for start_s, _ in wanted]
    for n in range(1, len(starts)):
        starts[n] = max(starts[n], starts[n - 1] + step)
    limit = frames - NEEDLE_S
    for n in reversed(range(len(starts))):
        starts[n] = min(starts[n], limit)
        limit = starts[n] - step
    return [
        Placed(name, Span(float(start), float(start + NEEDLE_S)))
        for start, (_, name) in zip(starts, wanted, strict=True)
    ]


def needle_card(lines: Sequence[str]) -> Rgb:
    """A needle as a picture (360, 640, 3): its name, and what it shows and says in large type."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "#3a5a40")
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((24, 24, WIDTH - 24, HEIGHT - 24), radius=10, fill="#fffdf5", outline="#222222", width=3)
    for number, line in enumerate(lines):
        pen.text((52, 52 + 70 * number), line, fill="#111111", font=ImageFont.load_default(32 if number == 0 else 24))
    return np.asarray(picture)


def needle_picture(path: Path) -> Rgb:
    """A picture of the user's own as a needle (360, 640, 3), whole, on black."""
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.pad(image.convert("RGB"), (WIDTH, HEIGHT)))
    except OSError as error:
        raise InvalidArgument(f"{path} is not a readable picture: {error}") from error


def write_haystack(
    path: Path,
    frames: int,
    needles: Mapping[str, Rgb],
    placed: Sequence[Placed],
    seed: int = 0,
    haystack: Path | None = None,
    on_frame: Callable[[int], None] = lambda done: None,
) -> None:
    """Write `frames` pictures at 1 fps (MP4, H.264 640x360), needles in their places instead of what was there.

    Args:
        needles: picture by image name.
        haystack: a video to put them into, looked at once a second and begun again when it ends; None: a drawn one,
            with its subtitles beside it as <name>.srt.
        on_frame: called now and then with the number of pictures written; may raise to stop.
    """
    import av

    if haystack is None:
        story = tell(seed, float(frames))
        ground = _drawn(story.scenes)
        path.with_suffix(".srt").write_text(srt(story.cues), encoding="utf-8")
    else:
        ground = _sampled(haystack)
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=1, options={"preset": "ultrafast", "crf": "24"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size = 10
        video.codec_context.thread_count = 2  # fixed: the bytes, and with them the id, are the same on every machine
        waiting = list(placed)
        for number in range(frames):
            frame = next(ground)
            while waiting and waiting[0].span.end_s <= number:
                waiting.pop(0)
            if waiting and waiting[0].span.start_s <= number:
                frame = _picture(needles[waiting[0].image])
            frame.pts, frame.time_base = number, Fraction(1, 1)
            container.mux(video.encode(frame))
            if number % 100 == 0:
                on_frame(number)
        container.mux(video.encode())


def _drawn(scenes: Sequence[Scene]) -> Iterator[Any]:
    """One picture a second of a story."""
    import av

    second = 0
    for scene in scenes:
        still = None
        motion = Motion(scene.style, scene.seed) if scene.kind == "motion" else None
        if motion is None:
            still = _picture(
                slide(scene.lines, scene.style) if scene.kind == "slide" else card(scene.lines, scene.style)
            )
        while second < scene.end_s:
            if motion is not None:
                small = av.VideoFrame.from_ndarray(motion.at(second - scene.start_s), format="rgb24")
                yield small.reformat(width=WIDTH, height=HEIGHT, format="yuv420p")
            else:
                yield still
            second += 1


def _sampled(path: Path) -> Iterator[Any]:
    """One picture a second of a video, from its beginning again when it ends."""
    from agent_tools.media import probe, sample

    opened = probe(path.resolve())
    while True:
        shown = None
        for shown in sample(opened, fps=1.0, threads=1):
            yield _picture(np.asarray(ImageOps.pad(Image.fromarray(shown.picture.fit(WIDTH)), (WIDTH, HEIGHT))))
        if shown is None:
            raise InvalidArgument(f"{path.name} has no picture to serve as a haystack.")


def _picture(rgb: Rgb) -> Any:
    import av

    return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format="yuv420p")
