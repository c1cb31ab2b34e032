"""Lectures drawn with known states: slides, some built up point by point, with a moving pointer and a talking head.

The head and the pointer move every second; the slide beside them stands still. Drawn as H.264, so that a still picture
has the noise that real recordings have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1280, 720  # of the drawing
SHRINK = 2  # the film has half of each side
HEADS = ((200, 150), (260, 195), (320, 240))  # px of the drawing
CORNERS = ((1, 1), (1, 0), (0, 1))  # right and bottom, where 1
POINTER = ((0, 0), (0, 22), (6, 17), (10, 25), (13, 23), (9, 16), (16, 15))
TURNS = 0.12  # chance that the pointer goes elsewhere in a second
STANDS_S, POINT_S = (40, 150), (3, 15)  # how long a slide, and a point of one that is built up, stand
WORDS = (
    "attention keys values memory tokens frames search index recall window gradient layer model video speech scene "
    "vector cosine budget prune merge answer question evidence span chapter title caption subtitle channel store"
).split()


@dataclass(frozen=True)
class Lecture:
    """A kind of lecture: what moves on its slides."""

    name: str
    seed: int
    pointer: bool = False
    head: bool = False


@dataclass(frozen=True)
class State:
    """A picture that stands still in [start_s, end_s), but for pointer and head."""

    start_s: float
    end_s: float


def draw(path: Path, lecture: Lecture, seconds: int) -> list[State]:
    """Write the film (MP4, 640x360, 1 fps, no sound) and return its states in order."""
    import av

    states: list[State] = []
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=1, options={"preset": "veryfast", "crf": "26"})
        video.width, video.height, video.pix_fmt = WIDTH // SHRINK, HEIGHT // SHRINK, "yuv420p"
        video.codec_context.gop_size = 20
        video.codec_context.thread_count = 1  # fixed: the same bytes on every machine
        for number, picture in enumerate(_pictures(lecture, seconds, states)):
            frame = av.VideoFrame.from_image(picture.reduce(SHRINK))
            frame.pts, frame.time_base = number, Fraction(1, 1)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return states


def _pictures(lecture: Lecture, seconds: int, states: list[State]) -> Iterator[Image.Image]:
    rng = random.Random(lecture.seed)
    size, corner = HEADS[lecture.seed % 3], CORNERS[lecture.seed // 3 % 3]
    pointer, aim, head, now = (600.0, 400.0), (600, 400), (0.0, 0.0), 0
    while now < seconds:
        built = _slide(rng)
        for number, still in enumerate(built):
            stands = rng.randint(*(POINT_S if number < len(built) - 1 else STANDS_S))
            end = min(seconds, now + stands)
            states.append(State(now, end))
            while now < end:
                picture = still.copy()
                pen = ImageDraw.Draw(picture)
                if lecture.head:
                    head = (0.8 * head[0] + rng.gauss(0, 0.035), 0.8 * head[1] + rng.gauss(0, 0.02))
                    _draw_head(pen, size, corner, head, rng.uniform(0, 0.06))
                if lecture.pointer:
                    if rng.random() < TURNS:
                        aim = rng.randint(0, WIDTH - 20), rng.randint(0, HEIGHT - 30)
                    pointer = tuple(0.4 * at + 0.6 * to for at, to in zip(pointer, aim, strict=True))  # type: ignore[assignment]  # a pair stays a pair
                    corners = [(pointer[0] + x, pointer[1] + y) for x, y in POINTER]
                    pen.polygon(corners, fill="#ffffff", outline="#000000")
                yield picture
                now += 1
            if now >= seconds:
                return


def _slide(rng: random.Random) -> list[Image.Image]:
    """The states of one slide: all at once, or point by point."""
    paper = rng.choice(("#ffffff", "#f4f1e8", "#1d2733", "#e8eef4"))
    ink = "#f2efe6" if paper == "#1d2733" else "#20242b"
    accent = rng.choice(("#2b6cb0", "#e0a33a", "#9c3d1e"))
    picture = Image.new("RGB", (WIDTH, HEIGHT), paper)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, WIDTH, 90), fill=accent)
    pen.text((50, 24), " ".join(rng.sample(WORDS, 4)), fill="#ffffff", font=ImageFont.load_default(42))
    if rng.random() < 0.4:
        patch = Image.frombytes("RGB", (8, 6), rng.randbytes(8 * 6 * 3)).resize((340, 260))
        picture.paste(patch, (rng.randint(700, 900), rng.randint(150, 350)))
    by_point, states = rng.random() < 0.5, []
    if by_point:
        states.append(picture.copy())
    for point in range(rng.randint(2, 6)):
        top = 150 + 88 * point
        pen.ellipse((50, top + 10, 64, top + 24), fill=accent)
        words = " ".join(rng.sample(WORDS, rng.randint(3, 7)))
        pen.text((90, top), words, fill=ink, font=ImageFont.load_default(30))
        if by_point:
            states.append(picture.copy())
    return states or [picture]


def _draw_head(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], corner: tuple[int, int], at: tuple[float, float], mouth: float
) -> None:
    """A person before a wall, in a frame of `size` in a corner of the picture."""
    wide, high = size
    left, top = corner[0] * (WIDTH - wide), corner[1] * (HEIGHT - high)
    x, y = left + wide * (0.5 + at[0]), top + high * (0.45 + at[1])
    pen.rectangle((left, top, left + wide, top + high), fill="#556070")
    pen.rectangle((left + 5, top + 5, left + wide * 0.3, top + high * 0.5), fill="#7a6a58")
    pen.pieslice((x - wide * 0.35, top + high * 0.75, x + wide * 0.35, top + high * 1.25), 180, 360, fill="#303a55")
    pen.ellipse((x - wide * 0.16, y - high * 0.27, x + wide * 0.16, y + high * 0.27), fill="#c99b7d")
    pen.pieslice((x - wide * 0.17, y - high * 0.31, x + wide * 0.17, y + high * 0.1), 180, 360, fill="#3a2412")
    for side in (-1, 1):
        eye = x + side * wide * 0.07
        pen.ellipse((eye - 3, y - 6, eye + 3, y + 1), fill="#111111")
    gap = mouth * high
    pen.ellipse((x - wide * 0.05, y + high * 0.12 - gap / 2, x + wide * 0.05, y + high * 0.12 + gap), fill="#7a2020")
