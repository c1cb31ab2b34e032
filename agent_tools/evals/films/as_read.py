"""Slides as an OCR reads them: their lines with boxes, letters taken for others, small lines missed.

Stands for drawing, encoding and reading a film where only its texts matter; an hour costs a second. The rates are those
of PP-OCR on the slides of film_video, measured on 97 lines by lab.bench.slide_reading."""

from __future__ import annotations

import random
import zlib

from agent_tools.evals.films.cue_lists import Line
from agent_tools.evals.films.demo_pictures import HEIGHT, WIDTH
from agent_tools.evals.films.film_video import LEADING, MARGIN, layout

SMALL_PX = 9  # letters from here down are missed often
MISSED = {False: 0.01, True: 0.35}  # of lines, large and small ones; nearly all of those have letters of 7 px
CONFUSED = {False: 0.001, True: 0.024}  # letters taken for others
JOINED = {False: 0.005, True: 0.08}  # spaces lost
ALIKE = str.maketrans("lIO0S5B8emucoa", "I1QO5S38cnvoce")
LETTER_WIDTH = 0.5  # of a letter's height


def as_read(line: Line) -> Line:
    """The slide of a line as it is read; without text where all of it is missed. The same text is read the same way."""
    rng = random.Random(zlib.crc32(line.text.encode()))
    px, texts = layout(line.text)
    small = px <= SMALL_PX
    read, boxes = [], []
    for number, text in enumerate(texts):
        if rng.random() < MISSED[small]:
            continue
        letters = [letter.translate(ALIKE) if rng.random() < CONFUSED[small] else letter for letter in text]
        read.append("".join(letter for letter in letters if letter != " " or rng.random() >= JOINED[small]))
        top = (MARGIN + number * px * LEADING) / HEIGHT
        right = min(1.0, (MARGIN + LETTER_WIDTH * px * len(text)) / WIDTH)
        boxes.append((MARGIN / WIDTH, top, right, top + px / HEIGHT))
    return Line(line.start_s, line.end_s, " / ".join(read), tuple(boxes))
