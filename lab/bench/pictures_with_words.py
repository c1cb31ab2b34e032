"""Pictures for measuring the reader of screen text: drawn slides with known words, and pictures out of real clips.

Fonts are looked for where Linux has them. A script whose font is not there is left out."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from agent_tools.ingestion.screen_text.still import HEIGHT, WIDTH, StillRule
from agent_tools.media import Picture, probe, sample
from agent_tools.models.readable import LONG_SIDE

FONTS = Path("/usr/share/fonts/truetype")
SCRIPTS = {
    "Latin": (
        "dejavu/DejaVuSans.ttf",
        "ba be bo da de du fa fi ga go ka ke la le li ma me mo na ne no pa po ra re ri to",
    ),
    "Latin, serifs": (
        "liberation/LiberationSerif-Regular.ttf",
        "an bel cor dim en fol gra hus im jen kol lur mon nar ost",
    ),
    "Latin, accents": (
        "liberation/LiberationSans-Regular.ttf",
        "bä bé dö dü fá gô ka kè lä lé mú mö na né pá po rä ré tà",
    ),
    "Han": (
        "droid/DroidSansFallbackFull.ttf",
        "学 生 记 忆 注 意 力 模 型 视 频 时 间 问 题 答 案 光 山 水 城 市 历 史 音 乐 电 影",
    ),
    "Kana": (
        "droid/DroidSansFallbackFull.ttf",
        "あ か さ た な ま ら き し に み り く す ぬ む る け せ て ね め こ そ と の も ろ",
    ),
    "Cyrillic": ("dejavu/DejaVuSans.ttf", "ба бе во да де жи фа ги ка ле ма но па ро са те ши ща"),
}
UNSPACED = ("Han", "Kana")
COLOURS = ((20, 245), (235, 25))  # ink and ground
WORDS = 14
QUALITY = 90

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Drawn:
    """A slide of words in one script and type."""

    script: str
    size: tuple[int, int]  # px, width and height
    type_px: int
    words: tuple[str, ...]
    picture: Rgb


def drawn(script: str, size: tuple[int, int], type_px: int) -> Drawn | None:
    """The slide; the same every time. None without the script's font."""
    name, syllables = SCRIPTS[script]
    if not (FONTS / name).is_file():
        return None
    chance = random.Random(f"{script} {size} {type_px}")
    font = ImageFont.truetype(str(FONTS / name), type_px)
    ink, ground = COLOURS[chance.random() < 0.5]
    image = Image.new("RGB", size, (ground,) * 3)
    pen, words = ImageDraw.Draw(image), list[str]()
    x = y = float(type_px)
    while len(words) < WORDS:
        word = "".join(chance.choices(syllables.split(), k=chance.randint(2, 4)))
        length = font.getlength(word + " ")
        if x + length > size[0] - type_px:
            x, y = float(type_px), y + 1.8 * type_px
        if y > size[1] - 2 * type_px:
            break
        pen.text((x, y), word, font=font, fill=(ink,) * 3)
        words.append(word)
        x += length
    return Drawn(script, size, type_px, tuple(words), as_jpeg(np.asarray(image)))


def as_jpeg(picture: Rgb) -> Rgb:
    """The picture as an ingest keeps it until it is read."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(buffer).convert("RGB"))


def real_clips(videos: Path) -> list[dict[str, object]]:
    """The development clips with pictures, as the MANIFEST describes them."""
    files = json.loads((videos / "MANIFEST.json").read_text("utf-8"))["files"]
    return [clip for clip in files if clip["folder"] == "dev" and clip["width"]]


def chosen(path: Path) -> Iterator[tuple[float, Rgb]]:
    """(time, picture) of each picture that the rule keeps at one a second."""
    rule = StillRule()
    last: Picture | None = None
    for shown in sample(probe(path), fps=1.0, on_damage=lambda _: None):
        last = shown.picture
        found = rule.feed(shown.time_s, shown.picture.gray(WIDTH, HEIGHT))
        if found is not None and not found.extra and not found.again:
            yield found.time_s, as_jpeg(shown.picture.fit(LONG_SIDE))
    if last is not None and (found := rule.last()) is not None and not found.again:
        yield found.time_s, as_jpeg(last.fit(LONG_SIDE))
