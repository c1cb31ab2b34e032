"""Films of texts that no fit has seen: short talks, and an hour of some of them among other sentences.

Their slides, type and pictures are made in another way than those of the films that calibrations are fitted on."""

from __future__ import annotations

import itertools
import random
import textwrap
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent_tools.evals.films.cue_lists import Film, Line
from agent_tools.evals.films.demo_story import Cue, srt
from agent_tools.evals.films.spoken_sound import RATE, spoken

FONT = "DejaVuSans.ttf"  # of Debian's fonts-dejavu-core; knows Latin and Cyrillic letters
SIZE = (960, 540)
LINE_S, SAID_S, SLIDE_S, PICTURE_S = 7.0, 6.0, 14.0, 60
HOUR_S, HOUR_CUES = 3600, 700
PAPERS = (("#10243f", "#f2f2f2"), ("#ffffff", "#222222"), ("#274029", "#fff7d6"))  # paper, ink


def talk(row: dict[str, Any]) -> Film:
    """A talk as a film: a line every LINE_S, and its slides one after the other."""
    said = [Line(2 + LINE_S * n, 2 + LINE_S * n + SAID_S, text) for n, text in enumerate(row["lines"])]
    shown = [Line(5 + 20.0 * n, 5 + 20.0 * n + SLIDE_S, " / ".join(lines)) for n, lines in enumerate(row["slides"])]
    duration_s = round(max(said[-1].end_s + 4, shown[-1].end_s + 4 if shown else 0.0))
    return Film(row["title"], float(duration_s), tuple(said), tuple(shown), row["language"], row["voice"])


def hour(talks: Sequence[Film], others: Sequence[str], seed: int = 3) -> Film:
    """The English talks' lines and slides, spread over an hour of other sentences, all as subtitles."""
    rng = random.Random(seed)
    english = [one for one in talks if one.language == "en"]
    own = [line.text for film in english for line in film.subtitles]
    texts = [*own, *rng.sample(list(others), HOUR_CUES - len(own))]
    rng.shuffle(texts)
    step = HOUR_S / len(texts)
    said = tuple(Line(round(n * step, 2), round(n * step + 0.9 * step, 2), text) for n, text in enumerate(texts))
    slides = [slide.text for film in english for slide in film.screen_text]
    rng.shuffle(slides)
    apart = HOUR_S / len(slides)
    shown = tuple(Line(n * apart + 30.0, n * apart + 30.0 + 2 * SLIDE_S, text) for n, text in enumerate(slides))
    return Film("An unseen hour", float(HOUR_S), said, shown)


def write(folder: Path, film: Film, pictures: Sequence[Path]) -> Path:
    """Write the film (MP4, H.264, one picture a second) and its subtitles, or its sound; gives the video's path."""
    path = folder / f"{film.title}.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=1, options={"preset": "ultrafast", "crf": "26"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono") if film.voice else None
        for second, rgb in enumerate(_seen(film, pictures)):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = second, Fraction(1, 1)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None:
            samples = spoken(film.subtitles, film.voice, film.duration_s)
            for first in range(0, len(samples), RATE):
                piece = av.AudioFrame.from_ndarray(samples[None, first : first + RATE], format="s16", layout="mono")
                piece.sample_rate, piece.pts, piece.time_base = RATE, first, Fraction(1, RATE)
                container.mux(sound.encode(piece))
            container.mux(sound.encode())
    if not film.voice:
        cues = tuple(Cue(line.start_s, line.end_s, line.text) for line in film.subtitles)
        path.with_suffix(f".{film.language}.srt").write_text(srt(cues), encoding="utf-8")
    return path


def _seen(film: Film, pictures: Sequence[Path]) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    """One picture a second: slides, and photographs between them."""
    turn = itertools.cycle(random.Random(film.title).sample(list(pictures), len(pictures)))
    photograph, since, shown = _fitted(next(turn)), 0, -1
    slides = [_slide(line.text, number) for number, line in enumerate(film.screen_text)]
    for second in range(round(film.duration_s)):
        at = next((n for n, line in enumerate(film.screen_text) if line.start_s <= second < line.end_s), -1)
        if at < 0 and (shown >= 0 or second - since >= PICTURE_S):
            photograph, since = _fitted(next(turn)), second
        shown = at
        yield photograph if at < 0 else slides[at]


def _fitted(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(path).convert("RGB").resize(SIZE))


def _slide(text: str, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    paper, ink = PAPERS[number % len(PAPERS)]
    picture = Image.new("RGB", SIZE, paper)
    pen = ImageDraw.Draw(picture)
    top = 60
    for place, line in enumerate(text.split(" / ")):
        font = ImageFont.truetype(FONT, 44 if place == 0 else 24 + 6 * (number % 2))
        for part in textwrap.wrap(line, 34 if place == 0 else 52):
            pen.text((70, top), part, fill=ink, font=font)
            top += round(font.size * 1.5)
    return np.asarray(picture)
