"""A cue list as a video: one drawn picture per second, slides on screen, and speech in a subtitle file or as sound."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent_tools.errors import InvalidArgument
from agent_tools.evals.films.cue_lists import Film, Line
from agent_tools.evals.films.demo_pictures import HEIGHT, WIDTH, Motion, Rgb
from agent_tools.evals.films.demo_story import Cue, srt
from agent_tools.evals.films.natural_pictures import natural_picture
from agent_tools.evals.films.spoken_sound import RATE, spoken

MARGIN, LEADING = 36, 1.25
# px: the type of a slide, which its text decides; smaller where it must fit. Of those of 9 and 7 px, which many a film
# has, an OCR misses a third: a calibration has to know that words may stand there and not be found.
SIZES, SMALLEST = (34, 26, 20, 15, 12, 9, 7), 7
STYLES = ("gradient", "hills", "rings", "shapes")
NATURAL_EVERY, MOVING_EVERY = 3, 9  # of the pauses between slides: those with a natural picture, and with moving ones
MOVING_S = 12  # that natural pictures move in a pause
PAUSE_S = 60  # after which another picture stands in a pause


def write(folder: Path, film: Film) -> Path:
    """Write the film (MP4, H.264 640x360, 1 fps) and its subtitles, or its sound; gives the video's path."""
    import av

    path = folder / f"{film.title}.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=1, options={"preset": "ultrafast", "crf": "24"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size = 10
        if film.voice:
            container.add_stream("aac", rate=RATE, layout="mono")
        video.codec_context.thread_count = 2  # fixed: one encoder makes the same bytes, and the same id, every time
        for second, frame in enumerate(_pictures(film)):
            frame.pts, frame.time_base = second, Fraction(1, 1)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if film.voice:
            _add_sound(container, film)
            return path
    said = tuple(Cue(line.start_s, line.end_s, line.text) for line in film.subtitles)
    path.with_suffix(f".{film.language}.srt").write_text(srt(said), encoding="utf-8")
    return path


def _add_sound(container: Any, film: Film) -> None:
    import av

    samples = spoken(film.subtitles, film.voice, film.duration_s)
    for first in range(0, len(samples), RATE):
        frame = av.AudioFrame.from_ndarray(samples[None, first : first + RATE], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
        container.mux(container.streams.audio[0].encode(frame))
    container.mux(container.streams.audio[0].encode())


def slide(text: str) -> Rgb:
    """A slide (360, 640, 3) with all of a text on it, a line for each part between slashes, longer ones wrapped; of
    every other one the paper is a picture.

    Raises: InvalidArgument: the text is too long for it."""
    drawn = zlib.crc32(text.encode())
    if drawn % 2:
        picture = Image.fromarray(Motion(STYLES[drawn % len(STYLES)], drawn).at(0.0)).resize((WIDTH, HEIGHT))
    else:
        picture = Image.new("RGB", (WIDTH, HEIGHT), "#f4f1e8")
    pen = ImageDraw.Draw(picture)
    size, lines = layout(text)
    for number, line in enumerate(lines):
        place = (MARGIN, MARGIN + number * size * LEADING)
        pen.text(place, line, fill="#20242b", font=ImageFont.load_default(size))
    return np.asarray(picture)


def layout(text: str) -> tuple[int, list[str]]:
    """The size of a slide's letters in px, and its lines.

    Raises: InvalidArgument: the text is too long for a slide."""
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    for size in range(SIZES[zlib.crc32(text.encode()) % len(SIZES)], SMALLEST - 1, -1):
        font = ImageFont.load_default(size)
        lines = [line for part in text.split(" / ") for line in _wrapped(part, pen, font)]
        if len(lines) * size * LEADING <= HEIGHT - 2 * MARGIN:
            return size, lines
    raise InvalidArgument(f"A slide holds no text of {len(text)} characters at {SMALLEST} px: {text[:80]}.")


def _wrapped(text: str, pen: ImageDraw.ImageDraw, font: Any) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pen.textlength(longer, font=font) > WIDTH - 2 * MARGIN:
            yield line
            longer = word
        line = longer
    yield line


def _pictures(film: Film) -> Iterator[Any]:
    """One picture a second: slides, and between any two of them a still without text, drawn or natural; some move."""
    import av

    def made(rgb: Rgb) -> Any:
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        return picture.reformat(width=WIDTH, height=HEIGHT, format="yuv420p")

    def natural(number: int, second: int = 0) -> Any:
        return made(natural_picture(zlib.crc32(f"{film.title} {number} {second}".encode()), WIDTH, HEIGHT))

    def still(number: int) -> Any:
        if number % NATURAL_EVERY == 1:
            return natural(number)
        return made(Motion(STYLES[number % len(STYLES)], zlib.crc32(film.title.encode()) + number).at(0.0))

    waiting = list(film.screen_text)
    number = zlib.crc32(film.title.encode()) % MOVING_EVERY  # so that short films differ
    shown = still(number)
    current: Line | None = None
    since = 0
    for second in range(round(film.duration_s)):
        if current is not None and current.end_s <= second:
            current, number, since = None, number + 1, second
            shown = still(number)
        if waiting and waiting[0].start_s <= second:
            current = waiting.pop(0)
            shown = made(slide(current.text))
        elif current is None and second - since >= PAUSE_S:
            number, since = number + 1, second
            shown = still(number)
        moves = current is None and number % MOVING_EVERY == 1 and second - since < MOVING_S
        yield natural(number, second) if moves else shown
