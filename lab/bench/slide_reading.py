"""How an OCR reads the slides of the calibrations' films: the rates that agent_tools/evals/films/as_read.py goes by.

    python -m lab.bench.slide_reading HOME

HOME is the memory in a folder that `agent-tools eval calibrate --keep` filled. A line counts as missed where nothing
that was read at its time is like it; letters and spaces are compared in the lines that are."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from agent_tools.evals.films.as_read import SMALL_PX
from agent_tools.evals.films.film_video import layout
from agent_tools.evals.grounding.calibration_films import labelled_queries
from agent_tools.store import Store
from lab.bench.assembled import SHARED_VIDEOS

ALIKE = 0.6  # share of a line's letters that a reading of it holds, in order


@dataclass
class Rates:
    lines: int = 0
    missed: int = 0
    letters: int = 0
    confused: int = 0
    spaces: int = 0
    joined: int = 0

    def row(self, name: str) -> str:
        shares = [f"{part / max(1, whole):.3f} of {whole}" for part, whole in self._pairs()]
        return f"| {name} | {' | '.join(shares)} |"

    def _pairs(self) -> list[tuple[int, int]]:
        return [(self.missed, self.lines), (self.confused, self.letters), (self.joined, self.spaces)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("home", type=Path, metavar="HOME")
    store = Store.open(parser.parse_args().home)
    ids = {video.title: video.id for video in store.videos() if (row := store.channel(video.id, "screen_text"))
           and row.state == "done"}  # fmt: skip
    rates: dict[int, Rates] = defaultdict(Rates)
    for film in dict.fromkeys(query.film for query in labelled_queries(SHARED_VIDEOS)):
        if film.title not in ids:
            continue
        for line in film.screen_text:
            read = [
                part
                for entry in store.entries(ids[film.title], channels=("screen_text",), unsure=True)
                if entry.start_s < line.end_s and entry.end_s > line.start_s
                for part in entry.text.split(" / ")
            ]
            px, texts = layout(line.text)
            for text in texts:
                _count(rates[px], text, read)
    store.close()
    write = sys.stdout.write
    write("| letters | lines missed | letters taken for others | spaces lost |\n|---|---|---|---|\n")
    for px in sorted(rates):
        write(rates[px].row(f"{px} px") + "\n")
    for name, sizes in (
        ("small", [px for px in rates if px <= SMALL_PX]),
        ("large", [p for p in rates if p > SMALL_PX]),
    ):
        total = Rates()
        for px in sizes:
            for field in vars(total):
                setattr(total, field, getattr(total, field) + getattr(rates[px], field))
        write(total.row(name) + "\n")


def _count(rates: Rates, text: str, read: list[str]) -> None:
    rates.lines += 1
    best = max(read, key=lambda one: _alike(text, one), default="")
    if _alike(text, best) < ALIKE:
        rates.missed += 1
        return
    rates.spaces += text.count(" ")
    rates.joined += max(0, text.count(" ") - best.count(" "))
    plain, seen = text.replace(" ", ""), best.replace(" ", "")
    matched = sum(block.size for block in difflib.SequenceMatcher(None, plain, seen, False).get_matching_blocks())
    rates.letters += len(plain)
    rates.confused += max(0, len(plain) - matched)


def _alike(text: str, other: str) -> float:
    plain, seen = text.replace(" ", ""), other.replace(" ", "")
    matched = sum(block.size for block in difflib.SequenceMatcher(None, plain, seen, False).get_matching_blocks())
    return matched / max(1, len(plain))


if __name__ == "__main__":
    main()
