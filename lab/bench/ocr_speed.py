"""How large a picture the OCR searches for text: CPU seconds, and words read, by the limit of its detector.

    python -m lab.bench.ocr_speed VIDEOS_DIR [--every 2] [--write]

Pictures: of the development clips every second one that the trigger keeps, and drawn slides in six scripts, in type of
9 to 40 px. "min 736" is RapidOCR's own default, which enlarges a picture until its shorter side has 736 px. Words of
drawn slides are known. Of real ones each word of three letters and a score of .8 counts; a word that only one setting
reads is printed. --write puts the rows into lab/measured/ocr_speed.json."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from agent_tools.models.ocr import DETECTED_SIDE, RapidOcr
from agent_tools.store.spelling import words
from lab.bench.pictures_with_words import SCRIPTS, UNSPACED, Drawn, Rgb, chosen, drawn, real_clips

MEASURED = Path(__file__).parents[1] / "measured" / "ocr_speed.json"
SETTINGS = (("min", 736), ("max", DETECTED_SIDE))
SIZES = ((320, 240), (480, 270), (640, 360), (854, 480), (960, 540), (960, 720))
TYPES = (9, 11, 13, 16, 20, 28, 40)
SURE, LONG = 0.8, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("videos", type=Path, metavar="VIDEOS_DIR", help="folder with a MANIFEST.json")
    parser.add_argument("--every", type=int, default=2, help="of the pictures, each so many-th is read")
    parser.add_argument("--write", action="store_true", help=f"write {MEASURED.name}")
    given = parser.parse_args()
    slides = [
        slide
        for script in SCRIPTS
        for size in SIZES
        for type_px in TYPES
        if type_px <= size[1] / 8 and (slide := drawn(script, size, type_px)) is not None
    ][:: given.every]
    real = [
        (f"{clip['name']} {time_s:g} s", picture)
        for clip in real_clips(given.videos)
        for time_s, picture in chosen(given.videos / "dev" / str(clip["name"]))
    ][:: given.every]
    rows, read = [], []
    for kind, side in SETTINGS:
        row, held = measured(kind, side, slides, real)
        rows.append(row)
        read.append(held)
        print(json.dumps(row), flush=True)  # noqa: T201
    for (name, _), before, after in zip(real, *read, strict=True):
        if before != after:
            print(f"{name}: only before {sorted(before - after)}, only now {sorted(after - before)}")  # noqa: T201
    print(table(rows))  # noqa: T201
    if given.write:
        MEASURED.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measured(
    kind: str, side: int, slides: list[Drawn], real: list[tuple[str, Rgb]]
) -> tuple[dict[str, Any], list[set[str]]]:
    """One setting: its row, and the words of each real picture."""
    reader = RapidOcr(threads=1)
    reader._engine = reader._load()
    detector = reader._engine._load_det_model()
    detector.limit_type, detector.limit_side_len = kind, side
    reader.read(slides[0].picture)
    started = time.process_time()
    hits = [_hits(slide, reader) for slide in slides]
    drawn_s, started = time.process_time() - started, time.process_time()
    held = [
        {word for line in reader.read(picture) if line.score >= SURE for word in words(line.text) if len(word) >= LONG}
        for _, picture in real
    ]
    real_s = time.process_time() - started
    row = {
        "detector": f"{kind} {side}",
        "drawn": len(slides),
        "drawn_s": round(drawn_s / len(slides), 3),
        "words": sum(len(slide.words) for slide in slides),
        "read": sum(hits),
        "small": sum(len(slide.words) for slide in slides if slide.type_px <= 11),
        "small_read": sum(hit for slide, hit in zip(slides, hits, strict=True) if slide.type_px <= 11),
        "real": len(real),
        "real_s": round(real_s / max(1, len(real)), 3),
        "real_words": sum(map(len, held)),
    }
    return row, held


def _hits(slide: Drawn, reader: RapidOcr) -> int:
    """How many of the slide's words were read as words; in scripts without spaces as a part of a line."""
    lines = [words(line.text) for line in reader.read(slide.picture)]
    found, run = {word for line in lines for word in line}, "".join("".join(line) for line in lines)
    return sum(
        set(words(word)) <= found or (slide.script in UNSPACED and "".join(words(word)) in run) for word in slide.words
    )


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| detector | CPU s a real picture | words on them | CPU s a drawn slide | words read | of them up to 11 px |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['detector']} | {row['real_s']} ({row['real']} pictures) | {row['real_words']} | {row['drawn_s']} "
            f"({row['drawn']} slides) | {row['read']} of {row['words']} | {row['small_read']} of {row['small']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
