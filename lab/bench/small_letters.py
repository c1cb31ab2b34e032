"""The smallest type that the reader of screen text reads: drawn words in many sizes on pictures of many sizes.

    python -m lab.bench.small_letters [--words 20] [--alphabet latin]

A picture of 360p to 2160p holds lines of words in one size of type, dark on light and light on dark. No dictionary
holds the words, so the reader has only their letters. A word counts as read when the reading holds it as a word. Sizes
are those of the font, as editors count them; capital letters are about .7 of it high. The types are tried from the
largest (20 px as the reader gets them, of pictures scaled to at most 960 px) to the smallest. The first of which less
than 95 % is read ends the row. models/readable.py holds the result."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent_tools.models.ocr import RapidOcr
from agent_tools.models.readable import LONG_SIDE
from agent_tools.store.spelling import words

HEIGHTS = (360, 480, 720, 1080, 1440, 2160)
TYPES = (40, 36, 32, 28, 26, 24, 22, 20, 18, 16, 15, 14, 13, 12, 11, 10, 9, 8)
GOAL = 0.95
LARGEST = 20  # px as read
COLOURS = ((20, 245), (235, 25))  # ink and ground
ALPHABETS = {
    "latin": "ba be bo da de du fa fi ga go ka ke la le li ma me mo na ne no pa po ra re ri sa se so ta te to va vi",
    "greek": "βα βε δα δε γα κα κε λα λε λι μα με μο να νε πα πο ρα ρε σα σε σο τα τε θα φι ξε",
    "accents": "bä bé dö dü fá gô ka kè lä lé ñi mú mö na né ño pá po rä ré ří sä šé sö tà tê to va ży",
    "kana": "あ か さ た な ま ら き し に み り く す ぬ む る け せ て ね め こ そ と の も ろ",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--words", type=int, default=20, help="words of each size in each colour")
    parser.add_argument("--heights", type=int, nargs="+", default=HEIGHTS)
    parser.add_argument("--alphabet", choices=sorted(ALPHABETS), default="latin")
    parser.add_argument("--font", default="", help="file of a font that has the letters; default Pillow's own")
    given = parser.parse_args()
    reader = RapidOcr(threads=2)
    print("| picture | type: words read of " + str(2 * given.words) + " | smallest | as read |\n|---|---|---|---|")  # noqa: T201
    for height in given.heights:
        read: dict[int, int] = {}
        shrunk = max(1.0, _width(height) / LONG_SIDE)
        for size in (size for size in TYPES if size <= LARGEST * shrunk):
            read[size] = _words_read(reader, height, size, given.words, ALPHABETS[given.alphabet].split(), given.font)
            if read[size] < GOAL * 2 * given.words:
                break
        least = min((size for size in read if read[size] >= GOAL * 2 * given.words), default=0)
        counts = ", ".join(f"{size}: {count}" for size, count in read.items())
        print(f"| {height}p | {counts} | {least or '-'} px | {least / shrunk:.1f} px |", flush=True)  # noqa: T201


def _words_read(reader: RapidOcr, height: int, size: int, count: int, syllables: Sequence[str], font: str) -> int:
    """How many of the words, drawn once in each colour, the reader reads."""
    chance = random.Random(f"{height} {size}")
    drawn = ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(count)]
    read = 0
    for ink, ground in COLOURS:
        found: set[str] = set()
        for picture in _pictures(height, size, drawn, ink, ground, font):
            found |= {word for line in reader.read(picture) for word in words(line.text)}
        read += sum(set(words(word)) <= found for word in drawn)
    return read


def _pictures(
    height: int, size: int, drawn: Sequence[str], ink: int, ground: int, font: str
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """As few pictures as hold the words, in lines with as much room as an editor leaves."""
    width = _width(height)
    letters = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
    pictures = []
    pen, x, y = None, 0.0, 0.0
    for word in drawn:
        length = letters.getlength(word + " ")
        if pen is not None and x + length > width - size:
            x, y = float(size), y + 1.8 * size
        if pen is None or y > height - 2 * size:
            pictures.append(Image.new("RGB", (width, height), (ground,) * 3))
            pen, x, y = ImageDraw.Draw(pictures[-1]), float(size), float(size)
        pen.text((x, y), word, font=letters, fill=(ink,) * 3)
        x += length
    return [np.asarray(picture, dtype=np.uint8) for picture in pictures]


def _width(height: int) -> int:
    return height * 16 // 9


if __name__ == "__main__":
    main()
