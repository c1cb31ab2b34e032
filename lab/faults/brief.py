"""Slice brief: words that stand half a second to two over a moving picture are never called absent.

The words are those of the slice absence, of five languages. No OCR here reads two of them (Greek, Russian). Each
stands at a place and in a type of its own (a thirtieth to a ninth of the picture's height), with an outline, a shadow
or a bar behind it, while leaves, branches, windows or a crowd move across the picture, which changes every few
seconds. Words that are not there are asked for too."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from agent_tools.evals.films.natural_pictures import natural_picture
from agent_tools.settings import Settings
from lab.faults.absence import World, added, ask, font_of, share
from lab.faults.slices import Outcome, Slice
from tests.drawing import draw, even_times

LANGUAGES = ("de", "tr", "ja", "el", "ru")
HEIGHTS = (360, 480, 720)
STANDS_S = (0.5, 0.75, 1.0, 1.5, 2.0)
PAUSE_S = (0.3, 2.0)  # between two words
SCENE_S = 3.0  # for which one picture moves
FPS = 24
WORDS = 8  # of a film
LETTERS = 4  # a shorter word is no quotation that somebody asks for by itself

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """One word on the screen."""

    word: str
    px: int
    start_s: float
    end_s: float
    style: str  # outline, shadow or bar
    at: tuple[float, float]  # share of the free width and height


def shown_words(words: Sequence[str], height: int, chance: random.Random) -> list[Shown]:
    """The words one after the other, with pauses."""
    found, time_s = list[Shown](), 1.0
    for word in words:
        px, stands_s = chance.randint(height // 30, height // 9), chance.choice(STANDS_S)
        style, at = chance.choice(("outline", "shadow", "bar")), (chance.random(), chance.random())
        found.append(Shown(word, px, time_s, time_s + stands_s, style, at))
        time_s += stands_s + chance.uniform(*PAUSE_S)
    return found


def film(path: Path, shown: Sequence[Shown], height: int, font: Path, seed: int) -> None:
    """Write the film: pictures that move, with the words over them."""
    width = height * 16 // 9 // 2 * 2
    scenes: dict[int, Rgb] = {}

    def picture(number: int, *_: int) -> Rgb:
        time_s = number / FPS
        scene, within_s = divmod(time_s, SCENE_S)
        if scene not in scenes:
            scenes.clear()
            scenes[int(scene)] = natural_picture(seed * 1000 + int(scene), width + 96, height + 48)
        x, y = round(32 * within_s), round(16 * within_s)
        image = Image.fromarray(scenes[int(scene)][y : y + height, x : x + width])
        for one in shown:
            if one.start_s <= time_s < one.end_s:
                _write(image, one, font)
        return np.asarray(image)

    draw(path, even_times(round((shown[-1].end_s + 1) * FPS), FPS), size=(width, height), picture=picture)


def _write(image: Image.Image, one: Shown, file: Path) -> None:
    pen, font = ImageDraw.Draw(image), ImageFont.truetype(str(file), one.px)
    length = pen.textlength(one.word, font=font)
    x = one.px + one.at[0] * max(0.0, image.width - length - 2 * one.px)
    y = one.px + one.at[1] * (image.height - 3 * one.px)
    match one.style:
        case "outline":
            edge = max(1, one.px // 12)
            pen.text((x, y), one.word, font=font, fill=(255, 255, 255), stroke_width=edge, stroke_fill=(0, 0, 0))
        case "shadow":
            pen.text((x + 2, y + 2), one.word, font=font, fill=(0, 0, 0))
            pen.text((x, y), one.word, font=font, fill=(250, 240, 200))
        case _:
            around = 0.4 * one.px
            pen.rectangle((x - around, y - around / 2, x + length + around, y + 1.4 * one.px), fill=(20, 30, 60))
            pen.text((x, y), one.word, font=font, fill=(240, 240, 240))


def over_motion(world: World, language: str, height: int) -> Outcome:
    """A film of words of the language."""
    font = font_of(language)
    if font is None:
        return Outcome.empty()
    chance = random.Random(f"brief {world.seed} {language} {height}")
    words = [word for word in world.words(language) if len(word) >= LETTERS or language == "ja"]
    place = HEIGHTS.index(height) * world.words_of_film
    shown = shown_words(words[place : place + world.words_of_film], height, chance)
    path = world.films / f"brief-{language}-{height}.mp4"
    film(path, shown, height, font, world.seed * 100 + height + LANGUAGES.index(language))
    others = words[len(HEIGHTS) * world.words_of_film :]
    return ask(world, path, "screen_text", [(one.word, one.px) for one in shown], others, chance)


def summary(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Of words by height, and of words that are not there: verdicts, with 95 % intervals."""
    rows: dict[str, Any] = {}
    for height in HEIGHTS:
        figures = [one.figures for case, one in outcomes.items() if case.endswith(f" {height}p") and one.figures]
        verdicts = added(one["verdicts"] for one in figures)
        if verdicts:
            rows[f"{height}p"] = f"{sum(verdicts.values())} words, {share(verdicts, 'present')} present"
    others = added(one.figures["others"] for one in outcomes.values() if one.figures)
    if others:
        rows["others"] = f"{sum(others.values())} words, {share(others, 'absent')} absent"
    return rows


def cases(_seed: int) -> Sequence[str]:
    return [f"{language} {height}p" for height in HEIGHTS for language in LANGUAGES]


@contextlib.contextmanager
def stage(seed: int, folder: Path, words_of_film: int = WORDS) -> Iterator[Callable[[str], Outcome]]:
    films = folder.resolve() / "films"
    films.mkdir()
    settings = Settings.load({}, home=folder.resolve() / "home", allow=(films,), profile="lite")
    world = World(settings, films, seed, words_of_film)

    def run(case: str) -> Outcome:
        language, height = case.split()
        return over_motion(world, language, int(height.removesuffix("p")))

    yield run


SLICE = Slice(
    "brief", "words that stand half a second to two over moving pictures, that are never called absent", cases, stage,
    summary,
)  # fmt: skip
