"""The scenes of the front page's animation: the question, one call after the other with its reply, then the frame."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, MARGIN = 1280, 720, 40
GROUND, PANEL, INK, DIM, TOOL, GOOD = "#101418", "#1a2027", "#e8edf2", "#8f9ba8", "#6cb2ff", "#7ddc8b"
LINE_PX, SMALL_PX = 26, 21
CALL_MS, REPLY_MS, LAST_MS = 900, 1500, 6000
LONGEST_VALUE, LONGEST_REPLY = 58, 84  # characters that fit one line
FRAME_WIDTH = 620


@dataclass(frozen=True)
class Step:
    """One call: the tool, its telling argument, and its reply in one line."""

    tool: str
    argument: str
    value: str
    reply: str
    tokens: int


def scenes(
    question: str, steps: list[Step], answer: str, frame: Image.Image, at: str
) -> tuple[list[Image.Image], list[int]]:
    """All pictures of the animation, WIDTH x HEIGHT, and how long each stands, in milliseconds."""
    pictures = [_calls(question, [], replied=0)]
    durations_ms = [REPLY_MS + CALL_MS]
    for number in range(1, len(steps) + 1):
        pictures += [_calls(question, steps[:number], replied=number - 1), _calls(question, steps[:number], number)]
        durations_ms += [CALL_MS, REPLY_MS]
    total = f"{len(steps)} calls, {sum(step.tokens for step in steps):,} tokens of replies"
    pictures.append(_answer(question, answer, frame, at, total))
    return pictures, [*durations_ms, LAST_MS]


def _calls(question: str, steps: list[Step], replied: int) -> Image.Image:
    picture, pen, y = _page(question)
    for number, step in enumerate(steps):
        value = f'{step.tool}({step.argument}="{_short(step.value, LONGEST_VALUE)}")'
        pen.text((MARGIN, y), value, fill=TOOL, font=ImageFont.load_default(LINE_PX))
        if number < replied:
            reply = f"{_short(step.reply, LONGEST_REPLY)}"
            pen.text((MARGIN + 28, y + 36), reply, fill=INK, font=ImageFont.load_default(SMALL_PX))
        y += 78
    return picture


def _answer(question: str, answer: str, frame: Image.Image, at: str, total: str) -> Image.Image:
    picture, pen, y = _page(question)
    shown = frame.resize((FRAME_WIDTH, round(frame.height * FRAME_WIDTH / frame.width)), Image.Resampling.LANCZOS)
    left = WIDTH - MARGIN - FRAME_WIDTH
    picture.paste(shown, (left, y + 8))
    caption = f"the frame at {at}"
    pen.text((left, y + shown.height + 22), caption, fill=DIM, font=ImageFont.load_default(SMALL_PX))
    for part in answer.split("; "):
        for line in wrap(part, 36):
            pen.text((MARGIN, y + 8), line, fill=GOOD, font=ImageFont.load_default(LINE_PX))
            y += 38
        y += 22
    pen.text((MARGIN, HEIGHT - 60), total, fill=DIM, font=ImageFont.load_default(SMALL_PX))
    return picture


def _page(question: str) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    """An empty page under its question, and where the next line goes."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    pen = ImageDraw.Draw(picture)
    lines = wrap(question, 84)
    pen.rectangle((0, 0, WIDTH, 44 + 40 * len(lines)), fill=PANEL)
    for number, line in enumerate(lines):
        pen.text((MARGIN, 22 + 40 * number), line, fill=INK, font=ImageFont.load_default(LINE_PX + 2))
    return picture, pen, 74 + 40 * len(lines)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
