"""The OCR trigger on real clips: how many pictures it reads, and which texts on screen it finds.

    python -m lab.bench.screen_text VIDEOS_DIR [--least-s 4]

A text counts as shown when the trigger reads a picture of its span, give or take one second (MANIFEST's times are no
more exact). It counts as read when the OCR of such a picture holds at least half of its words."""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

from agent_tools.ingestion.screen_text.still import HEIGHT, WIDTH, StillRule
from agent_tools.media import Picture, probe, sample
from agent_tools.models.ocr import RapidOcr
from agent_tools.models.readable import LONG_SIDE

NEAR_S = 1.0
SMALL = {"and", "the", "of", "to", "a"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("videos", type=Path, metavar="VIDEOS_DIR", help="folder with a MANIFEST.json")
    parser.add_argument("--least-s", type=float, default=4.0, help="texts on screen for a shorter time do not count")
    given = parser.parse_args()
    videos, least_s = given.videos, given.least_s
    reader = RapidOcr()
    totals = [0, 0, 0, 0, 0]
    spent = 0.0
    print(f"| clip | frames | OCR calls | texts >= {least_s} s | shown | read |\n|---|---|---|---|---|---|")  # noqa: T201
    for clip in json.loads((videos / "MANIFEST.json").read_text("utf-8"))["files"]:
        if clip["folder"] != "dev" or not clip["width"]:
            continue
        frames, pictures = chosen(videos / "dev" / clip["name"])
        started = time.process_time()
        lines = {time_s: " ".join(line.text for line in reader.read(picture)) for time_s, picture in pictures.items()}
        spent += time.process_time() - started
        texts = [text for text in clip["on_screen_text"] if text["end_s"] - text["start_s"] >= least_s]
        near = [[t for at, t in lines.items() if inside(text, at)] for text in texts]
        shown = sum(bool(group) for group in near)
        read = sum(any(share(text["text"], t) >= 0.5 for t in group) for text, group in zip(texts, near, strict=True))
        row = [frames, len(pictures), len(texts), shown, read]
        totals = [total + one for total, one in zip(totals, row, strict=True)]
        print(f"| {clip['name']} | " + " | ".join(map(str, row)) + " |")  # noqa: T201
    print("| all | " + " | ".join(map(str, totals)) + " |")  # noqa: T201
    print(f"\n{spent / max(1, totals[1]):.2f} CPU s a call")  # noqa: T201


def chosen(path: Path) -> tuple[int, dict[float, Any]]:
    """Number of frames at 1 fps, and the pictures that the rule keeps, by time."""
    rule, kept, frames = StillRule(), {}, 0
    last: Picture | None = None
    for shown in sample(probe(path), fps=1.0, on_damage=lambda _: None):
        frames += 1
        last = shown.picture
        if (candidate := rule.feed(shown.time_s, shown.picture.gray(WIDTH, HEIGHT))) is not None:
            kept[candidate.time_s] = shown.picture.fit(LONG_SIDE)
    if last is not None and (candidate := rule.last()) is not None:
        kept[candidate.time_s] = last.fit(LONG_SIDE)
    return frames, kept


def inside(text: Any, at: float) -> bool:
    return bool(text["start_s"] - NEAR_S <= at < text["end_s"] + NEAR_S)


def share(truth: str, read: str) -> float:
    """Share of the true text's words that were read; remarks in brackets are not on screen."""
    words = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", truth).casefold())) - SMALL
    return len(words & set(re.findall(r"\w+", read.casefold()))) / max(1, len(words))


if __name__ == "__main__":
    main()
