"""Films in motion drawn with known events: rides, a person before a still camera, slow pans, dashboards, dialogues.

A scene is a chain of phases, as a person would tell them: somebody raises an arm, a lorry crosses, the ride stops. Each
phase is an event. The pictures have the noise of a camera."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from agent_tools.evals.films.natural_pictures import natural_picture
from agent_tools.timeline import Span

WIDTH, HEIGHT = 128, 72  # px
NOISE = 3.0  # levels of 255, standard deviation
SCENE_S, PHASE_S = (4, 70), (1.0, 9.0)  # lengths; both are drawn evenly on a logarithmic scale
FADE = 0.2  # share of the scenes that begin with a fade of two seconds
COLOURS = ((200, 60, 50), (240, 230, 90), (60, 90, 200), (245, 245, 245), (30, 30, 35), (80, 170, 80))

Pictures = NDArray[np.uint8]
Scene = Callable[[float], Image.Image]  # the picture at a time, seconds from the scene's begin


@dataclass(frozen=True)
class Phase:
    """What happens in [start_s, end_s) of a scene: a number that says how."""

    start_s: float
    end_s: float
    how: int


def draw(seed: int, seconds: int) -> tuple[Pictures, list[Span]]:
    """Pictures (T, HEIGHT, WIDTH, 3) at one a second, and the spans of the events."""
    rng = random.Random(seed)
    noise = np.random.default_rng(seed)
    pictures: list[Pictures] = []
    events: list[Span] = []
    while len(pictures) < seconds:
        begin, length = len(pictures), round(_spread(rng, *SCENE_S))
        phases = list(_phases(rng, length))
        scene = rng.choice((_ride, _person, _pan, _dashboard, _dialogue))(rng, phases)
        fades = rng.random() < FADE and bool(pictures)
        for second in range(min(length, seconds - begin)):
            rgb = np.asarray(scene(second + 0.3).convert("RGB"), np.float32)
            if fades and second < 2:
                rgb = rgb * (second + 1) / 3 + pictures[begin - 1] * (1 - (second + 1) / 3)
            rgb = rgb + noise.normal(0, NOISE, rgb.shape)
            pictures.append(np.clip(rgb, 0, 255).astype(np.uint8))
        events += [Span(begin + p.start_s, begin + p.end_s) for p in phases if begin + p.start_s < seconds]
    return np.stack(pictures), events


def _spread(rng: random.Random, least: float, most: float) -> float:
    return math.exp(rng.uniform(math.log(least), math.log(most)))


def _phases(rng: random.Random, length: float) -> Iterator[Phase]:
    """Phases one after the other that fill a scene; two in a row differ."""
    at, how = 0.0, 0
    while at < length:
        end = min(length, at + _spread(rng, *PHASE_S))
        how = (how + rng.randint(1, 5)) % 6
        if length - end < 1.0:
            end = float(length)
        yield Phase(at, end, how)
        at = end


def _phase(phases: list[Phase], at_s: float) -> Phase:
    return next((phase for phase in phases if at_s < phase.end_s), phases[-1])


def _ride(rng: random.Random, phases: list[Phase]) -> Scene:
    """The camera moves along a street; it is fast or slow, stops, or something large crosses."""
    wide = Image.fromarray(natural_picture(rng.randrange(10_000), 12 * WIDTH, HEIGHT))
    speed, shake = rng.uniform(6, 40), rng.uniform(0, 3)
    paces = {how: rng.choice((1.0, 1.0, 0.3, 0.0)) for how in range(6)}
    colour, tall = rng.choice(COLOURS), rng.uniform(0.25, 0.6) * HEIGHT

    def travelled(at_s: float) -> float:
        return sum(speed * paces[p.how] * max(0.0, min(at_s, p.end_s) - p.start_s) for p in phases)

    def picture(at_s: float) -> Image.Image:
        left = (travelled(at_s) + rng.gauss(0, shake)) % (11 * WIDTH)
        image = wide.crop((round(left), 0, round(left) + WIDTH, HEIGHT))
        phase = _phase(phases, at_s)
        if phase.how % 2:
            share = (at_s - phase.start_s) / (phase.end_s - phase.start_s)
            x = share * (WIDTH + tall) - tall
            ImageDraw.Draw(image).rectangle((x, HEIGHT - tall - 6, x + 1.6 * tall, HEIGHT - 6), fill=colour)
        return image

    return picture


def _person(rng: random.Random, phases: list[Phase]) -> Scene:
    """A person before a still camera, who sways; arms go up and down, an object comes and goes."""
    room = Image.fromarray(natural_picture(rng.randrange(10_000), WIDTH, HEIGHT)).point(lambda level: level // 2 + 60)
    coat, thing, size = rng.choice(COLOURS), rng.choice(COLOURS), rng.uniform(0.35, 0.9) * HEIGHT
    sway = rng.uniform(0.5, 4)

    def picture(at_s: float) -> Image.Image:
        image, how = room.copy(), _phase(phases, at_s).how
        pen = ImageDraw.Draw(image)
        x, y = WIDTH / 2 + sway * math.sin(1.7 * at_s) + rng.gauss(0, sway / 3), HEIGHT - size * 0.6
        pen.ellipse((x - size * 0.3, y, x + size * 0.3, y + size), fill=coat)
        pen.ellipse((x - size * 0.14, y - size * 0.3, x + size * 0.14, y + size * 0.05), fill=(205, 160, 130))
        for side in (-1, 1):
            lift = (0.5, -0.4, 0.1, -0.1, -0.5, 0.3)[(how + (side > 0) * (how // 2)) % 6] + rng.gauss(0, 0.05)
            hand = (x + side * size * 0.5, y + size * (0.25 + lift))
            pen.line((x + side * size * 0.2, y + size * 0.2, *hand), fill=coat, width=max(2, round(size * 0.09)))
        if how in (2, 5):
            pen.rectangle((WIDTH * 0.1, HEIGHT * 0.6, WIDTH * 0.25, HEIGHT * 0.9), fill=thing)
        return image

    return picture


def _pan(rng: random.Random, phases: list[Phase]) -> Scene:
    """A slow move over a photograph; the phases are marks on it that come and go."""
    large = Image.fromarray(natural_picture(rng.randrange(10_000), 3 * WIDTH, 3 * HEIGHT))
    step, zoom = [rng.uniform(-1.2, 1.2) for _ in range(2)], rng.uniform(0.985, 1.02)
    colour = rng.choice(COLOURS)

    def picture(at_s: float) -> Image.Image:
        half = (WIDTH * zoom**at_s, HEIGHT * zoom**at_s)
        x, y = 1.5 * WIDTH + step[0] * at_s, 1.5 * HEIGHT + step[1] * at_s
        image = large.resize((WIDTH, HEIGHT), box=_inside((x - half[0] / 2, y - half[1] / 2, *half), large.size))
        how = _phase(phases, at_s).how
        if how % 3:
            pen = ImageDraw.Draw(image)
            left, top = 10 + 17 * how, 8 + 9 * how
            pen.ellipse((left, top, left + 14, top + 14), outline=colour, width=3)
        return image

    return picture


def _inside(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, width, height) moved and cut into a picture, as a box."""
    wide, high = min(box[2], size[0]), min(box[3], size[1])
    left, top = min(max(0.0, box[0]), size[0] - wide), min(max(0.0, box[1]), size[1] - high)
    return left, top, left + wide, top + high


def _dashboard(rng: random.Random, phases: list[Phase]) -> Scene:
    """A screen with panels: in each phase another panel is filled, and a pointer wanders."""
    panels = [(6 + 42 * (i % 3), 10 + 32 * (i // 3), 38, 26) for i in range(6)]
    dark = rng.random() < 0.5
    tones = [rng.choice(COLOURS) for _ in range(6)]

    def picture(at_s: float) -> Image.Image:
        image = Image.new("RGB", (WIDTH, HEIGHT), (28, 32, 40) if dark else (240, 240, 236))
        pen, how = ImageDraw.Draw(image), _phase(phases, at_s).how
        for number, (x, y, w, h) in enumerate(panels):
            pen.rectangle((x, y, x + w, y + h), outline=(120, 120, 120))
            if number <= how:
                for bar in range(4):
                    tall = (3 + 5 * bar + 7 * number) % (h - 4)
                    pen.rectangle((x + 4 + 9 * bar, y + h - tall, x + 9 + 9 * bar, y + h), fill=tones[number])
        at = (WIDTH / 2 * (1 + 0.8 * math.sin(0.9 * at_s)), HEIGHT / 2 * (1 + 0.8 * math.sin(0.7 * at_s + 1)))
        pen.polygon((at, (at[0], at[1] + 4), (at[0] + 3, at[1] + 3)), fill=(255, 255, 255))
        return image

    return picture


def _dialogue(rng: random.Random, phases: list[Phase]) -> Scene:
    """Two persons in turn, each before a wall of their own: a cut at each phase."""
    two = [_person(rng, phases) for _ in range(2)]
    return lambda at_s: two[_phase(phases, at_s).how % 2](at_s)
